"""One run while it lives, and after: what is known of it. The third of the three facts about a service.

`wish` is what somebody wants, `phase` is where the service stands, and a `Life` is what was heard: the
processes, the listeners, what the program said on its notify socket, every piece of evidence. Each
`hear_…` function folds one event into it; `judge` reads the verdict off.

What overrides the strongest source: an exit, STOPPING=1 and an expired watchdog override every one; a
listener that was there and vanished overrides what was inferred, not what the user configured.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from locald.domain.lifecycle.health import Evidence, Health, Source, Verdict, only, strongest
from locald.domain.lifecycle.messages import (
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
class Said:
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
class Life:
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
    ended_at: float | None = None
    exit: Exit | None = None
    left: int = 0
    """processes of its tree that were there when it exited"""
    heard: dict[Source, Evidence] = field(default_factory=dict)
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
    said: Said = Said()
    watchdog: float | None = None
    """seconds within which WATCHDOG=1 is promised"""
    watchdog_at: float | None = None
    expired: bool = False
    extended_until: float | None = None
    """by EXTEND_TIMEOUT_USEC=, for what is timed now: its start, its watchdog or its stop"""
    stuck: tuple[Process, ...] = ()
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
        inferred = self.check is None and self._has_no_better_source and not self.said.spoke
        if not (inferred or isinstance(self.check, NoCheck)) or _process_source(self) in self.heard:
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
        bare = kind is Type.CONTAINER and self.definition.port is None and Source.DOCKER not in self.heard
        return kind is Type.WORKER or bare


def born(life: Life, event: Spawned) -> Life:
    """There is a process now. A container may turn out to have no port that could be published."""
    if event.container and event.container_port is None:
        life = replace(life, definition=replace(life.definition, port=None))
    inside = event.container_port
    return replace(life, pid=event.pid, container=event.container, container_port=inside, spawned_at=event.at)


def hear(life: Life, evidence: Evidence, *, counts: bool = True) -> Life:
    """Keep one piece of evidence; the same word again replaces itself, so that history shows changes."""
    rest = life.history
    if rest and _same(rest[0], evidence):
        rest = rest[1:]
    heard = life.heard | {evidence.source: evidence} if counts else life.heard
    return replace(life, heard=heard, history=(evidence, *rest)[:REMEMBERED])


def hear_process(life: Life, at: float) -> Life:
    source = _process_source(life)
    check = life.check.kind if life.check else None
    who = f"container {life.container[:12]}" if life.container else f"pid {life.pid}"
    bare = "a worker has no port to look at"
    if life.container:
        bare = "its image has no HEALTHCHECK, and it has no port"
    why = "its health_check asks for no more" if check else bare
    return hear(life, Evidence(source, True, at, f"{who} is alive; {why}", check))


def hear_healthcheck(life: Life, event: Checked) -> Life:
    """The image's own HEALTHCHECK. Its retries are the engine's business."""
    return hear(life, Evidence(Source.DOCKER, event.ok, event.at, event.detail))


def hear_probe(life: Life, event: Probed) -> Life:
    """One look of the explicit check. A healthy service loses its health only after `retries` failures."""
    check = life.definition.spec.health_check
    if check is None:
        return life
    failures = 0 if event.ok else life.failures + 1
    standing = life.heard.get(Source.EXPLICIT)
    held = not event.ok and failures < check.retries and standing is not None and standing.ok
    evidence = Evidence(Source.EXPLICIT, event.ok, event.at, event.detail, check.check.kind)
    return replace(hear(life, evidence, counts=not held), failures=failures)


def hear_listeners(life: Life, event: Listens) -> Life:
    """What the tree listens on now. The own port is evidence; other ports and holders explain its absence."""
    port = life.definition.port
    if port is None:
        return replace(life, listeners=event.listeners)
    own = next((one for one in event.listeners if one.port == port), None)
    seen_at = event.at if life.listening_at is None and own else life.listening_at
    life = replace(
        life, listeners=event.listeners, open=own is not None, holder=event.holder, listening_at=seen_at
    )
    if own and event.accepts:
        detail, ok = f"{own.owner} accepts connections on {own.shown}", True
    elif own:
        detail, ok = f"{own.owner} listens on {own.shown} but does not accept connections", False
    else:
        detail, ok = closed(life), False
    if not ok and not event.listeners and not event.holder and life.listening_at is None:
        return life  # nothing was seen at all: silence is no evidence
    return hear(life, Evidence(Source.TCP, ok, event.at, detail))


def closed(life: Life) -> str:
    """One sentence on a port that this run does not listen on."""
    port = life.definition.port
    if life.holder:
        return f"port {port} is held by {life.holder.owner}, which does not belong to this service"
    if life.listening_at is not None:
        return f"nothing of this service listens on port {port} any more"
    if life.listeners:
        return _elsewhere(life, life.listeners[0])
    return f"nothing of this service listens on port {port} yet"


def _elsewhere(life: Life, other: Listener) -> str:
    listens = f"{other.owner} listens on {other.shown}"
    if life.container_port is None:
        return f"{listens} although PORT is {life.definition.port}"
    if other.port == life.container_port:
        return f"{listens}, which cannot be reached from outside of its container"
    return f"{listens} in its container although container_port is {life.container_port}"


def hear_notification(life: Life, event: Notified) -> tuple[Life, Notification | None]:
    """Fold one datagram in. Returns what was said when the sender was accepted, for its side effects."""
    words = parse(event.datagram)
    turned_away = refusal(event.sender)
    if words is None or turned_away:
        what = str(words) if words else "a malformed datagram"
        by = turned_away or introduce(event.sender)
        ignored = Evidence(Source.NOTIFY, False, event.at, f"{what} from {by}: ignored")
        life = replace(life, said=replace(life.said, refused=life.said.refused + 1))
        return hear(life, ignored, counts=False), None
    if not words.are_known:
        return life, words
    before, life = life.said, replace(life, said=_listen(life.said, words))
    if before.spoke and not _turns(before, life.said):
        return life, words  # a keep-alive or a STATUS= says nothing new about readiness
    detail = f"{introduce(event.sender)} sent {words}"
    ok = life.said.ready and not life.said.stopping
    life = hear(life, Evidence(Source.NOTIFY, ok, event.at, detail))
    if isinstance(life.check, NotifyCheck):
        life = hear(life, Evidence(Source.EXPLICIT, ok, event.at, detail, "notify"))
    return life, words


def _turns(before: Said, after: Said) -> bool:
    return (before.ready, before.reloading, before.stopping) != (after.ready, after.reloading, after.stopping)


def _listen(said: Said, words: Notification) -> Said:
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


def judge(life: Life, *, expects_ready: bool) -> Verdict:
    """The verdict on a run that lives: the last word of the strongest source, unless a fact overrides it.

    `expects_ready`: an earlier run of this definition sent READY=1, so an open port or a live process
    is not enough for this one.
    """
    late = Health.STARTING if life.ready_at is None else Health.UNHEALTHY
    if life.silenced:
        return Verdict(late, Source.NONE, life.silenced)
    if life.said.stopping:
        return Verdict(Health.UNHEALTHY, Source.NOTIFY, _tell(life, "the service said that it is stopping"))
    if life.expired:
        return Verdict(Health.UNHEALTHY, Source.NOTIFY, _tell(life, overdue(life)))
    if life.definition.spec.type is Type.TASK:
        return Verdict(late, Source.NONE, _tell(life, f"pid {life.pid} is running to completion"))
    configured = life.check is not None
    word = strongest(only(life.heard, Source.EXPLICIT) if configured else life.heard)
    if not configured and life.listening_at is not None and not life.open:
        return Verdict(late, Source.TCP, _tell(life, closed(life)))
    if word is None or (life.checks_own_port and life.holder and not life.open):
        return Verdict(late, word.source if word else Source.NONE, _tell(life, _silence(life, expects_ready)))
    if expects_ready and word.source in (Source.TCP, Source.PROCESS):
        wait = "waits for READY=1, which an earlier run of this definition sent"
        return Verdict(late, Source.NOTIFY, _tell(life, f"{wait}; {word.detail}"))
    health = Health.HEALTHY if word.ok else late
    unsaid = _is_of_notify(life, word) and life.said.spoke and not life.said.ready
    return Verdict(health, word.source, _tell(life, f"{UNSAID}; {word.detail}" if unsaid else word.detail))


def _is_of_notify(life: Life, word: Evidence) -> bool:
    return word.source is Source.NOTIFY or isinstance(life.check, NotifyCheck)


def _silence(life: Life, expects_ready: bool) -> str:
    """What is being waited for while nothing has spoken."""
    match life.check:
        case LogCheck(pattern):
            return f"no line of output has matched /{clean(pattern)}/ yet"
        case NotifyCheck():
            return UNSAID
        case None if expects_ready:
            return f"{UNSAID}, as an earlier run of this definition did"
        case None if life.definition.port:
            return closed(life)
        case HttpCheck() | TcpCheck() if life.checks_own_port and not life.open:
            return closed(life)
        case None:
            return f"pid {life.pid} has just started"
        case check:
            return f"the {check.kind} check has not been carried out yet"


def overdue(life: Life) -> str:
    """One sentence on a watchdog that expired."""
    if life.said.triggered:
        return "the service sent WATCHDOG=trigger"
    return f"the service sent no WATCHDOG=1 within {show(life.watchdog or 0)}"


def _tell(life: Life, sentence: str) -> str:
    """The sentence, with what the program says of itself."""
    said = life.said
    extras = [
        f"status: {said.status}" if said.status and f"STATUS={said.status}" not in sentence else "",
        "reloading" if said.reloading else "",
        said.reason,
    ]
    told = "; ".join(extra for extra in extras if extra)
    return f"{sentence} ({told})" if told else sentence


def _process_source(life: Life) -> Source:
    return Source.EXPLICIT if isinstance(life.check, NoCheck) else Source.PROCESS


def _same(one: Evidence, other: Evidence) -> bool:
    return replace(one, at=other.at) == other
