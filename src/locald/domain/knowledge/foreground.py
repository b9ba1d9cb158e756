"""How to keep a program in the foreground that goes to the background by itself.

locald watches the process that it started. A program that forks and lets it exit is out of sight, and most of
them have an option against it.

Sources: the manual page of each.
"""

from __future__ import annotations

OPTIONS = {
    "nginx": "nginx -g 'daemon off;'",
    "apache2": "apache2 -DFOREGROUND",
    "httpd": "httpd -DFOREGROUND",
    "dnsmasq": "dnsmasq --keep-in-foreground",
    "mosquitto": "mosquitto (without -d)",
    "redis-server": "redis-server --daemonize no",
    "valkey-server": "valkey-server --daemonize no",
    "memcached": "memcached (without -d)",
    "haproxy": "haproxy -db",
    "slapd": "slapd -d 0",
    "php-fpm": "php-fpm --nodaemonize",
    "lighttpd": "lighttpd -D",
    "named": "named -f",
    "unbound": "unbound -d",
    "postgres": "postgres (not pg_ctl start)",
    "vsftpd": "vsftpd -obackground=NO",
    "sshd": "sshd -D",
    "stunnel": "foreground = yes in its configuration",
    "stunnel4": "foreground = yes in its configuration",
    "dovecot": "dovecot -F",
    "squid": "squid --foreground",
    "privoxy": "privoxy --no-daemon",
    "tinyproxy": "tinyproxy -d",
    "uwsgi": "uwsgi (without --daemonize)",
    "gunicorn": "gunicorn (without --daemon)",
    "celery": "celery worker (without --detach)",
}
"""by the name of the program, as the kernel has it"""


def keep(program: str) -> str:
    """What to do about a program that went to the background: one sentence, for a hint."""
    name = next((each for each in OPTIONS if program == each or program.startswith(f"{each}:")), "")
    if not name and program.startswith("php-fpm"):
        name = "php-fpm"
    if not name:
        return "run it in the foreground, so that locald can manage its process"
    return f"run it in the foreground: {OPTIONS[name]}"
