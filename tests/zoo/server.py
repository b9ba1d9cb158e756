"""What a row of the zoo is: a server, how it is started, who is its client."""

from __future__ import annotations

import glob
import os
import shutil
from dataclasses import dataclass, field

from zoo.clients import Client

FOLDERS = ("/usr/sbin", "/sbin", "/usr/lib/rabbitmq/bin", *sorted(glob.glob("/usr/lib/postgresql/*/bin")))
"""where Debian keeps servers that are not on everybody's PATH"""


@dataclass(frozen=True)
class Server:
    """`command` is that of `locald.toml`: nothing else is configured. `files` and `before`, a shell command,
    make what the server's own configuration and data are."""

    name: str
    program: str
    """what has to be on the PATH"""
    command: str
    client: Client
    version: str = ""
    """a shell command whose output has the version in it"""
    files: dict[str, str] = field(default_factory=dict)
    before: str = ""
    special: str = ""
    """what one would not guess, in a sentence or two"""
    needs: tuple[str, ...] = ()
    """files that have to be there too"""
    tool: str = ""
    """the folder of node_modules that it needs"""
    watch: float = 0.5
    """seconds for which its client asks after `ready_at`"""
    known: str = ""
    """what locald gets wrong today: the test has to fail"""
    races: bool = False
    """that is not wrong each time"""
    quiet: str = ""
    """a pattern of what it logs by itself while nobody asks"""


def configured(name: str, command: str) -> str:
    """A command that puts `$PORT` into a configuration first: @PORT@ in NAME.in becomes NAME."""
    return f"sed s/@PORT@/$PORT/ {name}.in > {name} && exec {command}"


def path(*more: object) -> str:
    return os.pathsep.join((*map(str, more), os.environ["PATH"], *FOLDERS))


def missing(server: Server, search: str) -> str:
    """What this machine lacks for it; empty if nothing."""
    if not shutil.which(server.program, path=search):
        return server.program
    return next((each for each in server.needs if not os.path.exists(each)), "")
