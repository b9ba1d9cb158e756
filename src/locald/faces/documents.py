"""Documents of JSON that faces make themselves, the same on each: errors, and what has stopped."""

from __future__ import annotations

from locald.domain.project.labelled import parts
from locald.domain.values.problem import Problem
from locald.wire import named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    Json = dict[str, Any]


def failure(found: Sequence[Problem], code: int) -> Json:
    """The first error, and all problems. `code` is the exit code."""
    first = next((each for each in found if not each.is_warning), found[0])
    error = {"code": code, "message": first.what, "where": first.where, "hint": first.hint}
    return {"error": error, "problems": problems(found)}


def problems(found: Iterable[Problem]) -> list[dict[str, str]]:
    """A warning says so; what says nothing is an error."""
    return [{"what": each.what, "where": each.where, "hint": each.hint, **_level(each)} for each in found]


def _level(problem: Problem) -> dict[str, str]:
    return {"level": "warning"} if problem.is_warning else {}


def stopped(answer: Mapping[str, Any], names: Sequence[str], again: Sequence[str] = ()) -> Json:
    """What a stop came to. `answer`: the daemon's, or none; `again`: those that somebody has restarted."""
    project, label = parts(named.project(answer))
    told = {"project": project or None, "instance": label, "moved_from": answer.get("moved_from")}
    return {**told, "stopped": list(names), "running_again": list(again), "kept": answer.get("kept") or {}}


def checked(file: str, found: Sequence[Problem]) -> Json:
    """What a check of the file came to."""
    errors = [each for each in found if not each.is_warning]
    warnings = [Problem(each.what, each.where, each.hint) for each in found if each.is_warning]
    error = {"error": failure(errors, 2)["error"]} if errors else {}
    return error | {"file": file, "problems": problems(errors), "warnings": problems(warnings)}
