"""What a user does in a round: a command, and what has to be true when it has ended. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from faults.fleet import KINDS, PROJECT_OF, needed_by
from faults.wishes import Wishes, concerned

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

REMOVABLE = ("mail", "deaf", "rover", "spoken", "bare")
"""nothing depends on them"""
LIVES_A_MOMENT = "looper"
"""it fails, but on a slow machine it may have passed for healthy before"""


@dataclass(frozen=True, slots=True)
class Operation:
    """`words`: the command line. `project`: in whose folder; its file is written before as `after` has it."""

    words: tuple[str, ...]
    project: str
    after: Wishes
    concerned: frozenset[str] = frozenset()
    codes: frozenset[int] = frozenset({0})
    """with which it may end when nothing is in its way"""

    remark: str = ""

    def __str__(self) -> str:
        return f"{self.remark}{self.project}$ locald {' '.join(self.words)}"


def up(
    wishes: Wishes, project: str, names: frozenset[str] = frozenset(), written: Wishes | None = None
) -> Operation:
    """`written`: what was asked for with the file as it has become, if it is another one now."""
    after = (written or wishes).up(project, names)
    started = needed_by(names) if names else {n for n in after.wanted if PROJECT_OF[n] == project}
    return _operation(wishes, after, ("up", *sorted(names)), project, frozenset(), started)


def choose(random: Random, wishes: Wishes, project: str) -> Operation:
    """What a user might do now in this project's folder."""
    if not any(PROJECT_OF[name] == project for name in wishes.known):
        return up(wishes, project)
    kind: Callable[[Random, Wishes, str], Operation] = random.choice(MANNERS)
    return kind(random, wishes, project)


def _some(random: Random, wishes: Wishes, project: str) -> frozenset[str]:
    names = sorted(name for name in wishes.known if PROJECT_OF[name] == project)
    return frozenset(random.sample(names, min(random.choice((1, 1, 2, 3)), len(names))))


def _up_all(_: Random, wishes: Wishes, project: str) -> Operation:
    return up(wishes, project)


def _up_some(random: Random, wishes: Wishes, project: str) -> Operation:
    return up(wishes, project, _some(random, wishes, project))


def _stop_some(random: Random, wishes: Wishes, project: str) -> Operation:
    names = _some(random, wishes, project)
    return _operation(wishes, wishes.stop(project, names), ("stop", *sorted(names)), project, names)


def _stop_all(_: Random, wishes: Wishes, project: str) -> Operation:
    return _operation(wishes, wishes.stop(project), ("stop",), project)


def _down(_: Random, wishes: Wishes, project: str) -> Operation:
    return _operation(wishes, wishes.down(project), ("down",), project)


def _restart(random: Random, wishes: Wishes, project: str) -> Operation:
    names = _some(random, wishes, project)
    after = wishes.restart(names)
    return _operation(wishes, after, ("restart", *sorted(names)), project, names, set(names))


def _edit(random: Random, wishes: Wishes, project: str) -> Operation:
    """Another definition of one service: `up` brings all, and that one anew."""
    name = random.choice(sorted(_some(random, wishes, project)))
    edited = up(wishes, project, written=wishes.edit(name))
    return replace(edited, remark=f"{name} is another in the file: ")


def _leave_out(random: Random, wishes: Wishes, project: str) -> Operation:
    """One table leaves the file, or those that had left come back."""
    names = [name for name in REMOVABLE if PROJECT_OF[name] == project]
    lost = frozenset(name for name in wishes.left_out if PROJECT_OF[name] == project)
    others = wishes.left_out - lost
    left = others if lost else others | {random.choice(names)}
    changed = up(wishes, project, written=wishes.leave_out(left))
    return replace(
        changed,
        remark=f"{', '.join(lost or left - others)} {'comes back to' if lost else 'leaves'} the file: ",
    )


def _look(random: Random, wishes: Wishes, project: str) -> Operation:
    name = random.choice(sorted(_some(random, wishes, project)))
    words = random.choice(
        (("status",), ("status", "--all", "--json"), ("logs",), ("logs", name, "-n", "5"), ("why", name))
    )
    return Operation(words, project, wishes)


def _server_restart(_: Random, wishes: Wishes, project: str) -> Operation:
    return Operation(("server", "restart"), project, wishes)


MANNERS = (
    *(_up_all, _up_some, _stop_some, _stop_some, _restart, _restart, _restart),
    *(_stop_all, _down, _edit, _edit, _leave_out, _look, _look, _server_restart),
)


def _operation(
    before: Wishes,
    after: Wishes,
    words: tuple[str, ...],
    project: str,
    named: frozenset[str] = frozenset(),
    started: set[str] | frozenset[str] = frozenset(),
) -> Operation:
    """`started`: those that the command waits for; it fails when one of them cannot be."""
    fails = {name for name in started if KINDS[name].fails or name not in after.running}
    codes = {0} if not fails else {0, 1} if fails == {LIVES_A_MOMENT} else {1}
    return Operation(words, project, after, concerned(before, after, named), frozenset(codes))
