"""The keeper's own children: which of them belongs to whom, and what is done when they end.

The keeper is a subreaper, so that the orphans of its runs become its children, too. Every child that ends is
reaped, after the run it belonged to had the time to look at the zombie. A child that nobody expects belongs
to the run in whose cgroup it is, or to none.
"""

from __future__ import annotations

import os

from locald.keeper.log import guarded
from locald.linux import cgroup, procfs

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from locald.keeper.loop import Loop

    class Owner(Protocol):
        """Whom a child belongs to."""

        def child_ended(self, pid: int, status: int) -> None:
            """It has ended with this wait status; it is a zombie still."""

        def child_reaped(self) -> None:
            """It is no more."""


_REAPED_AT_ONCE = 100


def next_zombie() -> tuple[int, int] | None:
    """(pid, wait status) of a child that has ended, which it stays. Raises ChildProcessError without any."""
    told = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if told is None:
        return None
    return told.si_pid, told.si_status << 8 if told.si_code == os.CLD_EXITED else told.si_status


class Children:
    """`groups`: where runs can have cgroups, or None. `births`: to be called with its pid before a child that
    has ended is taken for an orphan: it may be the leader of a run, ended before the pipe that tells its pid
    was read.
    """

    __slots__ = ("_expected", "_loop", "_members", "births", "groups")

    def __init__(self, loop: Loop, groups: str | None) -> None:
        self.groups = groups
        self.births: set[Callable[[int], None]] = set()
        self._loop = loop
        self._expected: dict[int, Owner] = {}
        """Leaders and subreapers, until they are reaped."""
        self._members: dict[str, Owner] = {}
        """By the name of their cgroup."""

    def expect(self, pid: int, owner: Owner) -> None:
        """This child is the owner's."""
        self._expected[pid] = owner

    def expect_members(self, group: str, owner: Owner) -> None:
        """What is in the cgroup of this name is the owner's."""
        self._members[group] = owner

    def expect_no_members(self, group: str) -> None:
        self._members.pop(group, None)

    def knows(self, pid: int) -> bool:
        """Whether somebody knows what this child of ours belongs to."""
        return pid in self._expected or (self.groups is not None and cgroup.has(self.groups, pid))

    def reap(self) -> None:
        """Take care of the children that have ended."""
        for _ in range(_REAPED_AT_ONCE):
            try:
                zombie = next_zombie()
            except ChildProcessError:
                return
            if zombie is None:
                return
            self._reap(*zombie)
        self._loop.after(0, self.reap)  # the others have their turn first

    def _reap(self, pid: int, status: int) -> None:
        owner = self._owner(pid)
        if owner is not None:
            guarded(lambda: owner.child_ended(pid, status))
        os.waitpid(pid, os.WNOHANG)
        if owner is not None:
            guarded(owner.child_reaped)

    def _owner(self, pid: int) -> Owner | None:
        if pid not in self._expected:
            for look in tuple(self.births):
                guarded(lambda look=look: look(pid))  # type: ignore[misc]
        return self._expected.pop(pid, None) or self._owner_of_member(pid)

    def _owner_of_member(self, pid: int) -> Owner | None:
        path = cgroup.parse_own(procfs.read(f"/proc/{pid}/cgroup") or b"") if self._members else None
        found = (self._members.get(name) for name in (path or "").split("/"))
        return next((owner for owner in found if owner is not None), None)
