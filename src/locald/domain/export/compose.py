"""A plan as a compose file. Source: the Compose specification.

Compose fills in variables as locald does, so `${VAR}` stays one. It asks for health by commands inside the
container only, and has no limit on a start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from locald.domain.export import yaml_out
from locald.domain.export.asking import as_command
from locald.domain.export.losses import lost_check, lost_keys, lost_start
from locald.domain.export.plan import Filler, Loss, need_images
from locald.domain.export.yaml_out import Comment
from locald.domain.project.spec import Condition, RestartPolicy, ServiceSpec, Type
from locald.domain.values import duration

if TYPE_CHECKING:
    from locald.domain.export.plan import Plan, Unit
    from locald.domain.project.template import Variable

FILE = "compose.yaml"
DEFAULT = ServiceSpec("")

_CONDITIONS = {
    Condition.HEALTHY: "service_healthy",
    Condition.STARTED: "service_started",
    Condition.COMPLETED: "service_completed_successfully",
}


def write(plan: Plan) -> tuple[dict[str, str], list[Loss]]:
    """The files by name, and what they do not say. Raises Refused."""
    need_images(plan, "compose")
    losses: list[Loss] = []
    services: dict[str, Any] = {}
    for unit in plan.units.values():
        table, lost = _Writer(plan, unit).table()
        services[unit.name] = yaml_out.commented(table, [(each.key, each.because) for each in lost])
        losses += lost
    whole: dict[Any, Any] = {Comment(0): "Written by `locald export compose`.", "name": plan.project.name}
    whole["services"] = services
    if volumes := _volumes(plan):
        whole["volumes"] = volumes
    return {FILE: yaml_out.text(whole)}, losses


def _volumes(plan: Plan) -> dict[str, Any]:
    """Those with names, which are the same as here, so that what is in them is found."""
    found: dict[str, Any] = {}
    for unit in plan.units.values():
        for volume in unit.spec.volumes:
            name = volume.removeprefix("external:").partition(":")[0]
            if volume.startswith("external:"):
                found[name] = {"name": name, "external": True}
            elif not name.startswith((".", "/")):
                found[name] = {"name": f"locald_{plan.project.name}_{name}"}
    return found


class _Writer:
    """One service."""

    def __init__(self, plan: Plan, unit: Unit) -> None:
        self._plan, self._unit, self._spec = plan, unit, unit.spec
        self._losses: list[Loss] = []
        self._filler = Filler(unit, plan, lambda _, other: (other.name, other.port), _variable)

    def table(self) -> tuple[dict[str, Any], list[Loss]]:
        found: dict[str, Any] = {"image": self._unit.image, "init": True}
        if words := self._unit.command:
            found["command"] = [self._filler.text(word, _literal, command=True) for word in words]
        found |= self._environment() | self._ports() | self._mounts() | self._depends_on()
        found |= self._health() | self._restart() | self._stop()
        if not self._spec.autostart:
            groups = [
                name for name, members in self._plan.project.groups.items() if self._unit.name in members
            ]
            found["profiles"] = groups or ["manual"]
        for key, because in (*lost_start(self._unit), *lost_keys(self._spec)):
            self._lost(key, because)
        return found, self._losses

    def _lost(self, key: str, because: str) -> None:
        self._losses.append(Loss(self._unit.name, key, because))

    def _environment(self) -> dict[str, Any]:
        given = self._plan.table(self._unit)
        values = {name: self._filler.text(value, _literal) for name, value in given.items()}
        if self._unit.serves:
            values["PORT"] = str(self._unit.port)
        found: dict[str, Any] = (
            {"env_file": [_literal(self._plan.beside(each)) for each in self._unit.env_files]}
            if self._unit.env_files
            else {}
        )
        if self._spec.type is not Type.CONTAINER:
            self._lost("environment", "the shell's variables are not there")
        return found | ({"environment": values} if values else {})

    def _ports(self) -> dict[str, Any]:
        unit = self._unit
        if not unit.serves:
            if self._spec.type is Type.CONTAINER:
                self._lost("ports", "the port in the container is unknown: set `container_port`")
            return {}
        if unit.published is None:
            self._lost("ports", "any free port of this machine: no port is known")
        elif self._spec.port is None:
            self._lost("ports", f"fixed: {unit.published} is the port that locald assigned")
        return {"ports": [f"127.0.0.1:{unit.published or ''}:{unit.port}"]}

    def _mounts(self) -> dict[str, Any]:
        volumes = [_literal(self._mount(each)) for each in self._spec.volumes]
        return {"volumes": volumes} if volumes else {}

    def _mount(self, volume: str) -> str:
        source, _, rest = volume.removeprefix("external:").partition(":")
        source = self._plan.beside(source) if source.startswith(".") else source
        return f"{source}:{rest}"

    def _depends_on(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for other, condition in self._plan.conditions(self._unit):
            if condition is Condition.HEALTHY and not (other.probe or other.has_own_check):
                because = f"waits until {other.name} has started: it has no check that compose could make"
                self._lost("depends_on", because)
                condition = Condition.STARTED
            found[other.name] = {"condition": _CONDITIONS[condition]}
        return {"depends_on": found} if found else {}

    def _health(self) -> dict[str, Any]:
        probe = self._unit.probe
        if probe is None or self._unit.is_task:
            if lost := lost_check(self._unit):
                self._lost("healthcheck", lost)
            return {}
        if probe.found:
            self._lost("healthcheck", f"was not in the file: {probe.found}")
        test, lost_of_it = as_command(probe)
        for because in lost_of_it:
            self._lost("healthcheck", because)
        found: dict[str, Any] = {
            "test": ["CMD-SHELL", _literal(test)],
            "interval": duration.show(probe.interval),
            "timeout": duration.show(probe.timeout),
            "retries": probe.retries,
        }
        if self._spec.start_timeout:
            because = f"start_period is a grace, and no limit as start_timeout is{self._unit.took}"
            self._lost("healthcheck", because)
            found["start_period"] = duration.show(self._spec.start_timeout)
        return {"healthcheck": found}

    def _restart(self) -> dict[str, Any]:
        match self._spec.restart:
            case RestartPolicy.NO:
                return {"restart": "no"}
            case RestartPolicy.ALWAYS:
                self._lost("restart", "without a limit: max_restarts is lost")
                return {"restart": "always"}
            case RestartPolicy.ON_FAILURE:
                count = self._spec.max_restarts
                self._lost("restart", f"{count} times in total, not within a minute")
                return {"restart": f"on-failure:{count}" if count else "no"}

    def _stop(self) -> dict[str, Any]:
        signal, grace = self._spec.stop_signal, self._spec.stop_timeout
        found = {"stop_signal": signal} if signal != DEFAULT.stop_signal else {}
        return found | {"stop_grace_period": duration.show(grace)}


def _variable(wanted: Variable) -> str:
    """Compose has the same words; not set is an error, as in locald."""
    return (
        f"${{{wanted.name}:?}}"
        if wanted.default is None
        else f"${{{wanted.name}:-{_literal(wanted.default)}}}"
    )


def _literal(text: str) -> str:
    return text.replace("$", "$$")
