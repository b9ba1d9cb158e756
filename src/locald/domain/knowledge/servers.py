"""Servers that are known by their program: how to ask them whether they serve.

A program is known by its executable, or, for Python and a virtual machine of Java or Erlang, by what that
runs; never by the name that a process gives itself, nor by a port. Servers with a readiness path of their own
are asked by HTTP; the others in their protocol. A program that is not listed is never sent a byte.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


WireProtocol = Literal[
    "postgres", "mysql", "redis", "memcached", "mongodb", "amqp", "nats", "mqtt", "zookeeper", "kafka",
    "smtp", "ldap", "dns", "beanstalk",
]  # fmt: skip
"""protocols with a question of their own: a row of `protocols.PROTOCOLS`, a type of `health_check`"""
ProtocolName = WireProtocol | Literal["http"]


class Server(Struct, frozen=True):
    """`protocol`: a name of `protocols.PROTOCOLS`, or `http` with `path`. `status`: which answers are a yes;
    empty: any 2xx."""

    protocol: ProtocolName
    path: str = ""
    status: tuple[int, ...] = ()


POSTGRES, MYSQL, REDIS = Server("postgres"), Server("mysql"), Server("redis")
ZOOKEEPER, KAFKA = Server("zookeeper"), Server("kafka")
RABBITMQ = Server("amqp")
ELASTICSEARCH = Server("http", "/_cluster/health?local=true")

BY_PROGRAM: dict[str, Server] = {
    **dict.fromkeys(("postgres", "postmaster"), POSTGRES),
    **dict.fromkeys(("mysqld", "mariadbd"), MYSQL),
    **dict.fromkeys(("redis-server", "redis-check-rdb", "valkey-server", "keydb-server"), REDIS),
    "memcached": Server("memcached"),
    "beanstalkd": Server("beanstalk"),
    "mongod": Server("mongodb"),
    "nats-server": Server("nats"),
    "mosquitto": Server("mqtt"),
    "slapd": Server("ldap"),
    **dict.fromkeys(("named", "unbound", "knotd", "dnsmasq", "pdns_server", "coredns"), Server("dns")),
    "prometheus": Server("http", "/-/ready"),
    "prometheus-alertmanager": Server("http", "/-/ready"),
    "alertmanager": Server("http", "/-/ready"),
    "loki": Server("http", "/ready"),
    **dict.fromkeys(("grafana", "grafana-server"), Server("http", "/api/health")),
    "minio": Server("http", "/minio/health/ready"),
    "vault": Server("http", "/v1/sys/health", (200, 429, 472, 473)),
    "consul": Server("http", "/v1/status/leader"),
    "etcd": Server("http", "/health"),
    "nomad": Server("http", "/v1/agent/health"),
    "traefik": Server("http", "/ping"),
}
"""by the file name of the executable"""

_BY_CLASS: dict[str, Server] = {
    "org.apache.zookeeper.server.quorum.QuorumPeerMain": ZOOKEEPER,
    "org.apache.zookeeper.server.ZooKeeperServerMain": ZOOKEEPER,
    "kafka.Kafka": KAFKA,
    "org.elasticsearch.bootstrap.Elasticsearch": ELASTICSEARCH,
    "org.elasticsearch.server/org.elasticsearch.bootstrap.Elasticsearch": ELASTICSEARCH,
    "org.opensearch.bootstrap.OpenSearch": ELASTICSEARCH,
}


_BY_MODULE: dict[str, Server] = {"aiosmtpd": Server("smtp")}
"""of Python, begun with `-m`"""


def by_class() -> Iterable[tuple[str, Server]]:
    """What is known by the class or module that its virtual machine runs."""
    return [*_BY_CLASS.items(), *((f"python -m {name}", server) for name, server in _BY_MODULE.items())]


_VIRTUAL_MACHINES = ("java", "beam.smp")
_DELETED = " (deleted)"


def server_of(executable: str, arguments: Sequence[str]) -> Server | None:
    """The server that a process is; None for what is not known. `executable`: the path of its program, as the
    system tells it; `arguments`: its own, which it may have overwritten."""
    name = executable.removesuffix(_DELETED).rpartition("/")[2]
    if name.startswith("python"):
        modules = (module for option, module in pairwise(arguments) if option == "-m")
        return _BY_MODULE.get(next(modules, ""))
    if name not in _VIRTUAL_MACHINES:
        return BY_PROGRAM.get(name)
    if name == "beam.smp":
        return RABBITMQ if any("rabbit" in each for each in arguments) else None
    return next((server for each in arguments if (server := _BY_CLASS.get(each))), None)
