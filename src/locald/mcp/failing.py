"""Why a call has not done what was asked: problems with their hints, and how things stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from locald.client.http import Denied, Unreachable
from locald.domain.values.problem import Problem, Refused
from locald.faces import documents, words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from locald.client.follow import Row

    Json = dict[str, Any]


class Failed(Exception):
    """`document`: what there is to be said beside the error."""

    def __init__(self, problems: Sequence[Problem], code: int, document: Json) -> None:
        super().__init__(problems[0].what)
        self.problems, self.code, self.document = problems, code, document


def told(error: Exception) -> tuple[Json, Sequence[Problem]]:
    """The document of an error, and its problems."""
    if isinstance(error, Failed):
        return documents.failure(error.problems, error.code) | error.document, error.problems
    problems: Sequence[Problem] = [Problem(f"internal: {type(error).__name__}: {error}")]
    code = 3
    if isinstance(error, Refused):
        problems, code = error.problems, 2
    elif isinstance(error, Denied):
        problems, code = error.problems, error.exit
    elif isinstance(error, Unreachable):
        problems = [error.problem]
    return documents.failure(problems, code), problems


def not_ready(rows: Iterable[Row], gone: Sequence[str], after: str = "") -> list[Problem]:
    """Of all services that are not ready, those first that have failed. `after`: the time that ran out."""
    late = sorted((row for row in rows if not words.is_ready(row)), key=lambda row: row["state"] != "failed")
    removed = f"{words.listed(list(gone))} removed: taken down, or no longer in locald.toml"
    return [_late(row, after) for row in late] + ([Problem(removed)] if gone else [])


def still_there(rows: Iterable[Row], after: str) -> list[Problem]:
    running = [row for row in rows if row.get("pid") is not None or row.get("state") == "stopping"]
    told = [f"{row['name']} is still running after {after}: {words.because(row)}" for row in running]
    return [Problem(what) for what in told] or [Problem(f"not done after {after}")]


def _late(row: Row, after: str) -> Problem:
    name = row["name"]
    if after and row["state"] != "failed":
        what = f"{name} is not ready after {after}: {words.told(row)}"
    else:
        what = f"{name} {'' if row['state'] == 'failed' else 'is '}{words.told(row)}"
    return Problem(what, hint=row.get("hint") or f"run `locald why {name}` for details")
