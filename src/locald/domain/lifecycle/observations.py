"""How each event about a run's health is folded into its facts: one `observe_…` for each kind."""

from __future__ import annotations

from msgspec.structs import replace

from locald.domain.lifecycle import background, found_port, senders, strangers
from locald.domain.lifecycle.evaluation import PAUSED, closed
from locald.domain.lifecycle.health import Evidence, Source
from locald.domain.lifecycle.messages import (
    STALLED,
    Asked,
    Checked,
    Listener,
    Listens,
    Notified,
    Paused,
    Probed,
    Replaced,
    Reported,
    Sender,
    SenderEnded,
    Spawned,
    Unpaused,
)
from locald.domain.lifecycle.run_facts import (
    NotifyState,
    RunFacts,
    carries_out,
    engine_source,
    process_source,
    with_evidence,
)
from locald.domain.lifecycle.sd_notify import Notification, introduce, parse, refusal
from locald.domain.project.spec import (
    NotifyCheck,
)
from locald.domain.values.duration import show

HOLD = 1.0
"""seconds for which a program that can send READY=1 is waited for, once its port is open"""


def born(facts: RunFacts, event: Spawned) -> RunFacts:
    """There is a process now. A container may turn out to have no port that could be published."""
    if event.container and event.container_port is None:
        facts = replace(facts, definition=replace(facts.definition, port=None))
    inside = event.container_port
    return replace(
        facts, pid=event.pid, container=event.container, container_port=inside, spawned_at=event.at
    )


def observe_process(facts: RunFacts, at: float) -> RunFacts:
    source = process_source(facts)
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


def observe_report(facts: RunFacts, event: Reported) -> RunFacts:
    """The word of the engine that runs it. It carries out the user's own check, where it can."""
    if event.container:
        facts = replace(facts, container=event.container)
    if carries_out(facts.definition.engine, facts.check):
        kind = facts.check.kind if facts.check else None
        return with_evidence(facts, Evidence(Source.EXPLICIT, event.ok, event.at, event.detail, kind))
    told = Evidence(engine_source(facts.definition.engine), event.ok, event.at, event.detail)
    return with_evidence(facts, told, counts=facts.check is None)


def observe_replacement(facts: RunFacts, event: Replaced) -> RunFacts:
    """Nothing that was said before is of what runs next, and until that is there, nothing speaks."""
    told = f"{event.detail}; {facts.definition.engine.called} starts another"
    source = engine_source(facts.definition.engine)
    facts = with_evidence(facts, Evidence(source, False, event.at, told), counts=False)
    facts = replace(facts, listeners=(), open=False, acceptor=None, listening_at=None)
    return replace(facts, evidence={}, failures=0, silenced=told)


def observe_pause(facts: RunFacts, event: Paused | Unpaused) -> RunFacts:
    """A line in `why`; what its sources said before counts again when it goes on."""
    paused = isinstance(event, Paused)
    detail = PAUSED if paused else "the container was unpaused"
    told = Evidence(Source.PROCESS, not paused, event.at, detail)
    return with_evidence(replace(facts, paused=paused), told, counts=False)


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


def observe_listeners(facts: RunFacts, event: Listens, *, is_patient: bool = True) -> RunFacts:
    """What the run's tree listens on now, and whether that changes which port is its own."""
    before, facts = facts, found_port.given_back(facts, event)
    facts = strangers.noticed(_look_at_port(facts, event, is_patient=is_patient), before, event.at)
    return background.observed(found_port.looked_for(facts, event), event)


def _look_at_port(facts: RunFacts, event: Listens, *, is_patient: bool) -> RunFacts:
    """What the tree listens on now. The own port is evidence once the program has taken a connection on it;
    other ports and holders explain its absence. `is_patient`: nothing is known yet of how this program
    behaves, so one that can send READY=1 is given a moment for it."""
    port = facts.port
    if port is None:
        return replace(facts, listeners=event.listeners)
    own = next((one for one in event.listeners if one.port == port), None)
    if own:
        facts = replace(facts, socket=None)
    elif own := found_port.socket_of(facts, event):
        event = replace(event, accepts=True)
    nothing_yet = own is None and facts.listening_at is None
    facts = _probed(_opened(facts, own, event.at), event)
    facts = replace(
        facts,
        listeners=event.listeners,
        sockets=event.sockets,
        holder=event.holder,
        acceptor=event.acceptor,
    )
    if nothing_yet and not event.listeners and not event.holder:
        return facts  # nothing was seen at all: silence is no evidence
    detail = _taken(own, event) if own else closed(facts)
    facts = _expecting(facts, own, event, is_patient=is_patient and facts.found is None)
    return with_evidence(facts, Evidence(Source.TCP, own is not None and event.accepts, event.at, detail))


