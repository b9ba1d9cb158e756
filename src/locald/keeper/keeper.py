"""The keeper itself: which runs there are, and what the daemon asks for.

It ends when it holds nothing and no daemon wants it. As long as it holds something, nothing but SIGKILL ends
it, and it can be found: what is removed from its folder it creates again.
"""

from __future__ import annotations

import errno
import os
import select
import signal

from locald.keeper.log import report
from locald.keeper.loop import Loop
from locald.keeper.runs.children import Children
from locald.keeper.runs.context import Context
from locald.keeper.runs.run import Run
from locald.keeper.runs.zygote import Zygote
from locald.keeper.wire.protocol import PROTOCOL, Malformed, Order, Request, encode, run_number
from locald.keeper.wire.server import Server
from locald.linux import cgroup
from locald.wire.version import __version__

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from locald.keeper.loop import Timer
    from locald.keeper.place import Place
    from locald.keeper.runs.leftovers import Table
    from locald.keeper.wire.protocol import Event

ALONE = 3.0
"""seconds after which a keeper that holds nothing ends, when its daemon has gone and no other came"""


class Keeper:
    """`groups`: where runs can have cgroups, or None. `own_files`, `most_files`: see `Context`."""

    __slots__ = (
        "_alone",
        "_context",
        "_leaving",
        "_place",
        "_runs",
        "_server",
        "_starter",
        "children",
        "loop",
    )

    def __init__(
        self, place: Place, table: Table, groups: str | None, own_files: tuple[int, int], most_files: int
    ) -> None:
        """Begin to listen. Raises OSError."""
        self.loop = Loop()
        self.children = Children(self.loop, groups)
        self._place = place
        self._server = Server(self.loop, place.socket, self._carry_out, self._replay, self._attach)
        self._context = Context(
            self.loop, self._server, self.children, table, place.sockets, own_files, most_files
        )
        self._runs: dict[str, Run] = {}
        self._leaving = False
        self._alone: Timer | None = None
        self._starter: int | None = None
        """a pidfd of who started us: waited for however long it takes, until somebody has said hello"""
        self.loop.before_sleep(self._consider_leaving)
        place.watch(self.loop, self._repair)

    def expect(self, starter: int) -> None:
        """Stay until it is no more, or somebody has said hello. `starter`: a pidfd, ours from now on."""
        self._starter = starter
        self.loop.watch(starter, select.EPOLLIN, self._expect_no_more)

    def _expect_no_more(self) -> None:
        if self._starter is not None:
            self.loop.unwatch(self._starter)
            os.close(self._starter)
            self._starter = None

    def prepare(self) -> None:
        """Have a process that forks, or one that waits; to be called when all is there that will be."""
        if self.children.groups is not None:
            self._context.spares.have_one()
        else:
            self._have_zygote()

    def _have_zygote(self) -> None:
        try:
            zygote = Zygote(self._context.most_files)
        except OSError as error:
            report(f"no zygote: {error.strerror}")
            return
        self.children.expect(zygote.pid, zygote)
        self._context.zygote = zygote

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
                number = request.number("signal", 1, signal.NSIG - 1)
                run.signal(number, only_main=request.has("main") and request.truth("main"))
            case "kill":
                run.kill()
            case "note":
                run.output.note(request.text("line"))
            case "tail":
                run.tail(request.truth("on"))
            case "forget":
                self._forget(run)
            case other:
                raise Malformed(f"unknown request {other!r}")

    def _attach(self, request: Request, take: Callable[[], socket.socket]) -> None:
        """Somebody wants to see a run's terminal, and to type there. `take` gives his connection."""
        run = self._run(request)
        terminal = run.output.terminal
        if run.over or terminal is None:
            raise Malformed("it has ended" if run.over else "it has no terminal")
        looks, takes = request.truth("looks"), request.truth("takes")
        answer = encode({"event": "attached", "run": run.name, "at": self.loop.now()})
        terminal.attach(take(), answer, looks=looks, takes=takes)

    def _run(self, request: Request) -> Run:
        name = request.text("run")
        try:
            return self._runs[name]
        except KeyError:
            raise Malformed("no such run") from None

    def _spawn(self, request: Request) -> None:
        """What cannot be understood is refused, too: every run that is asked for has an end."""
        name = request.text("run")
        run_number(name)
        if name in self._runs:
            raise Malformed("the run already exists")
        try:
            order = Order(request)
        except Malformed as error:
            refusal = {"errno": errno.EINVAL, "stage": "program", "text": str(error)}
            self._server.tell({"event": "refused", "run": name, "at": self.loop.now(), **refusal})
            return
        run = self._runs[name] = Run(self._context, order)
        if not self._place.is_whole():
            self._place.look()
        run.begin()

    def _forget(self, run: Run) -> None:
        if not run.over:
            raise Malformed("the run has not ended")
        del self._runs[run.name]
        run.forget()

    # Staying, and going.

    def _repair(self) -> None:
        """Something may be missing in our folder, where all that we hold is to be found. Raises OSError."""
        if self._runs:
            self._place.take()
            self._server.listen()
        for run in self._runs.values():
            run.repair()

    def leave_if_idle(self) -> None:
        """End, unless something is held: then nothing but SIGKILL ends us."""
        if not self._runs:
            self.loop.end()

    def close(self) -> None:
        self._server.close()
        self._context.spares.close()
        if self.children.groups is not None:
            cgroup.remove(self.children.groups)

    def _consider_leaving(self) -> None:
        if self._runs or self._starter is not None or (self._server.wanted and not self._leaving):
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
        """What a new daemon gets first."""
        self._leaving = False
        self._expect_no_more()
        now = self.loop.now()
        hello = {"event": "hello", "at": now, "protocol": PROTOCOL, "pid": os.getpid()}
        events = [{**hello, "epoch": self.loop.clock.epoch, "version": __version__}]
        for run in self._runs.values():
            events += run.replay()
        return [*events, {"event": "replayed", "at": now}]
