"""The keeper itself: which runs there are, which child belongs to which, and what the daemon asks for.

It is a subreaper, so that the orphans of its runs become its children, and it reaps every child that ends,
after the run it belonged to had the time to look at the zombie. It ends when it holds nothing and no daemon
wants it.
"""

from __future__ import annotations

import errno
import os
import signal

from locald.keeper.holds import GroupHold, Hold, ReaperHold
from locald.keeper.loop import Loop, guarded
from locald.keeper.protocol import PROTOCOL, Malformed, Order, Request, run_number
from locald.keeper.reaper import wait_status
from locald.keeper.run import Run
from locald.keeper.server import Server
from locald.linux import cgroup, procfs
from locald.wire.version import __version__

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from locald.keeper.leftovers import Table
    from locald.keeper.loop import Timer
    from locald.keeper.protocol import Event

ALONE = 3.0
"""seconds without a daemon after which a keeper that holds nothing ends"""
_REAPED_AT_ONCE = 100


class Keeper:
    """`groups`: where runs can have cgroups, or None. `own_files`: our own limit before we raised it."""

    __slots__ = (
        "_alone",
        "_grouped",
        "_leaving",
        "_runs",
        "_server",
        "children",
        "groups",
        "loop",
        "most_files",
        "notify_folder",
        "own_files",
        "starting",
        "table",
    )

    def __init__(
        self, folder: str, table: Table, groups: str | None, own_files: tuple[int, int], most_files: int
    ) -> None:
        """Begin to listen in `folder`. Raises OSError."""
        self.loop = Loop()
        self.table = table
        self.groups = groups
        self.own_files = own_files
        self.most_files = most_files
        self.notify_folder = os.path.join(folder, "n")
        self.children: dict[int, Hold] = {}
        """Our own children that belong to a run, leaders and subreapers, until they are reaped."""
        self.starting: set[Run] = set()
        self._runs: dict[str, Run] = {}
        self._grouped: dict[str, Run] = {}
        """By the name of their cgroup."""
        self._leaving = False
        self._alone: Timer | None = None
        self._server = Server(self.loop, os.path.join(folder, "keeper.sock"), self._carry_out, self._replay)
        self.loop.before_sleep(self._consider_leaving)

    # What runs need.

    def tell(self, event: Event) -> None:
        self._server.tell(event)

    def hint(self, run: str) -> None:
        self._server.hint(run)

    def spawners(self) -> set[int]:
        daemon = self._server.daemon
        return {os.getpid()} if daemon is None else {os.getpid(), daemon}

    def holds_child(self, pid: int) -> bool:
        """Whether somebody knows what this child of ours belongs to."""
        return pid in self.children or (self.groups is not None and cgroup.has(self.groups, pid))

    def hold_for(self, run: Run) -> Hold:
        """A cgroup where one can be made, else a subreaper. Raises OSError."""
        if self.groups is not None:
            try:
                folder = cgroup.make(self.groups, run.unique_name)
            except OSError:
                return ReaperHold(self, run)
            try:
                hold = GroupHold(self, run, folder)
            except OSError:
                cgroup.remove(folder)
            else:
                self._grouped[run.unique_name] = run
                return hold
        return ReaperHold(self, run)

    # Children.

    def reap(self) -> None:
        """Take care of the children that have ended."""
        for _ in range(_REAPED_AT_ONCE):
            try:
                told = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if told is None:
                return
            self._reap(told.si_pid, wait_status(told))
        self.loop.after(0, self.reap)  # the others have their turn first

    def _reap(self, pid: int, status: int) -> None:
        self._hear_of_new_leaders(pid)
        hold = self.children.pop(pid, None)
        run = hold.run if hold is not None else self._run_of_orphan(pid)
        if hold is not None:
            guarded(lambda: hold.child_ended(pid, status))
        elif run is not None:
            guarded(lambda: run.member_ended(pid, status))
        os.waitpid(pid, os.WNOHANG)
        if run is not None:
            guarded(run.settle)

    def _hear_of_new_leaders(self, pid: int) -> None:
        """A leader may end before the pipe that tells its pid was read."""
        if pid not in self.children:
            for run in tuple(self.starting):
                guarded(run.pump)

    def _run_of_orphan(self, pid: int) -> Run | None:
        path = cgroup.parse_own(procfs.read(f"/proc/{pid}/cgroup") or b"") if self.groups else None
        found = (self._grouped.get(name) for name in (path or "").split("/"))
        return next((run for run in found if run is not None), None)

    # What the daemon asks for.

    def _carry_out(self, request: Request) -> None:
        match request.text("do"):
            case "spawn":
                self._spawn(request)
            case "quit":
                self._leaving = True
            case _:
                self._carry_out_for(self._run(request), request)

    def _carry_out_for(self, run: Run, request: Request) -> None:
        match request.text("do"):
            case "signal":
                run.signal(request.number("signal", 1, signal.NSIG - 1))
            case "kill":
                run.kill()
            case "note":
                run.output.note(request.text("line"))
            case "tail":
                run.tailed = request.truth("on")
            case "forget":
                self._forget(run)
            case other:
                raise Malformed(f"unknown request {other!r}", run.name)

    def _run(self, request: Request) -> Run:
        name = request.text("run")
        try:
            return self._runs[name]
        except KeyError:
            raise Malformed("no such run", name) from None

    def _spawn(self, request: Request) -> None:
        """What cannot be understood is refused, too: every run that is asked for has an end."""
        name = request.text("run")
        run_number(name)
        if name in self._runs:
            raise Malformed("there is such a run already", name)
        try:
            order = Order(request)
        except Malformed as error:
            refusal = {"errno": errno.EINVAL, "stage": "program", "text": str(error)}
            self.tell({"event": "refused", "run": name, "at": self.loop.now(), **refusal})
            return
        run = self._runs[name] = Run(self, order)
        run.begin()

    def _forget(self, run: Run) -> None:
        if not run.over:
            raise Malformed("the run is not over", run.name)
        del self._runs[run.name]
        self._grouped.pop(run.unique_name, None)

    # Coming and going.

    def leave_if_idle(self) -> None:
        """End, unless something is held: then nothing but SIGKILL ends us."""
        if not self._runs:
            self.loop.end()

    def close(self) -> None:
        self._server.close()
        if self.groups is not None:
            cgroup.remove(self.groups)

    def _consider_leaving(self) -> None:
        if self._runs or (self._server.wanted and not self._leaving):
            self._stay()
        elif self._leaving:
            self.loop.end()
        elif self._alone is None:
            self._alone = self.loop.after(ALONE, self.leave_if_idle)

    def _stay(self) -> None:
        if self._alone is not None:
            self._alone.cancel()
            self._alone = None

    def _replay(self) -> list[Event]:
        """What a new daemon hears first."""
        self._leaving = False
        now = self.loop.now()
        hello = {"event": "hello", "at": now, "protocol": PROTOCOL, "pid": os.getpid()}
        events = [{**hello, "epoch": self.loop.epoch, "version": __version__}]
        for run in self._runs.values():
            run.tailed = False
            events += [{**event, "replayed": True} for event in run.record.events()]
        return [*events, {"event": "replayed", "at": now}]
