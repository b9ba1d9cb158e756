"""What the waiting commands show while they wait, on standard error.

On a terminal: a picture that changes in place (`picture`), drawn by rich, which is imported only then and
only if the waiting lasts longer than a blink. Elsewhere: one plain line when a state or a health changes,
and one for all that begin or wait at the same time. For what ends (`stop`) there is nothing to tell at first;
after two seconds it is time to say what for.
"""

from __future__ import annotations

import signal
import sys
import time
from contextlib import contextmanager

from locald.cli.shared import say
from locald.cli.shared.begun import already
from locald.domain.values.amounts import length
from locald.faces import words
from locald.faces.text import plain
from locald.faces.when import between

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.console import Console, RenderableType
    from rich.live import Live

    from locald.cli.shared.begun import Begun, Spell
    from locald.cli.shared.picture import Entry
    from locald.client.follow import Board, Display, Row

FOR_ECHO = 3
"""columns left free at the right: a terminal shows a Ctrl-C as `^C` behind what stands there, and in a full
line that would begin another, which nobody would know of when the picture is redrawn"""
BLINK = 0.2
"""seconds that a terminal stays untouched: what takes no longer needs no picture"""
PATIENCE = 2.0
"""seconds until a stop tells what it waits for"""
TOGETHER = ("failed", "starting", "waiting", "blocked")
"""words for which services share a line: their reasons change often and say little, or are told at the end"""
AMISS = 1.0
"""seconds for which a start has to be amiss before that is said: a port probe, a debugger may come first"""
PASSING = "stopping"
"""what a run does on its way to something that is told"""
RETRY = ("backoff", "starting")
"""what follows a restart that has been announced"""
ENDED = frozenset({"stopped", "blocked", "failed", "completed", "waiting"})
"""States in which no process is left"""


def starting(spell: Spell, begun: Begun, said: set[str]) -> Display:
    """For what is to become healthy. `spell` gives the name of a service as the person would write it; the
    hints that stand there for good are noted in `said`."""
    return _Drawn(spell) if say.is_terminal(sys.stderr) else _Told(spell, begun, said)


def stopping(spell: Spell) -> Display:
    """For what is to end."""
    return _Leaving(spell) if say.is_terminal(sys.stderr) else _Patient(spell)


class _Amiss:
    """What starts and goes wrong already: it listens elsewhere, say, and would run into its start_timeout."""

    def __init__(self, spell: Spell) -> None:
        self._spell = spell
        self._since: dict[tuple[str, str, str], float] = {}
        self._told: set[tuple[str, str, str]] = set()

    def look(self, board: Board) -> None:
        """Note since when each is so."""
        now = time.monotonic()
        self._since = {each: self._since.get(each, now) for row in board.rows if (each := _amiss(row))}

    def may_pass(self, row: Row) -> bool:
        """It is so for a moment only, yet."""
        now, each = time.monotonic(), _amiss(row)
        return each is not None and now - self._since.get(each, now) < AMISS

    def news(self, board: Board) -> Iterator[tuple[str, str]]:
        """The sentence and the hint of each that has been so for long enough, once."""
        self.look(board)
        for row in board.rows:
            each = _amiss(row)
            if each and each not in self._told and not self.may_pass(row):
                self._told.add(each)
                yield f"{self._spell(row)}: {words.because(row)}", str(row["hint"])


def _amiss(row: Row) -> tuple[str, str, str] | None:
    """What names it, where it is so."""
    is_so = words.word(row) == "starting" and row.get("hint")
    return (*words.key(row), str(row["hint"])) if is_so else None


def _lasting_hint(row: Row) -> str:
    """What to do about one that is ready, and not where others are told: nobody would hear of it later. A
    port that was found is one that works."""
    is_found = row.get("port_source") == "found"
    return str(row.get("hint") or "") if words.is_ready(row) and not is_found else ""


