"""What is known of one run while it lives, and after. The third of the three things about a service.

`desired` is what was asked for, `phase` is where the service is, and `RunFacts` hold what was observed: the
processes, the listeners, what the program said on its notify socket, every piece of evidence. Events are
folded in by `observations`; what follows for health is derived by `evaluation`.
"""

from __future__ import annotations

from msgspec import Struct, field
from msgspec.structs import replace

from locald.domain.knowledge.servers import ProtocolName
from locald.domain.lifecycle.health import Evidence, Source
from locald.domain.lifecycle.messages import (
    Exit,
    Listener,
    Process,
    Work,
)
from locald.domain.lifecycle.senders import Words
from locald.domain.project.names import Run
from locald.domain.project.spec import (
    Check,
    CommandCheck,
    Definition,
    Engine,
    HttpCheck,
    NoCheck,
    NotifyCheck,
    PortCheck,
    ProtocolCheck,
    TcpCheck,
    Type,
)

REMEMBERED = 30
"""pieces of evidence kept for `why`, newest first"""

PROCESS_SPEAKS_AFTER = 0.2
"""seconds from spawn until a live process counts as evidence"""
SPEAKS_AFTER_ELSEWHERE = 2.0
"""the same of one on another engine: the news that it has ended comes late from there"""


CERTAIN = frozenset({Source.SWARM, Source.KUBERNETES, Source.SYSTEMD, Source.DOCKER})
"""who looks for itself whether it is healthy, and was right when it said so"""


class NotifyState(Struct, frozen=True):
    """What the program itself said on its notify socket."""

    spoke: bool = False
    ready: bool = False
    status: str = ""
    reloading: bool = False
    stopping: bool = False
    triggered: bool = False
    """WATCHDOG=trigger: it wants its watchdog to be taken for expired"""
    reason: str = ""
    """from ERRNO= and EXIT_STATUS="""
    refused: int = 0
    """datagrams from senders that were turned away"""
    main: bool = False
    """its main process has spoken itself, in a way that announces READY=1"""


