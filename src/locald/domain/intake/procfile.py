"""Procfiles, with the settings of foreman (`.foreman`) and overmind (`.overmind.env`).

A Procfile is the user's own word and its commands are taken as they are. `web` has a port, `release` runs
once and before the others, as is the custom. Sources: foreman(1), the README of overmind.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from locald.domain.intake import commands, yaml_text
from locald.domain.intake.plan import Plan, Planned, Report, named
from locald.domain.intake.yaml_text import Items, written
from locald.domain.knowledge import signals
from locald.domain.project import env
from locald.domain.values import digits, duration
from locald.domain.values.problem import Refused

if TYPE_CHECKING:
    from locald.domain.intake.plan import Folder

NAMES = ("Procfile.dev", "Procfile")
OVERMIND = (".overmind.env", ".env")

_LINE = re.compile(r"([A-Za-z0-9_-]+):[ \t]*(\S.*?)[ \t\r]*")


def chosen(folder: Folder) -> str:
    """The Procfile that the settings name, else the first of the usual ones; empty when there is none."""
    said = (_overmind(folder).get("OVERMIND_PROCFILE"), _foreman(folder).get("procfile"))
    return next((name for name in (*said, *NAMES) if name and folder.text(name) is not None), "")


def read(folder: Folder, file: str) -> Plan:
    """The services of a Procfile."""
    report = Report(file)
    found = _processes(folder.text(file) or "", report)
    names = named(found, report)
    planned = {name: _service(names[name], *found[name], report) for name in found}
    release = names.get("release", "")
    for name, keys in planned.items():
        if release and name != "release":
            keys["depends_on"] = [release]
    if release:
        report.guessed(release, "type", "it runs once, before the others start", found["release"][1])
    project = _settings(folder, names, planned, report)
    services = tuple(Planned(names[name], keys) for name, keys in planned.items())
    return Plan((file,), services, report.remarks, project=project)


def _processes(text: str, report: Report) -> dict[str, tuple[str, int]]:
    """Each command and its line."""
    found: dict[str, tuple[str, int]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        match = _LINE.fullmatch(line)
        if match and "\0" not in line:
            if match[1] in found:
                report.left(
                    "", match[1], f"it is there again on line {number}, which counts", found[match[1]][1]
                )
            found[match[1]] = match[2], number
        elif line.strip() and not line.lstrip().startswith("#"):
            report.left("", "line", "it is not NAME: COMMAND", number)
    return found


def _service(name: str, command: str, line: int, report: Report) -> dict[str, object]:
    keys: dict[str, object] = {"command": commands.meant(name, command, report, line)}
    if name == "release":
        return {"type": "task", **keys}
    told = commands.keys(name, command, Report("") if name == "web" else report, line)
    if name == "web":
        told = {key: value for key, value in told.items() if key == "port"}
        if "port" in told:
            report.guessed(name, "port", "the command names it", line)
    return keys | told


def _overmind(folder: Folder) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in reversed(OVERMIND):
        try:
            values = env.parse(folder.text(name) or "", name)
        except Refused:
            continue
        found |= {key: value for key, value in values.items() if key.startswith("OVERMIND_")}
    return found


def _foreman(folder: Folder) -> dict[str, str]:
    text = folder.text(".foreman")
    try:
        table = yaml_text.table(text or "", ".foreman")
    except Refused:
        return {}
    return {key: written(value) for key, value in table.items() if not isinstance(value, Items | dict)}


def _settings(
    folder: Folder, names: dict[str, str], planned: dict[str, dict[str, object]], report: Report
) -> dict[str, object]:
    """What the managers' own files say of the processes; returns keys of `[project]`."""
    foreman, overmind = Report(".foreman"), Report(".overmind.env")
    project = _of_foreman(_foreman(folder), names, planned, foreman)
    _of_overmind(_overmind(folder), names, planned, overmind)
    report.add(foreman.remarks + overmind.remarks)
    return project


def _of_foreman(
    said: dict[str, str], names: dict[str, str], planned: dict[str, dict[str, object]], report: Report
) -> dict[str, object]:
    _formation(said.get("formation", said.get("concurrency", "")), "formation", names, planned, report)
    if "port" in said:
        report.left("", "port", "each service gets a port of its own in PORT")
    if timeout := digits.number(said.get("timeout", ""), int(duration.LONGEST)):
        for keys in planned.values():
            keys["stop_timeout"] = f"{timeout}s"
    files = [each.strip() for each in said.get("env", "").split(",") if each.strip()]
    return {"env_file": files} if files and files != [".env"] else {}


def _of_overmind(
    said: dict[str, str], names: dict[str, str], planned: dict[str, dict[str, object]], report: Report
) -> None:
    _formation(said.get("OVERMIND_FORMATION", ""), "OVERMIND_FORMATION", names, planned, report)
    for name in _list(said.get("OVERMIND_AUTO_RESTART", "")):
        for each in planned if name == "all" else [name]:
            if each in planned and planned[each].get("type") != "task":
                planned[each]["restart"] = "always"
    for pair in _list(said.get("OVERMIND_STOP_SIGNALS", "")):
        name, _, signal = pair.partition("=")
        if name in planned and (known := signals.canonical(signal.upper())):
            planned[name]["stop_signal"] = known
    for name in _list(said.get("OVERMIND_IGNORED_PROCESSES", "")):
        if name in planned:
            planned[name]["autostart"] = False
    for name in _list(said.get("OVERMIND_CAN_DIE", "")):
        if name in names:
            report.left(names[name], "OVERMIND_CAN_DIE", "a service that ends never ends the others")
    for key in ("OVERMIND_PORT", "OVERMIND_PORT_STEP"):
        if key in said:
            report.left("", key, "each service gets a port of its own in PORT")


def _formation(
    said: str, key: str, names: dict[str, str], planned: dict[str, dict[str, object]], report: Report
) -> None:
    """`web=1,worker=2,all=0`: none of a process means that it is started by name only."""
    counts = dict(pair.partition("=")[::2] for pair in _list(said))
    for name, keys in planned.items():
        count = counts.get(name, counts.get("all", "1"))
        if count == "0":
            keys["autostart"] = False
        elif count != "1":
            report.left(names[name], key, f"{count} of it: locald runs one of each service")


def _list(text: str) -> list[str]:
    return [each.strip() for each in text.split(",") if each.strip()]
