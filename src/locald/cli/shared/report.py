"""What is said when services did not become ready: for each the reason, its last lines, the next step.

Each function returns what it has told, as problems.

A service that failed is explained in full. One that is blocked by it is named in a line; when the cause
lies outside what was asked for, the cause is explained as well, for it is what has to be fixed.
"""

from __future__ import annotations

import sys

from locald.cli.shared import say
from locald.cli.shared.live import causes_first
from locald.cli.shared.output import last_entries
from locald.client.http import Denied, Unreachable
from locald.domain.values.problem import Problem
from locald.faces import words
from locald.faces.text import plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from typing import Any

    from locald.client.follow import Row
    from locald.client.http import Api
    from locald.client.target import Target

LAST_LINES = 20


def failures(api: Api, target: Target, rows: Sequence[Row], said: Collection[str] = ()) -> list[Problem]:
    """Tell of every row that is not ready: the causes first, then what they hold up. `said`: the hints
    that the person has read before."""
    late = [row for row in rows if not words.is_ready(row)]
    causes = {row["name"]: row for row in late if row["state"] == "failed"}
    for row in late:
        if row["state"] == "blocked":
            causes.update(_cause(api, row, known=causes))
    told = [_failed(api, target, row, said) for row in causes.values()]
    held_up = [row for row in causes_first(late) if row["name"] not in causes]
    return told + [_tell(_held_up(target, row, causes)) for row in held_up]


def gone(target: Target, names: Sequence[str]) -> list[Problem]:
    """Tell of services that somebody took away while they were waited for."""
    if not names:
        return []
    verb = "was" if len(names) == 1 else "were"
    told = words.listed([target.spelled(name) for name in names])
    return [_tell(Problem(f"{told} {verb} removed: taken down, or no longer in locald.toml"))]


def not_ready(target: Target, rows: Sequence[Row], after: str) -> list[Problem]:
    """Tell what is still missing when the time ran out."""
    return [_tell(_late(target, row, after)) for row in rows if not words.is_ready(row)]


def still_stopping(target: Target, rows: Sequence[Row], after: str) -> list[Problem]:
    """Tell what has not stopped when the time ran out."""
    running = ((target.spelled(row["name"]), words.because(row)) for row in rows)
    return [_tell(Problem(f"{name} is still running after {after}: {because}")) for name, because in running]


def _tell(problem: Problem) -> Problem:
    say.problems([problem])
    return problem


def _late(target: Target, row: Row, after: str) -> Problem:
    what = f"{target.spelled(row['name'])} is not ready after {after}: {words.told(row)}"
    hint = target.reached(f"run `locald why {row['name']}` for details", words.project(row))
    return Problem(what, hint=hint)


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


def _failed(api: Api, target: Target, row: Row, said: Collection[str]) -> Problem:
    name = target.spelled(row["name"])
    what = f"{name} {'' if row['state'] == 'failed' else 'is '}{words.told(row)}"
    say.error(what)
    for line in _last_lines(api, row):
        say.line(line)
    hints = _hints(row, _why(api, row).get("hints") or ())
    hints.append(f"run `locald why {row['name']}` for details, `locald logs {row['name']}` for the full log")
    for hint in hints:
        if hint not in said:
            say.hinted(target.reached(hint, words.project(row)))
    return Problem(what, hint=target.reached(hints[0], words.project(row)))


def _hints(row: Row, hints: Sequence[str]) -> list[str]:
    """Those that say more than to read its log, which is said anyway, and to try again."""
    said = [f"`locald logs {row['name']}`"]
    if row["state"] == "failed":
        said.append(f"`locald up {row['name']}`")
    return [hint for hint in hints if not hint.removeprefix("run ").startswith(tuple(said))]


def _held_up(target: Target, row: Row, causes: dict[str, Row]) -> Problem:
    what = f"{target.spelled(row['name'])} is {_without_causes(words.told(row), causes)}"
    if words.word(row) != "stopped":
        return Problem(what)
    hint = row.get("hint") or f"run `locald up {row['name']}` to start it"
    return Problem(what, hint=target.reached(hint, words.project(row)))


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
