"""pitchfork (`pitchfork.toml`). Source: the fields of its configuration in version 2.33."""

from __future__ import annotations

import posixpath
import re
import shlex
import tomllib
import warnings
from typing import TYPE_CHECKING, Any

from locald.domain.intake import commands
from locald.domain.intake.plan import Plan, Planned, Report, named
from locald.domain.knowledge import signals
from locald.domain.project import globs, template
from locald.domain.values import digits, duration
from locald.domain.values.problem import Problem, Refused

if TYPE_CHECKING:
    from locald.domain.intake.plan import Folder

NAMES = ("pitchfork.toml",)

_READ = {
    "run",
    "oneshot",
    "retry",
    "ready_output",
    "ready_http",
    "ready_port",
    "ready_cmd",
    "port",
    "expected_port",
    "depends",
    "dir",
    "env",
    "env_file",
    "stop_signal",
    "watch",
    "watch_base_dir",
}
_LEFT = {
    "auto": "services start with `locald up`, not with the folder",
    "boot_start": "services start with `locald up`, not with the machine",
    "cron": "locald starts nothing by the clock",
    "ready_delay": "a process that runs is healthy after 200 ms",
    "watch_mode": "the kernel tells locald of changes",
    "memory_limit": "locald sets no limits",
    "cpu_limit": "locald sets no limits",
    "user": "services run as the user who starts them",
    "hooks": "there are no hooks",
    "mise": "write `mise exec --` before the command",
}
_TEMPLATE = re.compile(r"\{\{\s*daemons\.([\w-]+)\.(port|host)\s*\}\}")


def read(folder: Folder, file: str) -> Plan:
    """The daemons as services."""
    text = folder.text(file) or ""
    if re.search(r"\\u0000|\\U00000000|\\x00", text):
        raise Refused(
            Problem("a text contains a NUL character", file, "remove it, then run the command again")
        )
    try:
        top = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(
            Problem(f"is not valid TOML: {error}", file, "fix the file, then run the command again")
        ) from None
    report = Report(file)
    given = top.get("daemons")
    daemons = {name: each for name, each in (given.items() if isinstance(given, dict) else ())}
    daemons = {name: {"run": each} if isinstance(each, str) else each for name, each in daemons.items()}
    daemons = {name: each for name, each in daemons.items() if isinstance(each, dict)}
    names = named(daemons, report)
    services = tuple(_service(names, name, table, report) for name, table in daemons.items())
    shared = _environment(top.get("env"), names)
    return Plan((file,), services, report.remarks, project={"env": shared} if shared else {})


def _service(names: dict[str, str], original: str, table: dict[str, Any], report: Report) -> Planned:
    name, run = names[original], table.get("run")
    command = list(map(str, run)) if isinstance(run, list) else str(run or "").strip()
    if not command or not command[0].strip() or "\0" in "".join(command):
        report.left(name, "run", "it has no command")
        return Planned(name, {}, missing="it has no command")
    text = command if isinstance(command, str) else shlex.join(command)
    command = commands.meant(name, command, report)
    command = (
        _filled(command, names) if isinstance(command, str) else [_filled(word, names) for word in command]
    )
    keys: dict[str, object] = {"command": command}
    keys |= {"type": "task"} if table.get("oneshot") is True else _served(name, text, table, report)
    if env := commands.without_port(_environment(table.get("env"), names), keys):
        keys["env"] = env
    if isinstance(place := table.get("dir"), str) and place.strip():
        keys["workdir"] = place
    if files := [each for each in _list(table.get("env_file")) if isinstance(each, str) and each.strip()]:
        keys["env_file"] = files
    if needed := _depends(name, table, names, report):
        keys["depends_on"] = needed
    keys |= _ends(name, table, report) | _watched(name, table, report)
    for key in table:
        if key not in _READ:
            report.left(name, key, _LEFT.get(key, "there is no such key"))
    return Planned(name, keys)


def _watched(name: str, table: dict[str, Any], report: Report) -> dict[str, object]:
    """Globs, relative to the file's folder or to one that it names."""
    base = table.get("watch_base_dir")
    found: list[str] = []
    for each in _list(table.get("watch", [])):
        if not isinstance(each, str):
            continue
        glob = posixpath.join(base, each) if isinstance(base, str) else each
        if "{" in glob:
            report.left(name, "watch", f'"{glob}": write a glob for each of the alternatives in braces')
        elif not globs.is_glob(glob):
            report.left(name, "watch", f'"{glob}" is no glob relative to the folder of locald.toml')
        else:
            found.append(glob)
    return {"watch": found} if found else {}


