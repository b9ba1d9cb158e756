"""The servers of Debian, each as it is started in a project: a command, and the server's own files."""

from __future__ import annotations

from zoo import clients
from zoo.clients import dns, http, postgres
from zoo.server import Server, configured

INITDB = "initdb -D data -A trust --no-sync"
POSTGRES = "postgres -D data -k ''"
UNBOUND = """server:
    interface: 127.0.0.1
    port: @PORT@
    username: ""
    chroot: ""
    directory: "@FOLDER@"
    pidfile: ""
    use-syslog: no
    auto-trust-anchor-file: ""
remote-control:
    control-enable: no
"""
NAMED = """options { directory "@FOLDER@"; listen-on port @PORT@ { 127.0.0.1; }; listen-on-v6 { none; };
recursion no; pid-file none; session-keyfile none; }; controls { };
zone "zoo" { type primary; file "zone"; };
"""
KNOT = """server:
    listen: 127.0.0.1@@PORT@
    rundir: "@FOLDER@"
    pidfile: "@FOLDER@/pid"
database:
    storage: "@FOLDER@"
zone:
  - domain: zoo
    file: "@FOLDER@/zone"
"""
ZONE = "$TTL 60\n@ SOA ns hostmaster 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\n"
SLAPD = """include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix dc=x
directory @FOLDER@
"""
ZOOKEEPER = """tickTime=2000
dataDir=@FOLDER@/data
clientPort=@PORT@
clientPortAddress=127.0.0.1
admin.enableServer=false
"""
RABBITMQ = """RABBITMQ_NODENAME=zoo@localhost RABBITMQ_MNESIA_BASE=$PWD RABBITMQ_LOG_BASE=$PWD \
RABBITMQ_NODE_PORT=$PORT RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_DIST_PORT=25672 \
RABBITMQ_ENABLED_PLUGINS_FILE=$PWD/none RABBITMQ_LOGS=- ERL_EPMD_ADDRESS=127.0.0.1 exec rabbitmq-server"""
HAPROXY = """global
    maxconn 100
defaults
    mode http
    timeout client 5s
    timeout connect 5s
    timeout server 5s
frontend it
    bind 127.0.0.1:@PORT@
    http-request return status 200 content-type text/plain string ok
"""
NGINX = """pid pid; error_log stderr;
events { }
http { access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4;
scgi_temp_path t5;
server { listen 127.0.0.1:@PORT@; location / { return 200 ok; } } }
"""
PHP_FPM = """[global]
error_log = /proc/self/fd/2
daemonize = no
[it]
listen = 127.0.0.1:@PORT@
pm = static
pm.max_children = 2
ping.path = /ping
"""
DOVECOT = """base_dir = @FOLDER@/run
state_dir = @FOLDER@/state
log_path = /dev/stderr
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
mail_location = maildir:@FOLDER@/mail
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = static
  args = uid=65534 gid=65534 home=@FOLDER@/mail
}
service imap-login {
  chroot =
  inet_listener imap {
    port = @PORT@
  }
  inet_listener imaps {
    port = 0
  }
}
service anvil {
  chroot =
}
service stats {
  chroot =
}
"""
APACHE = """ServerRoot "@FOLDER@"
ServerName localhost
Listen 127.0.0.1:@PORT@
PidFile pid
ErrorLog /proc/self/fd/2
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
DocumentRoot "@FOLDER@/www"
"""
SQUID = """http_port 127.0.0.1:@PORT@
pid_filename @FOLDER@/pid
cache_log /dev/stderr
access_log none
coredump_dir @FOLDER@
cache_effective_user nobody
netdb_filename none
shutdown_lifetime 1 seconds
http_access allow all
"""
LIGHTTPD = """server.document-root = "@FOLDER@/www"
server.bind = "127.0.0.1"
server.port = @PORT@
index-file.names = ( "index.html" )
"""
PGBOUNCER = """[databases]
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = @PORT@
unix_socket_dir =
auth_type = any
admin_users = nobody
"""
MPD = """bind_to_address "127.0.0.1"
port "@PORT@"
db_file "@FOLDER@/db"
log_file "/dev/stderr"
audio_output {
    type "null"
    name "none"
}
"""
TINYPROXY = """Port @PORT@
Listen 127.0.0.1
StatHost "tinyproxy.stats"
Allow 127.0.0.1
"""
TURN = "--no-cli --no-udp --no-tls --no-dtls --no-auth --pidfile pid --log-file stdout"