class _Told:
    """A line when the state or the health of a service changes."""

    def __init__(self, spell: Spell, begun: Begun, said: set[str]) -> None:
        self._spell, self._begun, self._said = spell, begun, said
        self._amiss = _Amiss(spell)
        self._told: dict[tuple[str, str], str] = {}
        self._is_first = True

    def show(self, board: Board, changed: Sequence[Row]) -> None:
        if self._is_first:
            self._is_first = False
            self._tell_what_was_there(board)
        new = [row for row in changed if not self._begun.is_old(row)]
        news = [row for row in new if self._is_news(row)]
        self._told.update((words.key(row), words.word(row)) for row in new)
        self._tell(news)

    def _tell_what_was_there(self, board: Board) -> None:
        """What was ready before is not news; and no line at all when there is nothing else."""
        alone = self._begun.left_alone(board.rows)
        self._told.update((words.key(row), words.word(row)) for row in alone)
        if any(row not in alone and words.word(row) != "stopped" for row in board.rows):
            for line in already(alone, self._spell):
                say.note(line)

    def _is_news(self, row: Row) -> bool:
        before, now = self._told.get(words.key(row)), words.word(row)
        return before != now and now != PASSING and (before, now) != RETRY

    def _tell(self, news: Sequence[Row]) -> None:
        for row in sorted(news, key=_is_effect):
            if words.word(row) not in TOGETHER:
                say.note(f"{self._spell(row)}: {sentence(row)}")
                self._hint(_lasting_hint(row))
        for word in TOGETHER:
            alike = [row for row in news if words.word(row) == word]
            if names := [self._named(row) for row in causes_first(alike)]:
                say.note(f"{word}: {', '.join(names)}")

    def _named(self, row: Row) -> str:
        """`api`, or `api (for db)` while it waits, `api (by db)` when it is blocked."""
        how, awaited = {"waiting": "for", "blocked": "by"}.get(words.word(row)), row.get("waiting_on")
        return f"{self._spell(row)} ({how} {words.listed(awaited)})" if how and awaited else self._spell(row)

    def tick(self, board: Board) -> None:
        for sentence, hint in self._amiss.news(board):
            say.note(sentence)
            self._hint(hint)

    def _hint(self, hint: str) -> None:
        if hint and hint not in self._said:
            self._said.add(hint)
            say.hinted(hint)

    def close(self) -> None:
        pass


class _Patient:
    """Nothing for a while; then what is still waited for, and why, each time that there is another reason."""

    def __init__(self, spell: Spell) -> None:
        self._spell = spell
        self._from = time.monotonic() + PATIENCE
        self._told: set[tuple[str, str, str]] = set()

    def show(self, board: Board, changed: Sequence[Row]) -> None:
        self.tick(board)

    def tick(self, board: Board) -> None:
        if board.settled or time.monotonic() < self._from:
            return
        for row in board.rows:
            reason = words.because(row)
            if (*words.key(row), reason) not in self._told and row.get("state") not in ENDED:
                self._told.add((*words.key(row), reason))
                say.note(f"waiting for {self._spell(row)}: {reason}")

    def close(self) -> None:
        pass


