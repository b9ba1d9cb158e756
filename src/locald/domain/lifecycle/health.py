"""What is believed about a service's health, and on what evidence.

Evidence is what one source said at one moment. It is stored; health is derived from it, by one rule: the
result is the last word of the strongest source that spoke. So HEALTH and SOURCE cannot disagree, and an
explanation is no more than the evidence printed. Some facts override every source; `evaluate` lists them.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from locald.domain.project.spec import CheckKind


class Health(StrEnum):
    UNKNOWN = "unknown"
    """nothing runs"""
    STARTING = "starting"
    """something runs and was never healthy yet"""
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class Source(StrEnum):
    """Who says so, strongest first."""

    EXPLICIT = "explicit"
    """the user's own `health_check`"""
    SWARM = "swarm"
    """the swarm that runs it: its task is running, which it is not before its HEALTHCHECK has passed"""
    KUBERNETES = "kubernetes"
    """the cluster that runs it: its pod is ready, which it is not before its probes have passed"""
    SYSTEMD = "systemd"
    """the systemd that runs it: its unit of type notify is active, which it is not before READY=1"""
    DOCKER = "docker"
    """the image's HEALTHCHECK"""
    NOTIFY = "notify"
    """READY=1 on the run's notify socket"""
    PROTOCOL = "protocol"
    """the server answered a harmless question in its own protocol"""
    TCP = "tcp"
    """the service's own program accepts connections"""
    PROCESS = "process"
    """a live process, or a task that exited with 0"""
    NONE = "none"
    """nothing has spoken yet"""


class Evidence(Struct, frozen=True):
    """One observation: at this moment `source` looked, and saw `ok`. `detail` is one sentence."""

    source: Source
    ok: bool
    at: float
    detail: str
    check: CheckKind | None = None
    """the kind of an explicit check, or the protocol"""


class HealthResult(Struct, frozen=True):
    """What follows from the evidence: the health, its source, and one sentence why."""

    health: Health
    source: Source
    because: str


NOTHING_RUNS = HealthResult(Health.UNKNOWN, Source.NONE, "not running")


def strongest(evidence: dict[Source, Evidence]) -> Evidence | None:
    """The last word of the strongest source that spoke."""
    return next((evidence[source] for source in Source if source in evidence), None)


def only(evidence: dict[Source, Evidence], source: Source) -> dict[Source, Evidence]:
    return {source: evidence[source]} if source in evidence else {}
