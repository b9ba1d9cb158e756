"""process-compose 1.x: `process-compose.yaml`.

Source: its documentation, and schemas/process-compose-schema.json of its repository.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from locald.domain.intake import commands, yaml_text
from locald.domain.intake.plan import Plan, Planned, Report, depends_on, named
from locald.domain.intake.yaml_text import Items, Table, is_yes, written
from locald.domain.knowledge import signals
from locald.domain.project import labels
from locald.domain.values import digits, duration
from locald.domain.values.problem import Problem, Refused

if TYPE_CHECKING:
    from locald.domain.intake.plan import Folder

NAMES = ("process-compose.yaml", "process-compose.yml", "process_compose.yaml", "process_compose.yml")

_CONDITIONS = {
    "process_started": "started",
    "process_healthy": "healthy",
    "process_log_ready": "healthy",
    "process_completed": "completed",
    "process_completed_successfully": "completed",
}
_RESTARTS = {"always": "always", "no": "no", "exit_on_failure": "no"}
_READ = {
    "command",
    "working_dir",
    "environment",
    "env_file",
    "depends_on",
    "readiness_probe",
    "ready_log_line",
    "availability",
    "shutdown",
    "disabled",
    "namespace",
    "description",
}
_LEFT = {
    "liveness_probe": "health never restarts a service",
    "is_daemon": "a process that goes to the background has failed: let it stay in the foreground",
    "replicas": "locald runs one of each service",
    "log_location": "output is kept by locald: `locald logs`",
    "log_configuration": "output is kept by locald: `locald logs`",
    "is_elevated": "services run as the user who starts them",
    "schedule": "locald starts nothing by the clock",
    "vars": "templates ({{ }}) are not filled in",
    "entrypoint": "write it into `command`",
    "shutdown.command": "a service is stopped by its signal",
}
_SILENT = ("is_tty", "is_foreground", "disable_ansi_colors", "is_interactive", "launch_timeout_seconds")
_TOP = ("version", "processes", "environment", "log_level", "log_length", "is_strict", "is_tui_disabled")


def read(folder: Folder, file: str) -> Plan:
    """The processes as services."""
    top = yaml_text.table(folder.text(file) or "", file)
    report = Report(file)
    processes = top.get("processes")
    if not isinstance(processes, Table):
        place = f"{file}:{top.lines.get('processes', 1)}"
        raise Refused(
            Problem('"processes" must be a mapping', place, "check that it is the file that you mean")
        )
    tables = {name: table for name, table in processes.items() if isinstance(table, Table)}
    names = named(tables, report)
    completed = {each for table in tables.values() for each, said in _needs(table) if said == "completed"}
    services = tuple(
        _Process(names, name, table, report).planned(name in completed) for name, table in tables.items()
    )
    for key in top:
        if key not in _TOP and not key.startswith("x-"):
            report.left("", key, _LEFT.get(key, "there is no such key"), top.lines[key])
    shared = _environment(top.get("environment"))
    return Plan(
        (file,),
        services,
        report.remarks,
        project={"env": shared} if shared else {},
        groups=_groups(tables, names),
    )


def _needs(table: Table) -> list[tuple[str, str]]:
    given = table.get("depends_on")
    found = given.items() if isinstance(given, Table) else ()
    return [
        (name, _CONDITIONS.get(written(said.get("condition")) if isinstance(said, Table) else "", "started"))
        for name, said in found
    ]


def _environment(given: Any) -> dict[str, str]:
    """A list of `NAME=value`, or a table."""
    if isinstance(given, Table):
        pairs = [(name, written(value)) for name, value in given.items()]
    else:
        pairs = [written(each).partition("=")[::2] for each in given] if isinstance(given, Items) else []
    usable = {
        name: value for name, value in pairs if name.strip() and "=" not in name and "\0" not in name + value
    }
    return {name: _template(value) for name, value in usable.items()}


_DOLLAR = re.compile(r"\$\$|\$\{(?P<braced>[A-Za-z_]\w*)\}|\$(?P<bare>[A-Za-z_]\w*)|\$\{")


def _template(value: str) -> str:
    """`${VAR}` means the same, but for one that is not set, which is empty; `$$` is a dollar sign."""

    def meant(found: re.Match[str]) -> str:
        if name := found["braced"] or found["bare"]:
            return f"${{{name}:-}}"
        return "$" if found[0] == "$$" else "$${"

    return _DOLLAR.sub(meant, value)


def _groups(tables: dict[str, Table], names: dict[str, str]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name, table in tables.items():
        group = labels.near(written(table.get("namespace")))
        if group and group not in names.values():
            found[group] = (*found.get(group, ()), names[name])
    return found


class _Process:
    """One process, read."""

    def __init__(self, names: dict[str, str], original: str, table: Table, report: Report) -> None:
        self._names, self.name = names, names[original]
        self._table, self._report = table, report

    def planned(self, completes: bool) -> Planned:
        keys: dict[str, object] = {}
        missing = ""
        command = written(self._table.get("command")).strip()
        env = _environment(self._table.get("environment"))
        if command and "\0" not in command:
            keys["command"] = commands.meant(self.name, command, self._report)
        else:
            missing = "it has no command"
            self._report.left(self.name, "command", missing, self._table.line)
        keys |= self._type(command, env, completes)
        if folder := written(self._table.get("working_dir")).strip():
            keys["workdir"] = folder
        if env := commands.without_port(env, keys):
            keys["env"] = env
        if files := self._env_files():
            keys["env_file"] = files
        if needed := self._depends_on():
            keys["depends_on"] = depends_on(needed)
        keys |= self._availability(completes) | self._shutdown()
        if is_yes(self._table.get("disabled")):
            keys["autostart"] = False
        self._rest()
        about = written(self._table.get("description"))
        return Planned(self.name, keys, about=about, missing=missing)

    def _line(self, key: str) -> int:
        return self._table.lines.get(key, self._table.line)

    def _type(self, command: str, env: dict[str, str], completes: bool) -> dict[str, object]:
        check, port = self._check()
        if completes:
            return {"type": "task"}
        if port:
            self._report.guessed(
                self.name, "port", "the readiness probe names it", self._line("readiness_probe")
            )
            told: dict[str, object] = {"port": port}
        else:
            told = commands.keys(self.name, command, self._report, self._line("command"), env)
        line = self._line("readiness_probe")
        return commands.with_check(self.name, told, check, self._report, "readiness_probe", line)

    def _check(self) -> tuple[dict[str, object], int]:
        """The check, and the port that it is about."""
        probe = self._table.get("readiness_probe")
        if said := written(self._table.get("ready_log_line")):
            return {"type": "log", "pattern": re.escape(said)}, 0
        if not isinstance(probe, Table):
            return {}, 0
        times = self._times(probe)
        run, get = probe.get("exec"), probe.get("http_get")
        if isinstance(run, Table) and (command := written(run.get("command")).strip()):
            if run.get("working_dir"):
                folder = written(run.get("working_dir"))
                return {"type": "command", "command": f"cd {folder} && {command}", **times}, 0
            return {"type": "command", "command": command, **times}, 0
        if isinstance(get, Table):
            return self._http(get, times)
        return {}, 0

    def _http(self, get: Table, times: dict[str, object]) -> tuple[dict[str, object], int]:
        said = written(get.get("num_port") or get.get("port"))
        port = digits.port(said)
        path = written(get.get("path")) or "/"
        host = written(get.get("host"))
        if host not in ("", "localhost", "127.0.0.1", "0.0.0.0", "::1"):
            self._report.left(
                self.name, "readiness_probe", f"the host {host}: only this machine is asked", get.line
            )
        check: dict[str, object] = {"type": "http", "path": path if path.startswith("/") else f"/{path}"}
        if written(get.get("scheme")).lower() == "https":
            check["scheme"] = "https"
        if isinstance(get.get("status_code"), int) and 100 <= get["status_code"] <= 599:
            check["status"] = [get["status_code"]]
        if not port and said:
            self._report.left(self.name, "readiness_probe", f'"{said}" is not a port', get.line)
        return check | times, port

    def _times(self, probe: Table) -> dict[str, object]:
        found: dict[str, object] = {}
        for key, ours in (("period_seconds", "interval"), ("timeout_seconds", "timeout")):
            if isinstance(probe.get(key), int) and 0 < probe[key] <= duration.LONGEST:
                found[ours] = f"{probe[key]}s"
        if isinstance(probe.get("failure_threshold"), int) and probe["failure_threshold"] > 0:
            found["retries"] = probe["failure_threshold"]
        for key in ("initial_delay_seconds", "success_threshold"):
            if key in probe:
                because = "one success makes a service healthy, however early"
                self._report.left(self.name, f"readiness_probe.{key}", because, probe.lines[key])
        return found

    def _env_files(self) -> list[str]:
        given = self._table.get("env_file")
        found = [written(each).strip() for each in (given if isinstance(given, Items) else [given])]
        return [each for each in found if each and "\0" not in each]

    def _depends_on(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, said in _needs(self._table):
            if name in self._names:
                found[self._names[name]] = said
            else:
                self._report.left(
                    self.name, "depends_on", f"{name}: there is no such process", self._line("depends_on")
                )
        self._unconditional()
        return found

    def _unconditional(self) -> None:
        """A task that failed would do in process-compose."""
        given = self._table.get("depends_on")
        if not isinstance(given, Table):
            return
        for name, said in given.items():
            if isinstance(said, Table) and said.get("condition") == "process_completed":
                because = f"{name}: it has to complete with exit code 0"
                self._report.guessed(self.name, "depends_on", because, given.lines[name])

    def _availability(self, completes: bool) -> dict[str, object]:
        given = self._table.get("availability")
        if not isinstance(given, Table):
            return {}
        found: dict[str, object] = {}
        policy = written(given.get("restart"))
        if policy in _RESTARTS and not (completes and policy != "always"):
            found["restart"] = _RESTARTS[policy]
        count = given.get("max_restarts")
        if isinstance(count, int) and count > 0 and policy in ("on_failure", "always"):
            because = "restarts within a minute; in process-compose in total"
            self._report.guessed(self.name, "max_restarts", because, given.lines["max_restarts"])
            found["max_restarts"] = count
        for key in ("backoff_seconds", "exit_on_end", "exit_on_skipped"):
            if key in given:
                because = (
                    "after 100 ms, doubling up to 30 s"
                    if key == "backoff_seconds"
                    else "a service that ends never ends the others"
                )
                self._report.left(self.name, f"availability.{key}", because, given.lines[key])
        return found

    def _shutdown(self) -> dict[str, object]:
        given = self._table.get("shutdown")
        if not isinstance(given, Table):
            return {}
        found: dict[str, object] = {}
        number, grace = given.get("signal"), given.get("timeout_seconds")
        if isinstance(number, int) and number in signals.NUMBERS.values():
            found["stop_signal"] = signals.name(number)
        if isinstance(grace, int) and 0 < grace <= duration.LONGEST:
            found["stop_timeout"] = f"{grace}s"
        if is_yes(given.get("parent_only")):
            found["kill_mode"] = "mixed"
            because = "the signal is for its main process, and what it leaves is ended"
            self._report.carried(self.name, "kill_mode", because, given.lines["parent_only"])
        if given.get("command"):
            self._report.left(
                self.name, "shutdown.command", _LEFT["shutdown.command"], given.lines["command"]
            )
        return found

    def _rest(self) -> None:
        for key in self._table:
            if key not in _READ and key not in _SILENT and not key.startswith("x-"):
                self._report.left(self.name, key, _LEFT.get(key, "there is no such key"), self._line(key))
