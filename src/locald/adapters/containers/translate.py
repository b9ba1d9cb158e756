"""The engine's words in ours: versions, the state of a container, its end, its events, its moments.

Pure: JSON in, facts out. What an engine leaves out (Podman leaves out some) counts as not being so.

Sources: docs.docker.com/reference/api/engine (ContainerInspect, SystemEvents, SystemVersion); what is not
written there is written here, as real engines do it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import Struct, field

from locald.domain.knowledge.signals import STANDARD
from locald.domain.lifecycle.messages import Exit

Json = Mapping[str, Any]

SPOKEN = (1, 44)
"""the newest version of the API that this code was written for"""
OLDEST = (1, 40)
NEWEST_THAT_GOES_BACK = (1, 52)
"""up to here every engine is known to speak SPOKEN, too"""
NEEDED = "Docker Engine 20.10 or newer, or Podman 4"

_MOMENT = re.compile(r"(?P<second>[^.Zz+]*?)(\.(?P<fraction>\d+))?(?P<zone>[Zz]|[+-]\d\d:\d\d)?$")
_SIGNALS = set(STANDARD.values())


# Versions.


def agreed(found: Json) -> str | None:
    """The version of the API that both sides speak, from the answer to `/version`; None: there is none."""
    theirs, oldest = _version(found.get("ApiVersion")), _version(found.get("MinAPIVersion")) or (1, 0)
    if theirs is None or theirs < OLDEST:
        return None
    return ".".join(map(str, max(min(SPOKEN, theirs), oldest)))


def agreed_by_ping(theirs: str) -> str | None:
    """The same from the newest version that an engine speaks alone, where that is enough to know."""
    known = _version(theirs)
    if known is None or not OLDEST <= known <= NEWEST_THAT_GOES_BACK:
        return None
    return ".".join(map(str, min(SPOKEN, known)))


def _version(text: object) -> tuple[int, ...] | None:
    parts = str(text or "").split(".")
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else None


# Moments: RFC 3339 with nanoseconds.


def nanoseconds(text: str) -> int | None:
    """Nanoseconds since the epoch on the engine's clock; None for what is no moment, and for "never"."""
    found = _MOMENT.match(text)
    if found is None or text.startswith("0001-"):
        return None
    zone = (found["zone"] or "Z").upper().replace("Z", "+00:00")
    try:
        whole = datetime.fromisoformat(found["second"] + zone).timestamp()
    except ValueError:
        return None
    return int(whole) * 1_000_000_000 + int((found["fraction"] or "0")[:9].ljust(9, "0"))


def moment(text: object) -> float | None:
    """Seconds since the epoch on the engine's clock."""
    found = nanoseconds(text) if isinstance(text, str) else None
    return None if found is None else found / 1e9


# A container.


class Probe(Struct, frozen=True):
    """One look of a HEALTHCHECK. `at`: seconds on the engine's clock, when it ended."""

    at: float
    code: int
    output: str


class Health(Struct, frozen=True):
    """What the engine thinks of a container with a HEALTHCHECK: `starting`, `healthy` or `unhealthy`.

    `probes` are those since the container's start, oldest first. An engine keeps the status of an earlier
    start until the first probe of this one: then there are none, and the status means nothing.
    """

    status: str
    streak: int = 0
    probes: tuple[Probe, ...] = ()
    interval: float = 30.0
    """seconds between two probes"""


class State(Struct, frozen=True):
    """A container as `inspect` shows it. Moments are seconds on the engine's clock."""

    id: str
    created: bool
    """it was made, and never started"""
    running: bool
    """it has been started and has not ended, paused or not"""
    paused: bool = False
    pid: int = 0
    code: int = 0
    out_of_memory: bool = False
    error: str = ""
    started_at: float | None = None
    finished_at: float | None = None
    health: Health | None = None
    """None: it has no HEALTHCHECK"""


def state(inspected: Json) -> State:
    said = inspected.get("State") or {}
    started_at = moment(said.get("StartedAt"))
    status = said.get("Status")
    paused = bool(said.get("Paused"))
    return State(
        id=str(inspected.get("Id", "")),
        created=status in ("created", "configured", "initialized"),
        running=bool(said.get("Running") or paused) and status not in ("exited", "dead", "removing"),
        paused=paused,
        pid=int(said.get("Pid") or 0),
        code=int(said.get("ExitCode") or 0),
        out_of_memory=bool(said.get("OOMKilled")),
        error=str(said.get("Error") or ""),
        started_at=started_at,
        finished_at=moment(said.get("FinishedAt")),
        health=_health(said, started_at, (inspected.get("Config") or {}).get("Healthcheck") or {}),
    )


