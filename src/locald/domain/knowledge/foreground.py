"""How to keep a program in the foreground that goes to the background by itself.

locald watches the process that it started. A program that forks and lets it exit is out of sight, and most of
them have an option against it: behind the user's own arguments, or one of theirs that has to go.

Sources: the manual page of each.
"""

from __future__ import annotations

import re

ADDED = {
    "nginx": "-g 'daemon off;'",
    "apache2": "-DFOREGROUND",
    "httpd": "-DFOREGROUND",
    "dnsmasq": "--keep-in-foreground",
    "redis-server": "--daemonize no",
    "valkey-server": "--daemonize no",
    "haproxy": "-db",
    "slapd": "-d 0",
    "php-fpm": "--nodaemonize",
    "lighttpd": "-D",
    "named": "-f",
    "unbound": "-d",
    "vsftpd": "-obackground=NO",
    "sshd": "-D",
    "dovecot": "-F",
    "squid": "--foreground",
    "privoxy": "--no-daemon",
    "tinyproxy": "-d",
}
"""what is written behind the arguments, by the name of the program, as the kernel has it"""

REMOVED = {
    "mosquitto": "-d",
    "memcached": "-d",
    "haproxy": "-D",
    "uwsgi": "--daemonize",
    "gunicorn": "--daemon",
    "celery": "--detach",
}
"""what sends it to the background"""

ELSEWHERE = {
    "postgres": "postgres (not pg_ctl start)",
    "stunnel": "foreground = yes in its configuration",
    "stunnel4": "foreground = yes in its configuration",
}
"""what else there is to do"""

_GENERAL = "run it in the foreground, so that locald can manage its process"
_MORE = re.compile(r"[&|;<>\n]")
"""where a command is more than its program and arguments, nothing can be written behind it"""


def known(program: str) -> str:
    """The name under which a program is listed here; empty where it is not."""
    # PHP's name has its version in it, and servers write what they are at behind a colon.
    name = "php-fpm" if program.startswith("php-fpm") else program.partition(":")[0]
    return name if name in {*ADDED, *REMOVED, *ELSEWHERE} else ""


def keep(program: str, command: str | tuple[str, ...] | None = None) -> str:
    """What to do about a program that went to the background: one sentence, for a hint. `command`: the
    service's, which is told with nothing changed but what keeps it in the foreground."""
    name = known(program)
    if not name:
        return _GENERAL
    told = _changed(name, command) if isinstance(command, str) else ""
    return f"run it in the foreground: {f'`{told}`' if told else _in_general(name)}"


def _changed(name: str, command: str) -> str:
    """The command that stays in the foreground; empty where it is not this program's alone."""
    if not re.match(rf"(exec )?([\w./-]*/)?{re.escape(name)}[\d.]*(?![\w-])", command) or _MORE.search(
        command
    ):
        return ""
    option = re.escape(REMOVED.get(name, ""))
    shorter = re.sub(rf"\s{option}(?![\w-])(?: +(?=-)|$)?", " ", command).strip() if option else command
    if shorter != command:
        return shorter
    return f"{command} {ADDED[name]}" if name in ADDED else ""


def _in_general(name: str) -> str:
    if name in ELSEWHERE:
        return ELSEWHERE[name]
    return f"{name} {ADDED[name]}" if name in ADDED else f"{name} (without {REMOVED[name]})"
