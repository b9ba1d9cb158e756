"""What is said when services did not become ready: for each the reason, its last lines, the next step.

A service that failed is explained in full. One that is blocked by it is named in a line; when the cause
lies outside what was asked for, the cause is explained as well, for it is what has to be fixed.
"""

from __future__ import annotations

import sys

from locald.cli.shared import say
from locald.cli.shared.live import causes_first
from locald.cli.shared.output import last_entries
from locald.client.http import Denied, Unreachable
from locald.faces import words
from locald.faces.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from locald.cli.shared.follow import Row
    from locald.client.http import Api
    from locald.client.target import Target

LAST_LINES = 20


def failures(api: Api, target: Target, rows: Sequence[Row]) -> None:
    """Tell of every row that is not ready: the causes first, then what they hold up."""
    late = [row for row in rows if not words.is_ready(row)]
    causes = {row["name"]: row for row in late if row["state"] == "failed"}
    for row in late:
        if row["state"] == "blocked":
            causes.update(_cause(api, row, known=causes))
    for row in causes.values():
        _failed(api, target, row)
    for row in causes_first(late):
        if row["name"] not in causes:
            _held_up(target, row, causes)


def gone(target: Target, names: Sequence[str]) -> None:
    """Tell of services that somebody took away while they were waited for."""
    if names:
        verb = "was" if len(names) == 1 else "were"
        told = words.listed([target.spelled(name) for name in names])
        say.error(f"{told} {verb} removed: taken down, or no longer in locald.toml")


def not_ready(target: Target, rows: Sequence[Row], after: str) -> None:
    """Tell what is still missing when the time ran out."""
    for row in rows:
        if not words.is_ready(row):
            name = target.spelled(row["name"])
            say.error(f"{name} is not ready after {after}: {words.told(row)}")
            say.hinted(target.reached(f"run `locald why {row['name']}` for details", words.project(row)))


def still_stopping(target: Target, rows: Sequence[Row], after: str) -> None:
    """Tell what has not stopped when the time ran out."""
    for row in rows:
        say.error(f"{target.spelled(row['name'])} is still running after {after}: {words.because(row)}")


def _cause(api: Api, row: Row, known: dict[str, Row]) -> dict[str, Row]:
    """The root of what blocks this service, unless it is known already."""
    blockers = _why(api, row).get("blockers") or []
    if not blockers or blockers[-1]["service"] in known:
        return {}
    root = blockers[-1]
    return {
        root["service"]: {
            **root,
            "name": root["service"],
            "project": row["project"],
            "instance": row.get("instance"),
        }
    }


def _failed(api: Api, target: Target, row: Row) -> None:
    name = target.spelled(row["name"])
    say.error(f"{name} {'' if row['state'] == 'failed' else 'is '}{words.told(row)}")
    for line in _last_lines(api, row):
        say.line(line)
    for hint in _hints(row, _why(api, row).get("hints") or ()):
        say.hinted(target.reached(hint, words.project(row)))
    looks = f"run `locald why {row['name']}` for details, `locald logs {row['name']}` for the full log"
    say.hinted(target.reached(looks, words.project(row)))


def _hints(row: Row, hints: Sequence[str]) -> list[str]:
    """Those that say more than to read its log, which is said anyway, and to try again."""
    said = [f"`locald logs {row['name']}`"]
    if row["state"] == "failed":
        said.append(f"`locald up {row['name']}`")
    return [hint for hint in hints if not hint.removeprefix("run ").startswith(tuple(said))]


def _held_up(target: Target, row: Row, causes: dict[str, Row]) -> None:
    name, word = target.spelled(row["name"]), words.word(row)
    say.error(f"{name} is {_without_causes(words.told(row), causes)}")
    if word == "stopped" and row.get("hint"):
        say.hinted(target.reached(row["hint"], words.project(row)))
    elif word == "stopped":
        say.hinted(target.reached(f"run `locald up {row['name']}` to start it", words.project(row)))


def _without_causes(told: str, causes: dict[str, Row]) -> str:
    """`blocked by db`: what is wrong with db stands above already."""
    for cause in causes.values():
        told = told.removesuffix(f": {words.because(cause)}")
    return told


def _why(api: Api, row: Row) -> dict[str, Any]:
    """The explanation of a service; empty when there is none to be had: the report goes on without."""
    try:
        document: dict[str, Any] = api.get("/v1/why", _of(row))
    except (Denied, Unreachable):
        return {}
    return document


def _last_lines(api: Api, row: Row) -> list[str]:
    """What the latest run printed last, indented."""
    reason = words.because(row)
    entries = [
        entry
        for entry in last_entries(api, _of(row), LAST_LINES)
        if entry.get("stream") != "locald" or not _repeats(str(entry.get("line") or ""), reason)
    ]
    return [f"  {row['name']} {_bar(entry)} {plain(entry.get('line', ''))}" for entry in entries]


def _repeats(line: str, reason: str) -> bool:
    """A line that locald itself noted says what stands above already."""
    return line in reason or reason in line


def _bar(entry: dict[str, Any]) -> str:
    """What tells the streams apart: colour, and a word for what locald itself noted."""
    if entry.get("stream") == "stderr":
        return say.paint("|", "red", on=say.has_colour(sys.stderr))
    return "| locald:" if entry.get("stream") == "locald" else "|"


def _of(row: Row) -> list[tuple[str, str]]:
    return [("project", words.project(row)), ("service", row["name"])]
