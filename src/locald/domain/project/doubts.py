"""What a file may say, and hardly means: a warning each, on the machine that it is looked at on.

A string `health_check` is a command. One that reads like an address is most likely one: nothing forbids a
program of that name, so this is doubted only where there is none. A folder that is missing may yet be made
by a task. So none of these is an error, and all are worth a line before the service fails.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from typing import TYPE_CHECKING

from locald.domain.project.spec import CommandCheck, KillMode, ServiceSpec, Type
from locald.domain.values import digits, toml
from locald.domain.values.faults import Fault, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from locald.domain.project.around import Around
    from locald.domain.project.spec import ProjectSpec
    from locald.domain.values.lines import Path, Places

_PATH = re.compile(r"/[\w.~%?=&,:@+/-]*")
_ADDRESS = re.compile(
    r"(?:(?P<scheme>https?|tcp)://)?(?P<host>[\w.-]*|\[::1?\])(?::(?P<port>\d{1,5}))?(?P<path>/\S*)?"
)
_HERE = re.compile(r"localhost|127(\.\d+){3}|0\.0\.0\.0|\[::1?\]|")


def doubts(spec: ProjectSpec, places: Places, around: Around) -> Iterator[Fault]:
    for service in spec.services.values():
        yield from _check(service, places, around)
        yield from _folder(service, around)
        yield from _words_of_a_line(service, around)
        yield from _shell_between(service)


# A command that reads like an address.


def _check(service: ServiceSpec, places: Places, around: Around) -> Iterator[Fault]:
    check = service.health_check.check if service.health_check else None
    if not isinstance(check, CommandCheck) or not (hint := address_meant(check.command, service)):
        return
    if _PATH.fullmatch(check.command) and _may_be_there(check.command, service, around):
        return
    whole: Path = ("services", service.name, "health_check")
    path = (*whole, "command") if (*whole, "command") in places.lines else whole
    yield Fault(
        path,
        f"{shown(check.command)} is run as a command, and reads like an address",
        f"did you mean `{hint}`?",
    )


def _may_be_there(path: str, service: ServiceSpec, around: Around) -> bool:
    """Whether there is a program of this path. Nobody looks into images."""
    return service.type is Type.CONTAINER or bool(around.finds_program(path))


def address_meant(command: str, service: ServiceSpec) -> str:
    """The check that was probably meant by a command that reads like an address; empty for any other."""
    if _PATH.fullmatch(command):
        return _http(command, service)
    found = _ADDRESS.fullmatch(command)
    if not found or not (found["scheme"] or (found["port"] and _HERE.fullmatch(found["host"]))):
        return ""
    return _of_address(command, found, service)


def _of_address(command: str, found: re.Match[str], service: ServiceSpec) -> str:
    port = digits.port(found["port"] or "")
    if not _HERE.fullmatch(found["host"]):
        return f"health_check = {toml.value(f'curl -fsS {command}')}"
    if found["scheme"] == "tcp" or not (found["scheme"] or found["path"]):
        return _table("tcp", {}, service, port)
    return _http(found["path"] or "/", service, port, is_tls=found["scheme"] == "https")


def _http(path: str, service: ServiceSpec, port: int = 0, *, is_tls: bool = False) -> str:
    scheme = {"scheme": "https"} if is_tls else {}
    return _table("http", {"path": path, **scheme}, service, port)


def _table(kind: str, keys: dict[str, object], service: ServiceSpec, port: int) -> str:
    """With a port where the check would not look there by itself."""
    has_none = service.type in (Type.WORKER, Type.TASK)
    own = {service.port, service.container_port} - {None}
    elsewhere = 0 < port <= 65535 and port not in own and service.type is not Type.CONTAINER
    named = {"port": port or 8080} if has_none or elsewhere else {}
    return f"health_check = {toml.value({'type': kind, **keys, **named})}"


# Folders and programs that are not there.


def _folder(service: ServiceSpec, around: Around) -> Iterator[Fault]:
    if service.type is Type.CONTAINER:
        return
    folder = _absolute(around.directory, service.workdir)
    if not around.is_folder(folder):
        hint = f"run `mkdir -p {shlex.quote(folder)}`, or correct it: it is relative to locald.toml"
        yield Fault(("services", service.name, "workdir"), f"there is no folder {folder}", hint)


def _absolute(directory: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(directory, path))


def _words_of_a_line(service: ServiceSpec, around: Around) -> Iterator[Fault]:
    """`["npm start"]` is a program with a space in its name."""
    match service.command:
        case (str(line),) if " " in line.strip() and service.type is not Type.CONTAINER:
            place = _absolute(around.directory, service.workdir)
            if not around.finds_program(_absolute(place, line) if "/" in line else line):
                what = f"{shown(line)} is one program with a space in its name"
                yield Fault(
                    ("services", service.name, "command", 0), what, f"write command = {toml.value(line)}"
                )


# A signal for the main process that the shell gets.

_EXEC = re.compile(r"\bexec\b")
_SIMPLE = re.compile(r"(?!\w+=)[^&|;<>(){}`\n]+")
"""one program and its arguments"""


def _shell_between(service: ServiceSpec) -> Iterator[Fault]:
    """`sh -c` stays the main process of a command that is not told to take its place."""
    command = service.command
    if not isinstance(command, str) or service.type is Type.CONTAINER or _EXEC.search(command):
        return
    told = {
        "kill_mode": service.kill_mode is KillMode.MIXED,
        "watch": bool(service.watch and service.watch.signal),
    }
    for key, is_told in told.items():
        if is_told:
            what = "the signal is for the main process, which is the shell that runs `command`"
            if _SIMPLE.fullmatch(command):
                hint = f"write command = {toml.value(f'exec {command}')}"
            else:
                hint = "write `exec` before the program in `command` that is to get it"
            yield Fault(("services", service.name, key), what, hint)
