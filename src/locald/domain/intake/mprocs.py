"""mprocs (`mprocs.yaml`) and dekit, its successor (`dekit.yaml`, with `tasks` in place of `procs`).

Sources: the README of mprocs 0.8, and the pages "Coming from mprocs" and "Tasks" of dekit.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

from locald.domain.intake import commands, yaml_text
from locald.domain.intake.plan import Plan, Planned, Report, depends_on, named
from locald.domain.intake.yaml_text import Items, Table, written
from locald.domain.knowledge import signals
from locald.domain.project import labels, template
from locald.domain.values.problem import Problem, Refused

if TYPE_CHECKING:
    from locald.domain.intake.plan import Folder

NAMES = ("dekit.yaml", "mprocs.yaml")

_SIGNALS = {"SIGKILL": "SIGKILL", "hard-kill": "SIGKILL", "kill": "SIGKILL", "shutdown": "SIGTERM"}
_READ = {
    "cmd",
    "shell",
    "cwd",
    "env",
    "autostart",
    "autorestart",
    "stop",
    "deps",
    "ready_log",
    "tags",
    "label",
}
_SILENT = ("scrollback_len", "mouse_scroll_speed", "log", "log_dir")


def read(folder: Folder, file: str) -> Plan:
    """The processes as services."""
    top = yaml_text.table(folder.text(file) or "", file)
    key, is_dekit = ("tasks", True) if "tasks" in top else ("procs", False)
    given = top.get(key)
    if not isinstance(given, Table):
        hint = "check that it is the file that you mean"
        raise Refused(Problem(f'"{key}" must be a mapping', f"{file}:{top.lines.get(key, 1)}", hint))
    report = Report(file)
    processes = {name: value for name, value in given.items() if value is not None}
    names = named(processes, report)
    defaults = top.get("defaults")
    readers = {
        name: _Process(names, name, _table(value, given.lines[name], defaults), report, is_dekit)
        for name, value in processes.items()
    }
    services = tuple(reader.planned() for reader in readers.values())
    return Plan((file,), services, report.remarks, groups=_groups(readers, names))


def _table(value: Any, line: int, defaults: Any) -> Table:
    """A process that is only a command is one with nothing else."""
    found = Table(line)
    if isinstance(defaults, Table):
        for name, each in defaults.items():
            found.put(name, each, defaults.lines[name])
    if isinstance(value, Table):
        for name, each in value.items():
            found.put(name, each, value.lines[name])
    else:
        found.put("cmd" if isinstance(value, Items) else "shell", value, line)
    return found


def _groups(readers: dict[str, _Process], names: dict[str, str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for reader in readers.values():
        for tag in reader.tags():
            group = labels.near(tag)
            if group and group not in names.values():
                found[group] = (*found.get(group, ()), reader.name)
    return found


class _Process:
    """One process, read."""

    def __init__(
        self, names: dict[str, str], original: str, table: Table, report: Report, is_dekit: bool
    ) -> None:
        self._names, self.name, self._table, self._report = names, names[original], table, report
        self._is_dekit = is_dekit

    def tags(self) -> list[str]:
        given = self._table.get("tags")
        return [written(each) for each in given] if isinstance(given, Items) else []

    def planned(self) -> Planned:
        command = self._command()
        if not command or "\0" in "".join(command):
            self._report.left(self.name, "cmd", "it has no command", self._table.line)
            return Planned(self.name, {}, missing="it has no command")
        text = command if isinstance(command, str) else shlex.join(command)
        line, env = self._line("cmd" if "cmd" in self._table else "shell"), self._env()
        keys: dict[str, object] = {"command": commands.meant(self.name, command, self._report, line)}
        keys |= commands.keys(self.name, text, self._report, line, env)
        if env := commands.without_port(env, keys):
            keys["env"] = env
        if folder := self._folder():
            keys["workdir"] = folder
        if needed := self._depends_on():
            keys["depends_on"] = depends_on(needed)
        if said := written(self._table.get("ready_log")):
            keys["health_check"] = {"type": "log", "pattern": re.escape(said)}
        keys |= self._starts() | self._stop()
        for key in self._table:
            if key not in _READ and key not in _SILENT:
                self._report.left(self.name, key, "there is no such key", self._line(key))
        return Planned(self.name, keys, about=written(self._table.get("label")))

    def _line(self, key: str) -> int:
        return self._table.lines.get(key, self._table.line)

    def _selected(self, value: Any) -> Any:
        """`{ $select: os, linux: …, $else: … }`: what holds on Linux."""
        if isinstance(value, Table) and "$select" in value:
            return value.get("linux", value.get("$else"))
        return value

    def _command(self) -> str | list[str]:
        shell, cmd = self._selected(self._table.get("shell")), self._selected(self._table.get("cmd"))
        if shell:
            return written(shell).strip()
        if isinstance(cmd, Items):
            return [written(each) for each in cmd] if cmd and written(cmd[0]).strip() else ""
        try:
            return shlex.split(written(cmd))
        except ValueError:
            return ""

    def _folder(self) -> str:
        text = written(self._selected(self._table.get("cwd")))
        return re.sub(r"^<CONFIG_DIR>/?", "", text) or ("." if text else "")

    def _env(self) -> dict[str, str]:
        given = self._table.get("env")
        found: dict[str, str] = {}
        if not isinstance(given, Table):
            return {}
        for name, value in given.items():
            if value is None:
                self._report.left(
                    self.name, "env", f"{name} is unset: only values can be given", given.lines[name]
                )
            elif name.strip() and "=" not in name and "\0" not in name + written(value):
                found[name] = template.literal(written(value))
        return found

    def _depends_on(self) -> dict[str, str]:
        given = self._table.get("deps")
        found: dict[str, str] = {}
        for each in given if isinstance(given, Items) else ():
            name = written(each).lstrip("/")
            if name in self._names:
                found[self._names[name]] = "healthy"
            else:
                self._report.left(self.name, "deps", f"{name}: there is no such task", self._line("deps"))
        if found:
            self._report.guessed(
                self.name, "depends_on", "until it is healthy, not only running", self._line("deps")
            )
        return found

    def _starts(self) -> dict[str, object]:
        """mprocs starts everything unless it is told otherwise; dekit starts what is told."""
        found: dict[str, object] = {}
        given = self._table.get("autostart")
        if given is False or (self._is_dekit and given is not True and "autostart" not in self.tags()):
            found["autostart"] = False
        if self._table.get("autorestart") is True:
            found["restart"] = "always"
        return found

    def _stop(self) -> dict[str, object]:
        given = self._table.get("stop")
        said = written(given.get("signal")) if isinstance(given, Table) else written(given)
        if not said:
            if given is not None:
                self._report.left(self.name, "stop", "a service is stopped by a signal", self._line("stop"))
            return {}
        name = _SIGNALS.get(said) or signals.canonical(said.upper())
        return {"stop_signal": name} if name and name != "SIGTERM" else {}