SERVERS = [
    Server(
        "memcached",
        "memcached",
        "exec memcached -l 127.0.0.1 -p $PORT",
        clients.memcached,
        version="memcached -V",
    ),
    Server(
        "NATS",
        "nats-server",
        "exec nats-server -a 127.0.0.1 -p $PORT",
        clients.nats,
        version="nats-server --version",
    ),
    Server(
        "beanstalkd",
        "beanstalkd",
        "exec beanstalkd -l 127.0.0.1 -p $PORT",
        clients.beanstalk,
        version="beanstalkd -v",
    ),
    Server(
        "Mosquitto",
        "mosquitto",
        "exec mosquitto -p $PORT",
        clients.mqtt,
        version="mosquitto -h || true",
    ),
    Server(
        "PostgreSQL",
        "postgres",
        f"exec {POSTGRES} -h 127.0.0.1 -p $PORT",
        postgres(),
        version="postgres --version",
        before=INITDB,
    ),
    Server(
        "PostgreSQL, initdb in its command",
        "postgres",
        f"[ -d data ] || {INITDB} && exec {POSTGRES} -h 127.0.0.1 -p $PORT",
        postgres(),
        version="postgres --version",
    ),
    Server(
        "PostgreSQL, prepared on a socket",
        "postgres",
        "pg_ctl -D data -w -o \"-h '' -k $PWD\" start && psql -h $PWD postgres -c 'SELECT 1' && "
        f"pg_ctl -D data -w stop && exec {POSTGRES} -h 127.0.0.1 -p $PORT",
        postgres(),
        version="postgres --version",
        before=INITDB,
        special="Its command first starts a temporary server on a Unix socket, as database images do; "
        "the READY=1 of that one does not count.",
    ),
    Server(
        "PostgreSQL, prepared on the port",
        "postgres",
        "pg_ctl -D data -w -o \"-h 127.0.0.1 -p $PORT -k ''\" start && sleep 1.5 && "
        "psql -h 127.0.0.1 -p $PORT postgres -c 'SELECT pg_sleep(3.5)' && "
        f"pg_ctl -D data -w stop && exec {POSTGRES} -h 127.0.0.1 -p $PORT",
        postgres(),
        version="postgres --version",
        before=INITDB,
        watch=3,
        special="Its command first starts a temporary server on the port itself, which serves; it is not "
        "believed while the main process works with it.",
    ),
    Server(
        "PostgreSQL, 200 MB to replay",
        "postgres",
        f"exec {POSTGRES} -h 127.0.0.1 -p $PORT",
        postgres(),
        version="postgres --version",
        before=f"{INITDB}\n"
        "pg_ctl -D data -w -o \"-h '' -k $PWD -c max_wal_size=4GB -c checkpoint_timeout=1h\" start\n"
        "psql -qh $PWD postgres -c "
        "'CREATE TABLE t AS SELECT g, md5(g::text) FROM generate_series(1, 1800000) g'\n"
        "pg_ctl -D data -m immediate stop",
        special="It opens its port at once and answers `the database system is starting up` meanwhile.",
    ),
    Server(
        "MariaDB",
        "mariadbd",
        "exec mariadbd --no-defaults --datadir=$PWD/data --port=$PORT --bind-address=127.0.0.1 "
        "--socket=$PWD/s",
        clients.mysql,
        version="mariadbd --version",
        before="mariadb-install-db --no-defaults --datadir=$PWD/data "
        "--auth-root-authentication-method=normal",
    ),
    Server(
        "Redis",
        "redis-server",
        "exec redis-server --port $PORT --save ''",
        clients.redis,
        version="redis-server -v",
    ),
    Server(
        "Redis, 200 MB to load",
        "redis-server",
        "exec redis-server --port $PORT --save ''",
        clients.redis,
        version="redis-server -v",
        before="redis-server --port 0 --unixsocket s --save '' --enable-debug-command yes --daemonize yes\n"
        "until redis-cli -s s ping; do sleep 0.1; done\n"
        "redis-cli -s s debug populate 1500000 key 100\nredis-cli -s s save\nredis-cli -s s shutdown nosave",
        special="It opens its port at once and answers `-LOADING` until all data is read.",
    ),
    Server(
        "ZooKeeper",
        "java",
        configured(
            "zoo.cfg",
            "java -cp '/usr/share/java/*' org.apache.zookeeper.server.quorum.QuorumPeerMain zoo.cfg",
        ),
        clients.zookeeper,
        version="ls /usr/share/java/zookeeper-3*.jar",
        files={"zoo.cfg.in": ZOOKEEPER},
        needs=("/usr/share/java/zookeeper.jar",),
        special="It listens seconds before it serves, and says `not currently serving requests`.",
    ),
    Server(
        "Prometheus",
        "prometheus",
        "exec prometheus --config.file=conf --storage.tsdb.path=data --web.listen-address=127.0.0.1:$PORT",
        http("/api/v1/query?query=up"),
        version="prometheus --version 2>&1",
        files={"conf": "global:\n  scrape_interval: 15s\n"},
        special="It answers 503 until it has read its data.",
    ),
    Server(
        "Alertmanager",
        "prometheus-alertmanager",
        "exec prometheus-alertmanager --config.file=conf --storage.path=data --cluster.listen-address= "
        "--web.listen-address=127.0.0.1:$PORT",
        http("/api/v2/status"),
        version="prometheus-alertmanager --version 2>&1",
        files={"conf": "route:\n  receiver: it\nreceivers:\n  - name: it\n"},
    ),
    Server(
        "node_exporter",
        "prometheus-node-exporter",
        "exec prometheus-node-exporter --web.listen-address=127.0.0.1:$PORT",
        http("/"),
        version="prometheus-node-exporter --version 2>&1",
    ),
    Server(
        "RabbitMQ",
        "rabbitmq-server",
        RABBITMQ,
        clients.amqp,
        version="ls /usr/lib/rabbitmq/lib",
        special="It speaks on its notify socket long before it listens.",
        needs=("/usr/lib/rabbitmq/bin/rabbitmq-server",),
    ),
    Server(
        "named",
        "named",
        configured("conf", "named -g -c conf"),
        dns("ns.zoo"),
        version="named -v",
        files={"conf.in": NAMED, "zone": ZONE},
    ),
    Server(
        "unbound",
        "unbound",
        configured("conf", "unbound -d -c conf"),
        dns("localhost"),
        version="unbound -V",
        files={"conf.in": UNBOUND},
    ),
    Server(
        "Knot DNS",
        "knotd",
        configured("conf", "knotd -c conf"),
        dns("ns.zoo"),
        version="knotd --version",
        files={"conf.in": KNOT, "zone": ZONE},
        special="It asks for 60 s more before it begins (`EXTEND_TIMEOUT_USEC`).",
    ),
    Server(
        "dnsmasq",
        "dnsmasq",
        "exec dnsmasq --keep-in-foreground --log-facility=- -p $PORT --listen-address=127.0.0.1 "
        "--bind-interfaces --no-resolv --conf-file=/dev/null --user= --pid-file= --address=/zoo/127.0.0.1",
        dns("ns.zoo"),
        version="dnsmasq --version",
    ),
    Server(
        "etcd",
        "etcd",
        "exec etcd --data-dir data --listen-client-urls http://127.0.0.1:$PORT "
        "--advertise-client-urls http://127.0.0.1:$PORT --listen-peer-urls http://127.0.0.1:2380 "
        "--initial-advertise-peer-urls http://127.0.0.1:2380 --initial-cluster default=http://127.0.0.1:2380",
        http("/v3/kv/put", body=b'{"key":"YQ==","value":"Yg=="}'),
        version="etcd --version",
    ),
    Server(
        "OpenLDAP",
        "slapd",
        "exec slapd -d 0 -f conf -h ldap://127.0.0.1:$PORT/",
        clients.ldap,
        version="dpkg-query -W slapd",
        files={"conf": SLAPD},
        needs=("/etc/ldap/schema/core.schema",),
    ),
    Server(
        "HAProxy",
        "haproxy",
        configured("conf", "haproxy -Ws -f conf"),
        http(),
        version="haproxy -v",
        files={"conf.in": HAPROXY},
        special="It says RELOADING=1 before its first READY=1.",
    ),
    Server(
        "nginx",
        "nginx",
        configured("conf", "nginx -p $PWD -c conf -e stderr -g 'daemon off;'"),
        http(),
        version="nginx -v",
        files={"conf.in": NGINX},
    ),
    Server(
        "Apache",
        "apache2",
        configured("conf", "apache2 -f $PWD/conf -DFOREGROUND"),
        http("/index.html"),
        version="apache2 -v",
        files={"conf.in": APACHE, "www/index.html": "ok\n"},
        special="The kernel hands it a connection only with its first byte (TCP_DEFER_ACCEPT).",
    ),
    Server(
        "lighttpd",
        "lighttpd",
        configured("conf", "lighttpd -D -f conf"),
        http(),
        version="lighttpd -v",
        files={"conf.in": LIGHTTPD, "www/index.html": "ok\n"},
    ),
    Server(
        "Caddy",
        "caddy",
        "exec caddy file-server --listen 127.0.0.1:$PORT --root www",
        http(),
        version="caddy version",
        files={"www/index.html": "ok\n"},
    ),
    Server(
        "Squid",
        "squid",
        configured("conf", "squid --foreground -f conf"),
        http("/squid-internal-mgr/info"),
        version="squid -v",
        files={"conf.in": SQUID},
        special="Its READY=1 comes from a child.",
    ),
    Server(
        "Tinyproxy",
        "tinyproxy",
        configured("conf", "tinyproxy -d -c conf"),
        http("/", "tinyproxy.stats"),
        version="tinyproxy -v",
        files={"conf.in": TINYPROXY},
    ),
    Server(
        "php-fpm",
        "php-fpm8.2",
        configured("conf", "php-fpm8.2 -n -y conf"),
        clients.fastcgi,
        version="php-fpm8.2 -v",
        files={"conf.in": PHP_FPM},
    ),
    Server(
        "Dovecot",
        "dovecot",
        configured("conf", "dovecot -F -c conf"),
        clients.imap,
        version="dovecot --version",
        files={"conf.in": DOVECOT},
    ),
    Server(
        "PgBouncer",
        "pgbouncer",
        configured("conf", "pgbouncer conf"),
        postgres("pgbouncer", "SHOW VERSION"),
        version="pgbouncer -V",
        files={"conf.in": PGBOUNCER},
    ),
    Server(
        "MPD",
        "mpd",
        configured("conf", "mpd --no-daemon conf"),
        clients.mpd,
        version="mpd --version",
        files={"conf.in": MPD},
    ),
    Server(
        "Tor",
        "tor",
        "exec tor -f conf --SocksPort 127.0.0.1:$PORT",
        clients.socks,
        version="tor --version",
        files={"conf": "DataDirectory @FOLDER@/data\n"},
    ),
    Server(
        "coturn",
        "turnserver",
        f"exec turnserver -n -L 127.0.0.1 -p $PORT {TURN}",
        clients.stun,
        version="dpkg-query -W coturn",
    ),
]
