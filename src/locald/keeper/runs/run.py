"""One run: from the order to spawn it until nothing is left of it and all that it printed is captured.

The events of a run come in this order: `spawned`, then `notified` and `exited` as they happen, `gone` last
and once; or `refused` alone when its program never began, and then nothing is left either. Before an exit
is reported, the notify socket is drained (a "READY=1, exit" counts) and so is the output. The exits that are
told are the leader's, and that of the member which the run itself named in its place (MAINPID=).
"""

from __future__ import annotations

import os

from locald.keeper.runs import spawn
from locald.keeper.runs.birth import Birth
from locald.keeper.runs.containment import Ends, hold_for
from locald.keeper.runs.follow import Follower, shown
from locald.keeper.runs.kill_rounds import Killing
from locald.keeper.runs.notify_record import Notifications
from locald.keeper.runs.output import Output
from locald.keeper.runs.record import Record
from locald.keeper.runs.senders import Senders
from locald.keeper.runs.spare import new_token
from locald.keeper.runs.streams import open_input

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from locald.keeper.runs.containment import Hold
    from locald.keeper.runs.context import Context
    from locald.keeper.wire.protocol import Event, Order


class Run:
    """`over`: gone or refused; then only the record is left, and the capture for late notes."""

    __slots__ = (
        "_birth",
        "_context",
        "_followed",
        "_hold",
        "_input",
        "_killing",
        "_leader",
        "_notifications",
        "_order",
        "_refusal",
        "_senders",
        "_tailed",
        "_token",
        "_unsent",
        "name",
        "output",
        "over",
        "record",
    )

    def __init__(self, context: Context, order: Order) -> None:
        self.name = order.run
        self.record = Record()
        self.output = Output(context.loop, order, self.pump, self._grew)
        self.over = False
        self._context = context
        self._order = order
        self._token = new_token()
        self._leader: int | None = None
        self._refusal: spawn.Refusal | None = None
        self._hold: Hold | None = None
        self._notifications: Notifications | None = None
        self._input = -1
        """The other end of its standard input, where that never ends."""
        self._birth: Birth | None = None
        """There until it is known whether the program was executed."""
        self._unsent: list[tuple[int, bool]] = []
        """Signals to send as soon as the program is there, and whether to the main process only."""
        self._senders: Senders | None = None
        self._followed = Follower(context.loop, self._followed_ended)
        self._tailed = False
        """The daemon wants to know of output."""
        self._killing: Killing | None = None

    @property
    def unique_name(self) -> str:
        """Told apart from every run that ever was, by its name in the file system."""
        return f"{self.name.replace(':', '.').replace('#', '.')}.{self._token}"

    # Beginning.

    def begin(self) -> None:
        """Fork the program off. It is reported later whether it became one; a lack of resources at once."""
        theirs: list[int] = []
        try:
            self._begin(theirs)
        except Exception as error:  # whatever it is, it concerns this run alone
            self._refusal = spawn.Refusal.of("resources", error)
            self._finish()
        finally:
            for file in theirs:
                os.close(file)

    def _begin(self, theirs: list[int]) -> None:
        given, out, err = self._open_files(theirs)
        self._birth = birth = Birth(self._context.loop, self._born, theirs)
        self._context.children.births.add(self._child_ended)
        ends = Ends(self._member_ended, self.settle, self.kill)
        spare = self._context.spares.take()
        if spare is not None:
            self._token = spare.token
        self._hold = hold = hold_for(self._context, self.unique_name, ends, spare)
        self._senders = Senders(self._context.loop, hold.tree_has, self._is_main, self._sender_ended)
        self._notifications = Notifications(
            self._context,
            self.name,
            self.record,
            hold.standing,
            self.pump,
            self._follow,
            self._senders.line,
        )
        self._notifications.listen()
        self._write_down(hold)
        env = self._order.env | {
            b"NOTIFY_SOCKET": os.fsencode(self._notifications.path),
            b"LOCALD_RUN": self._token.encode("ascii"),
        }
        files = given, out, err, birth.theirs
        hold.begin(spawn.Child(self._order, env, files, self._context.own_files))

    def _open_files(self, theirs: list[int]) -> tuple[int, int, int]:
        """Its standard input, output and error. Appends what the caller is to close. Raises OSError."""
        if self._order.terminal:
            terminal = self.output.open_terminal()
            theirs.append(terminal)
            return terminal, terminal, terminal
        self._input, given = open_input(self._order.stdin_open)
        theirs.append(given)
        out, err = self.output.open(self._order.tty)
        theirs += [out, err]
        return given, out, err

    def _write_down(self, hold: Hold) -> None:
        """What a later keeper needs to end this run, should this keeper be killed."""
        known = {"run": self.name, "token": self._token, **hold.described()}
        self._context.table.put(self._token, known, self._leader)

    def pump(self, executed: bool = False) -> None:
        """Take in what is known about the birth: a program that prints or notifies has been executed."""
        if self._birth is not None:
            self._birth.pump(executed)

    def _child_ended(self, pid: int) -> None:
        """The same when a child of the keeper has ended, which may be the leader."""
        if self._birth is not None:
            self._birth.child_ended(pid)

    def _born(self, report: spawn.Report) -> None:
        self._close_birth()
        leader = report.leader
        self._leader, self._refusal = leader, report.refusal
        if self._hold is None:
            return
        if leader is not None:
            self._hold.led_by(leader)
        if report.refusal is None:
            self.output.note(f"started: pid {leader}, run {self._order.number}")
            facts = {"pid": leader, "token": self._token, "tree": self._hold.described()}
            self._tell("spawned", at=self._context.loop.clock.at(report.began), **facts)
            self._write_down(self._hold)
            for number, only_main in self._unsent:
                self.signal(number, only_main=only_main)
        self.settle()

    def _close_birth(self) -> None:
        if self._birth is not None:
            self._birth.close()
            self._birth = None
            self._context.children.births.discard(self._child_ended)

    def repair(self) -> None:
        """Create again what was removed from the keeper's folder. Raises OSError."""
        if self._notifications is not None and self._hold is not None:
            self._notifications.listen()
            if not self._context.table.has(self._token):
                self._write_down(self._hold)

    # Ends.

    def _member_ended(self, pid: int, status: int) -> None:
        """A member has ended and will be reaped: a leader, the followed process, or an orphan."""
        self._child_ended(pid)
        if pid in (self._leader, self._followed.pid):
            self._exited(pid, status)
        elif self._notifications is not None:
            self._notifications.glance()

    def _exited(self, pid: int, status: int | None) -> None:
        if pid == self._followed.pid:
            self._followed.stop()
        if self._refusal is not None or self._hold is None:
            return
        self._hear()
        self.output.drain()
        with self._context.reserve:
            left = len(self._hold.tree.pids())
        self._tell("exited", pid=pid, **shown(status), left=left)

    def settle(self) -> None:
        """Finish when nothing is left. To be called whenever that may have come true.

        A cgroup is empty a moment before its last process can be waited for: its exit is reported first.
        """
        told = self._birth is None and self._followed.pid is None
        if told and self._hold is not None and self._hold.empty():
            self._finish()

    def _finish(self) -> None:
        self._hear()
        self.output.close()
        self._release()
        self.over = True
        if self._refusal is None:
            self._tell("gone")
        else:
            refusal = self._refusal
            about = {"workdir": self._order.cwd, "program": self._order.argv[0]}.get(refusal.stage, b"")
            subject = about.decode("utf-8", "replace")
            facts = {"errno": refusal.errno, "stage": refusal.stage, "text": refusal.text}
            self._tell("refused", **facts, subject=subject)

    def _release(self) -> None:
        self._followed.stop()
        self._close_birth()
        if self._input >= 0:
            os.close(self._input)
            self._input = -1
        if self._senders is not None:
            self._senders.close()
        if self._notifications is not None:
            self._notifications.close()
        if self._killing is not None:
            self._killing.stop()
        if self._hold is not None:
            with self._context.reserve:
                self._hold.close()
        self._notifications = self._senders = self._killing = self._hold = None
        self._context.table.drop(self._token)

    def forget(self) -> None:
        """Nobody will ask for anything of it any more. What it holds holds it: without this its memory, of
        which the environment may be much, would be free only when Python looks for such rings."""
        del self.output, self._followed

    # What the daemon asks for.

    def signal(self, number: int, *, only_main: bool = False) -> None:
        """To every member, wherever it went, or to the main process. Before the program is there: as soon as
        it is."""
        main = self._followed.pid if self._followed.pid is not None else self._leader
        if self._birth is not None:
            self._unsent.append((number, only_main))
        elif self._hold is not None:
            with self._context.reserve:
                if not only_main:
                    self._hold.signal(number)
                elif main is not None:
                    self._hold.tell(main, number)

    def kill(self) -> None:
        """SIGKILL for all that is left, until nothing is."""
        if self._killing is None and self._hold is not None:
            self._killing = Killing(self._context.loop, self._strike, self._stuck)
            self._killing.go_on()

    def replay(self) -> list[Event]:
        """All that is on record, for a daemon that knows nothing; it says what else it wants."""
        self.tail(False)
        if self._notifications is not None:
            self._notifications.drop()
        return [{**event, "replayed": True} for event in self.record.events()]

    def tail(self, on: bool) -> None:
        """Whether the daemon wants to know of output from now on. Existing output is reported at once."""
        self._tailed = on
        self._grew(self.output.unwritten)

    def _strike(self) -> bool:
        if self._hold is not None:
            with self._context.reserve:
                self._hold.kill()
            self.settle()
        return self.over

    def _stuck(self) -> None:
        if self._hold is not None:
            with self._context.reserve:
                pids = self._hold.tree.pids()
            self._tell("stuck", pids=pids)

    # The main process.

    def _follow(self, pid: int) -> bool:
        """Tell this member's end from now on, and no longer that of another. False when it is none."""
        if self._hold is None or not self._followed.turn_to(pid, self._hold.tree.has):
            return False
        if pid == self._leader:
            self._followed.stop()  # its end is reported anyway
        return True

    def _followed_ended(self) -> None:
        if self._hold is not None:
            self._hold.pump()  # the best witness is its reaper
        if self._followed.pid is not None:
            self._exited(self._followed.pid, self._followed.exit_status())
        self.settle()

    def _is_main(self, pid: int) -> bool:
        return pid in (self._leader, self._followed.pid)

    def _sender_ended(self, pid: int) -> None:
        """What it said last is told before."""
        self._hear()
        self._tell("ended", pid=pid)

    # What is reported.

    def _hear(self) -> None:
        if self._notifications is not None:
            self._notifications.drain()

    def _grew(self, unwritten: bytes) -> None:
        if self._tailed:
            self._context.server.hint(self.name, unwritten)

    def _tell(self, kind: str, **facts: object) -> None:
        """`at`, where it is given: when it happened, if not now."""
        if self._notifications is not None:
            self._notifications.flush()
        event = {"event": kind, "run": self.name, "at": self._context.loop.now(), **facts}
        self.record.add(event)
        self._context.server.tell(event)
