"""READY=1 and STOPPING=1 are true of the process that says them, and for as long as it is there.

A command may run one server after another: container images set a database up with a temporary one, which
says READY=1 as well. So each word is kept with its sender. The *main process* (the run's leader, or the one
of MAINPID=) speaks for the run. A *helper*, as `systemd-notify`, is gone within a second, never listened and
does not say that it stops: it spoke for the process above it. Every other sender speaks for itself: its
READY=1 goes with it, or with its STOPPING=1. When a READY=1 counts is told in `belief`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from locald.domain.lifecycle.messages import Kin

if TYPE_CHECKING:
    from locald.domain.lifecycle.messages import Sender

HELPER = 1.0
"""seconds after its word within which a helper is gone"""
REMEMBERED = 16


class Word(Struct, frozen=True):
    """What one process said. Times are epoch seconds."""

    pid: int
    program: str
    at: float
    """when it said READY=1, or if it never did, STOPPING=1"""
    ready: bool = False
    stopping: bool = False
    gone_at: float | None = None
    above: tuple[Kin, ...] = ()
    """the processes above it, up to the main one, which is not among them"""
    main: bool = False
    """said by, or for, the main process"""
    listens: bool = False
    """on anything, when it spoke"""
    stayed: bool = False
    """for so long that it is believed"""

    @property
    def holds(self) -> bool:
        return self.ready and not self.stopping and self.gone_at is None

    @property
    def withdrawn(self) -> bool:
        return self.ready and not self.holds and not self.main

    def __str__(self) -> str:
        return f"pid {self.pid} ({self.program})" if self.program else f"pid {self.pid}"


Words = tuple[Word, ...]


def is_main(sender: Sender, main: int | None) -> bool:
    """Whether this sender speaks for the run. A keeper of an earlier version does not tell: then it does."""
    return not sender.line or sender.standing == "spawner" or sender.process.pid == main


def spoken(
    words: Words, sender: Sender, at: float, *, main: int | None, ready: bool, stopping: bool
) -> Words:
    """The words with READY=1 or STOPPING=1 of this sender. What a replay tells again changes nothing."""
    process = sender.process
    before = next((word for word in reversed(words) if word.pid == process.pid), None)
    if before is not None and before.gone_at is not None and at <= before.gone_at:
        return words
    if before is None or before.gone_at is not None:
        line = sender.line or ()
        before = Word(
            process.pid,
            process.program or next((kin.program for kin in line[:1]), ""),
            at,
            above=line[1:],
            main=is_main(sender, main),
            listens=any(kin.listens for kin in line[:1]),
        )
    said = replace(before, ready=before.ready or ready, stopping=before.stopping or stopping)
    return _with(words, replace(said, at=at) if ready and not before.ready else said)


def ended(words: Words, pid: int, at: float) -> Words:
    """This process is no more: what it said is gone with it, or was said for the one above it."""
    words = tuple(replace(word, above=tuple(kin for kin in word.above if kin.pid != pid)) for word in words)
    word = next((word for word in words if word.pid == pid and word.gone_at is None), None)
    if word is None or word.main:
        return words
    words = _with(words, replace(word, gone_at=at))
    is_helper = word.holds and not word.listens and at - word.at <= HELPER
    return _with(words, _passed_on(word)) if is_helper else words


def _passed_on(word: Word) -> Word:
    """The same as said by the process above, which is the main one if there is none between."""
    if not word.above:
        return replace(word, main=True)
    kin, *above = word.above
    return replace(word, pid=kin.pid, program=kin.program, listens=kin.listens, above=tuple(above))


def _with(words: Words, word: Word) -> Words:
    rest = tuple(each for each in words if each.pid != word.pid)
    return (*rest, word)[-REMEMBERED:]


# What follows.


def holding(words: Words) -> bool:
    """Somebody says READY=1."""
    return any(word.holds for word in words)


def withdrawn(words: Words) -> Word | None:
    """The last word that was taken back, if none holds."""
    return None if holding(words) else next((word for word in reversed(words) if word.withdrawn), None)


def stops(words: Words) -> Word | None:
    """Who said READY=1 and then STOPPING=1 and is there still, if no READY=1 holds: what is open is its."""
    word = withdrawn(words)
    return word if word is not None and word.gone_at is None else None
