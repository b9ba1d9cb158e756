"""The processes of one run, wherever they went: the members of its cgroup, or all below its subreaper.

Both kinds answer the same questions. `pids` are those alive now; `has` says whether a process (a zombie
too) belongs; `signal` reaches every member. The keeper makes trees, and tells the daemon which kind by
`{"cgroup": path}` or `{"reaper": pid}`, from which the daemon asks the same questions itself.

A pid that was read is stale at once: its process may end and the number go to another process. So a signal
goes through a pidfd, and membership is checked *after* the pidfd was opened: another process is never hit. A
member that forks while it is being signalled is found by looking again until nobody new turns up.
"""

from __future__ import annotations

import os
import signal

from locald.linux import cgroup, procfs

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Mapping

_ROUNDS = 20


class Tree:
    """What both kinds share; `members` and `has` are theirs."""

    __slots__ = ()

    def members(self) -> list[int]:
        """All that belong; may name some that have just ended."""
        raise NotImplementedError

    def has(self, pid: int) -> bool:
        raise NotImplementedError

    def described(self) -> dict[str, str | int]:
        """For `from_description`, in another process."""
        raise NotImplementedError

    def pids(self) -> list[int]:
        """Those that are alive; zombies are not."""
        return [pid for pid in self.members() if procfs.alive(pid)]

    def kill(self) -> None:
        """SIGKILL to every member. Members of the second kind may escape by forking: repeat until empty."""
        self.signal(signal.SIGKILL)

    def signal(self, number: int) -> None:
        """Send the signal once to every member, also to those that are born meanwhile."""
        told: set[int] = set()
        for _ in range(_ROUNDS):
            new = [pid for pid in self.members() if pid not in told]
            if not new:
                return
            for pid in new:
                self.tell(pid, number)
            told.update(new)

    def tell(self, pid: int, number: int) -> None:
        """Send the signal to this one, if it is a member."""
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            return
        try:
            if self.has(pid):
                signal.pidfd_send_signal(pidfd, number)
        except OSError:  # it has ended, or has become another user's
            pass
        finally:
            os.close(pidfd)


class Group(Tree):
    """The members of a cgroup and of those below it."""

    __slots__ = ("folder",)

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def members(self) -> list[int]:
        return cgroup.pids(self.folder)

    def pids(self) -> list[int]:
        """The kernel names no zombie among them."""
        return self.members()

    def has(self, pid: int) -> bool:
        return cgroup.has(self.folder, pid)

    def kill(self) -> None:
        cgroup.kill(self.folder)

    def described(self) -> dict[str, str | int]:
        return {"cgroup": self.folder}


class Family(Tree):
    """All that descend from a subreaper, which is not itself among them."""

    __slots__ = ("reaper",)

    def __init__(self, reaper: int) -> None:
        self.reaper = reaper

    def members(self) -> list[int]:
        return procfs.descendants(self.reaper)

    def has(self, pid: int) -> bool:
        return procfs.descends(pid, self.reaper)

    def described(self) -> dict[str, str | int]:
        return {"reaper": self.reaper}


def from_description(described: Mapping[str, str | int]) -> Tree:
    """The tree that another process described. Raises KeyError for what is no description."""
    if "cgroup" in described:
        return Group(str(described["cgroup"]))
    return Family(int(described["reaper"]))