def _list(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]


def _strings(given: Any) -> dict[str, str]:
    pairs = given.items() if isinstance(given, dict) else ()
    return {
        name: str(value)
        for name, value in pairs
        if name.strip() and "=" not in name and not isinstance(value, dict | list) and "\0" not in str(value)
    }


def _environment(given: Any, names: dict[str, str]) -> dict[str, str]:
    return {name: _filled(template.literal(value), names) for name, value in _strings(given).items()}


def _filled(text: str, names: dict[str, str]) -> str:
    """Templates that name another daemon."""

    def reference(found: re.Match[str]) -> str:
        return f"${{services.{names[found[1]]}.{found[2]}}}" if found[1] in names else found[0]

    return _TEMPLATE.sub(reference, text)


def _served(name: str, command: str, table: dict[str, Any], report: Report) -> dict[str, object]:
    """The port and the check."""
    env = _strings(table.get("env"))
    port = _port(table)
    check, of_check = _check(name, table, report)
    port = port or of_check
    keys: dict[str, object] = {"port": port} if port else commands.keys(name, command, report, env=env)
    return commands.with_check(name, keys, check, report, "ready_http")


def _port(table: dict[str, Any]) -> int:
    given = table.get("port", table.get("expected_port"))
    given = given.get("expect", given.get("port")) if isinstance(given, dict) else given
    given = given[0] if isinstance(given, list) and given else given
    return _number(given)


def _number(given: Any) -> int:
    """A port; 0 for what is none."""
    is_port = isinstance(given, int) and not isinstance(given, bool) and 0 < given < 65536
    return given if is_port else 0


def _check(name: str, table: dict[str, Any], report: Report) -> tuple[dict[str, object], int]:
    def said(key: str, *inner: str) -> Any:
        given = table.get(key)
        return (
            next((given[each] for each in inner if each in given), None) if isinstance(given, dict) else given
        )

    if url := said("ready_http", "url"):
        found = re.fullmatch(r"(https?)://[^/:]+(?::(\d+))?(/.*)?", str(url))
        if found:
            scheme: dict[str, object] = {"scheme": "https"} if found[1] == "https" else {}
            return {"type": "http", "path": found[3] or "/", **scheme}, digits.port(found[2] or "")
        report.left(name, "ready_http", f'"{url}" is not an address')
    if command := said("ready_cmd", "run", "cmd", "command"):
        words = shlex.join(map(str, command)) if isinstance(command, list) else str(command)
        if words.strip():
            return {"type": "command", "command": words}, 0
    if pattern := said("ready_output", "pattern", "regex"):
        if not _is_pattern(str(pattern)):
            report.left(name, "ready_output", "is not a regular expression of Python")
        else:
            return {"type": "log", "pattern": str(pattern)}, 0
    port = _number(said("ready_port", "port"))
    return ({"type": "tcp"}, port) if port else ({}, 0)


def _is_pattern(text: str) -> bool:
    try:
        with warnings.catch_warnings():  # Python warns of patterns that it may read otherwise one day
            warnings.simplefilter("ignore")
            re.compile(text)
    except (re.error, OverflowError, RecursionError):
        return False
    return bool(text.strip())


def _depends(name: str, table: dict[str, Any], names: dict[str, str], report: Report) -> list[str]:
    given = table.get("depends")
    found: list[str] = []
    for each in given if isinstance(given, list) else ():
        if isinstance(each, str) and each in names:
            found.append(names[each])
        else:
            report.left(name, "depends", f"{each}: it is no daemon of this file")
    return found


def _ends(name: str, table: dict[str, Any], report: Report) -> dict[str, object]:
    found: dict[str, object] = {}
    retry = table.get("retry")
    if retry is True:
        found["restart"] = "on-failure"
    elif isinstance(retry, int) and not isinstance(retry, bool) and retry > 0:
        report.guessed(name, "max_restarts", "restarts within a minute; in pitchfork in total")
        found["max_restarts"] = retry
    elif table.get("oneshot") is not True:
        found["restart"] = "no"
    given = table.get("stop_signal")
    said = given.get("signal") if isinstance(given, dict) else given
    if said and (known := signals.canonical(str(said).upper())):
        found["stop_signal"] = known
    wait = given.get("timeout") if isinstance(given, dict) else None
    if isinstance(wait, str):
        try:
            found["stop_timeout"] = duration.show(duration.parse(wait))
        except ValueError:
            report.left(name, "stop_signal.timeout", f'"{wait}" is not a duration')
    return found
