#!/bin/sh
# The programs beyond Python that some tests need, and the Debian packages that have them.
# Without --install it says what is missing (those tests are skipped); with it, installs that.

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
named bind9 likewise
unbound unbound likewise
dnsmasq dnsmasq-base likewise
openssl openssl certificates of TLS servers that are asked
'

PATH=$PATH:/usr/sbin:/sbin
missing= packages=
while read -r program package why; do
    [ -z "$program" ] || command -v "$program" >/dev/null 2>&1 && continue
    missing="$missing  $program ($why)
"
    packages="$packages $package"
done <<END
$needs
END
[ "$packages" ] || exit 0

if [ "${1:-}" != --install ]; then
    printf 'without these programs, what needs them is not tested:\n%s' "$missing" >&2
    echo "hint: ./test --install installs them:$packages" >&2
elif [ "$(id -u)" != 0 ]; then
    echo "only root can install:$packages; what needs them is not tested" >&2
elif ! command -v apt-get >/dev/null 2>&1; then
    echo "there is no apt-get to install:$packages; what needs them is not tested" >&2
else
    echo "installing:$packages" >&2
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 # a list of words
    { apt-get -q update && apt-get -q install -y --no-install-recommends $packages; } </dev/null >&2
fi