class RunFacts(Struct, frozen=True):
    """The facts of one run. Times are epoch seconds."""

    run: Run
    definition: Definition
    pid: int | None = None
    container: str | None = None
    """the id of the run's container"""
    container_port: int | None = None
    """the port inside, where there is one"""
    spawned_at: float | None = None
    listening_at: float | None = None
    ready_at: float | None = None
    was_ready: bool = False
    """it was, for less than a second: that was taken back"""
    ended_at: float | None = None
    exit: Exit | None = None
    said: str | None = None
    """the line it printed that says most about its end; empty: there is none; None: nobody has looked yet"""
    left: int = 0
    """processes of its tree that were there when it exited"""
    evidence: dict[Source, Evidence] = field(default_factory=dict)
    """the last word of each source"""
    history: tuple[Evidence, ...] = ()
    """newest first"""
    failures: int = 0
    """explicit checks that failed since the last that did not"""
    listeners: tuple[Listener, ...] = ()
    open: bool = False
    """the run's own listener on its port is there"""
    acceptor: Process | None = None
    """who took the connection on its port, where that is known"""
    holder: Listener | None = None
    """somebody else's listener on the run's port"""
    server: ProtocolName | None = None
    """the protocol in which the program on its port is asked, while it is thought to speak it"""
    hold_until: float | None = None
    """until then its open port does not speak: its program can send READY=1, and is given a moment"""
    work: Work | None = None
    """what the main process does while a server in the background takes connections"""
    rests_at: float | None = None
    """until then that server does not speak: what the main process does may end it"""
    notify: NotifyState = NotifyState()
    words: Words = ()
    """who said READY=1 or STOPPING=1"""
    watchdog: float | None = None
    """seconds within which WATCHDOG=1 is promised"""
    watchdog_at: float | None = None
    expired: bool = False
    extended_until: float | None = None
    """by EXTEND_TIMEOUT_USEC=, for what is timed now: its start, its watchdog or its stop"""
    stuck: tuple[Process, ...] = ()
    probes: int = 0
    """how often its port was open for a moment only"""
    speaks_after: float = PROCESS_SPEAKS_AFTER
    """seconds from its spawn until a live process is evidence: more after a run that failed later"""
    premature: bool = False
    """it began because a dependency was ready that was not: a failed start of it counts for nothing"""
    silenced: str = ""
    """why nobody can tell how the run is, or empty"""
    is_left: bool = False
    """that says what is left of it on an engine that does not answer"""
    ends: bool = False
    """its main process has ended, which is told when what it printed is read"""
    cause: str = ""
    """why it began, where nobody asked for it: "src/api.py changed"; empty otherwise"""
    queued_at: float | None = None
    """when the start was asked for that it is a run of"""
    waited_for: tuple[str, ...] = ()
    """the dependencies that this start really had to wait for"""
    paused: bool = False
    """its container is paused"""
    found: int | None = None
    """the port on which it turned out to listen, where it does not use the one that it was given"""
    socket: Listener | None = None
    """the UDP or Unix socket that stands for its port"""
    sockets: tuple[Listener, ...] = ()
    """its UDP and Unix sockets, as far as they were looked for"""
    candidate: Listener | None = None
    """what becomes its port, or stands for it, if it stays the only one until `settles_at`"""
    candidate_at: float | None = None
    """since when it is"""
    settles_at: float | None = None
    looks_until: float | None = None
    """it said READY=1 before it was seen where it listens: until then that is being looked for"""

    @property
    def port(self) -> int | None:
        """Where this run is reached on this machine."""
        return self.definition.port if self.found is None else self.found

    @property
    def check(self) -> Check | None:
        configured = self.definition.spec.health_check
        return configured.check if configured else None

    @property
    def checks_own_port(self) -> bool:
        """Its check is of the service's own port, where only the service itself counts."""
        return isinstance(self.check, PortCheck) and self.check.port is None

    @property
    def process_speaks_at(self) -> float | None:
        """When a live process will count as evidence, if it may and has not yet."""
        inferred = self.check is None and self._has_no_better_source and not self.notify.spoke
        if not (inferred or isinstance(self.check, NoCheck)) or process_source(self) in self.evidence:
            return None
        return None if self.spawned_at is None else self.spawned_at + self.speaks_after

    @property
    def took(self) -> float | None:
        """Seconds from its spawn until it was ready, or had completed as a task; None for what was not."""
        done = self.exit is not None and self.exit.code == 0
        if self.definition.spec.type is Type.TASK:
            ready_at = self.ended_at if done else None
        else:
            ready_at = self.ready_at
        return None if ready_at is None or self.spawned_at is None else ready_at - self.spawned_at

    @property
    def _has_no_better_source(self) -> bool:
        kind, spoken = self.definition.spec.type, CERTAIN & self.evidence.keys()
        bare = kind is Type.CONTAINER and self.definition.port is None and not spoken
        return kind is Type.WORKER or bare


def with_evidence(facts: RunFacts, evidence: Evidence, *, counts: bool = True) -> RunFacts:
    """Keep one piece of evidence; the same word again replaces itself, so that history shows changes."""
    rest = facts.history
    if rest and _same(rest[0], evidence):
        rest = rest[1:]
    latest = facts.evidence | {evidence.source: evidence} if counts else facts.evidence
    return replace(facts, evidence=latest, history=(evidence, *rest)[:REMEMBERED])


def patience(engine: Engine) -> float:
    """Seconds from spawn until a live process counts as evidence there."""
    return SPEAKS_AFTER_ELSEWHERE if engine.is_cluster else PROCESS_SPEAKS_AFTER


def carries_out(engine: Engine, check: Check | None) -> bool:
    """Whether it is the engine that carries out this check of the user's: a swarm as a command in the
    container, Kubernetes as a probe, systemd by waiting for READY=1."""
    match engine:
        case Engine.LOCAL:
            return False
        case Engine.SWARM | Engine.KUBERNETES:
            return isinstance(check, HttpCheck | TcpCheck | ProtocolCheck | CommandCheck)
        case Engine.SYSTEMD:
            return isinstance(check, NotifyCheck)


def engine_source(engine: Engine) -> Source:
    """Who speaks where it is the engine that says how a run is."""
    return Source(engine.value)


def process_source(facts: RunFacts) -> Source:
    return Source.EXPLICIT if isinstance(facts.check, NoCheck) else Source.PROCESS


def _same(one: Evidence, other: Evidence) -> bool:
    return replace(one, at=other.at) == other


def not_before(facts: RunFacts, at: float) -> float:
    """What engines tell is dated by a wall clock, which may have been set since then. What would so have been
    before the run began was not before the last that is known of it."""
    if facts.spawned_at is None or at >= facts.spawned_at:
        return at
    return max(facts.spawned_at, facts.ready_at or 0, *(each.at for each in facts.history[:1]))
