"""The environment of a run: who may set what, and who wins.

Five layers, each over the one before:

    locald     what keeps programs from showing text page by page, for nobody sits at their terminal
    env_file   what the env files hold
    shell      the environment of the shell that ran `up` or `restart`; a container gets none of it
    env        the `env` table, with its `${…}` filled in
    locald     PORT, LOCALD_PROJECT, LOCALD_INSTANCE, LOCALD_SERVICE, and PORT_<SERVICE> of each other
               service with a port

What locald sets cannot be overridden: the same name in another layer is dropped, with a warning where a
person wrote it. The keeper adds NOTIFY_SOCKET, LOCALD_RUN and the watchdog's variables at the very end;
nobody else's value of these may reach a service, since it would speak for another one.

Who asks decides what an address is: processes meet each other, and the published ports of containers, on
127.0.0.1; containers meet each other by name, on the ports inside.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from locald.domain.knowledge.pagers import PAGERS
from locald.domain.project.labelled import SHARED, parts
from locald.domain.values.faults import Bad
from locald.domain.values.problem import Problem, Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dotenv.parser import Original

    from locald.domain.project.spec import Definition, ServiceSpec
    from locald.domain.project.template import ServiceFact, Variable

Origin = Literal["env_file", "shell", "env", "locald"]
"""Which layer a variable comes from."""

_LOCALDS = {
    "PORT",
    "NOTIFY_SOCKET",
    "LOCALD_PROJECT",
    "LOCALD_INSTANCE",
    "LOCALD_SERVICE",
    "LOCALD_RUN",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
}
_SOCKETS_OF_THE_SHELL = {"LISTEN_FDS", "LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDNAMES"}
"""sd_listen_fds(3): they speak of descriptors that a service does not get"""

_INSTEAD = {
    "PORT": "set `port` of the service to choose a port",
    "WATCHDOG_USEC": "set `watchdog` of the service to use a watchdog",
}

LOCALHOST = "127.0.0.1"
_HOST_OF_THE_MACHINE = "host.docker.internal"
"""how a container calls the machine that it runs on"""

_REFERENCE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}")


# Env files.


def parse(text: str, where: str = ".env") -> dict[str, str]:
    """The variables of an env file, `${…}` as written; a name without `=` sets nothing.

    Raises Refused with every line that is not `NAME=value`.
    """
    from dotenv.parser import parse_stream  # a daemon starts without it, and few projects need it then

    variables: dict[str, str] = {}
    problems = []
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or "=" in (binding.key or "") or "\0" in (binding.value or ""):
            problems.append(_not_a_variable(where, binding.original))
        elif binding.key is not None and binding.value is not None:
            variables[binding.key] = binding.value
    if problems:
        raise Refused(*problems)
    return variables


def _not_a_variable(where: str, found: Original) -> Problem:
    text = found.string
    line = found.line + text[: len(text) - len(text.lstrip())].count("\n")
    return Problem(
        "must be of the form NAME=value", f"{where}:{line}", "check for an open quote or a missing name"
    )


def merge(files: list[Mapping[str, str]], shell: Mapping[str, str]) -> dict[str, str]:
    """Env files in their order, later ones over earlier ones, `${NAME}` and `${NAME:-default}` filled in.

    As everywhere, the shell's value of a name goes before that of a file. A name that nobody has set is
    empty, as env files have it.
    """
    merged: dict[str, str] = {}

    def value(reference: re.Match[str]) -> str:
        name = reference["name"]
        return shell.get(name) or merged.get(name) or reference["default"] or ""

    for file in files:
        for name, text in file.items():
            merged[name] = _REFERENCE.sub(value, text)
    return merged


# Addresses.


def host(viewer: ServiceSpec, target: ServiceSpec, listens_on: str = LOCALHOST) -> str:
    """Where `viewer` finds `target`, which listens on this address of the machine."""
    if not viewer.in_container:
        return listens_on
    return target.name if target.in_container else _HOST_OF_THE_MACHINE


def port(viewer: ServiceSpec, target: ServiceSpec, published: int | None) -> int | None:
    """On which port; `published` is the target's port on the machine. None: it has none that is known."""
    inside = viewer.in_container and target.in_container
    return target.container_port if inside else published


class ByName(Struct, frozen=True):
    """What a run is told of the proxy: `urls` by service, and the path of its authority's certificate."""

    urls: Mapping[str, str]
    ca: str


class Reach:
    """Fills `${…}` for one service (see `template.Lookup`)."""

    def __init__(
        self,
        viewer: ServiceSpec,
        services: Mapping[str, ServiceSpec],
        ports: Mapping[str, int],
        variables: Mapping[str, str],
        hosts: Mapping[str, str] | None = None,
        by_name: ByName | None = None,
    ) -> None:
        """`hosts`: the address of each service that is known to listen elsewhere than on 127.0.0.1.
        `by_name`: None while nothing runs, then what is of the proxy stands as it was written."""
        self._viewer, self._hosts, self._by_name = viewer, hosts or {}, by_name
        self._services = services
        self._ports = ports
        self._variables = variables

    def fact(self, wanted: ServiceFact) -> str:
        if wanted.is_own:
            return self._by_name.ca if self._by_name else str(wanted)
        target = self._services[wanted.service]
        address = host(self._viewer, target, self._hosts.get(target.name, LOCALHOST))
        if wanted.fact == "host":
            return address
        number = port(self._viewer, target, self._ports.get(target.name))
        if number is None:
            raise Bad(f'{wanted}: the port of "{target.name}" is unknown', _port_hint(target))
        if wanted.fact == "https_url":
            return self._by_name.urls.get(wanted.service, str(wanted)) if self._by_name else str(wanted)
        shown = f"[{address}]" if ":" in address else address
        return str(number) if wanted.fact == "port" else f"http://{shown}:{number}/"

    def variable(self, wanted: Variable) -> str:
        value = self._variables.get(wanted.name)
        if wanted.default is not None:
            return value or wanted.default
        if value is None:
            raise Bad(
                f"${{{wanted.name}}} is not set",
                f"set {wanted.name} in the shell, or write ${{{wanted.name}:-default}}",
            )
        return value


