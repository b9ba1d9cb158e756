"""What the keys of a file must be to each other: a type and its keys, ports, dependencies, references.

These rules read the raw tables and not the finished specs, so that they speak also when something else in
the file is wrong, and a person sees all of it at once. For the same reason each looks only at what it
understands, and leaves to the tables (`file`) to say what is not even of the right type. Where one mistake
would break several rules, all but the telling one keep silent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from locald.domain.project import graph, template
from locald.domain.project.config import commands, domains
from locald.domain.project.config.checks import OF_A_PORT
from locald.domain.project.config.unknown import meant
from locald.domain.project.spec import Condition, ServiceSpec, StandardInput, Type
from locald.domain.values.faults import Bad, Fault, one_of

if TYPE_CHECKING:
    from locald.domain.project.template import Part, ServiceFact
    from locald.domain.values.lines import Path

CONTAINER_ONLY = {
    "container_port": "a process listens on its port: use `port`",
    "volumes": "a process sees the files of this machine",
}
PROCESS_ONLY = {
    "workdir": "the image says where a container works",
    "tty": "the output of a container comes from Docker",
    "kill_mode": "the first process of a container gets the stop signal, the engine ends the rest",
    "watchdog": "a container has no NOTIFY_SOCKET",
}
"""keys without a meaning for the other kind, and why"""
_KEYS = frozenset(ServiceSpec.__struct_fields__)
OF_PORTS = ("port", "domains", "on_demand", "idle_timeout")
"""keys without a meaning for what has no port"""

_NOT_FOR_CONTAINERS = "remove it, or `image`: "
_NOT_FOR_PROCESSES = "remove it, or add `image`: "


class Draft(Struct, frozen=True):
    """One service as it stands in the file, right or wrong."""

    name: str
    raw: Mapping[str, Any]

    def path(self, *below: str | int) -> Path:
        return ("services", self.name, *below)

    @property
    def type(self) -> Type | None:
        """None when the file says nothing that can be understood, or contradicts itself."""
        said = self.raw.get("type", "container" if "image" in self.raw else "exec")
        if said not in tuple(Type) or ("image" in self.raw and said != Type.CONTAINER):
            return None
        return Type(said)

    @property
    def dependencies(self) -> dict[str, tuple[Path, str]]:
        """Each with the place where it is written, and the condition."""
        match self.raw.get("depends_on"):
            case list() as names:
                texts = {name: place for place, name in enumerate(names) if isinstance(name, str)}
                return {name: (self.path("depends_on", place), "healthy") for name, place in texts.items()}
            case dict() as conditions:
                return {name: (self.path("depends_on", name), said) for name, said in conditions.items()}
            case _:
                return {}

    @property
    def texts(self) -> Iterator[tuple[Path, str, bool]]:
        """What may hold `${…}`: each with its place, and whether it is of the command."""
        command, env = self.raw.get("command"), self.raw.get("env")
        if isinstance(command, str):
            yield self.path("command"), command, True
        for place, each in enumerate(command) if isinstance(command, list) else ():
            if isinstance(each, str):
                yield self.path("command", place), each, True
        for name, value in env.items() if isinstance(env, dict) else ():
            if isinstance(value, str):
                yield self.path("env", name), value, False

    @property
    def check(self) -> Mapping[str, Any]:
        check = self.raw.get("health_check")
        return check if isinstance(check, dict) else {}


def check(raw: Mapping[str, Any]) -> Iterator[Fault]:
    """Every rule that the file breaks, in no particular order."""
    services = raw.get("services")
    if not isinstance(services, dict):
        return
    drafts = {name: Draft(name, table) for name, table in services.items() if isinstance(table, dict)}
    for draft in drafts.values():
        yield from _what_is_run(draft)
        yield from _keys_of_the_type(draft)
        yield from _terminal(draft)
        yield from _port_to_check(draft)
        yield from _unexpanded(draft)
        yield from _dependencies(draft, services.keys(), drafts)
        yield from _references(draft, services.keys(), drafts)
        yield from _shared(draft, drafts)
    yield from _groups(raw.get("groups"), services.keys())
    yield from _project_texts(raw.get("project"), services.keys())
    yield from _one_port_each(drafts)
    yield from domains.check(raw)
    yield from _no_cycles(drafts)


def _groups(groups: Any, services: Any) -> Iterator[Fault]:
    for name, members in groups.items() if isinstance(groups, dict) else ():
        if name in services:
            hint = "give the group another name: both stand where a command takes a service"
            yield Fault(("groups", name), "is the name of a service too", hint)
        for place, member in enumerate(members) if isinstance(members, list) else ():
            if isinstance(member, str) and member not in services:
                path = ("groups", name, place)
                yield Fault(path, f'unknown service "{member}"', _services(member, services))


def _project_texts(project: Any, services: Any) -> Iterator[Fault]:
    """What stands in the variables of all services."""
    env = project.get("env") if isinstance(project, dict) else None
    for name, text in env.items() if isinstance(env, dict) else ():
        try:
            parts = template.parse(text, command=False) if isinstance(text, str) else ()
        except Bad as bad:
            yield Fault(("project", "env", name), bad.what, bad.hint)
            continue
        for part in parts:
            if isinstance(part, template.ServiceFact) and not part.is_own and part.service not in services:
                what = f'{part}: unknown service "{part.service}"'
                yield Fault(("project", "env", name), what, _services(part.service, services))


def _what_is_run(draft: Draft) -> Iterator[Fault]:
    # A misspelt key has its own problem, and is the reason why the right one is missing.
    misspelt = draft.raw.keys() - _KEYS
    present = set(draft.raw) | {meant(key, ("command", "image")) for key in misspelt}
    said = draft.raw.get("type")
    if said == Type.CONTAINER and "image" not in present:
        yield Fault(draft.path(), "image is missing", 'a container needs image = "…"')
    elif not {"command", "image"} & present:
        yield Fault(draft.path(), "command is missing", 'add command = "…", or image = "…" for a container')
    elif "image" in draft.raw and said in (Type.EXEC, Type.WORKER, Type.TASK):
        hint = 'remove `type`, or `image`: an image is always run as type = "container"'
        yield Fault(draft.path("type"), f'type = "{said}" does not go with `image`', hint)


def _keys_of_the_type(draft: Draft) -> Iterator[Fault]:
    if draft.type is Type.CONTAINER and "image" in draft.raw:
        for key in PROCESS_ONLY.keys() & draft.raw.keys():
            yield Fault(draft.path(key), "is only for processes", _NOT_FOR_CONTAINERS + PROCESS_ONLY[key])
        if draft.check.get("type") == "notify":
            hint = "use another check, or none: the image's HEALTHCHECK and the port are checked"
            yield Fault(draft.path("health_check", "type"), "a container has no NOTIFY_SOCKET", hint)
    elif draft.type not in (Type.CONTAINER, None):
        for key in CONTAINER_ONLY.keys() & draft.raw.keys():
            yield Fault(draft.path(key), "is only for containers", _NOT_FOR_PROCESSES + CONTAINER_ONLY[key])
    for key in OF_PORTS if draft.type in (Type.WORKER, Type.TASK) else ():
        if key in draft.raw:
            hint = f'remove `{key}`, or use type = "exec"'
            yield Fault(draft.path(key), f"a {draft.type} has no port", hint)
    if "idle_timeout" in draft.raw and not draft.raw.get("on_demand"):
        hint = "add on_demand = true: else no request could start it again"
        yield Fault(draft.path("idle_timeout"), "is only for a service that starts on demand", hint)


def _terminal(draft: Draft) -> Iterator[Fault]:
    if draft.raw.get("stdin") != StandardInput.TERMINAL:
        return
    if draft.type is Type.CONTAINER:
        hint = f"remove it: `locald exec {draft.name} -- sh` gives a shell inside the container"
        yield Fault(draft.path("stdin"), "a container has no terminal to attach to", hint)
    elif draft.raw.get("tty") is False:
        hint = 'remove `tty`: with stdin = "terminal" the output goes to the same terminal'
        yield Fault(draft.path("tty"), 'tty = false does not go with stdin = "terminal"', hint)


def _port_to_check(draft: Draft) -> Iterator[Fault]:
    by_port = draft.check.get("type") in OF_A_PORT
    if by_port and draft.type in (Type.WORKER, Type.TASK) and "port" not in draft.check:
        hint = 'add `port` to the check, or use type = "log" or type = "command"'
        yield Fault(draft.path("health_check"), f"a {draft.type} has no port that could be checked", hint)


def _dependencies(draft: Draft, names: Any, drafts: Mapping[str, Draft]) -> Iterator[Fault]:
    for name, (path, condition) in draft.dependencies.items():
        if name == draft.name:
            yield Fault(path, f'"{name}" depends on itself', "remove it")
        elif name not in names:
            yield Fault(path, f'unknown service "{name}"', _services(name, names, draft.name))
        elif condition == Condition.COMPLETED and _type(drafts, name) not in (Type.TASK, None):
            hint = f'wait for "healthy" or "started", or make "{name}" a task'
            yield Fault(path, f'"{name}" is not a task, it never completes', hint)


def _unexpanded(draft: Draft) -> Iterator[Fault]:
    for place, variable in commands.unexpanded(draft.raw.get("command")):
        what = f"{variable} is not replaced: a list runs without a shell"
        hint = f"write command = {commands.as_string(draft.raw['command'])}"
        yield Fault(draft.path("command", place), what, hint)


def _references(draft: Draft, names: Any, drafts: Mapping[str, Draft]) -> Iterator[Fault]:
    for path, text, command in draft.texts:
        try:
            parts: tuple[Part, ...] = template.parse(text, command=command)
        except Bad as bad:
            yield Fault(path, bad.what, bad.hint)
            continue
        for part in parts:
            if isinstance(part, template.ServiceFact) and not part.is_own:
                yield from _reference(draft, path, part, names, drafts)


def _shared(draft: Draft, drafts: Mapping[str, Draft]) -> Iterator[Fault]:
    """What all instances share cannot know which of them one of its own services would be of."""
    if draft.raw.get("shared") is not True:
        return
    own = {name for name, each in drafts.items() if each.raw.get("shared") is not True}
    for name, (path, _) in draft.dependencies.items():
        if name in own:
            yield _not_shared(path, f'"{name}"', draft, name)
    for path, text, command in draft.texts:
        for part in _parts(text, command=command):
            if isinstance(part, template.ServiceFact) and part.service in own:
                yield _not_shared(path, str(part), draft, part.service)


def _not_shared(path: Path, what: str, draft: Draft, name: str) -> Fault:
    hint = f'set `shared = true` for "{name}" too, or remove it'
    return Fault(path, f'{what} is not shared, but "{draft.name}" is', hint)


def _parts(text: str, *, command: bool) -> tuple[Part, ...]:
    try:
        return template.parse(text, command=command)
    except Bad:  # told of by `_references`
        return ()


def _reference(
    draft: Draft, path: Path, wanted: ServiceFact, names: Any, drafts: Mapping[str, Draft]
) -> Iterator[Fault]:
    kind = _type(drafts, wanted.service)
    if wanted.service not in names:
        yield Fault(path, f'{wanted}: unknown service "{wanted.service}"', _services(wanted.service, names))
    elif kind in (Type.WORKER, Type.TASK):
        hint = f'only a service of type "exec" or "container" has one: "{wanted.service}" is a {kind}'
        yield Fault(path, f"{wanted}: no such port", hint)
    elif wanted.fact != "host" and _is_port_unknown(draft, drafts[wanted.service]):
        what = f'{wanted}: the port of "{wanted.service}" is unknown'
        yield Fault(path, what, f'set `container_port` of "{wanted.service}"')


def _is_port_unknown(viewer: Draft, target: Draft) -> bool:
    """Between containers it is the port inside, for which `up` does not ask the image."""
    return viewer.type is Type.CONTAINER is target.type and "container_port" not in target.raw


def _one_port_each(drafts: Mapping[str, Draft]) -> Iterator[Fault]:
    first: dict[int, str] = {}
    for draft in drafts.values():
        port = None if draft.type in (Type.WORKER, Type.TASK) else draft.raw.get("port")
        if isinstance(port, int) and not isinstance(port, bool):
            owner = first.setdefault(port, draft.name)
            if owner != draft.name:
                hint = "choose another port, or leave `port` out to be assigned a free one"
                yield Fault(draft.path("port"), f'{port} is the port of "{owner}" already', hint)


def _no_cycles(drafts: Mapping[str, Draft]) -> Iterator[Fault]:
    needs = {name: [other for other in draft.dependencies if other != name] for name, draft in drafts.items()}
    for loop in graph.cycles(needs):
        path, _ = drafts[loop[0]].dependencies[loop[1]]
        yield Fault(path, f"dependency cycle: {' -> '.join(loop)}", "remove one of these dependencies")


def _type(drafts: Mapping[str, Draft], name: str) -> Type | None:
    return drafts[name].type if name in drafts else None


def _services(name: str, names: Any, but: str = "") -> str:
    others = [other for other in names if other != but]
    return one_of(name, others, "services of this file") if others else f"add a table [services.{name}]"
