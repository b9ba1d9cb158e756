"""A minute of health: what locald asks the servers that it knows leaves no line in their logs."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

import pytest

from locald.adapters.asking import STEADY
from whole.looking import is_healthy
from zoo.debian import SERVERS
from zoo.house import seconds
from zoo.server import missing

if TYPE_CHECKING:
    from zoo.house import House
    from zoo.server import Server

MINUTE = 4 * STEADY + 2
ASKED = (
    "memcached",
    "NATS",
    "beanstalkd",
    "Mosquitto",
    "PostgreSQL",
    "MariaDB",
    "Redis",
    "ZooKeeper",
    "Prometheus",
    "Alertmanager",
    "RabbitMQ",
    "named",
    "unbound",
    "Knot DNS",
    "dnsmasq",
    "etcd",
    "OpenLDAP",
)
ONCE = ("mosquitto", "mariadb", "zookeeper", "rabbitmq")
"""those that note every connection, so they are asked until the first yes only"""


def named(server: Server) -> str:
    return server.name.lower().replace(" ", "-")


def test_a_minute_of_health_leaves_no_line_in_the_logs(house: House) -> None:
    found = {
        named(each): each for each in SERVERS if each.name in ASKED and not missing(each, house.env["PATH"])
    }
    if not found:
        pytest.skip("no server that is asked")
    tables = []
    for name, server in found.items():
        house.folder.joinpath(name).mkdir()
        house.furnish(server, house.folder / name)
        tables.append(f'[services.{name}]\ncommand = {json.dumps(server.command)}\nworkdir = "{name}"\n')
    house.write("".join(tables))
    done = house.locald("up", "--timeout", "150", timeout=180)
    assert done.returncode == 0, done.stderr
    time.sleep(2 * STEADY / 3)  # what follows a start, as the first elections and compactions
    began, before = time.time(), {name: len(house.printed(name, "-n", "100000")) for name in found}
    time.sleep(MINUTE)
    for name, server in found.items():
        own = server.quiet and re.compile(server.quiet)
        lines = house.printed(name, "-n", "100000")[before[name] :]
        assert not [line for line in lines if not (own and own.search(line))], name
        assert is_healthy(house.status()[name])
        if name not in ONCE:
            asked = [each for each in house.why(name)["evidence"] if each["source"] == "protocol"]
            assert not asked or seconds(asked[0]["at"]) > began + MINUTE / 2, (name, asked)
    assert house.locald("down", timeout=60).returncode == 0
