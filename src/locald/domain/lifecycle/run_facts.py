"""One run while it lives, and after: what is known of it. The third of the three things about a service.

`desired` is what was asked for, `phase` is where the service is, and `RunFacts` hold what was observed: the
processes, the listeners, what the program said on its notify socket, every piece of evidence. Each
`observe_…` function folds one event in; `evaluate` derives the health result.

What overrides the strongest source: an exit, STOPPING=1 and an expired watchdog override every one; a
listener that was there and vanished overrides what was inferred, not what the user configured.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from locald.domain.lifecycle.health import Evidence, Health, HealthResult, Source, only, strongest
from locald.domain.lifecycle.messages import (
    STALLED,
    Checked,
    Exit,
    Listener,
    Listens,
    Notified,
    Probed,
    Process,
    Spawned,
)
from locald.domain.lifecycle.notify import Notification, clean, introduce, parse, refusal
from locald.domain.project.names import Run
from locald.domain.project.spec import (
    Check,
    Definition,
    HttpCheck,
    LogCheck,
    NoCheck,
    NotifyCheck,
    TcpCheck,
    Type,
)
from locald.domain.values.duration import show

REMEMBERED = 30
"""pieces of evidence kept for `why`, newest first"""

UNSAID = "has not sent READY=1 yet"

PROCESS_SPEAKS_AFTER = 0.2
"""seconds from spawn until a live process counts as evidence"""


@dataclass(frozen=True, slots=True)
class NotifyState:
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


@dataclass(frozen=True, slots=True)
class RunFacts:
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
    holder: Listener | None = None
    """somebody else's listener on the run's port"""
    notify: NotifyState = NotifyState()
    watchdog: float | None = None
    """seconds within which WATCHDOG=1 is promised"""
    watchdog_at: float | None = None
    expired: bool = False
    extended_until: float | None = None
    """by EXTEND_TIMEOUT_USEC=, for what is timed now: its start, its watchdog or its stop"""
    stuck: tuple[Process, ...] = ()
    probes: int = 0
    """how often its port was open for a moment only"""
    premature: bool = False
    """it began because a dependency was ready that was not: a failed start of it counts for nothing"""
    silenced: str = ""
    """why nobody can tell how the run is, or empty"""

    @property
    def check(self) -> Check | None:
        configured = self.definition.spec.health_check
        return configured.check if configured else None

    @property
    def checks_own_port(self) -> bool:
        """Its check is of the service's own port, where only the service itself counts."""
        return isinstance(self.check, HttpCheck | TcpCheck) and self.check.port is None

    @property
    def process_speaks_at(self) -> float | None:
        """When a live process will count as evidence, if it may and has not yet."""
        inferred = self.check is None and self._has_no_better_source and not self.notify.spoke
        if not (inferred or isinstance(self.check, NoCheck)) or _process_source(self) in self.evidence:
            return None
        return None if self.spawned_at is None else self.spawned_at + PROCESS_SPEAKS_AFTER

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
        kind = self.definition.spec.type
        bare = kind is Type.CONTAINER and self.definition.port is None and Source.DOCKER not in self.evidence
        return kind is Type.WORKER or bare


def born(facts: RunFacts, event: Spawned) -> RunFacts:
    """There is a process now. A container may turn out to have no port that could be published."""
    if event.container and event.container_port is None:
        facts = replace(facts, definition=replace(facts.definition, port=None))
    inside = event.container_port
    return replace(
        facts, pid=event.pid, container=event.container, container_port=inside, spawned_at=event.at
    )


def with_evidence(facts: RunFacts, evidence: Evidence, *, counts: bool = True) -> RunFacts:
    """Keep one piece of evidence; the same word again replaces itself, so that history shows changes."""
    rest = facts.history
    if rest and _same(rest[0], evidence):
        rest = rest[1:]
    latest = facts.evidence | {evidence.source: evidence} if counts else facts.evidence
    return replace(facts, evidence=latest, history=(evidence, *rest)[:REMEMBERED])


def observe_process(facts: RunFacts, at: float) -> RunFacts:
    source = _process_source(facts)
    check = facts.check.kind if facts.check else None
    return with_evidence(facts, Evidence(source, True, at, _alive(facts), check))


def _alive(facts: RunFacts) -> str:
    """One sentence on a live process, or container, that is enough."""
    if facts.container is None:
        return f"process running (pid {facts.pid})"
    bare = "" if facts.check else ", its image has no HEALTHCHECK and no port"
    return f"container running ({facts.container[:12]}){bare}"


def observe_healthcheck(facts: RunFacts, event: Checked) -> RunFacts:
    """The image's own HEALTHCHECK. Its retries are the engine's business."""
    return with_evidence(facts, Evidence(Source.DOCKER, event.ok, event.at, event.detail))


