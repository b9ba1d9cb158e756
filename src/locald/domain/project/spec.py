"""What the user asked for: `locald.toml` after parsing, and a service as `up` resolved it.

A `ServiceSpec` is one `[services.NAME]` table with its defaults filled in. A `Definition` adds what
had to be looked up: the port, the contents of env files, every `${…}` resolved. Two runs of equal
definitions are runs of the same thing; when a definition changes, `up` restarts the service.

All durations are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from locald.domain.knowledge.servers import ProtocolName, WireProtocol
from locald.domain.project.labelled import of_all
from locald.domain.project.names import Key
from locald.domain.project.template import OpenText


class Type(StrEnum):
    """What kind of thing a service is."""

    EXEC = "exec"
    """a process with a port"""
    WORKER = "worker"
    """a process without a port"""
    TASK = "task"
    """a process that runs to completion"""
    CONTAINER = "container"
    """an image, run by the local Docker Engine"""


class Engine(StrEnum):
    """Where the services of a project run."""

    LOCAL = "local"
    """on this machine: processes by the keeper, containers by the local Docker Engine"""
    SWARM = "swarm"
    """as services of a swarm of Docker Engines"""
    SYSTEMD = "systemd"
    """processes as units of the user's own systemd, containers by the local Docker Engine"""
    KUBERNETES = "kubernetes"
    """as Deployments and Jobs of a cluster"""

    @property
    def is_cluster(self) -> bool:
        """Of machines that may be others than this one. It runs containers only, publishes ports there, and
        its news come late."""
        return self in (Engine.SWARM, Engine.KUBERNETES)

    @property
    def called(self) -> str:
        """In a sentence: "the swarm", "Kubernetes"."""
        return _CALLED[self]


_CALLED = {
    Engine.LOCAL: "this machine",
    Engine.SWARM: "the swarm",
    Engine.SYSTEMD: "systemd",
    Engine.KUBERNETES: "Kubernetes",
}


class Condition(StrEnum):
    """What a dependency must be before its dependent starts."""

    HEALTHY = "healthy"
    COMPLETED = "completed"
    STARTED = "started"


class RestartPolicy(StrEnum):
    """Which ends of a run are followed by another."""

    NO = "no"
    ON_FAILURE = "on-failure"
    ALWAYS = "always"


class KillMode(StrEnum):
    """Which processes of a service get its stop signal; what is left when the time is over is killed."""

    ALL = "all"
    """every one"""
    MIXED = "mixed"
    """its main process; when that has exited, the rest"""


class StandardInput(StrEnum):
    """What a process reads on its standard input."""

    EMPTY = "empty"
    """its end, at once"""
    OPEN = "open"
    """nothing, and never its end"""
    TERMINAL = "terminal"
    """what somebody types who is attached to it; its output goes to the same terminal"""


class Sampling(StrEnum):
    """When it is measured what a service takes of the machine."""

    SHOWN = "shown"
    """while a page or a monitor shows it"""
    ALWAYS = "always"


class HttpCheck(Struct, frozen=True):
    """GET `path`; healthy when the status is one of `status` (empty: any 2xx or 3xx)."""

    path: str = "/"
    port: int | None = None
    status: tuple[int, ...] = ()
    scheme: Literal["http", "https"] = "http"
    headers: dict[str, str] = field(default_factory=dict)
    kind: Literal["http"] = "http"


class TcpCheck(Struct, frozen=True):
    """A connection to `port` (none: the service's own) succeeds."""

    port: int | None = None
    kind: Literal["tcp"] = "tcp"


class ProtocolCheck(Struct, frozen=True):
    """The server on `port` (none: the service's own) answers a harmless question in its protocol."""

    kind: WireProtocol
    port: int | None = None


class CommandCheck(Struct, frozen=True):
    """`sh -c command` exits 0, in the service's folder with its environment."""

    command: str
    kind: Literal["command"] = "command"


class LogCheck(Struct, frozen=True):
    """A line of stdout or stderr matches the regular expression."""

    pattern: str
    kind: Literal["log"] = "log"


class NotifyCheck(Struct, frozen=True):
    """READY=1 is required."""

    kind: Literal["notify"] = "notify"


class NoCheck(Struct, frozen=True):
    """A live process is enough, and the user says so."""

    kind: Literal["none"] = "none"


CheckKind = Literal["http", "tcp", "command", "log", "notify", "none"] | ProtocolName
PortCheck = HttpCheck | TcpCheck | ProtocolCheck
"""the checks of a port: the one that they name, else the service's own"""
Check = PortCheck | CommandCheck | LogCheck | NotifyCheck | NoCheck


class HealthCheck(Struct, frozen=True):
    """A check that the user configured: it overrides everything locald would infer."""

    check: Check
    interval: float = 5.0
    """between two looks, once healthy"""
    timeout: float = 2.0
    """of one look"""
    retries: int = 3
    """consecutive failures before a healthy service is unhealthy"""


class FileWatch(Struct, frozen=True):
    """Which files, by globs relative to the project's folder, and what to do when one of them changes."""

    paths: tuple[str, ...]
    ignore: tuple[str, ...] = ()
    debounce: float = 0.2
    """of quiet, before anything is done"""
    signal: str | None = None
    """sent in place of a restart"""


