"""What the change of a watched file does: it is waited for quiet, then the service is restarted, or told.

A service that changes a watched file itself while it starts (a database, generated code) would be restarted
for ever. Nobody can see who wrote a file, but a person does not do so again and again within a moment of
each start: the same file five times in a row is the service's own output, which is left out from then on,
until the service is restarted for another reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from locald.domain.lifecycle.changes import forgotten
from locald.domain.lifecycle.messages import Note, Signal
from locald.domain.lifecycle.phase import Backoff, Completed, Desired, Ended, Failed, Live, Stopping
from locald.domain.lifecycle.service import fresh

if TYPE_CHECKING:
    from locald.domain.lifecycle.changes import Changes
    from locald.domain.lifecycle.messages import Effect, FilesChanged
    from locald.domain.lifecycle.run_facts import RunFacts
    from locald.domain.lifecycle.service import Service

NAMED = 3
"""files of one change that are remembered by name"""
LOOP = 5
"""starts in a row, each followed at once by a change of the same file"""
AT_ONCE, AFTER_READY = 2.0, 1.0
"""seconds after its spawn, and after it was ready, in which a service writes what it writes at its start"""


def noticed(service: Service, event: FilesChanged) -> Service:
    """Begin to wait for quiet, or go on."""
    changes = service.changes
    paths = [path for path in event.paths if path not in changes.left_out]
    count = event.count - (len(event.paths) - len(paths))
    if count <= 0 or not (service.desired.is_up and service.spec.watch):
        return service
    known = dict.fromkeys((*changes.paths, *paths))
    again = sum(path in changes.paths for path in paths)
    return replace(
        service,
        changes=replace(
            changes,
            paths=tuple(known)[:NAMED],
            count=changes.count + count - again,
            first_at=changes.first_at if changes.count else event.at,
            last_at=event.at,
        ),
    )


def acted_on(service: Service, now: float) -> tuple[Service, list[Effect]]:
    """It is quiet: restart the service, or send it the signal that was asked for."""
    told, watch = service.changes.told, service.spec.watch
    if watch and watch.signal:
        return _signalled(service, watch.signal, told)
    changes = _suspected(service)
    if changes.rounds >= LOOP:
        return _ended_loop(service, changes)
    if not (isinstance(service.phase, Live | Failed | Backoff | Ended | Completed) and service.desired.is_up):
        return replace(service, changes=forgotten(service.changes)), []
    again = replace(fresh(service, now), cause=told)
    notes: list[Effect] = [Note(service.run, f"restarting: {told}")] if service.run else []
    return replace(again, desired=Desired.RESTART, changes=forgotten(changes)), notes


def _signalled(service: Service, signal: str, told: str) -> tuple[Service, list[Effect]]:
    service = replace(service, changes=forgotten(service.changes))
    if service.run is None or isinstance(service.phase, Stopping):
        return service, []
    return service, [Note(service.run, f"sending {signal}: {told}"), Signal(service.run, signal)]


def _suspected(service: Service) -> Changes:
    """Count the starts that were followed at once by a change of the same files."""
    changes, facts = service.changes, service.facts
    if facts is None or not _is_soon(facts, changes.first_at):
        return replace(changes, suspects=(), rounds=0)
    same = tuple(path for path in changes.paths if path in changes.suspects)
    if same:
        return replace(changes, suspects=same, rounds=changes.rounds + 1)
    return replace(changes, suspects=changes.paths, rounds=1)


def _is_soon(facts: RunFacts, at: float) -> bool:
    """Whether a change at this time may come of the start of the run."""
    if facts.spawned_at is None:
        return False
    ready_at = facts.ready_at
    return at - facts.spawned_at <= AT_ONCE or (ready_at is not None and 0 <= at - ready_at <= AFTER_READY)


def _ended_loop(service: Service, changes: Changes) -> tuple[Service, list[Effect]]:
    names = ", ".join(changes.suspects)
    left_out = (*changes.left_out, *changes.suspects)
    line = f"restarted {LOOP} times in a row because its own start changes {names}: left out of `watch`"
    notes: list[Effect] = [Note(service.run, line)] if service.run else []
    quiet = replace(forgotten(changes), left_out=left_out, suspects=(), rounds=0)
    return replace(service, changes=quiet), notes