def observe_probe(facts: RunFacts, event: Probed) -> RunFacts:
    """One look of the explicit check. A healthy service loses its health only after `retries` failures."""
    check = facts.definition.spec.health_check
    if check is None:
        return facts
    failures = 0 if event.ok else facts.failures + 1
    latest = facts.evidence.get(Source.EXPLICIT)
    held = not event.ok and failures < check.retries and latest is not None and latest.ok
    evidence = Evidence(Source.EXPLICIT, event.ok, event.at, event.detail, check.check.kind)
    return replace(with_evidence(facts, evidence, counts=not held), failures=failures)


def observe_listeners(facts: RunFacts, event: Listens) -> RunFacts:
    """What the tree listens on now. The own port is evidence once the program has taken a connection on it;
    other ports and holders explain its absence."""
    port = facts.definition.port
    if port is None:
        return replace(facts, listeners=event.listeners)
    own = next((one for one in event.listeners if one.port == port), None)
    nothing_yet = own is None and facts.listening_at is None
    facts = _probed(_opened(facts, own, event.at), event)
    facts = replace(facts, listeners=event.listeners, holder=event.holder)
    if nothing_yet and not event.listeners and not event.holder:
        return facts  # nothing was seen at all: silence is no evidence
    detail = _taken(own, event) if own else closed(facts)
    return with_evidence(facts, Evidence(Source.TCP, own is not None and event.accepts, event.at, detail))


def _opened(facts: RunFacts, own: Listener | None, at: float) -> RunFacts:
    """Since when the port is open. What closes again before it accepted anything was not open at all."""
    was_taken = Source.TCP in facts.evidence and facts.evidence[Source.TCP].ok
    listening_at = facts.listening_at
    if own and (listening_at is None or (not facts.open and facts.ready_at is None)):
        listening_at = at
    elif own is None and not was_taken and facts.ready_at is None:
        listening_at = None
    return replace(facts, open=own is not None, listening_at=listening_at)


def _probed(facts: RunFacts, event: Listens) -> RunFacts:
    """A tool tried whether the port is free: a line in `why`, and no evidence."""
    if event.probes <= facts.probes:
        return facts
    detail = f"port {facts.definition.port} was open for a moment only: a probe, not the server"
    facts = replace(facts, probes=event.probes)
    return with_evidence(facts, Evidence(Source.TCP, False, event.at, detail), counts=False)


def _taken(own: Listener, event: Listens) -> str:
    """Whether the program takes connections on its port, and which of its processes does."""
    by = event.acceptor
    if event.accepts and by and by.pid != own.owner.pid:
        return f"{by}, child of {own.owner.pid}, accepted a connection on {own.shown}"
    if event.accepts:
        return f"{own.owner} accepts connections on {own.shown}"
    if event.untaken >= STALLED:
        return f"{own.owner} listens on {own.shown}, but has accepted no connection for {show(event.untaken)}"
    if event.untaken:
        return f"{own.owner} listens on {own.shown}, but has not accepted a connection yet"
    return f"{own.owner} listens on {own.shown} but does not accept connections"


def closed(facts: RunFacts) -> str:
    """One sentence on a port that this run does not listen on."""
    port = facts.definition.port
    if facts.holder:
        return f"port {port} is already in use by {facts.holder.owner}, a process outside the service"
    if facts.listening_at is not None:
        return f"no longer listening on port {port}"
    if facts.listeners:
        return _elsewhere(facts, facts.listeners[0])
    return f"not listening on port {port} yet"


def _elsewhere(facts: RunFacts, other: Listener) -> str:
    listens = f"{other.owner} listens on {other.shown}"
    if facts.container_port is None:
        return f"{listens}, but PORT is {facts.definition.port}"
    if other.port == facts.container_port:
        return f"{listens}, which is reachable only inside the container"
    return f"{listens} in its container, but container_port is {facts.container_port}"


def observe_notification(facts: RunFacts, event: Notified) -> tuple[RunFacts, Notification | None]:
    """Fold one datagram in. Returns what was said when the sender was accepted, for its side effects."""
    words = parse(event.datagram)
    turned_away = refusal(event.sender)
    if words is None or turned_away:
        what = str(words) if words else "a malformed datagram"
        by = turned_away or introduce(event.sender)
        ignored = Evidence(Source.NOTIFY, False, event.at, f"ignored {what} from {by}")
        facts = replace(facts, notify=replace(facts.notify, refused=facts.notify.refused + 1))
        return with_evidence(facts, ignored, counts=False), None
    if not words.are_known:
        return facts, words
    before, facts = facts.notify, replace(facts, notify=_listen(facts.notify, words))
    if before.spoke and not _turns(before, facts.notify):
        return facts, words  # a keep-alive or a STATUS= says nothing new about readiness
    detail = f"{introduce(event.sender)} sent {words}"
    ok = facts.notify.ready and not facts.notify.stopping
    facts = with_evidence(facts, Evidence(Source.NOTIFY, ok, event.at, detail))
    if isinstance(facts.check, NotifyCheck):
        facts = with_evidence(facts, Evidence(Source.EXPLICIT, ok, event.at, detail, "notify"))
    return facts, words


