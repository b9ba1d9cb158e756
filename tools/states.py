"""Draws the states of a service in ARCHITECTURE.md, by walking the machine: nobody has to keep it true.

One service with one dependency is led through everything that can happen to the two, in every order that can
be, once as a container (a process differs only in having nothing to pull) and once as a task. What people
would see change becomes an arrow; arrows that are the same to them are one. Left out: the search for what an
earlier daemon left, and `down`, which is a stop and then an end.

`--check` writes nothing and exits 1 when the drawing is not what it should be.
"""

from __future__ import annotations

import sys
from collections import deque
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))  # this checkout, whatever else is installed

from locald.domain.lifecycle.false_starts import WITHIN  # noqa: E402
from locald.domain.lifecycle.messages import (  # noqa: E402
    Checked,
    Due,
    Exit,
    Exited,
    Gone,
    Listener,
    Listens,
    Message,
    Notified,
    NotStarted,
    Prepares,
    Process,
    Restart,
    Sender,
    Spawned,
    Stop,
    Up,
)
from locald.domain.lifecycle.phase import Backoff, Launching, Preparing, Running, Starting, Stopping, state  # noqa: E402
from locald.domain.lifecycle.step import step  # noqa: E402
from locald.domain.lifecycle.world import World  # noqa: E402
from locald.domain.project.names import Key  # noqa: E402
from locald.domain.project.spec import (  # noqa: E402
    Caller,
    Condition,
    Definition,
    Project,
    RestartPolicy,
    ServiceSpec,
    Type,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from locald.domain.lifecycle.phase import Phase
    from locald.domain.lifecycle.service import Service
    from locald.domain.project.names import Run

PAGE = ROOT / "ARCHITECTURE.md"
BEGIN, END = "<!-- states:begin -->\n", "<!-- states:end -->"

A, D = Key("p", "a"), Key("p", "d")
PORT, PID = 8080, 7
STATES = [
    *("stopped", "wanted", "waiting", "blocked", "preparing", "starting", "running", "healthy", "unhealthy"),
    *("stopping", "backoff", "failed", "completed"),
]
"""in the order that they are drawn in"""
REASONS = [
    *("up", "restart", "delay is over", "stop", "dependency is ready", "dependency is wanted again"),
    *("dependency is stopped", "dependency fails", "image is pulled", "spawned", "cannot be started"),
    *("healthy", "unhealthy", "exits", "start_timeout", "watchdog", "STOPPING=1", "gone"),
]
"""in the order that they are named in"""
WANTED = {
    "starting": "what it needs is there",
    "waiting": "not there yet",
    "blocked": "failed, or stopped",
}
"""what becomes of a service that is wanted and does not run, by what became of its dependency"""

Move = tuple[str, list[Message]]
Edge = tuple[str, str, str]


def project(kind: Type) -> Project:
    """`a`, which gives up at its second crash, and `d`, which gives up at its first."""
    restart = RestartPolicy.NO if kind is Type.TASK else RestartPolicy.ON_FAILURE
    a = ServiceSpec("a", kind, "x", depends_on={"d": Condition.HEALTHY}, restart=restart, max_restarts=1)
    d = ServiceSpec("d", command="x", restart=RestartPolicy.NO)
    ports = {"a": None if kind is Type.TASK else PORT, "d": PORT}
    definitions = {
        spec.name: Definition(Key("p", spec.name), "/p", spec, ports[spec.name]) for spec in (a, d)
    }
    return Project("p", "p.localhost", "/p", definitions)


# What can happen.


def moves(world: World, project: Project, now: float) -> Iterator[Move]:
    a, d = world.services.get(A), world.services.get(D)
    yield "up", [Up(project, frozenset({"a"}), frozenset({"a"}), Caller())]
    if a is None or d is None:
        return
    yield "stop", [Stop(frozenset({A}))]
    yield "restart", [Restart(frozenset({A}), Caller())]
    yield "dependency is stopped", [Stop(frozenset({D}))]
    yield "dependency is wanted again", [Restart(frozenset({D}), Caller())]
    if d.run:
        yield from of_the_dependency(d.phase, d.run, now)
    if a.run:
        yield from of_the_service(a, a.run, now)
    if a.deadline is not None and not isinstance(a.phase, Stopping):  # SIGKILL changes no state
        label = {Starting: "start_timeout", Backoff: "delay is over"}.get(type(a.phase), "watchdog")
        yield label, [Due(A)]


def of_the_dependency(phase: Phase, run: Run, now: float) -> Iterator[Move]:
    if isinstance(phase, Launching):
        yield "dependency is ready", [Spawned(run, PID, now), listens(run, now)]
        yield "dependency fails", [NotStarted(run, "x", "", now)]
    elif isinstance(phase, Starting | Running):
        yield "dependency fails", [Exited(run, PID, Exit(1), 0, now), Gone(run, now)]
    elif isinstance(phase, Stopping):
        yield "dependency is stopped", [Exited(run, PID, Exit(0), 0, now), Gone(run, now)]


def of_the_service(service: Service, run: Run, now: float) -> Iterator[Move]:
    ended = service.facts is not None and service.facts.ended_at is not None
    container = service.spec.type is Type.CONTAINER
    match service.phase:
        case Launching() | Preparing():
            if container:
                yield "image is pulled", [Prepares(run, "pulling", now)]
            yield "spawned", [Spawned(run, PID, now, "c0ffee" if container else None, PORT)]
            yield "cannot be started", [NotStarted(run, "x", "", now)]
        case _ if ended:
            yield "gone", [Gone(run, now)]
        case _ if service.facts is None or service.facts.pid is None:
            yield "spawned", [Spawned(run, PID, now)]
        case _:
            yield "healthy", [Checked(run, True, "x", now) if container else listens(run, now)]
            later = now + WITHIN  # earlier it would not have been ready at all
            yield "unhealthy", [Checked(run, False, "x", later) if container else closes(run, later)]
            yield "exits", [Exited(run, PID, Exit(0), 0, now)]
            yield "exits", [Exited(run, PID, Exit(1), 0, now)]
            yield "STOPPING=1", [says(run, b"STOPPING=1", now)]
            yield "watchdog", [says(run, b"WATCHDOG=trigger", now)]


def listens(run: Run, now: float) -> Listens:
    return Listens(run, (Listener("127.0.0.1", PORT, Process(PID)),), True, None, now)


def closes(run: Run, now: float) -> Listens:
    return Listens(run, (), False, None, now)


def says(run: Run, datagram: bytes, now: float) -> Notified:
    return Notified(run, Sender(Process(PID), 0, "member"), datagram, now)


# The walk.


@cache
def edges() -> frozenset[Edge]:
    """All that people can see happen: from, why, to."""
    return frozenset(edge for kind in (Type.CONTAINER, Type.TASK) for edge in walk(project(kind)))


def walk(project: Project) -> Iterator[Edge]:
    begin = World()
    seen, todo = {essence(begin, 0.0)}, deque([(begin, 1000.0)])
    while todo:
        world, now = todo.popleft()
        for label, messages in moves(world, project, now):
            after, later = follow(world, messages, now)
            if shown(world) != shown(after):
                yield shown(world), label, shown(after)
            if essence(after, later) not in seen:
                seen.add(essence(after, later))
                todo.append((after, later))


def follow(world: World, messages: list[Message], now: float) -> tuple[World, float]:
    for message in messages:
        if isinstance(message, Due):
            now = max(now, world.services[A].deadline or now)
        world = step(world, message, now).world
    return world, now


def shown(world: World) -> str:
    service = world.services.get(A)
    if service is None:
        return "stopped"
    if isinstance(service.phase, Running):
        return "healthy" if service.is_healthy else "unhealthy"
    return state(service.phase)


def essence(world: World, now: float) -> object:
    """What the future depends on: no times, no numbers of runs, no sentences."""
    dependency = world.services.get(D)
    stands = (dependency.phase.kind, dependency.desired, dependency.is_healthy) if dependency else ()
    return stands, _essence(world.services[A], now) if A in world.services else ()


def _essence(service: Service, now: float) -> object:
    facts, phase = service.facts, service.phase
    then = phase.then.kind if isinstance(phase, Stopping) and phase.then else None
    known = (
        (facts.pid is None, facts.exit is None, facts.ready_at is None, facts.notify.stopping)
        if facts
        else ()
    )
    spent = service.restarts.within(now)
    return phase.kind, then, service.desired, service.held_by, service.result.health, known, spent


# The drawing.


def drawing() -> str:
    reasons: dict[tuple[str, str], set[str]] = {}
    for source, label, target in {merged(*edge) for edge in edges()}:
        reasons.setdefault((source, target), set()).add(label)
    arrows = [
        f"{source} --> {target}: {', '.join(sorted(reasons[source, target], key=REASONS.index))}"
        for source, target in sorted(reasons, key=lambda ends: [STATES.index(end) for end in ends])
    ]
    inside = [arrow for arrow in arrows if arrow.startswith(("healthy", "unhealthy"))]
    lines = [
        "stateDiagram-v2",
        "    state wanted <<choice>>",
        "    state running {",
        *(f"        {arrow}" for arrow in inside),
        "    }",
        "    [*] --> stopped",
        *(f"    wanted --> {target}: {label}" for target, label in WANTED.items()),
        *(f"    {arrow}" for arrow in arrows if arrow not in inside),
    ]
    return "\n".join(["```mermaid", *lines, "```", ""])


def merged(source: str, label: str, target: str) -> Edge:
    """What leads to a start leads there by way of the dependencies; what ends a run ends it in any health."""
    waits, runs = WANTED.keys(), ("healthy", "unhealthy")
    if target in waits and source not in (*waits, "preparing"):
        target = "wanted"
    if source in runs and target not in runs:
        source = "running"
    if target in runs and source not in runs:
        target = "running"
    return source, label, target


def page() -> str:
    """The page with the drawing in it."""
    text = PAGE.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"{PAGE.name} has no place for the drawing between {BEGIN.strip()} and {END}")
    return before + begin + drawing() + end + after


def main() -> int:
    text = page()
    if PAGE.read_text(encoding="utf-8") == text:
        return 0
    if "--check" in sys.argv:
        print(f"{PAGE.name} is out of date: run tools/states.py", file=sys.stderr)
        return 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
