#!/bin/sh
# A cluster for the tests of `up --on kubernetes`: a real API server with its controllers and scheduler, built
# from the Go module proxy, and tests/engine/kubelet.py in the place of a kubelet, which runs the commands of pods as
# processes of this machine. Building takes twenty minutes of two cores.
#
#   tests/engine/cluster.sh DIR build     # programs, into DIR/bin
#   PYTHON=.venv/bin/python tests/engine/cluster.sh DIR start     # until it is ended; DIR/kubeconfig leads to it
#   LOCALD_TEST_KUBECONFIG=DIR/kubeconfig ./test tests/whole/test_kubernetes.py
set -eu
DIR=$(mkdir -p "$1" && cd "$1" && pwd)
BIN="$DIR/bin" HERE=$(cd "$(dirname "$0")" && pwd)
KUBERNETES=1.37.0 ETCD=3.7.0
export GOFLAGS="-mod=mod -buildvcs=false" GOWORK=off

fetched() { # MODULE VERSION: a copy that can be changed, in DIR/src
    from=$(go mod download -json "$1@v$2" | sed -n 's/.*"Dir": "\(.*\)",*/\1/p')
    rm -rf "$DIR/src"
    cp -r "$from" "$DIR/src"
    chmod -R u+w "$DIR/src"
    rm -rf "$DIR/src/vendor" "$DIR/src/go.work" "$DIR/src/go.work.sum"
    cd "$DIR/src"
}

build() {
    mkdir -p "$BIN"
    fetched k8s.io/kubernetes $KUBERNETES
    sed -i -E "s#=> \./staging/src/(k8s.io/[a-z-]+)#=> \1 v0.${KUBERNETES#*.}#" go.mod
    version="-s -w -X k8s.io/component-base/version.gitVersion=v$KUBERNETES"
    for program in kube-apiserver kube-controller-manager kube-scheduler; do
        go build -ldflags "$version" -o "$BIN/$program" "./cmd/$program"
    done
    fetched go.etcd.io/etcd/server/v3 $ETCD
    sed -i '/=> \.\./d' go.mod
    go build -o "$BIN/etcd" .
    rm -rf "$DIR/src"
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

start() {
    run=$(mktemp -d "$DIR/run.XXXXXX")
    token=$(head -c 16 /dev/urandom | od -An -tx1 | tr -d ' \n')
    echo "$token,tester,tester,system:masters" >"$run/tokens"
    openssl genrsa -out "$run/accounts.key" 2048 2>/dev/null
    api=$(free_port) etcd=$(free_port) peers=$(free_port)
    pids= kubelet=
    trap 'kill $kubelet 2>/dev/null && sleep 1; kill -9 $pids 2>/dev/null || true; wait; rm -rf "$run"' EXIT
    trap 'exit 0' INT TERM
    "$BIN/etcd" --data-dir "$run/etcd" --unsafe-no-fsync \
        --listen-client-urls "http://127.0.0.1:$etcd" --advertise-client-urls "http://127.0.0.1:$etcd" \
        --listen-peer-urls "http://127.0.0.1:$peers" --initial-advertise-peer-urls "http://127.0.0.1:$peers" \
        --initial-cluster "default=http://127.0.0.1:$peers" >"$run/etcd.log" 2>&1 &
    pids="$pids $!"
    "$BIN/kube-apiserver" --etcd-servers "http://127.0.0.1:$etcd" --bind-address 127.0.0.1 --secure-port "$api" \
        --cert-dir "$run" --token-auth-file "$run/tokens" --authorization-mode RBAC \
        --service-account-issuer https://localhost --service-account-signing-key-file "$run/accounts.key" \
        --service-account-key-file "$run/accounts.key" --service-cluster-ip-range 10.0.0.0/24 \
        --disable-admission-plugins ServiceAccount >"$run/api.log" 2>&1 &
    pids="$pids $!"
    export KUBECONFIG="$run/kubeconfig"
    kubectl config set-cluster test --server "https://127.0.0.1:$api" --insecure-skip-tls-verify >/dev/null
    kubectl config set-credentials tester --token "$token" >/dev/null
    kubectl config set-context test --cluster test --user tester >/dev/null
    kubectl config use-context test >/dev/null
    until kubectl get --raw /readyz >/dev/null 2>&1; do
        kill -0 ${pids##* } || { tail "$run/api.log"; exit 1; }
        sleep 0.5
    done
    "$BIN/kube-controller-manager" --kubeconfig "$KUBECONFIG" --secure-port 0 --leader-elect=false \
        --use-service-account-credentials=false >"$run/controllers.log" 2>&1 &
    pids="$pids $!"
    "$BIN/kube-scheduler" --kubeconfig "$KUBECONFIG" --secure-port 0 --leader-elect=false \
        >"$run/scheduler.log" 2>&1 &
    pids="$pids $!"
    "${PYTHON:-python3}" "$HERE/kubelet.py" "$KUBECONFIG" "$run" >"$run/kubelet.log" 2>&1 &
    kubelet=$! pids="$pids $!"
    cp "$run/kubeconfig" "$DIR/kubeconfig"
    echo "ready: $DIR/kubeconfig"
    wait
}

"$2"
