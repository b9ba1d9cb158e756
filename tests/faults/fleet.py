"""The services that have to live through it all: 17 of every kind, in two projects, and in a third, where
there is an engine, two containers and a process that depends on one of them.

Each is known from outside by a marker in its environment, which whatever it starts inherits.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine import images

if TYPE_CHECKING:
    from collections.abc import Iterable

ACTOR = Path(__file__).with_name("actor.py")
MARKER = "LOCALD_FAULTS"
"""the variable: `TOKEN/SERVICE`"""


@dataclass(frozen=True, slots=True)
class Kind:
    """One service, and what is to be expected of it."""

    name: str
    options: str
    """of the actor"""
    keys: str = ""
    """further lines of its table"""
    needs: Mapping[str, str] | None = None
    """what it depends on, and the condition"""
    children: int = 0
    """processes that it has beside its leader, and that come back"""
    stray: bool = False
    """it has one more, which does not come back when it is killed"""
    fails: bool = False
    """it never runs: what is wanted of it is to be `failed`"""
    is_task: bool = False
    image: str = ""
    """of the tests' own: it is a container, and `options` is what its shell does"""

    @property
    def prints(self) -> bool:
        return "--lines" in self.options and not self.image

    @property
    def listens(self) -> bool:
        return "--listen" in self.options


PATIENT = "max_restarts = 1000\n"

SHOP = (
    Kind("db", "--listen --lines 2 --after 0.2"),
    Kind("cache", "--ready", 'type = "worker"\nhealth_check = { type = "notify" }\n'),
    Kind(
        "api",
        "--listen --lines 5",
        'health_check = { type = "http", path = "/ready", interval = "1s" }\n',
        {"db": "healthy", "cache": "healthy"},
    ),
    Kind("web", "--listen --children 2", "", {"api": "healthy"}, children=2),
    Kind("seed", "--task --after 0.1", 'type = "task"\n', {"db": "healthy"}, is_task=True),
    Kind("mail", "--listen", 'health_check = { type = "tcp" }\n'),
    Kind("jobs", "--lines 60", 'type = "worker"\n', {"seed": "completed"}),
    Kind("pipe", "--lines 60", 'type = "worker"\ntty = false\n'),
    Kind("deaf", "--deaf --lines 1", 'type = "worker"\nstop_timeout = "300ms"\n'),
)

YARD = (
    Kind("rover", "--detached", 'type = "worker"\n', stray=True),
    Kind("looper", "--dies", 'type = "worker"\nmax_restarts = 1\n', fails=True),
    Kind("leaver", "--leaves", "", fails=True),
    Kind(
        "asked",
        "--touch --lines 2",
        'type = "worker"\nhealth_check = { type = "command", command = "test -e BOARD/asked.up" }\n',
    ),
    Kind(
        "spoken",
        "--says open-for-business --lines 2",
        'type = "worker"\nhealth_check = { type = "log", pattern = "open-for-business" }\n',
    ),
    Kind(
        "plain", "--children 1 --lines 10", 'type = "worker"\nhealth_check = { type = "none" }\n', children=1
    ),
    Kind(
        "watched",
        "--ready --watchdog --lines 2",
        'type = "worker"\nwatchdog = "8s"\nhealth_check = { type = "notify" }\n',
    ),
    Kind("last", "--listen --lines 2", "", {"watched": "healthy", "plain": "started"}),
)

ENDED = 'restart = "always"\n'
"""it exits with 0 when it is told to, also by an engine that ends what the one before has left"""
_COUNTS = """
trap "exit 0" TERM
read -r id < /proc/sys/kernel/random/uuid
number=0
while :; do
    number=$((number + 1)) left=$((number * 37 % 120)) text=
    letter=$(echo abcdefghij | cut -c $((number % 10 + 1)))
    while [ $left -gt 0 ]; do text=$text$letter left=$((left - 1)); done
    echo "L 1-$(echo $id | cut -c -8) 1 $number $text."
    sleep 0.3 & wait $!
done"""
"""Numbered lines, as `actor.text_of` has them, until it is told to end"""
DOCK = (
    Kind("store", 'trap "exit 0" TERM; nc -ll -p 6379 -e store & wait', ENDED, image="store"),
    Kind("bare", _COUNTS, ENDED, image="plain"),
    Kind("client", "--listen --lines 2 --meets STORE", "", {"store": "healthy"}),
)
CONTAINERS = frozenset(kind.name for kind in DOCK if kind.image)

PROJECTS: dict[str, tuple[Kind, ...]] = {"shop": SHOP, "yard": YARD, "dock": DOCK}
LOCAL = ("shop", "yard")
"""projects that need no engine"""
KINDS: dict[str, Kind] = {kind.name: kind for kinds in PROJECTS.values() for kind in kinds}
PROJECT_OF: dict[str, str] = {kind.name: project for project, kinds in PROJECTS.items() for kind in kinds}


def needed_by(names: Iterable[str]) -> set[str]:
    """These and all that they depend on."""
    found, left = set(), set(names)
    while left:
        name = left.pop()
        found.add(name)
        left |= set(KINDS[name].needs or ()) - found
    return found


def that_need(names: Iterable[str]) -> set[str]:
    """These and all that depend on them."""
    given = set(names)
    return {name for name in KINDS if needed_by([name]) & given}


def file_of(project: str, token: str, board: Path, edits: Mapping[str, int], left_out: Iterable[str]) -> str:
    """Its `locald.toml`. `edits`: how often a definition was changed; `left_out`: services it has lost."""
    there = [kind for kind in PROJECTS[project] if kind.name not in set(left_out)]
    tables = [_table(kind, token, board, edits.get(kind.name, 0)) for kind in there]
    return f'[project]\nname = "{project}"\n' + "".join(tables)


def _table(kind: Kind, token: str, board: Path, edit: int) -> str:
    command = [sys.executable, "-I", "-S", str(ACTOR), "leader", kind.name, str(board), *kind.options.split()]
    image = ""
    if kind.image:
        command = ["sh", "-c", kind.options]
        image = f'image = "{images.name(kind.image)}"\n'
    needs = ", ".join(f'{name} = "{condition}"' for name, condition in (kind.needs or {}).items())
    return (
        f"[services.{kind.name}]\n{image}command = {json.dumps(command)}\n"
        f'env = {{ {MARKER} = "{token}/{kind.name}", EDIT = "{edit}"{_ports(kind)} }}\n'
        f"{PATIENT * ('max_restarts' not in kind.keys)}{kind.keys.replace('BOARD', str(board))}"
        + (f"depends_on = {{ {needs} }}\n" if needs else "")
    )


def _ports(kind: Kind) -> str:
    """Of the containers that it depends on, by `STORE` and the like."""
    needed = [name for name in kind.needs or () if name in CONTAINERS]
    return "".join(f', {name.upper()} = "${{services.{name}.port}}"' for name in needed)