class ServiceSpec(Struct, frozen=True):
    """One `[services.NAME]` table with its defaults. docs/reference/file.md tells what each key means."""

    name: str
    type: Type = Type.EXEC
    command: str | tuple[str, ...] | None = None
    image: str | None = None
    container_port: int | None = None
    volumes: tuple[str, ...] = ()
    port: int | None = None
    env: dict[str, str] = field(default_factory=dict)
    env_file: tuple[str, ...] | None = None
    """None: `.env` beside the file, if it exists"""
    workdir: str = "."
    depends_on: dict[str, Condition] = field(default_factory=dict)
    health_check: HealthCheck | None = None
    start_timeout: float | None = 60.0
    restart: RestartPolicy = RestartPolicy.ON_FAILURE
    max_restarts: int = 5
    stop_signal: str = "SIGTERM"
    stop_timeout: float = 10.0
    kill_mode: KillMode = KillMode.ALL
    watchdog: float | None = None
    log_size: int = 50_000_000
    """bytes of history kept on disk"""
    tty: bool = True
    stdin: StandardInput = StandardInput.EMPTY
    watch: FileWatch | None = None
    autostart: bool = True
    shared: bool = False
    """one for all instances of the project"""
    domains: tuple[str, ...] = ()
    """names for the proxy beside its own; `*.` stands for any one label"""
    on_demand: bool = False
    """it is started by the first request to its name"""
    idle_timeout: float | None = None
    """seconds without a request to its name after which it is stopped"""
    usage: Sampling = Sampling.SHOWN

    @property
    def in_container(self) -> bool:
        """Whether it runs in a container; of a worker or a task that is so on some engines only."""
        return self.type is Type.CONTAINER or self.image is not None


class ProjectSpec(Struct, frozen=True):
    """A whole `locald.toml`."""

    name: str
    domain: str
    services: dict[str, ServiceSpec]
    env: dict[str, str] = field(default_factory=dict)
    """of every service, under its own"""
    env_file: tuple[str, ...] = ()
    """the same"""
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """names for several services"""
    instance: str = ""
    """the label of this folder, where somebody has set one"""
    default: str = ""
    """the service that the project's own domain leads to, where somebody has set one"""
    engine: Engine = Engine.LOCAL
    """where it runs, unless `up` is told otherwise"""
    context: str = ""
    """of the KUBECONFIG: which cluster that is; empty: the one that kubectl would use"""


class Definition(Struct, frozen=True):
    """A service as `up` resolved it: what a run of it is a run *of*."""

    key: Key
    directory: str
    """absolute path of the project's folder"""
    spec: ServiceSpec
    """as it is written, but for `command`, where every `${services…}` is resolved"""
    port: int | None = None
    """the host port, fixed or assigned; None for what has no port"""
    env_files: dict[str, str] = field(default_factory=dict)
    """the contents of the env files, merged"""
    env: dict[str, str] = field(default_factory=dict)
    """`env` with every `${…}` resolved"""
    open_env: dict[str, OpenText] = field(default_factory=dict)
    """the values of `env` that name services, which are filled in again when a run begins"""
    open_command: tuple[OpenText, ...] = ()
    """the same of `command`, word by word; empty when it names none"""
    shared: frozenset[str] = frozenset()
    """the names in its file that are of services which all instances share"""
    engine: Engine = Engine.LOCAL
    """where it runs: a run elsewhere is a run of something else"""
    context: str = ""
    """with Kubernetes: of the KUBECONFIG, and so is a run in another cluster"""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Definition) and all(
            getattr(self, name) == getattr(other, name) for name in _TELLING
        )

    def __ne__(self, other: object) -> bool:
        return not self == other

    def key_of(self, name: str) -> Key:
        """Which service another name in its file means."""
        return Key(of_all(self.key.project) if name in self.shared else self.key.project, name)

    def is_like(self, other: Definition) -> bool:
        """Whether a run of one is a run of the other. What is shared runs in the folder of any instance; what
        is measured of a run is not part of it."""
        if self.spec.usage is not other.spec.usage:
            other = replace(other, spec=replace(other.spec, usage=self.spec.usage))
        return self == (replace(other, directory=self.directory) if self.key.is_shared else other)


_TELLING = set(Definition.__struct_fields__) - {"open_env", "open_command", "shared"}
"""the fields in which definitions differ; the others follow from what stands in the file around them"""


class Caller(Struct, frozen=True):
    """The shell that asked: its environment, umask and limits are those of what it starts."""

    env: dict[str, str] = field(default_factory=dict)
    umask: int = 0o022
    limits: dict[str, tuple[int, int]] = field(default_factory=dict)
    """soft and hard limit by the name of the resource without RLIMIT_, in lower case; -1 is infinity"""


class Project(Struct, frozen=True):
    """A project as `up` resolved it, services in no particular order."""

    name: str
    domain: str
    directory: str
    definitions: Mapping[str, Definition]
    folder: str = ""
    """which folder that is, whatever it is called (see `wire.folder`)"""
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    default: str = ""
    """the service that `domain` leads to; empty: not said"""
