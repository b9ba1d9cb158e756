"""Views as JSON, field for field as they are promised: status, why, timeline, log lines.

Times leave here as UTC in ISO 8601 with milliseconds, whatever they were before.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from locald.domain.project.labelled import parts

if TYPE_CHECKING:
    from collections.abc import Iterable

    from locald.domain.explain.past import RunOf
    from locald.domain.explain.timeline import Started, Timeline
    from locald.domain.explain.view import Row
    from locald.domain.explain.why import Why
    from locald.domain.lifecycle.health import Evidence
    from locald.domain.values.problem import Problem

Json = dict[str, Any]


class Sampled(Protocol):
    """`at`: epoch seconds; `cpu`: cores; `memory`: bytes."""

    at: float
    cpu: float
    memory: int


def timestamp(at: float | None) -> str | None:
    """`2026-05-01T12:00:00.123Z` for epoch seconds."""
    if at is None:
        return None
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)


def whose(project: str) -> Json:
    """The two fields for a project or an instance: only people say `shop@feat`."""
    name, instance = parts(project)
    return {"project": name, "instance": instance}


def row(view: Row) -> Json:
    """One entry of `services` in `status --json`."""
    return {
        "name": view.name,
        "project": view.project,
        "instance": view.instance,
        "shared": view.shared,
        "shared_by": list(view.shared_by),
        "directory": view.directory,
        "type": view.type,
        "engine": view.engine,
        "state": view.state,
        "health": view.health,
        "source": view.source,
        "check": view.check,
        "fallback": view.fallback,
        "because": view.because,
        "reason": view.reason,
        "hint": view.hint,
        "since": timestamp(view.since),
        "waiting_on": list(view.waiting_on),
        "depends_on": dict(view.depends_on),
        "pid": view.pid,
        "container": view.container,
        "port": view.port,
        "port_source": view.port_source,
        "address": view.address,
        "url": view.url,
        "name_url": view.name_url,
        "on_demand": view.on_demand,
        "run": view.run,
        "restarts": view.restarts,
        "exit_code": view.exit_code,
        "started_at": timestamp(view.started_at),
        "ready_at": timestamp(view.ready_at),
        "left": view.left,
    }


def why(view: Why, summary: str) -> Json:
    """`why --json`. `summary`: the same in one line."""
    return {
        "service": view.row.name,
        "project": view.row.project,
        "instance": view.row.instance,
        "state": view.row.state,
        "health": view.row.health,
        "source": view.row.source,
        "because": view.row.because,
        "cause": view.cause or None,
        "blockers": [
            {"service": b.name, "state": b.state, "health": b.health, "because": b.because}
            for b in view.blockers
        ],
        "evidence": [evidence(e) for e in view.evidence],
        "hints": list(view.hints),
        "summary": summary,
    }


def evidence(seen: Evidence) -> Json:
    return {
        "source": seen.source,
        "check": seen.check,
        "ok": seen.ok,
        "at": timestamp(seen.at),
        "detail": seen.detail,
    }


def timeline(view: Timeline) -> Json:
    """`timeline --json`."""
    return {
        **whose(view.project),
        **_start(view),
        "before": _start(view.before) if view.before else None,
    }


def _start(view: Timeline) -> Json:
    return {
        "services": [_started(part) for part in view.services],
        "critical_path": list(view.critical_path),
        "total_ms": milliseconds(view.total),
    }


def _started(part: Started) -> Json:
    return {
        "name": part.name,
        "queued_at": timestamp(part.queued_at),
        "spawned_at": timestamp(part.spawned_at),
        "listening_at": timestamp(part.listening_at),
        "ready_at": timestamp(part.ready_at),
        "source": part.source,
        "waited_for": list(part.waited_for),
        "median_ms": milliseconds(part.median),
        "cause": part.cause or None,
        "ended_at": timestamp(part.ended_at),
    }


def runs(found: Iterable[RunOf]) -> list[Json]:
    """`timeline --all --json`."""
    return [
        {
            "service": each.service,
            "run": each.run.number,
            "started_at": timestamp(each.run.spawned_at),
            "ready_at": timestamp(each.run.ready_at),
            "ended_at": timestamp(each.run.ended_at),
            "exit_code": each.run.exit_code,
            "cause": each.run.cause or None,
            "said": each.run.said or None,
        }
        for each in found
    ]


def samples(found: Iterable[Sampled]) -> list[Json]:
    """What a service took of the machine, step by step; processors in cores, to a thousandth."""
    return [{"at": timestamp(e.at), "cpu": round(e.cpu, 3), "memory": e.memory} for e in found]


def refusal(problems: Iterable[Problem], exit_code: int) -> Json:
    """What is said in place of an answer: every problem, and what a command exits with."""
    return {"problems": [problem(found) for found in problems], "exit": exit_code}


def problem(found: Problem) -> Json:
    """A warning says so; what says nothing is an error."""
    level = {"level": "warning"} if found.is_warning else {}
    return {"what": found.what, "where": found.where, "hint": found.hint, **level}
