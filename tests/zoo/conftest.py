"""The zoo's fixtures, and its results: what every server showed is printed in the end, and kept as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whole.network import Network
from zoo.house import house as a_house

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zoo.house import House

RESULTS = Path(__file__).resolve().parents[2] / "build" / "zoo.json"


@pytest.fixture(scope="session")
def network() -> Iterator[Network]:
    made = Network()
    yield made
    made.close()


@pytest.fixture
def house(network: Network) -> Iterator[House]:
    with network.inside(), a_house() as made:
        yield made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [*terminalreporter.getreports("passed"), *terminalreporter.getreports("xfailed")]
    found = [dict(report.user_properties)["server"] for report in reports if report.user_properties]
    if not found:
        return
    rows = sorted(map(json.loads, map(str, found)), key=lambda row: str(row["name"]))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(rows, indent=1) + "\n")
    terminalreporter.section("servers")
    lags = []
    for row in rows:
        lags += row["lag"].values()
        shown = "  ".join(f"{how} {lag:7.1f}" for how, lag in row["lag"].items())
        terminalreporter.write_line(f"{row['name']:28} {row['source']:24} {shown}")
    lags.sort()
    terminalreporter.write_line(
        f"{len(rows)} servers, lag in ms: median {lags[len(lags) // 2]:.1f}, worst {lags[-1]:.1f}"
    )
