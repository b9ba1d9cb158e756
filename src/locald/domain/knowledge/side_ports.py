"""Ports that a program opens beside the one that it serves on: debuggers, live reload, control, clustering.

None of them is ever taken for the port of a service, nor connected to: a debugger that waits for its client
would take that for one. Debuggers are often told another port on the command line, so that is read as well.
"""

from __future__ import annotations

import re

SIDE_PORTS = frozenset(
    {
        *(9229, 9230),  # Node.js: --inspect, and of its first worker
        *(5678, 5005, 1044),  # debugpy, Java's JDWP, its former default
        *(24678, 35729),  # Vite's hot module replacement, LiveReload
        2019,  # Caddy's administration
        *(4369, 15672, 15692, 25672),  # Erlang's port mapper; RabbitMQ: management, metrics, clustering
        *(8222, 6222),  # NATS: monitoring, clustering
        *(2380, 2888, 3888),  # etcd's and ZooKeeper's peers
        *(9093, 9094, 9300),  # Kafka's controller, Alertmanager's peers, Elasticsearch's nodes
        *(8300, 8301, 8302, 8502, 4647, 4648),  # Consul's and Nomad's peers
        33060,  # MySQL's X protocol
    }
)

_OF_A_DEBUGGER = re.compile(
    r"(?:--inspect(?:-brk|-wait)?(?:=|\s+)|\bdebugpy\s+--listen\s+|\bjdwp\S*\baddress=|\bdebugpy/adapter\b.*\s--port\s+)(?:[\w.*\[\]-]*:)?(\d{2,5})\b"
)


def debugger_ports(text: str) -> set[int]:
    """The ports that a command, or a variable such as NODE_OPTIONS, gives to a debugger."""
    return {int(found) for found in _OF_A_DEBUGGER.findall(text)}