def _port_hint(target: ServiceSpec) -> str:
    return f'set `container_port` of "{target.name}"' if target.in_container else ""


# The environment of a run.


def compose(
    definition: Definition, caller_env: Mapping[str, str], others: Mapping[str, Definition]
) -> tuple[dict[str, str], tuple[Problem, ...]]:
    """The environment of a run of this service, but for what the keeper adds; and a warning for each value
    of the user's own that is ignored. `others`: the definitions of the project by name.

    For a container the definition's `container_port` has to be the real one, also where the file does
    not name it and the image does: PORT and PORT_<SERVICE> are left out while it is unknown.
    """
    ours = _ours(definition, others)
    environment: dict[str, str] = {}
    for origin, layer in _layers(definition, caller_env, ours):
        environment.update((name, layer[name]) for name in layer if _may_set(origin, name, name in ours))
    told = by_variable(others.values())
    warnings = (warning(definition, *each) for each in ignored(definition, caller_env, told))
    return environment, tuple(warnings)


def origins(
    definition: Definition, caller_env: Mapping[str, str], others: Mapping[str, Definition]
) -> dict[str, Origin]:
    """Which layer each variable of `compose` comes from."""
    ours = _ours(definition, others)
    found: dict[str, Origin] = {}
    for origin, layer in _layers(definition, caller_env, ours):
        found.update((name, origin) for name in layer if _may_set(origin, name, name in ours))
    return found


def by_variable(definitions: Iterable[Definition]) -> dict[str, Definition]:
    """The services of a project by the variable that tells the others their port."""
    return {variable_of(each.key.service): each for each in definitions}


def ignored(
    definition: Definition, caller_env: Mapping[str, str], told: Mapping[str, Definition]
) -> Iterator[tuple[Origin, str]]:
    """Each value that a person wrote and that is ignored: the layer it stands in, and its name. `told`: the
    services of the project `by_variable`."""
    own = _own(definition)
    for origin, layer in _layers(definition, caller_env, own):
        for name in layer if origin != "locald" else ():
            if (origin, name) == ("shell", "LOCALD_INSTANCE"):
                continue  # there it is a wish, see `instances`
            is_ours = name in own or (name in told and _seen(definition, told[name]) is not None)
            if not _may_set(origin, name, is_ours) and _written(origin, name, caller_env):
                yield origin, name


def warning(definition: Definition, origin: Origin, name: str) -> Problem:
    """That a value of this name in this layer is ignored."""
    places = {
        "env_file": ", ".join(definition.spec.env_file or [".env"]),
        "shell": "the environment of the shell",
        "env": f"services.{definition.key.service}.env",
    }
    what = f"{name} is set by locald; value ignored"
    return Problem(what, places[origin], _INSTEAD.get(name, ""))


def variable_of(service: str) -> str:
    """`PORT_MY_API` for `my-api`."""
    return "PORT_" + service.upper().replace("-", "_")


def _layers(
    definition: Definition, caller_env: Mapping[str, str], ours: Mapping[str, str]
) -> Iterator[tuple[Origin, Mapping[str, str]]]:
    if not definition.spec.in_container:
        yield "locald", PAGERS
    yield "env_file", definition.env_files
    if not definition.spec.in_container:
        yield "shell", caller_env
    yield "env", definition.env
    yield "locald", ours


def _ours(definition: Definition, others: Mapping[str, Definition]) -> dict[str, str]:
    """What locald sets for this service."""
    ours = _own(definition)
    for other in others.values():
        seen = _seen(definition, other)
        if seen is not None:
            ours[variable_of(other.key.service)] = str(seen)
    return ours


def _seen(definition: Definition, other: Definition) -> int | None:
    """The port of another service, as this one is told it; None where it is told none."""
    return None if other.key == definition.key else port(definition.spec, other.spec, other.port)


def _own(definition: Definition) -> dict[str, str]:
    """The part of it that is its own."""
    viewer = definition.spec
    project, instance = parts(definition.key.project)
    ours = {
        "LOCALD_PROJECT": project,
        "LOCALD_INSTANCE": "" if instance in (None, SHARED) else instance,
        "LOCALD_SERVICE": definition.key.service,
    }
    own = viewer.container_port if viewer.in_container else definition.port
    if own is not None:
        ours["PORT"] = str(own)
    return ours


def _may_set(origin: Origin, name: str, is_ours: bool) -> bool:
    if origin == "locald":
        return True
    if origin == "shell" and name in _SOCKETS_OF_THE_SHELL:
        return False
    return not is_ours and name not in _LOCALDS


def _written(origin: Origin, name: str, caller_env: Mapping[str, str]) -> bool:
    """Whether a person set this name. A shell that a service started, or that a desktop's service manager
    did, has variables of this kind which nobody wrote."""
    return origin != "shell" or (name.startswith("PORT") and "LOCALD_SERVICE" not in caller_env)
