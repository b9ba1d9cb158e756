"""What is worth a bell: a service went down, or everything that was on its way has arrived.

A service goes down when it was ready and now is not by itself: unhealthy, waiting for its next try, failed.
One that somebody stopped did not go down. What never became ready and failed is told as well. An `up` is
complete when of a project nothing is on its way any more. What was so when the monitor began is no news.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from locald.faces import words
from locald.monitor.board import Key, Row

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST = 3
"""notices at once"""
ON_ITS_WAY = {"waiting", "preparing", "starting", "backoff", "stopping"}


@dataclass(frozen=True, slots=True)
class Notice:
    text: str
    good: bool


@dataclass(slots=True)
class Notices:
    """Remembers how things were. Ask it `about` all rows, whenever some have changed."""

    _word: dict[Key, str] = field(default_factory=dict)
    _was_ready: set[Key] = field(default_factory=set)
    _busy: set[str] = field(default_factory=set)
    _begun: bool = False

    def about(self, rows: Sequence[Row]) -> list[Notice]:
        """What has happened since the last time, the bad news first."""
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
        went_down = word in words.DOWN and key in self._was_ready
        if word in words.DOWN or word == "stopped":
            self._was_ready.discard(key)
        if not self._begun or not (went_down or (word == "failed" and before not in (None, "failed"))):
            return None
        return Notice(f"{key[1]} {words.phrase(word)}: {words.because(row)}", good=False)

    def _of_projects(self, rows: Sequence[Row]) -> list[Notice]:
        projects: dict[str, list[Row]] = {}
        for row in rows:
            projects.setdefault(str(row["project"]), []).append(row)
        found = []
        for project, members in projects.items():
            if any(words.word(row) in ON_ITS_WAY for row in members):
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
        return None  # somebody stopped what they depend on
    if missing:
        return Notice(f"{project}: {words.listed(missing)} not ready, nothing moves any more", good=False)
    every = "all " if len(wanted) == len(members) > 1 else ""
    return Notice(f"{project}: {every}{words.counted(len(wanted), 'service')} ready", good=True)


def few(notices: Sequence[Notice]) -> list[Notice]:
    """At most `MOST` at once: the first, and how many more there are."""
    if len(notices) <= MOST:
        return list(notices)
    more = Notice(f"and {len(notices) - MOST + 1} more", good=all(each.good for each in notices))
    return [*notices[: MOST - 1], more]


def title(rows: Sequence[Row], name: str) -> str:
    """For the terminal's own title: the worst first, so that it can be read in a tab."""
    bad = [row for row in rows if words.word(row) in ("failed", "unhealthy", "backoff", "blocked")]
    if bad:
        word = words.word(bad[0])
        more = f" and {len(bad) - 1} more" if len(bad) > 1 else ""
        return f"{words.sign(word)} {bad[0]['name']} {word}{more} · {name}"
    ready = sum(words.is_ready(row) for row in rows)
    return (
        f"{words.sign('healthy' if rows and ready == len(rows) else 'starting')} {ready}/{len(rows)} · {name}"
    )
