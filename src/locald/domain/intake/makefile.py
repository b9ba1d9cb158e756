"""Makefiles: targets that run servers, by their usual names and by what they run.

A target whose recipe starts containers or another process manager runs more than a server, and is no service.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from locald.domain.intake import commands
from locald.domain.intake.plan import Plan, Planned, Report, named

if TYPE_CHECKING:
    from locald.domain.intake.plan import Folder

NAMES = ("GNUmakefile", "Makefile", "makefile")
USUAL = ("dev", "run", "serve", "server", "start", "runserver", "web", "api", "worker")

_TARGET = re.compile(r"(?P<names>[\w.-]+(?:[ \t]+[\w.-]+)*)[ \t]*:(?![:=])(?P<needs>[^=#]*)(?:#.*)?")
_OTHERS = re.compile(
    r"\b(docker(-compose)?|podman|kubectl|overmind|foreman|honcho|process-compose|locald|\$\(MAKE\))\b"
)


def read(folder: Folder, file: str) -> Plan:
    """A service for each target that runs a server."""
    report = Report(file)
    found: dict[str, tuple[str, int]] = {}
    for name, (recipe, line) in _targets(folder.text(file) or "").items():
        if name not in USUAL or not recipe.strip():
            continue
        if _OTHERS.search(recipe):
            report.left("", name, "it starts more than one server: write these as services", line)
        elif commands.nature(recipe).is_sure:
            found[name] = recipe, line
        else:
            report.left("", name, "nothing in it says that it serves: add it as a service if it does", line)
    names = named(found, report)
    services = tuple(_service(name, names[name], *found[name], report) for name in found)
    if len(services) == 1 and services[0].keys.get("type") is None:
        services = (Planned("web", services[0].keys, about=services[0].about),)
    return Plan((file,) if services else (), services, report.remarks)


def _service(target: str, name: str, recipe: str, line: int, report: Report) -> Planned:
    keys = commands.keys(name, recipe, report, line)
    return Planned(name, {"command": f"make {target}"} | keys, about=f'The target "{target}".')


def _targets(text: str) -> dict[str, tuple[str, int]]:
    """Each target's recipe and line."""
    found: dict[str, tuple[str, int]] = {}
    current: list[str] = []
    for number, line in enumerate(text.replace("\\\n", "  ").split("\n"), 1):
        if line.startswith("\t"):
            for name in current:
                recipe, begun = found[name]
                found[name] = f"{recipe}{line.strip().lstrip('@-+')}\n", begun
        elif match := _TARGET.fullmatch(line.rstrip("\r")):
            current = match["names"].split()
            for name in current:
                found.setdefault(name, ("", number))
        elif line.strip() and not line.lstrip().startswith("#"):
            current = []
    return found
