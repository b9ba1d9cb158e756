"""A round: somebody does something, something goes wrong, it is put right; then all has to be as was asked.

What the commands are and when what goes wrong is chosen from the seed; how the machine's processes take turns
meanwhile is not, so a round that is repeated is a like one, not the same.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from faults import checks
from faults.harm import EVERYBODY, FAULTS, Victim
from faults.operations import Operation, choose, up
from faults.sight import Sight
from faults.wishes import Wishes

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from faults.harm import Harm
    from faults.sight import Rows, Size
    from faults.yard import Yard
    from whole.machine import Command

TRUTH_WITHIN = 2.0
"""seconds after which status may not name a process that is no more; longer when the machine is busy"""
SETTLED_WITHIN = 50.0
"""seconds: a service may wait half a minute for its next start"""
WRITTEN_WITHIN = 10.0
LOOK_EVERY = 0.05
LOOKS = 4
"""rounds in which a process has met whatever it has to keep in mind"""


@dataclass(slots=True)
class Told:
    """What a round did, and what was broken by it."""

    deeds: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    settled_after: float = 0.0


NOT_KNOWN = 2
"""the exit code of a command in a project that the daemon has never heard of"""


class Campaign:
    """Rounds one after the other, on one locald."""

    def __init__(self, yard: Yard, random: Random, tell: Callable[[str], None] = lambda _: None) -> None:
        """`tell` is called with each deed when it is done."""
        self.yard = yard
        self._tell = tell
        self.random = random
        self.wishes = Wishes()
        self.victim = Victim(yard.home, yard.clock, random, yard.processes, yard.engine)
        self._before = Sight()
        self._sizes: dict[str, list[Size]] = {}
        """of daemon and keeper, when they were young"""
        self._begin_anew()

    def begin(self) -> Told:
        """All projects come up, and nothing goes wrong."""
        self._begin_anew(EVERYBODY)
        since = time.monotonic_ns()
        self._bring_up_all()
        self._settle_and_check(since)
        return self._told

    def _begin_anew(self, concerned: frozenset[str] = frozenset()) -> None:
        self._told = Told()
        self._concerned = set(concerned)
        self._cut_off: set[str] = set()
        self._cut_pids: set[int] = set()
        """of those that had not printed anything yet when their output was cut off"""
        self._at_full_disk: set[str] = set()
        self._harmed = self._unsure = self._forgot = False

    def _bring_up_all(self) -> None:
        for project in self.yard.projects:
            self._do(up(self.wishes, project))

    def round(self) -> Told:
        self._begin_anew()
        since = time.monotonic_ns()
        if not self.wishes.known:
            self._bring_up_all()
            self.wishes = self.wishes.settled  # so a `stop` of a task that is done changes nothing
        self._act()
        if self._unsure:
            self._forgot = False
            self._bring_up_all()
        self._settle_and_check(since)
        return self._told

    def end(self) -> Told:
        """`server stop`, after which nothing at all is left."""
        self._told = Told()
        self._say("locald server stop")
        code, said = self.yard.run("shop", "server", "stop")
        if code != 0:
            self._told.broken.append(f"server stop ended with {code}: {said}")
        self._told.broken += checks.stopped_leaves_nothing(Wishes(), Sight(self.yard.processes()))
        self._told.broken += [f"server stop has left the container {each}" for each in self.yard.containers()]
        until = time.monotonic() + 10
        while self.victim.keeper and time.monotonic() < until:
            time.sleep(LOOK_EVERY)
        if self.victim.keeper:
            self._told.broken.append(f"the keeper ({self.victim.keeper}) has not ended after server stop")
        self._told.broken += checks.no_traceback(Sight(texts=self.yard.texts()))
        return self._told

    # What is done.

    def _say(self, deed: str) -> None:
        self._told.deeds.append(deed)
        self._tell(deed)

    def _act(self) -> None:
        """An operation, or one in each project at once, and up to two faults, in one of the orders."""
        operations = self._choose()
        chosen = self.random.choices(FAULTS, k=self.random.choice((0, 1, 1, 1, 1, 2)))
        order = self.random.choice(("before", "during", "during", "after"))
        moments = [self.random.random() * 0.5 for _ in range(3)]
        ends_early = self.random.random() < 0.1
        harms = [self._harm(fault) for fault in chosen] if order == "before" else []
        self._harmed = self._harmed or (bool(chosen) and order != "after")
        commands = [self._begin(operation) for operation in operations]
        time.sleep(moments[0])
        if order == "during":
            harms = [self._harm(fault) for fault in chosen]
        if ends_early and commands:
            self._end_early(self.random.choice(list(zip(operations, commands, strict=True))))
        if order != "after":
            self._undo(harms, moments[1] * 4)
        for operation, command in zip(operations, commands, strict=True):
            self._end(operation, command)
        if order == "after":
            self._undo([self._harm(fault) for fault in chosen], moments[1] * 4)

    def _choose(self) -> list[Operation]:
        """None, one, or one in each project: the wish of the second is that of both."""
        projects = self.random.sample(sorted(self.yard.projects), self.random.choice((0, 1, 1, 1, 1, 2, 2)))
        operations: list[Operation] = []
        for project in projects:
            wishes = operations[-1].after if operations else self.wishes
            operations.append(choose(self.random, wishes, project))
        return operations

    def _end_early(self, begun: tuple[Operation, Command]) -> None:
        operation, command = begun
        number = self.random.choice((signal.SIGKILL, signal.SIGINT, signal.SIGTERM))
        self._say(f"{number.name} to {operation}")
        self._harmed = True
        os.kill(command.pid, number)

    def _harm(self, fault: object) -> Harm:
        seen = self.yard.marks()
        harm: Harm = fault(self.victim)  # type: ignore[operator]
        self._say(harm.what)
        self._harmed = True
        self._concerned |= harm.concerned
        if harm.cuts_logs:
            self._cut_off |= {incarnation for _, incarnation, _ in seen}
            self._cut_pids |= {each.pid for each in self.yard.processes()}
        if harm.forgets:
            self._forgot = True
            self.wishes = replace(self.wishes, known=frozenset(), wanted=frozenset(), done=frozenset())
        return harm

    def _undo(self, harms: list[Harm], after: float) -> None:
        time.sleep(after)
        for harm in reversed(harms):  # a second of its kind found what the first had left
            harm.undo()
            if harm.fills_disk:
                there = {incarnation for _, incarnation, _ in self.yard.marks()}
                self._cut_off |= {each for each in there if not _lives(each)}
                self._at_full_disk |= there
        self._unsure = self._unsure or any(harm.unsure for harm in harms)

    def _begin(self, operation: Operation) -> Command:
        self._say(str(operation))
        self.yard.write(operation.project, operation.after)
        self._concerned |= operation.concerned
        return self.yard.begin(operation.project, *operation.words)

    def _end(self, operation: Operation, command: Command, again: bool = False) -> None:
        """A command that something happened to may have failed: then it is given again, and does not."""
        code = self.yard.finish(command, str(operation))
        if self._forgot:  # before or after it: who can tell?
            self._unsure = True
        elif code in operation.codes:
            self.wishes = operation.after
        elif code is None:
            self._broke(f"{operation} did not end")
        elif self._unsure and code == NOT_KNOWN:
            self._say(f"{operation} ended with {code}: what was saved of the project is lost")
        elif self._harmed and not again:
            self._say(f"{operation} ended with {code}; again:")
            self._do(operation, again=True)
        else:
            said = next(reversed(self.yard.outputs.values()))
            self._broke(f"{operation} ended with {code}: {said[-1500:]}")

    def _do(self, operation: Operation, again: bool = False) -> None:
        self._end(operation, self._begin(operation), again)

    def _broke(self, what: str) -> None:
        if what not in self._told.broken:
            self._told.broken.append(what)

    # What is looked at.

    def _settle_and_check(self, since: int) -> None:
        began = time.monotonic()
        seen = self.settle()
        self._told.settled_after = time.monotonic() - began
        self.wishes = self.wishes.settled
        self._told.broken += checks.bystanders_untouched(self._before, seen, self._concerned, self.wishes)
        self._told.broken += checks.dashboard_is_remembered(self._before, seen)
        if not self._unsure:  # with what was saved, the clock that all times are of is lost
            self._told.broken += checks.times_stay(self._before, seen)
        seen = self.read_logs(seen)
        self._told.broken += [
            *checks.lines_whole_and_in_order(seen),
            *checks.none_twice(seen),
            *checks.dependencies_first(self.yard.journal(), since),
            *checks.containers_first(self.yard.journal(), since, self._concerned),
            *checks.no_traceback(replace(seen, texts=self.yard.texts())),
            *self._growth(),
        ]
        for _, incarnation, _ in seen.marks:
            if not _lives(incarnation):
                self.yard.forget_marks(incarnation)
        self._before = seen

    def settle(self) -> Sight:
        """Wait until all is as was asked for; what is not by the end of patience is broken."""
        until = time.monotonic() + SETTLED_WITHIN * busy()
        shown: dict[tuple[str, int], float] = {}
        while True:
            seen = self.look()
            self._broken_if_shown_too_long(seen, shown)
            broken = [
                *checks.wanted_runs_once(self.wishes, seen),
                *checks.stopped_leaves_nothing(self.wishes, seen),
                *checks.somebody_keeps_them(self.wishes, seen),
                *checks.status_is_true(self.wishes, seen),
                *checks.all_is_saved(seen),
            ]
            if not broken:
                return seen
            if time.monotonic() > until:
                self._told.broken += [
                    f"even after {SETTLED_WITHIN * busy():.0f} s: {each}" for each in broken
                ]
                return seen
            time.sleep(LOOK_EVERY)

    def look(self) -> Sight:
        rows, unsaved = self.yard.status() or self._have_daemon()
        dashboard, is_kept = self.yard.dashboard(), self.victim.keeper is not None
        return Sight(self.yard.processes(), rows, is_kept=is_kept, unsaved=unsaved, dashboard=dashboard)

    def _have_daemon(self) -> tuple[Rows, str]:
        """`status` starts one when there is something to restore; else there need be none."""
        code, said = self.yard.run("shop", "status", "--all", "--json")
        if code == 3 and not self.wishes.wanted:
            code, said = self.yard.run("shop", "server", "start")
        if code != 0:
            self._broke(f"status ended with {code}: {said[-1000:]}")
        return self.yard.status() or ({}, "")

    def _broken_if_shown_too_long(self, seen: Sight, shown: dict[tuple[str, int], float]) -> None:
        now, wrong = time.monotonic(), checks.pids_that_are_not(seen)
        for name, pid in wrong.items():
            first = shown.setdefault((name, pid), now)
            if now - first > TRUTH_WITHIN * busy():
                self._broke(f"status shows pid {pid} of {name} for {now - first:.1f} s after its end")
                shown[name, pid] = now + 3600
        for name, pid in [each for each in shown if wrong.get(each[0]) != each[1]]:
            del shown[name, pid]

    def read_logs(self, seen: Sight) -> Sight:
        """With all that was printed until now, once it is there."""
        until = time.monotonic() + WRITTEN_WITHIN * busy()
        marks = self.yard.marks()
        cut_off = self._cut_off | {each for _, each, _ in marks if _pid(each) in self._cut_pids}
        while True:
            logs = self.yard.logs(self.wishes.known)
            seen = replace(seen, marks=marks, logs=logs)
            lost = checks.nothing_printed_is_lost(seen, cut_off, self._at_full_disk)
            if not lost or time.monotonic() > until:
                self._told.broken += lost
                return seen

    def _growth(self) -> list[str]:
        broken = []
        for what, pid in (("daemon", self.victim.daemon), ("keeper", self.victim.keeper)):
            now = self.yard.size(pid, len(self.wishes.running))
            if now is None:
                continue
            earlier = [size for size in self._sizes.get(what, ()) if size.is_of_same(now)]
            if len(earlier) < LOOKS:
                self._sizes[what] = [*earlier, now]
            else:
                broken += checks.no_growth(what, max(earlier, key=lambda size: size.memory), now)
        return broken


def _lives(incarnation: str) -> bool:
    return os.path.exists(f"/proc/{_pid(incarnation)}")


def _pid(incarnation: str) -> int:
    return int(incarnation.partition("-")[0])


def busy() -> float:
    """How much longer things take on this machine now than on an idle one."""
    return min(max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)), 3.0)
