"""A plan as units of systemd: a service each, and a target for all.

Much is exact, since locald speaks systemd's language. What is not: a check asks only until the first success,
ports are fixed when the units are written, and so are variables. Sources: systemd.service(5),
systemd.exec(5), systemd.kill(5); podman-systemd.unit(5) for containers.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from typing import TYPE_CHECKING

from locald.domain.export.asking import NEEDS_GREP, listens
from locald.domain.export.losses import lost_check, lost_everywhere
from locald.domain.export.plan import Filler, Loss, filled_now
from locald.domain.project.spec import Condition, KillMode, RestartPolicy, ServiceSpec, Type
from locald.domain.values import duration
from locald.domain.values.problem import Problem, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from locald.domain.export.plan import Plan, Probe, Unit

DEFAULT = ServiceSpec("")
LOCALHOST = "127.0.0.1"
_FIRST_DELAY = "100ms"
_NOT_RETRIED = "126 127"
_CHECKS_EVERY = "0.2"


def write(plan: Plan) -> tuple[dict[str, str], list[Loss]]:
    """The files by name, and what they do not say. Raises Refused."""
    _need_ports(plan)
    losses: list[Loss] = []
    files = {_target(plan): _target_text(plan)}
    for unit in plan.units.values():
        name, text, lost = _Writer(plan, unit).file()
        files[name] = text
        losses += lost
    if any(unit.spec.type is Type.CONTAINER for unit in plan.units.values()):
        files[f"{plan.project.name}.network"] = f"[Network]\nNetworkName={plan.project.name}\n"
    return files, losses


def _need_ports(plan: Plan) -> None:
    """A process is told its port by PORT: one has to be known."""
    unknown = [unit for unit in plan.units.values() if unit.spec.type is Type.EXEC and unit.port is None]
    hint = "set `port`, or run `locald up` once, so that it is known"
    if unknown:
        raise Refused(*(Problem("its port is not known", f"services.{unit.name}", hint) for unit in unknown))


def _target(plan: Plan) -> str:
    return f"{plan.project.name}.target"


def _target_text(plan: Plan) -> str:
    begun = [unit.name for unit in plan.units.values() if unit.spec.autostart]
    wants = "".join(f"Wants={unit_name(plan, name)}\n" for name in begun)
    head = f"[Unit]\nDescription=All services of {plan.project.name}\n"
    return f"{head}{wants}\n[Install]\nWantedBy=default.target\n"


def unit_name(plan: Plan, service: str) -> str:
    return f"{plan.project.name}-{service}.service"


def quoted(text: str) -> str:
    """A word of a command line or of Environment=, with nothing in it that systemd would replace."""
    inside = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    inside = re.sub(r"[\x01-\x1f\x7f]", lambda found: f"\\x{ord(found[0]):02x}", inside)
    return f'"{inside}"'


def command_line(words: tuple[str, ...]) -> str:
    """Words for ExecStart=, in which a dollar sign stands for itself."""
    return " ".join(quoted(word).replace("$", "$$") for word in words)


class _Writer:
    """One service."""

    def __init__(self, plan: Plan, unit: Unit) -> None:
        self._plan, self._unit, self._spec = plan, unit, unit.spec
        self._losses: list[Loss] = []
        self._filler = Filler(unit, plan, _address, filled_now(plan, unit))
        self._is_container = unit.spec.type is Type.CONTAINER

    def file(self) -> tuple[str, str, list[Loss]]:
        body = self._container() if self._is_container else self._process()
        sections = ["\n".join(part) for part in (self._head(), body, self._install())]
        name = unit_name(self._plan, self._unit.name)
        if self._is_container:
            name = f"{name.removesuffix('.service')}.container"
        return name, "\n\n".join(each for each in sections if each) + "\n", self._losses

    def _lost(self, key: str, because: str) -> str:
        """The loss, as a comment for the line that it is about."""
        self._losses.append(Loss(self._unit.name, key, because))
        return f"# {key}: {because}"

    # [Unit], [Install]

    def _head(self) -> Iterator[str]:
        yield "[Unit]"
        yield f"Description={self._plan.project.name}: {self._unit.name}"
        yield f"PartOf={_target(self._plan)}"
        for other, condition in self._plan.conditions(self._unit):
            needed = unit_name(self._plan, other.name)
            # A container's unit is active as soon as it runs, healthy or not.
            if condition is Condition.STARTED and other.spec.type is not Type.CONTAINER:
                yield self._lost("depends_on", f"waits until {other.name} is ready, not only started")
            if not other.is_task:
                again = "carried out" if self._unit.is_task else "stopped and started"
                because = f"{again} again with {other.name}, also after a failure of that"
                yield self._lost("depends_on", because)
            yield f"Requires={needed}"
            yield f"After={needed}"
        if self._spec.restart is not RestartPolicy.NO:
            yield "StartLimitIntervalSec=60"
            yield f"StartLimitBurst={self._spec.max_restarts + 1}"

    def _install(self) -> Iterator[str]:
        if self._spec.autostart:
            yield "[Install]"
            yield f"WantedBy={_target(self._plan)}"

    # [Service] of a process

    def _process(self) -> Iterator[str]:
        yield "[Service]"
        yield from self._type()
        words = tuple(self._filler.text(word, str, command=True) for word in self._unit.command)
        found = words if words[0].startswith("/") else ("/usr/bin/env", *words)
        yield f"ExecStart={command_line(found)}"
        yield from self._started_when()
        yield f"WorkingDirectory={self._folder()}"
        yield from self._environment()
        yield from self._restart()
        yield from self._end()
        yield from (self._lost(key, because) for key, because in lost_everywhere(self._spec))

    def _folder(self) -> str:
        place = posixpath.normpath(posixpath.join(self._plan.directory, self._spec.workdir))
        return place.replace("%", "%%")

    def _type(self) -> Iterator[str]:
        if self._unit.is_task:
            yield "Type=oneshot"
            yield "RemainAfterExit=yes"
            return
        yield "Type=notify" if self._unit.speaks else "Type=exec"
        if self._unit.speaks or self._spec.watchdog:
            yield "NotifyAccess=all"

    def _started_when(self) -> Iterator[str]:
        """The unit is up when a check succeeds, which is asked as long as its main process lives."""
        probe = self._unit.probe
        if probe is None or self._unit.is_task:
            if not self._unit.speaks and (lost := lost_check(self._unit)):
                yield self._lost("health_check", f"{lost}: it is up when it runs")
            return
        if probe.found:
            yield self._lost("health_check", f"was not in the file: {probe.found}")
        because = "asked until the first success, and not after it: no unit becomes unhealthy later"
        yield self._lost("health_check", because)
        if probe.kind not in ("http", "tcp", "command"):
            yield self._lost("health_check", f"{probe.kind} is not asked in its protocol: only its port is")
        asked = f"{_test(probe)} && exit 0; sleep {_CHECKS_EVERY}"
        loop = f"while kill -0 $MAINPID 2>/dev/null; do {asked}; done; exit 1"
        yield f"ExecStartPost={command_line(('/bin/bash', '-c', loop))}"

    def _values(self) -> dict[str, str]:
        """All that is known now: systemd puts EnvironmentFile= over Environment=, which is the wrong way."""
        found = self._plan.variables(self._unit)
        for name, value in self._plan.table(self._unit).items():
            found[name] = self._filler.text(value, str)
        if self._unit.serves:
            found["PORT"] = str(self._unit.port)
        return found

    def _environment(self) -> Iterator[str]:
        values = self._values()
        if self._unit.env_files:
            files = ", ".join(self._unit.env_files)
            yield self._lost("env_file", f"the values of {files} are those at export")
        if not self._is_container:
            yield self._lost("env", "the shell's variables are not there, but for PATH as it was at export")
            values = {"PATH": self._plan.shell.get("PATH", "/usr/local/bin:/usr/bin:/bin"), **values}
        if self._spec.type is Type.EXEC and self._spec.port is None:
            yield self._lost("port", f"fixed: {self._unit.port} is the port that locald assigned")
        for name, value in values.items():
            yield f"Environment={quoted(f'{name}={value}')}"

    def _restart(self) -> Iterator[str]:
        yield f"Restart={self._spec.restart}"
        if self._spec.restart is not RestartPolicy.NO:
            yield self._lost("restart", f"{_FIRST_DELAY} before each one: the delay does not grow")
            yield f"RestartSec={_FIRST_DELAY}"
            yield f"RestartPreventExitStatus={_NOT_RETRIED}"

    def _end(self) -> Iterator[str]:
        spec = self._spec
        yield f"TimeoutStartSec={'infinity' if spec.start_timeout is None else seconds(spec.start_timeout)}"
        if spec.stop_signal != DEFAULT.stop_signal and not self._is_container:
            yield f"KillSignal={spec.stop_signal}"
        if spec.kill_mode is KillMode.MIXED:
            yield "KillMode=mixed"
        yield f"TimeoutStopSec={seconds(spec.stop_timeout)}"
        if spec.watchdog:
            yield f"WatchdogSec={seconds(spec.watchdog)}"

    # [Container], for Podman

    def _container(self) -> Iterator[str]:
        unit = self._unit
        yield "[Container]"
        yield self._lost("image", "a quadlet: needs Podman 4.4 or newer")
        yield f"Image={unit.image}"
        yield f"ContainerName={self._plan.project.name}-{unit.name}"
        yield f"PodmanArgs=--network-alias={unit.name}"
        yield f"Network={self._plan.project.name}.network"
        if words := tuple(self._filler.text(word, str, command=True) for word in unit.command):
            yield f"Exec={command_line(words)}"
        yield from self._published()
        yield from self._environment()
        yield from (f"Volume={self._volume(each)}" for each in unit.spec.volumes)
        yield from self._container_health()
        yield ""
        yield "[Service]"
        yield from self._restart()
        yield from self._end()
        if unit.spec.stop_signal != DEFAULT.stop_signal:
            yield self._lost("stop_signal", "the image's own is sent")
        yield from (self._lost(key, because) for key, because in lost_everywhere(unit.spec))

    def _published(self) -> Iterator[str]:
        unit = self._unit
        if unit.port is None:
            yield self._lost("port", "the port in the container is unknown: set `container_port`")
            return
        if unit.published is None:
            yield self._lost("port", "any free port: no port is known")
        yield f"PublishPort={LOCALHOST}:{unit.published or ''}:{unit.port}"

    def _volume(self, volume: str) -> str:
        source, colon, rest = volume.removeprefix("external:").partition(":")
        if source.startswith("."):
            source = posixpath.normpath(posixpath.join(self._plan.directory, source))
        elif not source.startswith("/") and not volume.startswith("external:"):
            source = f"locald_{self._plan.project.name}_{source}"
        return f"{source}{colon}{rest}".replace("%", "%%")

    def _container_health(self) -> Iterator[str]:
        probe = self._unit.probe
        if probe is None:
            return
        if probe.found:
            yield self._lost("health_check", f"was not in the file: {probe.found}")
        if probe.kind == "command":
            yield f"HealthCmd={probe.command.replace('%', '%%')}"
        elif probe.kind == "http":
            yield self._lost("health_check", "needs `wget` in the image")
            yield f"HealthCmd=wget -q -O /dev/null {probe.scheme}://{LOCALHOST}:{probe.port}{probe.path}"
        else:
            assert probe.port is not None
            yield self._lost("health_check", f"its port is asked: {NEEDS_GREP}")
            yield f"HealthCmd={listens(probe.port)}"
        yield f"HealthInterval={duration.show(probe.interval)}"
        yield f"HealthTimeout={duration.show(probe.timeout)}"
        yield f"HealthRetries={probe.retries}"
        yield self._lost("depends_on", "others wait until it has started: Notify=healthy needs Podman 5")


def _address(viewer: Unit, other: Unit) -> tuple[str, int | None]:
    """Containers meet by name, processes on this machine, and containers find it by a name of Podman."""
    if viewer.spec.type is not Type.CONTAINER:
        return LOCALHOST, other.published if other.spec.type is Type.CONTAINER else other.port
    return (other.name if other.spec.type is Type.CONTAINER else "host.containers.internal"), other.port


def _test(probe: Probe) -> str:
    if probe.kind == "command":
        return f"sh -c {shlex.quote(probe.command)} >/dev/null 2>&1"
    return _http(probe) if probe.kind == "http" else f"(: </dev/tcp/{LOCALHOST}/{probe.port}) 2>/dev/null"


def _http(probe: Probe) -> str:
    """By curl: the statuses that count, else any 2xx or 3xx."""
    headers = "".join(f" -H {shlex.quote(f'{name}: {value}')}" for name, value in probe.headers.items())
    url = shlex.quote(f"{probe.scheme}://{LOCALHOST}:{probe.port}{probe.path}")
    tls = " -k" if probe.scheme == "https" else ""
    asked = f"curl -s{tls} -m {max(1, round(probe.timeout))}{headers} -o /dev/null"
    if not probe.status:
        return f"{asked} -f {url}"
    allowed = "|".join(map(str, probe.status))
    return f"[[ $({asked} -w '%{{http_code}}' {url}) =~ ^({allowed})$ ]]"


def seconds(value: float) -> str:
    """As systemd reads it: its `m` is a minute too, but stands for months elsewhere."""
    return re.sub(r"m(?!s)", "min", duration.show(value))