def _expecting(facts: RunFacts, own: Listener | None, event: Listens, *, is_patient: bool) -> RunFacts:
    """Stronger words than an open port that may follow: READY=1, and an answer in the server's protocol."""
    if own is None or not event.accepts:  # what is asked next is another listener
        return replace(_without_answer(facts), hold_until=None)
    if _was_taken(facts) or facts.check is not None:
        return facts
    if event.can_notify and is_patient and not facts.notify.spoke:
        facts = replace(facts, hold_until=event.at + HOLD)
    if event.server:
        name = event.server.protocol
        facts = replace(facts, server=name)
        asking = f"asking {own.owner} whether it is ready ({name})"
        facts = with_evidence(facts, Evidence(Source.PROTOCOL, False, event.at, asking, name))
    return facts


def observe_answer(facts: RunFacts, event: Asked) -> RunFacts:
    """What the server itself says. What is no answer in its protocol leaves the open port to speak."""
    if event.protocol != facts.server:
        return facts  # of a listener that is gone
    if event.known:
        return with_evidence(
            facts, Evidence(Source.PROTOCOL, event.ok, event.at, event.detail, event.protocol)
        )
    unknown = Evidence(Source.PROTOCOL, False, event.at, event.detail, event.protocol)
    return with_evidence(_without_answer(facts), unknown, counts=False)


def _without_answer(facts: RunFacts) -> RunFacts:
    evidence = dict(facts.evidence)
    evidence.pop(Source.PROTOCOL, None)
    return replace(facts, server=None, evidence=evidence)


def _opened(facts: RunFacts, own: Listener | None, at: float) -> RunFacts:
    """Since when the port is open. What closes again before it accepted anything was not open at all."""
    listening_at = facts.listening_at
    if own and (listening_at is None or (not facts.open and facts.ready_at is None)):
        listening_at = at
    elif own is None and not _was_taken(facts) and facts.ready_at is None:
        listening_at = None
    return replace(facts, open=own is not None, listening_at=listening_at)


def _was_taken(facts: RunFacts) -> bool:
    """Whether its program takes connections on its port, by what was seen last."""
    return Source.TCP in facts.evidence and facts.evidence[Source.TCP].ok


def _probed(facts: RunFacts, event: Listens) -> RunFacts:
    """A tool tried whether the port is free: a line in `why`, and no evidence."""
    if event.probes <= facts.probes:
        return facts
    detail = f"port {facts.port} was open for a moment only: a probe, not the server"
    facts = replace(facts, probes=event.probes)
    return with_evidence(facts, Evidence(Source.TCP, False, event.at, detail), counts=False)


def _taken(own: Listener, event: Listens) -> str:
    """Whether the program takes connections on its port, and which of its processes does."""
    if own.kind != "tcp":
        return f"{own.owner} listens on {own.shown}"
    if event.unproven:
        return _unproven(own)
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


def _unproven(own: Listener) -> str:
    """What is all that can be seen of some containers."""
    if not own.owner.pid:
        return f"a connection to {own.shown} stays open, more cannot be seen of a container of this engine"
    return f"{own.owner} listens on {own.shown}, only root can see whether it accepts connections"


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
    main = event.main or facts.pid
    if words.has("STOPPING", b"1") and not senders.is_main(event.sender, main):
        return _leaving(facts, _said(facts, event, words, main), event, words), words
    promises = _is_promise(facts, words, event.sender)
    promised, before = facts.notify.spoke or promises, facts.notify
    facts = _said(facts, event, words, main)
    reason = _reason(words) if words.are_promise or _speaks_for_the_run(facts, event.sender) else ""
    facts = replace(facts, notify=_listen(facts, words, promised, reason))
    if promises and senders.is_main(event.sender, main):
        facts = replace(facts, notify=replace(facts.notify, main=True))
    if not promised:
        return _remarked(facts, event, words), words
    if before.spoke and not _turns(before, facts.notify):
        return facts, words  # a keep-alive or a STATUS= says nothing new about readiness
    if facts.notify.ready and not before.ready:
        facts = found_port.looks(facts, event.at)
    detail = f"{introduce(event.sender)} sent {words}"
    ok = facts.notify.ready and not facts.notify.stopping
    return _of_notify(facts, ok, detail, event.at), words


