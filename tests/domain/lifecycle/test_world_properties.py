"""Any order of commands and accidents: the promises hold.

A state machine plays the user, who asks for anything at any time, and the outside, which is honest (it tells
what happened, in an order that can be) but otherwise as unkind as it likes. At the end of every play the
outside turns kind: then `stop` has to stop everything, `up` has to heal everything, and `down` has to forget
it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from domain.outside import Outside, component, is_held
from domain.story import definition, listener
from locald.daemon.recovery import restore
from locald.domain.explain.view import is_down, is_settled, row
from locald.domain.lifecycle.draft import Draft
from locald.domain.lifecycle.messages import (
    Down,
    Due,
    Event,
    Exit,
    Exited,
    Gone,
    Kin,
    Listens,
    Lost,
    Message,
    Notified,
    NotStarted,
    Prepares,
    Probed,
    Process,
    Restart,
    Resumed,
    Sender,
    SenderEnded,
    Shutdown,
    Silenced,
    Spawned,
    Stop,
    Up,
)
from locald.domain.lifecycle.phase import Completed, Desired
from locald.domain.lifecycle.reachable import dependents_of
from locald.domain.lifecycle.step import step
from locald.domain.lifecycle.world import World
from locald.domain.project import spec
from locald.domain.project.names import Key, Run
from locald.domain.project.spec import (
    Caller,
    Condition,
    HttpCheck,
    Project,
    RestartPolicy,
    ServiceSpec,
    Type,
)

if TYPE_CHECKING:
    from locald.domain.lifecycle.service import Service

NAMES = ("a", "b", "c", "d", "e")
names = st.frozensets(st.sampled_from(NAMES), min_size=1)
words = st.sampled_from(
    [
        b"READY=1",
        b"STATUS=busy",
        b"RELOADING=1",
        b"STOPPING=1",
        b"WATCHDOG=1",
        b"WATCHDOG=trigger",
        b"WATCHDOG_USEC=3000000",
        b"EXTEND_TIMEOUT_USEC=4000000",
        b"READY=1\nSTOPPING=1",
    ]
)

NEWS = ("listens", "probed", "says", "away", "another says", "another ends")


@st.composite
def specs(draw: st.DrawFn) -> dict[str, ServiceSpec]:
    """Up to five services; each may depend on those before it."""
    found: dict[str, ServiceSpec] = {}
    for name in NAMES[: draw(st.integers(2, 5))]:
        type_ = draw(st.sampled_from([Type.EXEC, Type.EXEC, Type.WORKER, Type.TASK]))
        needs = draw(st.lists(st.sampled_from(sorted(found)), unique=True, max_size=2)) if found else []
        checks = [None, spec.HealthCheck(HttpCheck(), retries=2)] if type_ is Type.EXEC else [None]
        found[name] = ServiceSpec(
            name,
            type_,
            command="true",
            depends_on={need: _condition(draw, found[need]) for need in needs},
            health_check=draw(st.sampled_from(checks)),
            start_timeout=draw(st.sampled_from([None, 3.0])),
            restart=draw(st.sampled_from(RestartPolicy)),
            max_restarts=draw(st.sampled_from([0, 1, 5])),
            stop_timeout=2.0,
            watchdog=draw(st.sampled_from([None, 2.0])),
        )
    return found


def _condition(draw: st.DrawFn, dependency: ServiceSpec) -> Condition:
    allowed = [Condition.HEALTHY, Condition.STARTED]
    return draw(st.sampled_from([*allowed, Condition.COMPLETED] if dependency.type is Type.TASK else allowed))


class Promises(RuleBasedStateMachine):
    @initialize(chosen=specs())
    def a_project(self, chosen: dict[str, ServiceSpec]) -> None:
        self.specs = chosen
        self.world = World()
        self.now = 1000.0
        self.outside = Outside()
        self.edits = 0
        self.up(frozenset(), False)

    # Telling.

    def tell(self, message: Message) -> None:
        before = self.world
        outcome = step(before, message, self.now)
        self.world = outcome.world
        for effect in outcome.effects:
            self.outside.obey(effect, self.world)
        self.outside.see(self.world)
        again = step(before, message, self.now)
        assert again == outcome, "a step is repeatable"
        self.check_moved(before, message, outcome.moved)

    def check_moved(self, before: World, message: Message, moved: frozenset[Key]) -> None:
        keys = before.services.keys() | self.world.services.keys()
        assert moved == {key for key in keys if before.services.get(key) is not self.world.services.get(key)}
        if isinstance(message, Event | Due):
            key = message.key if isinstance(message, Due) else message.run.key
            assert moved <= component(before, key) | component(self.world, key)

    def news(self, event: Event) -> None:
        """What happened to a run; a new daemon is told first that there is one."""
        if event.run in self.outside.unreported:
            self.report(event.run)
        self.tell(event)

    def meet_deadlines(self) -> None:
        """As the daemon's loop does. A deadline that was met is over."""
        for _ in range(50):
            due = [s.key for s in self.world.services.values() if s.deadline and s.deadline <= self.now]
            if not due:
                return
            for key in due:
                self.tell(Due(key))
        raise AssertionError("deadlines without an end")

    def project(self) -> Project:
        definitions = {name: definition(spec) for name, spec in self.specs.items()}
        return Project("shop", "shop.localhost", "/shop", definitions)

    def keys(self, chosen: frozenset[str]) -> frozenset[Key]:
        return frozenset(Key("shop", name) for name in chosen if Key("shop", name) in self.world.services)

    # The user.

    @rule(chosen=names, named=st.booleans())
    def up(self, chosen: frozenset[str], named: bool) -> None:
        chosen &= self.specs.keys()
        wanted = chosen or frozenset(self.specs)
        self.tell(Up(self.project(), wanted, chosen if named else frozenset(), Caller()))

    @rule(what=st.sampled_from(["stop", "stop", "restart", "restart", "down", "shutdown"]), chosen=names)
    def ask(self, what: str, chosen: frozenset[str]) -> None:
        match what:
            case "stop":
                self.tell(Stop(self.keys(chosen)))
            case "restart":
                self.tell(Restart(self.keys(chosen), Caller()))
            case "down":
                self.tell(Down("shop"))
            case _:
                self.tell(Shutdown())

    @rule(data=st.data(), what=st.sampled_from(["change", "remove the last", "need another"]))
    def edit(self, data: st.DataObject, what: str) -> None:
        """The file changes, and is brought up."""
        *others, last = self.specs
        match what:
            case "change":
                name = data.draw(st.sampled_from([*others, last]))
                self.edits += 1
                changed = replace(self.specs[name], env={"EDIT": str(self.edits)})
                self.specs = self.specs | {name: changed}
            case "remove the last" if others:
                self.specs = {name: self.specs[name] for name in others}
            case _:
                need = data.draw(st.sampled_from([None, *others]))
                needs = {} if need is None else {need: Condition.HEALTHY}
                self.specs = self.specs | {last: replace(self.specs[last], depends_on=needs)}
        self.up(frozenset(), False)

    # The outside.

    @precondition(lambda self: self.outside.ordered)
    @rule(data=st.data(), works=st.sampled_from([True, True, True, False]))
    def spawn_ends(self, data: st.DataObject, works: bool) -> None:
        run = data.draw(st.sampled_from(self.outside.ordered))
        self.outside.ordered.remove(run)
        if run in self.outside.unreported:
            self.outside.unreported.remove(run)
        if works:
            self.outside.alive[run] = 1
            self.tell(Spawned(run, _pid(run), self.now))
        else:
            self.outside.past.append(run)
            may_pass = data.draw(st.booleans())
            self.tell(NotStarted(run, "no such program", "", self.now, may_pass=may_pass))

    @precondition(lambda self: self.outside.alive.keys() - self.outside.headless)
    @rule(data=st.data(), code=st.sampled_from([0, 1, None]), left=st.sampled_from([0, 0, 1]))
    def exit(self, data: st.DataObject, code: int | None, left: int) -> None:
        run = data.draw(st.sampled_from(sorted(self.outside.alive.keys() - self.outside.headless)))
        self._exit(run, Exit(code, None if code is not None else 15), left)

    def _exit(self, run: Run, exit_: Exit, left: int) -> None:
        self.outside.headless.add(run)
        self.news(Exited(run, _pid(run), exit_, left, self.now))
        if not left:
            self._gone(run)

    def _gone(self, run: Run) -> None:
        if run in self.outside.unreported:
            self.report(run)
        for books in (self.outside.headless, self.outside.told_to_stop):
            books.discard(run)
        del self.outside.alive[run]
        self.outside.past.append(run)
        self.tell(Gone(run, self.now))
        assert run not in self.outside.watched

    @precondition(lambda self: self.outside.headless)
    @rule(data=st.data())
    def leftovers_end(self, data: st.DataObject) -> None:
        self._gone(data.draw(st.sampled_from(sorted(self.outside.headless))))

    @precondition(lambda self: self.outside.alive)
    @rule(data=st.data())
    def is_lost(self, data: st.DataObject) -> None:
        run = data.draw(st.sampled_from(sorted(self.outside.alive)))
        if run in self.outside.unreported:
            self.outside.unreported.remove(run)
        del self.outside.alive[run]
        for books in (self.outside.headless, self.outside.told_to_stop):
            books.discard(run)
        self.outside.past.append(run)
        self.tell(Lost(run, "the keeper was killed", self.now))

    @precondition(lambda self: self.outside.ordered)
    @rule(data=st.data())
    def is_prepared(self, data: st.DataObject) -> None:
        run = data.draw(st.sampled_from(self.outside.ordered))
        if run not in self.outside.unreported:
            self.tell(Prepares(run, "pulling", self.now))

    @precondition(lambda self: self.outside.alive or self.outside.ordered)
    @rule()
    def all_goes_well_for_a_moment(self) -> None:
        """Else no play would ever get far."""
        self.be_kind(1)

    @precondition(lambda self: self.outside.alive)
    @rule(data=st.data(), ok=st.booleans(), kind=st.sampled_from(NEWS))
    def health_news(self, data: st.DataObject, ok: bool, kind: str) -> None:
        run = data.draw(st.sampled_from(sorted(self.outside.alive)))
        match kind:
            case "says":
                self.says(run, data.draw(words))
            case "another says":
                line = (Kin(7, "other", ok), *data.draw(st.sampled_from([(), (Kin(8, "sh"),)])))
                self.says(run, data.draw(words), line)
            case "another ends":
                self.news(SenderEnded(run, 7 if ok else 8, self.now))
            case "probed":
                self.news(Probed(run, ok, "looked", self.now))
            case "away":
                self.news(Resumed(run, self.now) if ok else Silenced(run, "away", self.now))
            case _:
                self._listens(run, ok)

    def says(self, run: Run, datagram: bytes, line: tuple[Kin, ...] = ()) -> None:
        pid = line[0].pid if line else _pid(run)
        self.news(Notified(run, Sender(Process(pid), 0, "member", line), datagram, self.now))

    def _listens(self, run: Run, ok: bool) -> None:
        port = self.world.services[run.key].present.port
        mine = (listener(port, Process(_pid(run))),) if ok and port else ()
        self.news(Listens(run, mine, ok, None, self.now))

    @precondition(lambda self: self.outside.past)
    @rule(data=st.data())
    def stale_news(self, data: st.DataObject) -> None:
        run = data.draw(st.sampled_from(self.outside.past))
        before = self.world
        self.tell(Probed(run, True, "late", self.now))
        self.tell(Gone(run, self.now))
        assert self.world == before

    @rule(seconds=st.sampled_from([0.05, 0.2, 0.5, 2.0, 12.0, 61.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.meet_deadlines()

    @rule(seconds=st.sampled_from([0.0, 100.0]))
    def the_daemon_dies(self, seconds: float) -> None:
        self.now += seconds
        self.world, effects = restore(self.world)
        self.outside.watched.clear()
        self.outside.unreported = [*self.outside.ordered, *self.outside.alive]
        assert [effect.run for effect in effects if hasattr(effect, "run")] == [
            service.run for service in self.world.services.values() if service.run
        ]
        assert {s.run for s in self.world.services.values() if s.run} == set(self.outside.unreported)

    @precondition(lambda self: self.outside.unreported)
    @rule(data=st.data())
    def the_new_one_is_told(self, data: st.DataObject) -> None:
        self.report(data.draw(st.sampled_from(self.outside.unreported)))

    def report(self, run: Run) -> None:
        """What the keeper recorded of a run. What had not been ordered of it yet never was."""
        self.outside.unreported.remove(run)
        if run in self.outside.ordered:
            self.outside.ordered.remove(run)
            self.outside.past.append(run)
            self.tell(Lost(run, "never ordered", self.now))
            return
        headless = run in self.outside.headless
        self.outside.headless.discard(run)  # so it was when it was spawned
        self.tell(Spawned(run, _pid(run), self.now))
        self.meet_deadlines()
        if headless:
            self.outside.headless.add(run)
            self.tell(Exited(run, _pid(run), Exit(1), 1, self.now))

    # What always holds.

    @invariant()
    def every_service_says_why(self) -> None:
        for service in self.services():
            assert row(self.world, service).because

    @invariant()
    def health_has_a_living_main_process(self) -> None:
        for service in self.services():
            if service.is_healthy and not isinstance(service.phase, Completed):
                assert service.run in self.outside.alive
                assert service.run not in self.outside.headless or service.run in self.outside.unreported

    @invariant()
    def what_is_known_of_others_is_right(self) -> None:
        for service in self.services():
            assert (service.held_by is not None) == is_held(self.world, service.key)
            if service.held_by:
                assert self.world.services[service.held_by].desired in (Desired.DOWN, Desired.REMOVED)
        if hasattr(self, "world"):
            index = dependents_of(self.world.services)
            assert {key: set(who) for key, who in self.world.dependents.items()} == {
                key: set(who) for key, who in index.items()
            }

    @invariant()
    def nobody_was_overlooked(self) -> None:
        """Pulling at everybody, not only at the neighbours of what moved, changes nothing."""
        if hasattr(self, "world"):
            draft = Draft(self.world, self.now)
            draft._ask(*self.world.services)
            draft.settle()
            assert draft.finish().effects == ()
            if not self.outside.unreported:  # a world of an earlier daemon has not been reconciled yet
                assert draft.finish().moved == frozenset()

    @invariant()
    def a_deadline_that_has_not_come_is_harmless(self) -> None:
        for service in self.services():
            if service.deadline is None or service.deadline > self.now:
                assert step(self.world, Due(service.key), self.now).world == self.world

    @invariant()
    def no_deadline_is_behind(self) -> None:
        for service in self.services():
            if service.deadline is not None and not self.outside.unreported:
                assert service.deadline >= self.now or service.phase.kind == "backoff"

    def services(self) -> list[Service]:
        return list(self.world.services.values()) if hasattr(self, "world") else []

    # The outside turns kind.

    def be_kind(self, rounds: int = 40) -> None:
        """Everything works: what is told to stop stops, what starts becomes healthy, tasks complete."""
        for _ in range(rounds):
            for run in list(self.outside.unreported):
                if run in self.outside.unreported:
                    self.report(run)
            for run in list(self.outside.ordered):
                self.outside.ordered.remove(run)
                self.outside.alive[run] = 1
                self.tell(Spawned(run, _pid(run), self.now))
            for run in list(self.outside.alive):
                self._be_kind_to(run)
            self.now += 0.5
            self.meet_deadlines()

    def _be_kind_to(self, run: Run) -> None:
        service = self.world.services[run.key]
        says_so = service.facts is not None and service.facts.notify.stopping
        if run in self.outside.headless:
            self._gone(run)
        elif run in self.outside.told_to_stop or says_so or service.present.spec.type is Type.TASK:
            self._exit(run, Exit(0), 0)
        else:
            self.tell(Resumed(run, self.now))
            self._listens(run, True)
            self.tell(Probed(run, True, "HTTP 200", self.now))
            self.says(run, b"READY=1\nWATCHDOG=1")

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        self.tell(Shutdown())
        self.be_kind()
        assert self.outside.is_empty, "stop stops everything"
        assert all(map(is_down, self.world.services.values()))
        assert all(map(is_settled, self.world.services.values()))
        self.tell(Up(self.project(), frozenset(self.specs), frozenset(), Caller()))
        self.be_kind()
        assert all(service.is_healthy for service in self.world.services.values()), "up heals everything"
        assert {key.service for key in self.world.services} == self.specs.keys()
        assert all(map(is_settled, self.world.services.values()))
        self.tell(Down("shop"))
        self.be_kind()
        assert (self.world.services, self.world.places, self.world.dependents) == ({}, {}, {})
        assert self.outside.is_empty


def _pid(run: Run) -> int:
    return 100 + run.number


PLAYS = int(os.environ.get("LOCALD_TEST_PLAYS", "30"))
"""More of them find more: some hundreds now and then."""
SHRINKS = "LOCALD_TEST_PLAYS" in os.environ
"""Looking for the shortest play that fails may take minutes: for whoever wants to mend it."""

Promises.TestCase.settings = settings(
    max_examples=PLAYS,
    stateful_step_count=30,
    deadline=None,
    phases=[phase for phase in Phase if phase is not Phase.shrink or SHRINKS],
    suppress_health_check=[HealthCheck.too_slow],
)
TestPromises = pytest.mark.timeout(600)(Promises.TestCase)  # only thinks, and that takes longer beside others
