"""What runs elsewhere is planned once, whatever engine it is for: units with images, ports, probes and
dependencies, and what was learned of each while it ran here.

A plan has no words of any engine. What an engine cannot express is a `Loss`, made where it is written.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec import Struct, field

from locald.domain.project import env, template
from locald.domain.project.placing import INSIDE
from locald.domain.project.resolving import env_files_of
from locald.domain.project.spec import (
    CommandCheck,
    Condition,
    HttpCheck,
    LogCheck,
    NoCheck,
    NotifyCheck,
    ProjectSpec,
    ProtocolCheck,
    ServiceSpec,
    TcpCheck,
    Type,
)
from locald.domain.values import amounts
from locald.domain.values.problem import Problem, Refused

if TYPE_CHECKING:
    from locald.domain.project.template import ServiceFact, Variable


class Loss(NamedTuple):
    """A meaning that the written files do not have, or only nearly."""

    service: str
    key: str
    because: str


class Learned(Struct, frozen=True):
    """What was seen of a service while it ran here."""

    port: int | None = None
    """on this machine"""
    source: str = ""
    check: str = ""
    """with `protocol`: which"""
    ready_seconds: float | None = None
    """from its start to its health"""


class Probe(Struct, frozen=True):
    """How health is asked for, as far as an engine can ask."""

    kind: str
    """`http`, `tcp`, `command` or a protocol"""
    port: int | None = None
    command: str = ""
    path: str = "/"
    scheme: str = "http"
    status: tuple[int, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    interval: float = 5.0
    timeout: float = 2.0
    retries: int = 3
    found: str = ""
    """where it is not in the file: how it was found"""


class Unit(Struct, frozen=True):
    """One service for an engine."""

    spec: ServiceSpec
    image: str
    """empty: a process without one"""
    port: int | None
    """where it listens: in the container, or on the machine for a process without an image"""
    published: int | None
    """on this machine; None: nowhere, or anywhere"""
    probe: Probe | None
    speaks: bool
    """it tells its readiness by READY=1"""
    has_own_check: bool
    """its image has a HEALTHCHECK, which was seen"""
    learned: Learned | None
    env_files: tuple[str, ...]
    """those that there are, as written"""

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def is_task(self) -> bool:
        return self.spec.type is Type.TASK

    @property
    def took(self) -> str:
        """Behind a word on the time of its start: what it was here; empty where it is not known."""
        seconds = self.learned.ready_seconds if self.learned else None
        return "" if seconds is None else f", and it was ready after {amounts.length(seconds)} here"

    @property
    def serves(self) -> bool:
        """It has a port, which is known."""
        return self.port is not None and self.spec.type not in (Type.WORKER, Type.TASK)

    @property
    def command(self) -> tuple[str, ...]:
        """The words that are run; none where the image says it."""
        match self.spec.command:
            case str() as line:
                return ("/bin/sh", "-c", line)
            case tuple() as words:
                return words
            case None:
                return ()


class Plan(Struct, frozen=True):
    """A project for an engine."""

    project: ProjectSpec
    directory: str
    units: Mapping[str, Unit]
    env_files: Mapping[str, Mapping[str, str]]
    """the contents of each env file that there is"""
    shell: Mapping[str, str]
    base: str = "."
    """the project's folder, as seen from where the files will be"""

    def beside(self, path: str) -> str:
        """A path relative to the project's folder, as seen from where the files will be."""
        if self.base == "." or path.startswith(("/", "~")):
            return path
        return posixpath.normpath(posixpath.join(self.base, path))

    def conditions(self, unit: Unit) -> Iterator[tuple[Unit, Condition]]:
        """What the unit waits for; a task until it has completed."""
        for name, said in unit.spec.depends_on.items():
            other = self.units[name]
            is_done = said is Condition.HEALTHY and other.is_task
            yield other, Condition.COMPLETED if is_done else said

    def table(self, unit: Unit) -> dict[str, str]:
        """`env` of the service over that of the project, as written."""
        return {**self.project.env, **unit.spec.env}

    def variables(self, unit: Unit) -> dict[str, str]:
        """What the env files of the unit hold."""
        return env.merge([self.env_files[path] for path in unit.env_files], {})


class Outside(NamedTuple):
    """What a plan has that no file says."""

    directory: str
    """absolute path of the project's folder"""
    env_files: Mapping[str, Mapping[str, str]]
    shell: Mapping[str, str]
    learned: Mapping[str, Learned]
    images: Mapping[str, str]
    """for processes, by service: `--image`"""
    base: str = "."
    """see `Plan`"""


def make(project: ProjectSpec, outside: Outside) -> Plan:
    """Raises Refused for an image of no service."""
    for name in outside.images:
        if name not in project.services:
            hint = f"name one of {', '.join(project.services)}"
            raise Refused(Problem(f"no such service: {name}", "--image", hint))
    units = {name: _unit(spec, project, outside) for name, spec in project.services.items()}
    return Plan(project, outside.directory, units, outside.env_files, outside.shell, outside.base)


