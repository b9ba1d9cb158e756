"""Real servers under locald with no configuration: cold, warm, and after `kill -9`.

A client of each asks in the server's own protocol without pause. No request that began after `ready_at` may
be refused or get an error, `address` has to be one that serves, and nothing may stay behind.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from whole.looking import is_healthy
from whole.machine import Gate, kill
from zoo.debian import SERVERS as DEBIAN
from zoo.development import SERVERS as DEVELOPMENT
from zoo.house import seconds
from zoo.referee import Referee, judge
from zoo.server import missing

if TYPE_CHECKING:
    from whole.machine import Json
    from zoo.house import House
    from zoo.server import Server

SERVERS = [*DEBIAN, *DEVELOPMENT]
LONG = "120"
"""seconds that a start may take beside other work"""


def rows() -> list[object]:
    """As parameters; what locald gets wrong today has to fail."""
    return [
        pytest.param(
            server,
            id=server.name,
            marks=[pytest.mark.xfail(reason=server.known, strict=not server.races)] if server.known else [],
        )
        for server in SERVERS
    ]


@pytest.mark.parametrize("server", rows())
def test_whoever_comes_after_ready_at_is_served(
    server: Server, house: House, record_property: object
) -> None:
    if lacking := missing(server, house.env["PATH"]):
        pytest.skip(f"no {lacking}")
    house.furnish(server)
    found = Starts(house, server).all()
    assert callable(record_property)
    record_property("server", json.dumps(found))


class Starts:
    """The three starts of one server, and what was seen."""

    def __init__(self, house: House, server: Server) -> None:
        self._house = house
        self._server = server
        self._gate = Gate(house.folder)
        self._rows: list[Json] = []
        self._lag: dict[str, float] = {}

    def all(self) -> Json:
        """What it showed, for the page of the results."""
        self._write()
        self._cold()
        self._house.locald("stop", "it", timeout=60)
        self._warm()
        done = self._house.locald("down", timeout=60)
        assert done.returncode == 0, done.stderr
        return {
            "name": self._server.name,
            "version": self._version(),
            "source": shown(self._rows[0]),
            "later": shown(self._rows[-1]),
            "lag": self._lag,
            "special": self._server.special,
        }

    def _write(self) -> None:
        """`it` waits for a gate at its first start, so that its port is known before."""
        self._house.write(
            f"""
[services.go]
type = "task"
command = {json.dumps(self._gate.wait)}
[services.it]
command = {json.dumps(self._server.command)}
depends_on = {{ go = "completed" }}
"""
        )

    def _cold(self) -> None:
        self._house.locald("server", "start")
        with self._house.begin("up", "--json", "--timeout", LONG) as up:
            row = self._house.until("it", lambda row: row["port"] and row["state"] == "waiting")
            with Referee(self._server.client, row["port"]) as referee:
                self._gate.open()
                output, error = up.communicate(timeout=150)
                assert up.returncode == 0, error + self._log()
                rows = {each["name"]: each for each in json.loads(output)["services"]}
                self._judge("cold", rows["it"], referee)

    def _warm(self) -> None:
        with Referee(self._server.client, self._rows[0]["port"]) as referee:
            done = self._house.locald("up", "--json", "--timeout", LONG, timeout=150)
            assert done.returncode == 0, done.stderr + self._log()
            rows = {each["name"]: each for each in json.loads(done.stdout)["services"]}
            self._judge("warm", rows["it"], referee)
            self._killed(rows["it"], referee)

    def _killed(self, row: Json, referee: Referee) -> None:
        kill(row["pid"])
        again = self._house.until("it", lambda now: now["run"] > row["run"] and is_healthy(now), 120)
        self._judge("killed", again, referee)

    def _judge(self, how: str, row: Json, referee: Referee) -> None:
        assert is_healthy(row), row
        ready_at = seconds(row["ready_at"])
        referee.watch(ready_at, self._server.watch)
        verdict = judge(referee, seconds(row["started_at"]), ready_at)
        assert not verdict.early, (how, row["because"], row["ready_at"], verdict.early[:5], self._log())
        self._ask_at(self._house.until("it", lambda row: row["address"], 5))
        self._rows.append(row)
        self._lag[how] = round(verdict.lag, 1)

    def _ask_at(self, row: Json) -> None:
        """The address that people are told is one that serves."""
        host, _, port = row["address"].rpartition(":")
        assert int(port) == row["port"], row
        self._server.client(host.strip("[]"), row["port"])

    def _version(self) -> str:
        found = re.search(r"\d+(\.\d+)+", self._house.shell(self._server.version))
        assert found, self._server.version
        return found.group()

    def _log(self) -> str:
        done = self._house.locald("logs", "it", "-n", "30")
        return f"\n{done.stdout[-3000:]}"


def shown(row: Json) -> str:
    """The source, as `status` shows it."""
    return f"protocol ({row['check']})" if row["source"] == "protocol" else str(row["source"])