def _health(said: Json, started_at: float | None, configured: Json) -> Health | None:
    found = said.get("Health") or said.get("Healthcheck") or {}
    status = found.get("Status")
    if status not in ("starting", "healthy", "unhealthy"):
        return None
    probes = (probe for each in found.get("Log") or () if (probe := _probe(each)))
    recent = tuple(probe for probe in probes if probe.at >= (started_at or 0))
    interval = (configured.get("Interval") or 0) / 1e9 or 30.0
    return Health(status, int(found.get("FailingStreak") or 0), recent, interval)


def _probe(said: Json) -> Probe | None:
    at = moment(said.get("End"))
    code = said.get("ExitCode")
    if at is None or not isinstance(code, int):
        return None
    return Probe(at, code, str(said.get("Output") or ""))


def published(inspected: Json) -> int | None:
    """The TCP port inside that is published on the machine."""
    bindings = (inspected.get("HostConfig") or {}).get("PortBindings") or {}
    ports = (name.partition("/")[0] for name, bound in bindings.items() if bound)
    return next((int(port) for port in ports if port.isdecimal()), None)


def ended(state: State | None, code: int | None) -> Exit:
    """How a container ended. `state`: as it is now, if it is still there; `code`: as the engine's event said.

    A shell's number for a signal is taken for the signal, since the first process of a container is a
    small init that passes on how the program ended.
    """
    known = state.code if state else code
    reason = "out of memory" if state and state.out_of_memory and known else ""
    if known is not None and known - 128 in _SIGNALS:
        return Exit(signal=known - 128, reason=reason)
    return Exit(code=known, reason=reason)


def is_labelled(inspected: Json, labels: Mapping[str, str]) -> bool:
    """Whether a container (or a network) carries all of these labels."""
    carried = labels_of(inspected)
    return all(carried.get(name) == value for name, value in labels.items())


def labels_of(listed: Json) -> dict[str, str]:
    """The labels of a container, as `inspect` or a list shows it, or of a network."""
    found = listed.get("Labels") or (listed.get("Config") or {}).get("Labels")
    return dict(found) if isinstance(found, Mapping) else {}


def name_of(listed: Json) -> str:
    """The name of a container as people write it."""
    names = listed.get("Names") or [listed.get("Name") or str(listed.get("Id", ""))[:12]]
    return str(names[0]).removeprefix("/")


# Events.


class Event(Struct, frozen=True):
    """Something happened to a container. `code`: how it exited, where the event says so."""

    container: str
    action: str
    code: int | None = None


def event(said: Json) -> Event | None:
    """One line of the stream of events; None for what is none of a container."""
    actor = said.get("Actor") or {}
    container, action = actor.get("ID") or said.get("id"), said.get("Action") or said.get("status")
    if not container or not action:
        return None
    attributes = actor.get("Attributes") or {}
    code = str(attributes.get("exitCode") or attributes.get("containerExitCode") or "")
    word = str(action).partition(":")[0]
    return Event(str(container), word, int(code) if code.isdecimal() else None)


# Images.


class Image(Struct, frozen=True):
    """What an image says of itself, as far as it matters. `ports`: the TCP ports that it exposes."""

    ports: tuple[int, ...]
    entrypoint: bool
    """it has a program of its own, for which a command is only arguments"""
    path: tuple[str, ...]
    """the folders in which it looks for programs"""


_USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def image(inspected: Json) -> Image:
    config = inspected.get("Config") or {}
    exposed = (str(each).partition("/") for each in config.get("ExposedPorts") or {})
    ports = sorted(int(port) for port, _, kind in exposed if kind in ("", "tcp") and port.isdecimal())
    variables = dict(str(each).partition("=")[::2] for each in config.get("Env") or ())
    path = (variables.get("PATH") or _USUAL_PATH).split(":")
    return Image(tuple(ports), bool(config.get("Entrypoint")), tuple(each for each in path if each))


# Volumes.


class Volumes(Struct):
    """What the volumes of projects take on disk."""

    sizes: Counter[str] = field(default_factory=Counter)
    """bytes by project"""
    unknown: dict[str, str] = field(default_factory=dict)
    """by project, why not all of its volumes are known: a sentence"""
    unknown_elsewhere: str = ""
    """the same for projects of which no container is known"""

    def why_unknown(self, project: str, *, is_up: bool) -> str:
        return self.unknown.get(project, "" if is_up else self.unknown_elsewhere)


def sizes(usage: Json) -> list[tuple[str, int | None]]:
    """Name and bytes of every volume, from the answer to `/system/df`; None: it cannot be measured."""
    found = [(str(each.get("Name", "")), each.get("UsageData") or {}) for each in usage.get("Volumes") or []]
    return [(name, size if (size := used.get("Size", -1)) >= 0 else None) for name, used in found]
