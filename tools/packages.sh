#!/bin/sh
# The programs beyond Python that some tests need, and the Debian packages that have them:
# `tools/packages.sh [--zoo] [--install]`; with --zoo those of the real servers in tests/zoo.
# Without --install it says what is missing (those tests are skipped); with it, installs that. No server that
# comes along is started.

# PROGRAM PACKAGE WHY, one a line
needs='
dockerd docker.io a Docker Engine of the tests own, which may be killed
busybox busybox-static images are made of it, without a registry
ip iproute2 the network of that engine
systemd-notify systemd a notify client that is not ours
chromium chromium the dashboard in a real browser
curl curl the documented calls of the API through its socket
zsh zsh the completion script has no syntax error
fish fish likewise
redis-server redis-server a server that is asked in its own protocol
memcached memcached likewise
mariadbd mariadb-server likewise
beanstalkd beanstalkd likewise
nats-server nats-server likewise
mosquitto mosquitto likewise
slapd slapd likewise
aiosmtpd python3-aiosmtpd likewise
named bind9 likewise
unbound unbound likewise
dnsmasq dnsmasq-base likewise
ruby ruby the console of a program in Ruby, at its terminal
certutil libnss3-tools a browser trusts the proxy
openssl openssl certificates of TLS servers that are asked
'

zoo='
memcached memcached a real server
nats-server nats-server a real server
beanstalkd beanstalkd a real server
mosquitto mosquitto a real server
postgres postgresql a real server
psql postgresql-client a real server
mariadbd mariadb-server a real server
redis-server redis-server a real server
/usr/share/java/zookeeper.jar zookeeper a real server
java default-jre-headless a real server
prometheus prometheus a real server
prometheus-alertmanager prometheus-alertmanager a real server
prometheus-node-exporter prometheus-node-exporter a real server
rabbitmq-server rabbitmq-server a real server
named bind9 a real server
unbound unbound a real server
knotd knot a real server
dnsmasq dnsmasq-base a real server
etcd etcd-server a real server
slapd slapd a real server
haproxy haproxy a real server
nginx nginx-light a real server
apache2 apache2 a real server
lighttpd lighttpd a real server
caddy caddy a real server
squid squid a real server
tinyproxy tinyproxy a real server
php-fpm8.2 php8.2-fpm a real server
dovecot dovecot-imapd a real server
pgbouncer pgbouncer a real server
mpd mpd a real server
tor tor a real server
turnserver coturn a real server
setpriv util-linux they run as nobody
'

install= zoo_option=
for option in "$@"; do
    case $option in
    --zoo) needs=$zoo zoo_option=yes ;;
    --install) install=yes ;;
    esac
done

PATH=$PATH:/usr/sbin:/sbin:/usr/lib/rabbitmq/bin:$(echo /usr/lib/postgresql/*/bin | tr ' ' :)
missing= packages=
while read -r program package why; do
    [ -z "$program" ] || { [ "${program#/}" != "$program" ] && [ -e "$program" ]; } ||
        command -v "$program" >/dev/null 2>&1 && continue
    missing="$missing  $program ($why)
"
    packages="$packages $package"
done <<END
$needs
END
[ "$packages" ] || exit 0

if [ -z "$install" ]; then
    printf 'without these programs, what needs them is not tested:\n%s' "$missing" >&2
    echo "hint: ./test${zoo_option:+ --zoo} --install installs them:$packages" >&2
elif [ "$(id -u)" != 0 ]; then
    echo "only root can install:$packages; what needs them is not tested" >&2
elif ! command -v apt-get >/dev/null 2>&1; then
    echo "there is no apt-get to install:$packages; what needs them is not tested" >&2
else
    echo "installing:$packages" >&2
    export DEBIAN_FRONTEND=noninteractive
    # What Debian asks before it starts a server (invoke-rc.d(8)): 101 is no.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        trap 'rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"
    fi
    # shellcheck disable=SC2086 # a list of words
    { apt-get -q update && apt-get -q install -y --no-install-recommends $packages; } </dev/null >&2
fi