def _of_notify(facts: RunFacts, ok: bool, detail: str, at: float) -> RunFacts:
    facts = with_evidence(facts, Evidence(Source.NOTIFY, ok, at, detail))
    if isinstance(facts.check, NotifyCheck):
        facts = with_evidence(facts, Evidence(Source.EXPLICIT, ok, at, detail, "notify"))
    return facts


def _said(facts: RunFacts, event: Notified, words: Notification, main: int | None) -> RunFacts:
    """With what it said of being ready."""
    ready, stopping = words.has("READY", b"1"), words.has("STOPPING", b"1")
    if not (ready or stopping) or facts.notify.stopping:
        return facts
    said = senders.spoken(facts.words, event.sender, event.at, main=main, ready=ready, stopping=stopping)
    return replace(facts, words=said)


def _leaving(before: RunFacts, facts: RunFacts, event: Notified, words: Notification) -> RunFacts:
    """One process of several stops, and the run goes on."""
    taken_back = _withdrawn(facts, event.at)
    if taken_back != facts or facts.words == before.words:
        return taken_back
    detail = f"{introduce(event.sender)} sent {words}, which is true of itself alone"
    return with_evidence(facts, Evidence(Source.NOTIFY, False, event.at, detail), counts=False)


def observe_sender_end(facts: RunFacts, event: SenderEnded) -> RunFacts:
    """What it said is gone with it, or is the word of the process for which it spoke."""
    said = senders.ended(facts.words, event.pid, event.at)
    return facts if said == facts.words else _withdrawn(replace(facts, words=said), event.at)


def _withdrawn(facts: RunFacts, at: float) -> RunFacts:
    """If nobody says READY=1 any more: as if nobody ever had, but for the main process."""
    word = senders.withdrawn(facts.words)
    if word is None or not facts.notify.ready:
        return facts
    how = "has ended" if word.gone_at is not None else "sent STOPPING=1"
    detail = f"{word} {how}, and what it said before no longer counts"
    spoke = facts.notify.main
    facts = replace(facts, notify=replace(facts.notify, ready=False, spoke=spoke, reloading=False, status=""))
    facts = _of_notify(facts, False, detail, at)
    if not spoke:
        evidence = dict(facts.evidence)
        evidence.pop(Source.NOTIFY, None)
        facts = replace(facts, evidence=evidence)
    return facts


def _is_promise(facts: RunFacts, words: Notification, sender: Sender) -> bool:
    """Whether these words mean that READY=1 will follow. They do from the main process and from who listens;
    what else speaks (a tool that sets the server up) promises nothing but by READY=1 itself."""
    if words.has("READY", b"1") or not words.are_promise:
        return words.are_promise
    return _speaks_for_the_run(facts, sender) or sender.standing == "exited"


def _speaks_for_the_run(facts: RunFacts, sender: Sender) -> bool:
    """The main process, who listens, or a helper of root's, whose own pid nobody can tell."""
    speakers = {facts.pid, *(listener.owner.pid for listener in facts.listeners)}
    return sender.process.pid in speakers or sender.standing == "spawner"


def _remarked(facts: RunFacts, event: Notified, words: Notification) -> RunFacts:
    """What was said without a promise: a line in `why`, the first time."""
    if any(each.source is Source.NOTIFY for each in facts.history):
        return facts
    detail = f"{introduce(event.sender)} sent {words}, which does not announce READY=1"
    return with_evidence(facts, Evidence(Source.NOTIFY, False, event.at, detail), counts=False)


def _turns(before: NotifyState, after: NotifyState) -> bool:
    return (before.ready, before.reloading, before.stopping) != (after.ready, after.reloading, after.stopping)


def _listen(facts: RunFacts, words: Notification, promised: bool, reason: str) -> NotifyState:
    """READY=1 ends a reload, and says nothing once STOPPING=1 was said. `reason`: what failed, if it was the
    service itself that failed and not a tool that it called."""
    said = facts.notify
    ready = words.has("READY", b"1") and not said.stopping and senders.holding(facts.words)
    status = words.text("STATUS")
    return replace(
        said,
        spoke=promised,
        ready=said.ready or ready,
        reloading=(said.reloading or words.has("RELOADING", b"1")) and not ready,
        triggered=said.triggered or words.has("WATCHDOG", b"trigger"),
        stopping=said.stopping or words.has("STOPPING", b"1"),
        status=said.status if status is None else status,
        reason=reason or said.reason,
    )


def _reason(words: Notification) -> str:
    parts = [
        f"{label} {number}"
        for key, label in (("ERRNO", "errno"), ("EXIT_STATUS", "exit status"))
        if (number := words.number(key)) is not None
    ]
    return " and ".join(parts)
