"""A first `locald.toml`, from what a project has: one plan out of all files that say what it runs.

    Folder ── readers, one a format ──► Plan ── writing ──► locald.toml
                                          └── remarks: what was carried, guessed, left

A file that lists processes is the user's word and counts alone; containers of a compose file come beside
it. Only where there is no such list are the sources of the project looked at, and what is not sure to serve
is named and not made up.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from msgspec.structs import replace

from locald.domain.intake import (
    compose,
    makefile,
    mprocs,
    package_json,
    pitchfork,
    process_compose,
    procfile,
    programs,
    python_project,
    yaml_text,
)
from locald.domain.intake.plan import Outcome, Plan, Planned, Remark
from locald.domain.intake.yaml_text import Table
from locald.domain.project import graph
from locald.domain.values.problem import Problem, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from locald.domain.intake.plan import Folder

    Reader = Callable[[Folder, str], Plan]

LISTS: tuple[tuple[tuple[str, ...], Reader], ...] = (
    (process_compose.NAMES, process_compose.read),
    (pitchfork.NAMES, pitchfork.read),
    (mprocs.NAMES, mprocs.read),
    (procfile.NAMES, procfile.read),
)
"""files that list processes, and who reads them; of several the first counts"""
NOT_READ = {
    "Tiltfile": "it is a program: write what it runs as services",
    ".devcontainer/devcontainer.json": "it describes a container to work in, not services",
    ".devcontainer.json": "it describes a container to work in, not services",
    "skaffold.yaml": "it describes a cluster",
    "docker-bake.hcl": "locald builds no images",
}
_BY_KEY: tuple[tuple[str, Reader], ...] = (
    ("services", compose.read),
    ("processes", process_compose.read),
    ("procs", mprocs.read),
    ("tasks", mprocs.read),
)


def look(folder: Folder, name: str) -> Plan:
    """What the whole folder says. `name`: the folder's own. Raises Refused for a file that cannot be read."""
    lists = [(file, reader) for file, reader in _lists(folder) if file]
    plans = [reader(folder, file) for file, reader in lists[:1]]
    containers = [
        compose.read(folder, file, name) for file in compose.NAMES if folder.text(file) is not None
    ][:1]
    if not plans:
        plans = list(_guessed(folder))
    ignored = [
        _not_read(file, f"`locald init --from {file} --force` reads it instead") for file, _ in lists[1:]
    ]
    return _sound(_together([*plans, *containers], [*ignored, *_named(folder)]))


def read(folder: Folder, file: str, name: str) -> Plan:
    """What one file says. Raises Refused for one that is not known."""
    if folder.text(file) is None:
        raise Refused(Problem("cannot be read", file, "check its path and permissions"))
    reader = _reader(folder, file)
    plan = compose.read(folder, file, name) if reader is compose.read else reader(folder, file)
    return _sound(plan if reader is compose.read else _moved(plan, posixpath.dirname(file)))


def _lists(folder: Folder) -> Iterable[tuple[str, Reader]]:
    for names, reader in LISTS:
        if reader is procfile.read:
            yield procfile.chosen(folder), reader
        else:
            yield next((each for each in names if folder.text(each) is not None), ""), reader


def _guessed(folder: Folder) -> Iterable[Plan]:
    """What the sources say: the frontend, and what is behind it; a Makefile only where they say nothing."""
    frontend = (
        package_json.read(folder, "package.json") if folder.text("package.json") is not None else Plan()
    )
    behind = python_project.read(folder)
    behind = behind if behind.services else programs.read(folder)
    if frontend.services and behind.sources[:1] == ("index.html",):
        behind = Plan()  # the page of the frontend
    yield frontend
    yield replace(behind, services=tuple(map(_as_api, behind.services))) if frontend.services else behind
    if not frontend.services and not behind.services:
        yield from (makefile.read(folder, name) for name in makefile.NAMES if folder.text(name) is not None)


def _as_api(planned: Planned) -> Planned:
    return replace(planned, name="api") if planned.name == "web" else planned


def _named(folder: Folder) -> Iterable[Remark]:
    for path, because in NOT_READ.items():
        if folder.text(path) is not None:
            yield _not_read(path, because)


def _not_read(file: str, because: str) -> Remark:
    return Remark(Outcome.LEFT, "", file, because, file)


def _reader(folder: Folder, file: str) -> Reader:
    """Who reads a file: by its name, else by what is in it."""
    base = posixpath.basename(file)
    for names, reader in (*LISTS, (compose.NAMES, compose.read), (package_json.NAMES, package_json.read)):
        if base in names:
            return reader
    if base in makefile.NAMES:
        return makefile.read
    if base.startswith("Procfile"):
        return procfile.read
    if base == "pyproject.toml":
        return lambda folder, file: python_project.read(folder, posixpath.dirname(file) or ".")
    if base.endswith((".yaml", ".yml")):
        return _by_content(folder, file)
    raise _unknown(file)


