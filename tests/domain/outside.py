"""The outside of a world: what really is there. It keeps books, and protests when orders make no sense.

It looks only at what anybody could know: what it was ordered, what it answered, and what the services of the
world want and show. How the world reaches its decisions it does not know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from locald.domain.explain.view import row
from locald.domain.lifecycle.messages import Discard, Effect, Forget, Kill, Start, Terminate, Unwatch, Watch
from locald.domain.lifecycle.phase import Completed, Desired, Stopped, Stopping
from locald.domain.project.names import Key, Run
from locald.domain.project.spec import Condition

if TYPE_CHECKING:
    from locald.domain.lifecycle.world import World


class Outside:
    """What really is there. Every order of the world's is checked against it."""

    def __init__(self) -> None:
        self.ordered: list[Run] = []
        """no process yet"""
        self.alive: dict[Run, int] = {}
        """with a process, and how many: the main one and what is beside it"""
        self.headless: set[Run] = set()
        """whose main process is gone"""
        self.told_to_stop: set[Run] = set()
        self.doomed: set[Run] = set()
        """that will be told to stop as soon as they have a process: so it was decided before"""
        self.watched: set[Run] = set()
        self.past: list[Run] = []
        self.unreported: list[Run] = []
        """what a new daemon has not been told of yet"""

    @property
    def is_empty(self) -> bool:
        return not self.ordered and not self.alive

    def obey(self, effect: Effect, world: World) -> None:
        match effect:
            case Start(run):
                beside = [other for other in [*self.ordered, *self.alive] if other.key == run.key]
                assert not beside, f"{run} beside {beside}"
                assert run not in self.past, f"{run} for the second time"
                self._check_dependencies(run, world)
                self.ordered.append(run)
            case Terminate(run) if run in self.ordered:
                pass  # what is fetched for it is called off, which may come too late
            case Terminate(run):
                assert run in self.alive, f"SIGTERM for {run}, which is not alive"
                self._check_dependents(run, world)
                self.told_to_stop.add(run)
            case Kill(run):
                assert run in self.alive, f"SIGKILL for {run}, which is not alive"
                assert run in self.told_to_stop or _ends_by_itself(world, run)
                self.told_to_stop.add(run)
            case Watch(run):
                assert run in self.alive.keys() - self.headless, f"nothing of {run} to watch"
                self.watched.add(run)
            case Unwatch(run):
                self.watched.discard(run)
            case Forget(run):
                assert run in self.past, f"{run} is forgotten while it is there"
            case Discard(key):  # its numbers begin anew
                assert not [run for run in [*self.ordered, *self.alive] if run.key == key]
                self.past = [run for run in self.past if run.key != key]
            case _:
                pass

    def see(self, world: World) -> None:
        """What was decided of those that cannot be told yet."""
        for run in self.ordered:
            if isinstance(world.services[run.key].phase, Stopping) and run not in self.doomed:
                self._check_dependents(run, world)
                self.doomed.add(run)

    def _check_dependencies(self, run: Run, world: World) -> None:
        service = world.services[run.key]
        assert service.desired is Desired.UP
        for name, condition in service.spec.depends_on.items():
            dependency = row(world, world.services[Key(run.key.project, name)])
            desired = world.services[Key(run.key.project, name)].desired
            if dependency.state == "completed":
                continue
            assert desired is Desired.UP, f"{run} started though {name} is to stop"
            match condition:
                case Condition.HEALTHY:
                    assert (dependency.state, dependency.health) == ("running", "healthy"), dependency
                case Condition.STARTED:
                    assert dependency.pid is not None, dependency
                case Condition.COMPLETED:
                    raise AssertionError(f"{run} started before {name} was completed")

    def _check_dependents(self, run: Run, world: World) -> None:
        """A dependent that has to stop because of it, or anyway, stopped before it was told to."""
        phase = world.services[run.key].phase
        if not isinstance(phase, Stopping) or phase.then != Stopped():
            return
        if run in self.told_to_stop | self.doomed:
            return
        for other in [*self.ordered, *self.alive]:
            service = world.services[other.key]
            depends = (
                run.key.service in service.present.spec.depends_on and run.key.project == other.key.project
            )
            leaving = service.desired is not Desired.UP or is_held(world, other.key)
            assert not (depends and leaving), f"{run} was told to stop before {other}"


def _ends_by_itself(world: World, run: Run) -> bool:
    facts = world.services[run.key].facts
    return facts is not None and (facts.notify.stopping or facts.exit is not None)


def is_held(world: World, key: Key) -> bool:
    """Whether somebody stopped what it needs: by walking, not by what it was told."""
    for name in world.services[key].spec.depends_on:
        need = world.services.get(Key(key.project, name))
        if need is None or isinstance(need.phase, Completed):
            continue
        if need.desired in (Desired.DOWN, Desired.REMOVED) or is_held(world, need.key):
            return True
    return False


def component(world: World, key: Key) -> set[Key]:
    """All its dependencies and dependents."""
    reached, todo = {key}, [key]
    while todo:
        at = todo.pop()
        service = world.services.get(at)
        needs = {**service.spec.depends_on, **service.present.spec.depends_on} if service else ()
        linked = {Key(at.project, name) for name in needs}
        linked.update(world.dependents.get(at, ()))
        todo += linked - reached
        reached |= linked
    return reached
