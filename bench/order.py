"""The order in which services of one file get ready: on a swarm of two nodes, and here."""

from __future__ import annotations

import json

from bench.instance import Instance
from bench.swarm import begun
from bench.table import Measure

RUNS = 20
NEEDS = {"db": "", "cache": "db", "api": "cache", "mail": "api", "web": "mail"}
"""of each service, the one that it needs"""


def measure() -> list[Measure]:
    """twenty starts of five services on a swarm, each of which needs the one before; takes ten minutes"""
    if (swarm := begun()) is None:
        return []
    try:
        with Instance(DOCKER_HOST=swarm.manager.host) as instance:
            store = {"image": "locald-test/store:1"}
            instance.project(
                {name: store | ({"depends_on": [need]} if need else {}) for name, need in NEEDS.items()}
            )
            here = _order(instance)
            found = [_order(instance, "--on", "swarm") for _ in range(RUNS)]
    finally:
        swarm.close()
    others = sum(each != here for each in found)
    return [Measure(f"of {RUNS} starts on a swarm, those in another order than here", others, "starts")]


def _order(instance: Instance, *on: str) -> list[str]:
    """The services as they got ready. None of them began before what it needs was."""
    rows = json.loads(instance.locald("up", *on, "--json").stdout)["services"]
    instance.locald("down")
    by_name = {row["name"]: row for row in rows}
    for name, need in NEEDS.items():
        assert not need or by_name[need]["ready_at"] <= by_name[name]["started_at"], (name, need)
    return sorted(by_name, key=lambda name: str(by_name[name]["ready_at"]))