def _by_content(folder: Folder, file: str) -> Reader:
    top = yaml_text.table(folder.text(file) or "", file)
    for key, reader in _BY_KEY:
        if isinstance(top.get(key), Table):
            return reader
    raise _unknown(file)


def _unknown(file: str) -> Refused:
    known = (
        "compose.yaml, Procfile, process-compose.yaml, mprocs.yaml, pitchfork.toml, package.json, Makefile"
    )
    return Refused(Problem("is not of a format that can be read", file, f"name a file such as {known}"))


# Several plans as one.


def _together(plans: list[Plan], more: list[Remark]) -> Plan:
    """The first that names a service has it; a service that cannot run gives its name to one that can."""
    services: dict[str, Planned] = {}
    remarks = [remark for plan in plans for remark in plan.remarks]
    for plan in plans:
        for each in plan.services:
            if each.name not in services or (services[each.name].missing and not each.missing):
                services[each.name] = each
            elif not each.missing:
                because = f"there is a service of this name in {_source_of(plans, each.name)} already"
                remarks.append(Remark(Outcome.LEFT, each.name, "service", because, plan.sources[0]))
    return Plan(
        tuple(dict.fromkeys(source for plan in plans for source in plan.sources)),
        tuple(services.values()),
        (*remarks, *more),
        next((plan.name for plan in plans if plan.name), ""),
        {key: value for plan in plans for key, value in plan.project.items()},
        {name: members for plan in plans for name, members in plan.groups.items() if name not in services},
    )


def _source_of(plans: list[Plan], name: str) -> str:
    """The file that the service of this name comes from."""
    having = (plan for plan in plans if any(each.name == name for each in plan.services))
    return next((plan.sources[0] for plan in having if plan.sources), "another file")


def _moved(plan: Plan, folder: str) -> Plan:
    """A plan of a file in another folder: its processes work there."""
    if not folder:
        return plan
    return replace(
        plan, services=tuple(replace(each, keys=_moved_keys(each.keys, folder)) for each in plan.services)
    )


def _moved_keys(keys: object, folder: str) -> dict[str, object]:
    assert isinstance(keys, dict)
    place = posixpath.normpath(posixpath.join(folder, str(keys.get("workdir", "."))))
    files = [posixpath.join(folder, str(each)) for each in keys.get("env_file", [])]
    watched = [posixpath.join(folder, str(each)) for each in keys.get("watch", [])]
    moved = ({"env_file": files} if files else {}) | ({"watch": watched} if watched else {})
    return {**keys, "workdir": place, **moved}


def _sound(plan: Plan) -> Plan:
    """Without groups of what is not there, dependencies on it, or circles: such a file is not valid."""
    present = {each.name: each for each in plan.present}
    remarks = list(plan.remarks)
    needs = {name: list(_needs(each)) for name, each in present.items()}
    gone = {
        (name, other)
        for name, others in needs.items()
        for other in others
        if other not in present or other == name
    }
    needs = {name: [other for other in others if (name, other) not in gone] for name, others in needs.items()}
    for loop in graph.cycles(needs):
        gone.add((loop[0], loop[1]))
    for name, other in sorted(gone):
        because = f"{other} is not there" if other not in present else f"{other} needs {name} too"
        remarks.append(
            Remark(Outcome.LEFT, name, "depends_on", because, plan.sources[0] if plan.sources else "")
        )
    services = tuple(_without(each, gone) for each in plan.services)
    groups = {
        name: tuple(each for each in members if each in present) for name, members in plan.groups.items()
    }
    groups = {name: members for name, members in groups.items() if members and name not in present}
    again = replace(plan, services=services, remarks=tuple(dict.fromkeys(remarks)), groups=groups)
    return _sound(again) if gone else again


def _needs(planned: Planned) -> Iterable[str]:
    given = planned.keys.get("depends_on", ())
    return [str(each) for each in given] if isinstance(given, list | dict) else []


def _without(planned: Planned, gone: set[tuple[str, str]]) -> Planned:
    given = planned.keys.get("depends_on")
    dropped = {other for name, other in gone if name == planned.name}
    if not dropped:
        return planned
    kept = (
        [each for each in given if each not in dropped]
        if isinstance(given, list)
        else {name: said for name, said in given.items() if name not in dropped}
        if isinstance(given, dict)
        else []
    )
    rest = {key: value for key, value in planned.keys.items() if key != "depends_on"}
    return replace(planned, keys=rest | ({"depends_on": kept} if kept else {}))
