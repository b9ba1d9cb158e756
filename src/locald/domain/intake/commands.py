"""What a command says about the service that it starts: whether it listens, on which port, on what it reads.

Files of process managers rarely say which of their processes serve. A command that names a port, or a server
that is known, does; of any other only a live process is asked, and the report says so.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from locald.domain.knowledge import input_readers, port_options
from locald.domain.knowledge.servers import BY_PROGRAM
from locald.domain.project import template
from locald.domain.project.config.commands import for_shell, unexpanded
from locald.domain.values import digits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locald.domain.intake.plan import Report

_OWN_PORT = re.compile(r"\$\{?PORT\b|\$\(PORT\)")
_OPTION = re.compile(
    r"(?:(?<=\s)(?:--(?:[\w.-]*-)?port|--server\.port|-p)[= ]?"
    r"|(?<=\s)(?:--bind|--listen|--addr|--address|-b|-a|-l)[= ]?\S*?:"
    r"|\bPORT=)(?P<port>\d{2,5})(?![\w.])"
)
_WATCHES = re.compile(
    r"(?<![\w-])(tsc|sass|esbuild|rollup|tailwind(css)?|postcss|babel|swc|chokidar|jest|vitest|mocha|"
    r"nodemon --exec (tsc|eslint)|eslint|prettier|celery|sidekiq|rq|dramatiq|huey|resque)(?![\w-])"
    r"|\b(vite|webpack) build\b|\bwebpack\b.*--watch|\btailwindcss:watch\b"
)
"""programs that work in the background"""


class Nature(NamedTuple):
    """What a command seems to start."""

    type: str
    port: int | None = None
    is_sure: bool = True


def nature(command: str, env: Mapping[str, str] | None = None) -> Nature:
    """What the command is. `env`: variables that it is given."""
    if _OWN_PORT.search(command):
        return Nature("exec")
    found = _OPTION.search(command)
    if found and 0 < int(found["port"]) < 65536 and not re.match(r"(ssh|scp|mkdir)\b", command):
        return Nature("exec", int(found["port"]))
    if _WATCHES.search(command):
        return Nature("worker")
    if port_options.recognise(command) or _is_known_server(command):
        return Nature("exec")
    given = (env or {}).get("PORT", "")
    if port := digits.port(given):
        return Nature("exec", port)
    return Nature("worker", is_sure=False)


def _is_known_server(command: str) -> bool:
    words = re.split(r"[\s;&|]+", command)
    return any(word.rpartition("/")[2] in BY_PROGRAM for word in words[:4])


def keys(
    service: str, command: str, report: Report, line: int = 0, env: Mapping[str, str] | None = None
) -> dict[str, object]:
    """`type`, `port` and `stdin` as the command tells them, with a remark on what is guessed."""
    told = nature(command, env)
    found: dict[str, object] = {}
    if told.type != "exec":
        found["type"] = told.type
    if told.port:
        found["port"] = told.port
        who = "the command" if nature(command).port else "PORT in its environment"
        report.guessed(service, "port", f"{who} names it", line)
    if not told.is_sure:
        because = "nothing says that it listens on a port; if it does, remove `type`"
        report.guessed(service, "type", because, line)
    if told.type == "worker" and (reader := input_readers.reader_of(command)):
        found["stdin"] = "open"
        report.guessed(service, "stdin", f"{reader} exits when its standard input ends", line)
    return found


def meant(service: str, command: str | list[str], report: Report, line: int = 0) -> str | list[str]:
    """What another tool runs, as a `command` of ours. What looks like a reference of ours is none there; and
    a list that names a port, which nobody puts in, is made a string for the shell."""
    if isinstance(command, str):
        return template.literal(command, command=True)
    words = [template.literal(word, command=True) for word in command]
    for _, variable in unexpanded(words):
        report.guessed(service, "command", f"a shell puts {variable} in, a list has none", line)
        return for_shell(words)
    return words


def with_check(
    service: str, keys: dict[str, object], check: dict[str, object], report: Report, key: str, line: int = 0
) -> dict[str, object]:
    """`keys` with the check of the other tool's `key`: one that asks a port counts where there is one."""
    if not check:
        return keys
    if check["type"] in ("http", "tcp") and keys.get("type") == "worker":
        report.left(service, key, "nothing says which port it asks", line)
        return keys
    return {**keys, "health_check": check}


def without_port(env: Mapping[str, str], keys: Mapping[str, object]) -> dict[str, str]:
    """What is left of a service's variables to be written: its port becomes PORT by itself."""
    port = str(keys.get("port", ""))
    return {name: value for name, value in env.items() if (name, value) != ("PORT", port)}