class _Drawn:
    """A picture on a terminal, redrawn in place."""

    def __init__(self, spell: Spell) -> None:
        self._spell = spell
        self._amiss = _Amiss(spell)
        self._began = time.monotonic()
        self._seen: dict[tuple[str, str], float] = {}
        self._live: Live | None = None

    def show(self, board: Board, changed: Sequence[Row]) -> None:
        for row in changed:
            self._seen.setdefault(words.key(row), time.monotonic())
        self.tick(board)

    def tick(self, board: Board) -> None:
        if self._live is None:
            if board.settled or time.monotonic() - self._began < BLINK:
                return
            self._live = _start_live()
        with _undisturbed():
            self._amiss.look(board)
            self._live.update(self._picture(board, self._live.console), refresh=True)

    def close(self) -> None:
        if self._live:
            with _undisturbed():
                self._live.stop()

    def _picture(self, board: Board, console: Console) -> RenderableType:
        from rich.console import Group

        from locald.cli.shared.picture import picture

        entries = [self._entry(row, board) for row in board.rows]
        width, room = max(console.width - FOR_ECHO, 1), max(console.height - 2, 3)
        return Group(*picture(entries, console, width, room, colour=say.has_colour(sys.stderr)))

    def _entry(self, row: Row, board: Board) -> Entry:
        """With its step as soon as that is known; at the end the report names it."""
        from locald.cli.shared.picture import Entry

        reason = _without_causes(_reason(row), board.rows)
        hint = "" if self._amiss.may_pass(row) else row.get("hint") or ""
        if board.settled:
            hint = _lasting_hint(row)
        return Entry(plain(self._spell(row)), words.word(row), plain(reason), self._elapsed(row), plain(hint))

    def _elapsed(self, row: Row) -> str:
        """Until it was ready; until now while it is not; nothing for what does not move."""
        took = between(row.get("started_at"), row.get("ready_at"))
        if words.is_ready(row):
            return "" if took is None else length(took)
        if words.word(row) in ("failed", "stopped", "blocked"):
            return ""
        return length(time.monotonic() - self._seen.get(words.key(row), self._began))


class _Leaving(_Drawn):
    """The same for what is to end, and what is left on an engine that does not answer stays below it: the
    picture ends without the rows of what is forgotten."""

    def __init__(self, spell: Spell) -> None:
        super().__init__(spell)
        self._left: dict[tuple[str, str], str] = {}

    def tick(self, board: Board) -> None:
        for row in board.rows:
            if row.get("state") != PASSING:
                continue  # given up: what was said last holds
            if row.get("left"):
                self._left[words.key(row)] = f"{self._spell(row)}: {words.because(row)}"
            else:
                self._left.pop(words.key(row), None)
        super().tick(board)

    def close(self) -> None:
        super().close()
        for sentence in self._left.values():
            say.note(sentence)


def sentence(row: Row) -> str:
    """How a service is and why: `healthy (tcp) after 0.8s: pid 4790 accepts connections on …`."""
    if not words.is_ready(row):
        return words.told(row)
    took = between(row.get("started_at"), row.get("ready_at"))
    if row.get("state") == "completed":  # its reason tells how long it took
        return words.told(row)
    head = f"{words.word(row)}{words.by_source(row)}{'' if took is None else f' after {length(took)}'}"
    return f"{head}: {words.because(row)}"


def causes_first(rows: Iterable[Row]) -> list[Row]:
    """In their order, but each after those that it waits for."""
    left, placed = {row["name"]: row for row in rows}, []

    def place(row: Row) -> None:
        for name in row.get("waiting_on") or ():
            if awaited := left.pop(name, None):
                place(awaited)
        placed.append(row)

    while left:
        place(left.pop(next(iter(left))))
    return placed


def _is_effect(row: Row) -> bool:
    """Of what changed at once, what became ready or failed is told first: it is why the rest moved."""
    return not words.is_ready(row) and row.get("state") != "failed"


def _reason(row: Row) -> str:
    """What to show beside the word: of what is healthy, where it is and how that is known."""
    if not words.is_ready(row):
        return words.beside(row)
    return "  ".join(part for part in (words.url(row), words.source(row)) if part) or words.because(row)


def _without_causes(reason: str, rows: Iterable[Row]) -> str:
    """`by db`: what is wrong with db stands in its own line."""
    for row in rows:
        if row.get("state") == "failed":
            reason = reason.removesuffix(f": {words.reason(row)}")
    return reason


@contextmanager
def _undisturbed() -> Iterator[None]:
    """A Ctrl-C waits for a moment: in the middle of a picture it would have this drawn twice."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_live() -> Live:
    from rich.console import Console
    from rich.live import Live

    signal.signal(signal.SIGTERM, _leave)
    console = Console(stderr=True, highlight=False)
    live = Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
    live.start()
    return live


def _leave(number: int, _: object) -> None:
    """End as the signal would, but by way of `close`: the terminal must get its cursor back."""
    sys.exit(128 + number)
