"""How a process was started, as far as it says what the process is: no arguments that could be secret.

Of a command line only the program is kept, or what an interpreter runs: `vite/bin/vite.js dev` of
`node /…/vite/bin/vite.js dev -k x`. A package manager leaves the script of package.json that it runs in the
environment of what it starts.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from locald.domain.knowledge.side_ports import debugger_ports

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_INTERPRETER = re.compile(r"(node|nodejs|bun|deno|python[\d.]*|ruby[\d.]*|php[\d.]*|perl|java|(ba|da|z)?sh)$")
_SUBCOMMANDS = {"dev", "serve", "server", "start", "run", "runserver", "preview", "develop"}
_WITH_VALUE = {"-r", "--require", "--import", "--loader", "-W", "-X", "-cp", "-classpath", "--class-path"}
_PARTS = 3
"""of a path, the last ones"""
_LONGEST = 200


class Origin(Struct, frozen=True):
    """`words`: the program, or what an interpreter runs. `script`, `name`: that of package.json. `debuggers`:
    the ports that it was told to be debugged at."""

    words: str = ""
    script: str = ""
    name: str = ""
    debuggers: tuple[int, ...] = ()


NOTHING_KNOWN = Origin()


def origin_of(arguments: Sequence[str], variables: Mapping[str, str]) -> Origin:
    """What the arguments and the environment of a process say of how it was started."""
    script, name = (_clean(variables.get(f"npm_lifecycle_{each}", "")) for each in ("script", "event"))
    told = " ".join((*arguments, variables.get("NODE_OPTIONS", ""), variables.get("JAVA_TOOL_OPTIONS", "")))
    debuggers = tuple(sorted(debugger_ports(told)))
    return Origin(_clean(" ".join(_words(arguments))), script, name, debuggers)


def _words(arguments: Sequence[str]) -> list[str]:
    """The program and a subcommand that is known as one."""
    if not arguments:
        return []
    first, rest = arguments[0].split(" ")[0].rstrip(":"), list(arguments[1:])
    if _INTERPRETER.match(first.rpartition("/")[2]):
        first, rest = _interpreted(rest)
    following = [each for each in rest[:1] if each in _SUBCOMMANDS]
    return [_short(first), *following] if first else []


def _interpreted(arguments: list[str]) -> tuple[str, list[str]]:
    """What an interpreter runs, and its arguments; empty where that is code of the command line."""
    while arguments:
        first, *arguments = arguments
        if first in ("-m", "-jar"):
            return (arguments[0], arguments[1:]) if arguments else ("", [])
        if first in ("-c", "-e", "-p", "--eval", "--print"):
            return "", []
        if first in _WITH_VALUE:
            arguments = arguments[1:]
        elif not first.startswith("-"):
            return first, arguments
    return "", []


def _short(path: str) -> str:
    return "/".join(path.split("/")[-_PARTS:])


def _clean(text: str) -> str:
    """One line of printable text, not too long."""
    return "".join(each if each.isprintable() else " " for each in text[:_LONGEST]).strip()