def _turns(before: NotifyState, after: NotifyState) -> bool:
    return (before.ready, before.reloading, before.stopping) != (after.ready, after.reloading, after.stopping)


def _listen(said: NotifyState, words: Notification) -> NotifyState:
    """READY=1 ends a reload, and says nothing once STOPPING=1 was said."""
    ready = words.has("READY", b"1") and not said.stopping
    status = words.text("STATUS")
    return replace(
        said,
        spoke=True,
        ready=said.ready or ready,
        reloading=(said.reloading or words.has("RELOADING", b"1")) and not ready,
        triggered=said.triggered or words.has("WATCHDOG", b"trigger"),
        stopping=said.stopping or words.has("STOPPING", b"1"),
        status=said.status if status is None else status,
        reason=_reason(words) or said.reason,
    )


def _reason(words: Notification) -> str:
    parts = [
        f"{label} {number}"
        for key, label in (("ERRNO", "errno"), ("EXIT_STATUS", "exit status"))
        if (number := words.number(key)) is not None
    ]
    return " and ".join(parts)


def evaluate(facts: RunFacts, *, expects_ready: bool) -> HealthResult:
    """How healthy a live run is: the last word of the strongest source, unless a fact overrides it.

    `expects_ready`: an earlier run of this definition sent READY=1, so an open port or a live process
    is not enough for this one.
    """
    late = Health.STARTING if facts.ready_at is None else Health.UNHEALTHY
    if facts.silenced:
        return HealthResult(late, Source.NONE, facts.silenced)
    if facts.notify.stopping:
        return HealthResult(Health.UNHEALTHY, Source.NOTIFY, _tell(facts, "the service sent STOPPING=1"))
    if facts.expired:
        return HealthResult(Health.UNHEALTHY, Source.NOTIFY, _tell(facts, overdue(facts)))
    if facts.definition.spec.type is Type.TASK:
        return HealthResult(late, Source.NONE, _tell(facts, f"task running (pid {facts.pid})"))
    configured = facts.check is not None
    word = strongest(only(facts.evidence, Source.EXPLICIT) if configured else facts.evidence)
    if not configured and facts.listening_at is not None and not facts.open:
        return HealthResult(late, Source.TCP, _tell(facts, closed(facts)))
    if word is None or (facts.checks_own_port and facts.holder and not facts.open):
        return HealthResult(
            late, word.source if word else Source.NONE, _tell(facts, _silence(facts, expects_ready))
        )
    if expects_ready and word.source in (Source.TCP, Source.PROCESS):
        wait = "waiting for READY=1, which an earlier run sent"
        return HealthResult(late, Source.NOTIFY, _tell(facts, f"{wait}: {word.detail}"))
    health = Health.HEALTHY if word.ok else late
    unsaid = _is_of_notify(facts, word) and facts.notify.spoke and not facts.notify.ready
    return HealthResult(
        health, word.source, _tell(facts, f"{UNSAID}, {word.detail}" if unsaid else word.detail)
    )


def _is_of_notify(facts: RunFacts, word: Evidence) -> bool:
    return word.source is Source.NOTIFY or isinstance(facts.check, NotifyCheck)


def _silence(facts: RunFacts, expects_ready: bool) -> str:
    """What is being waited for while nothing has spoken."""
    match facts.check:
        case LogCheck(pattern):
            return f"no line of output has matched /{clean(pattern)}/ yet"
        case NotifyCheck():
            return UNSAID
        case None if expects_ready:
            return f"{UNSAID}, as an earlier run did"
        case None if facts.definition.port:
            return closed(facts)
        case HttpCheck() | TcpCheck() if facts.checks_own_port and not facts.open:
            return closed(facts)
        case None:
            return f"process just started (pid {facts.pid})"
        case check:
            return f"the {check.kind} check has not run yet"


def overdue(facts: RunFacts) -> str:
    """One sentence on a watchdog that expired."""
    if facts.notify.triggered:
        return "the service sent WATCHDOG=trigger"
    return f"the service sent no WATCHDOG=1 within {show(facts.watchdog or 0)}"


def _tell(facts: RunFacts, sentence: str) -> str:
    """The sentence, with what the program says of itself."""
    said = facts.notify
    extras = [
        f"status: {said.status}" if said.status and f"STATUS={said.status}" not in sentence else "",
        "reloading" if said.reloading else "",
        said.reason,
    ]
    told = ", ".join(extra for extra in extras if extra)
    if not told:
        return sentence
    return f"{sentence}, {told}" if sentence.endswith(")") else f"{sentence} ({told})"


def _process_source(facts: RunFacts) -> Source:
    return Source.EXPLICIT if isinstance(facts.check, NoCheck) else Source.PROCESS


def _same(one: Evidence, other: Evidence) -> bool:
    return replace(one, at=other.at) == other
