"""When it is known that a program was executed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from locald.keeper.loop import Loop
from locald.keeper.runs.birth import Birth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from locald.keeper.runs.spawn import Refusal, Report


class Child:
    """A birth, and both who hold the other end of its pipe: the child, and whoever forked it."""

    def __init__(self) -> None:
        self.told: list[tuple[int | None, float, Refusal | None]] = []
        self.birth = Birth(Loop(), self._over, [])
        self.child, self.forker = self.birth.theirs, os.dup(self.birth.theirs)

    def _over(self, report: Report) -> None:
        self.told.append((report.leader, report.began, report.refusal))

    def execute(self) -> None:
        os.write(self.child, b"4711 2500000000\n")
        os.close(self.child)


@pytest.fixture
def child() -> Iterator[Child]:
    child = Child()
    yield child
    child.birth.close()
    os.close(child.forker)


def test_a_birth_is_over_when_nobody_holds_the_pipe(child: Child) -> None:
    child.execute()
    child.birth.pump()
    assert child.told == []
    forker, child.forker = child.forker, os.dup(0)
    os.close(forker)
    child.birth.pump()
    assert child.told == [(4711, 2.5, None)]


def test_a_program_at_work_is_born_although_its_forker_is_slow_to_let_go(child: Child) -> None:
    """On a busy machine it may be so for longer than the program needs for its first words."""
    child.execute()
    child.birth.pump(executed=True)
    assert child.told == [(4711, 2.5, None)]
    child.birth.pump()
    assert len(child.told) == 1


def test_a_program_that_has_ended_was_born_although_its_forker_is_slow_to_let_go(child: Child) -> None:
    """Else its exit would be that of a process that nobody knows, and nobody could tell how the run ended."""
    child.execute()
    child.birth.child_ended(4712)
    assert child.told == []
    child.birth.child_ended(4711)
    assert child.told == [(4711, 2.5, None)]