def _unit(spec: ServiceSpec, project: ProjectSpec, outside: Outside) -> Unit:
    learned = outside.learned.get(spec.name)
    source = learned.source if learned else ""
    image = spec.image or outside.images.get(spec.name, "")
    port = _port(spec, learned, image)
    seen = learned.port if learned else None
    published = None if port is None else spec.port or seen
    return Unit(
        spec=spec,
        image=image,
        port=port,
        published=published,
        probe=_probe(spec, port, learned),
        speaks=_speaks(spec, source),
        has_own_check=spec.health_check is None and source == "docker",
        learned=learned,
        env_files=tuple(path for path in env_files_of(spec, project) if path in outside.env_files),
    )


def _port(spec: ServiceSpec, learned: Learned | None, image: str) -> int | None:
    if spec.type is Type.CONTAINER:
        return spec.container_port
    if spec.type is not Type.EXEC:
        return None
    return spec.port or (learned.port if learned else None) or (INSIDE if image else None)


def _speaks(spec: ServiceSpec, source: str) -> bool:
    if spec.type is Type.CONTAINER:
        return False
    return isinstance(spec.health_check.check, NotifyCheck) if spec.health_check else source == "notify"


def _probe(spec: ServiceSpec, port: int | None, learned: Learned | None) -> Probe | None:
    """The user's own check, else what was seen, else the port."""
    if spec.health_check is not None:
        return explicit(spec, port)
    source = learned.source if learned else ""
    if spec.type in (Type.WORKER, Type.TASK) or source in ("docker", "process", "notify"):
        return None
    if learned and source == "protocol" and learned.check:
        return Probe(learned.check, port, found=f"it was healthy by protocol ({learned.check})")
    how = f"it was healthy by {source}" if source == "tcp" else "its port is asked"
    return Probe("tcp", port, found=how) if port else None


def explicit(spec: ServiceSpec, port: int | None) -> Probe | None:
    """The user's own check; None for one that no command can make. `port`: the service's own."""
    assert spec.health_check is not None
    given = spec.health_check

    def probe(kind: str, named: int | None = None, **about: Any) -> Probe:
        times: dict[str, Any] = {
            "interval": given.interval,
            "timeout": given.timeout,
            "retries": given.retries,
        }
        return Probe(kind, named or port, **about, **times)

    match given.check:
        case HttpCheck() as asked:
            about = {"path": asked.path, "scheme": asked.scheme}
            return probe("http", asked.port, status=asked.status, headers=asked.headers, **about)
        case TcpCheck(port=named):
            return probe("tcp", named)
        case ProtocolCheck(kind=kind, port=named):
            return probe(kind, named)
        case CommandCheck(command=command):
            return probe("command", command=command)
        case LogCheck() | NotifyCheck() | NoCheck():
            return None


# Texts with `${…}`.


class Filler:
    """Fills `${…}` for one unit (see `template.Lookup`)."""

    def __init__(
        self,
        unit: Unit,
        plan: Plan,
        address: Callable[[Unit, Unit], tuple[str, int | None]],
        variable: Callable[[Variable], str],
    ) -> None:
        """`address`: where the first finds the second; `variable`: what a variable becomes."""
        self._unit, self._plan, self._address, self._variable = unit, plan, address, variable

    def fact(self, wanted: ServiceFact) -> str:
        if wanted.is_by_name:
            hint = "use a variable" if wanted.is_own else f"use ${{services.{wanted.service}.url}}"
            what = f"{wanted} is of the proxy of locald, which is only on this machine"
            raise Refused(Problem(what, f"services.{self._unit.name}", hint))
        host, port = self._address(self._unit, self._plan.units[wanted.service])
        if wanted.fact == "host":
            return host
        if port is None:
            hint = "set `port` or `container_port`, or run `locald up` once, so that it is known"
            what = f"the port of {wanted.service} is unknown"
            raise Refused(Problem(what, f"services.{self._unit.name}", hint))
        return str(port) if wanted.fact == "port" else f"http://{host}:{port}/"

    def variable(self, wanted: Variable) -> str:
        return self._variable(wanted)

    def text(self, text: str, literal: Callable[[str], str], *, command: bool = False) -> str:
        """`literal`: how the engine writes a text that is to stay as it is."""
        parts = template.parse(text, command=command)
        written = (literal(part) if isinstance(part, str) else template.join([part], self) for part in parts)
        return "".join(written)


def filled_now(plan: Plan, unit: Unit) -> Callable[[Variable], str]:
    """Variables by the env files and the shell as they are now. Raises Refused for one that is not set."""
    known = {**plan.variables(unit), **plan.shell}

    def value(wanted: Variable) -> str:
        found = known.get(wanted.name)
        if wanted.default is not None:
            return found or wanted.default
        if found is None:
            hint = f"set {wanted.name} in the shell, then run the command again"
            raise Refused(Problem(f"${{{wanted.name}}} is not set", f"services.{unit.name}", hint))
        return found

    return value


def need_images(plan: Plan, engine: str) -> None:
    """Raises Refused for processes without an image, which an engine of containers cannot run."""
    problems = [
        Problem(
            f"{unit.name} is a process without an image, which {engine} cannot run",
            f"services.{unit.name}",
            f"build one, then add --image {unit.name}=REF",
        )
        for unit in plan.units.values()
        if not unit.image
    ]
    if problems:
        raise Refused(*problems)
