"""Notices with a bell: a service went down, or a start is complete.

A service went down when it was ready and now is unhealthy, in backoff or failed. One that the user stopped
did not. A service that fails without ever becoming ready is a notice too. A start is complete when no
service of the project is moving any more. The state at the monitor's beginning is no news.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from locald.faces import states, words
from locald.monitor.board import Key, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST = 3
"""notices at once"""


@dataclass(frozen=True, slots=True)
class Notice:
    text: str
    good: bool


@dataclass(slots=True)
class Notices:
    """Remembers earlier states. Call `about` with all rows whenever some have changed."""

    _word: dict[Key, str] = field(default_factory=dict)
    _was_ready: set[Key] = field(default_factory=set)
    _busy: set[str] = field(default_factory=set)
    _begun: bool = False

    def about(self, rows: Sequence[Row]) -> list[Notice]:
        """What has happened since the last call, bad news first."""
        found = [notice for row in rows if (notice := self._of_service(row))]
        found += self._of_projects(rows)
        self._begun = True
        return found

    def _of_service(self, row: Row) -> Notice | None:
        key, word = words.key(row), words.word(row)
        before = self._word.get(key)
        self._word[key] = word
        if words.is_ready(row):
            self._was_ready.add(key)
            return None
        went_down = word in states.DOWN and key in self._was_ready
        if word in states.DOWN or word == "stopped":
            self._was_ready.discard(key)
        if not self._begun or not (went_down or (word == "failed" and before not in (None, "failed"))):
            return None
        return Notice(f"{key[1]} {words.phrase(word)}: {words.reason(row)}", good=False)

    def _of_projects(self, rows: Sequence[Row]) -> list[Notice]:
        projects: dict[str, list[Row]] = {}
        for row in rows:
            projects.setdefault(str(row["project"]), []).append(row)
        found = []
        for project, members in projects.items():
            if any(words.word(row) in states.MOVING for row in members):
                self._busy.add(project)
            elif project in self._busy:
                self._busy.discard(project)
                if notice := _arrived(project, members):
                    found.append(notice)
        return found


def _arrived(project: str, members: Sequence[Row]) -> Notice | None:
    wanted = [row for row in members if words.word(row) != "stopped"]
    missing = [str(row["name"]) for row in wanted if not words.is_ready(row)]
    if not wanted:
        return None
    if missing and all(words.word(row) in ("blocked", "completed", "healthy") for row in wanted):
        return None  # a dependency was stopped by the user
    if missing:
        return Notice(
            f"{project}: {words.listed(missing)} {'is' if len(missing) == 1 else 'are'} not ready", good=False
        )
    every = "all " if len(wanted) == len(members) > 1 else ""
    return Notice(f"{project}: {every}{words.counted(len(wanted), 'service')} ready", good=True)


def few(notices: Sequence[Notice]) -> list[Notice]:
    """At most `MOST` at once: the first, and how many more there are."""
    if len(notices) <= MOST:
        return list(notices)
    more = Notice(f"and {len(notices) - MOST + 1} more", good=all(each.good for each in notices))
    return [*notices[: MOST - 1], more]


def title(rows: Sequence[Row], name: str) -> str:
    """The terminal's title, the worst first, short enough for a tab."""
    bad = [row for row in rows if words.word(row) in ("failed", "unhealthy", "backoff", "blocked")]
    if bad:
        word = words.word(bad[0])
        more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        return f"{states.sign(word)} {bad[0]['name']} {word}{more} · {name}"
    ready = sum(words.is_ready(row) for row in rows)
    sign = states.sign("healthy" if rows and ready == len(rows) else "starting")
    return f"{sign} {ready}/{len(rows)} · {name}"
