"""`locald init`: write a first `locald.toml` for this folder, to be corrected by hand.

A file that is there already is never touched. What the folder holds is looked at here; what to make of
it is for `domain.init`.
"""

from __future__ import annotations

import os
from pathlib import Path

from locald.cli.shared import say
from locald.client.project import folder
from locald.domain.project.file import FILE
from locald.domain.values.problem import Problem, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from typing import Any, TextIO

ABOUT = """\
Write a locald.toml for this folder from what is in it: a Procfile, the scripts of
package.json, or files of other frameworks. Review it, then run `locald up`.

With --agents write an AGENTS.md instead, which tells coding agents how to start the
services, wait for them, see how they are and read their output.
"""
GUIDE = "AGENTS.md"
FOR_AGENTS = """\
# Services

`locald` runs the services of this project, as `locald.toml` says.

- Start all and wait until they are healthy: `locald up --timeout 2m`. After a change: `locald restart NAME`.
- Look: `locald status --json`. Why a service is not healthy, and what to do: `locald why NAME`.
- Wait until all are healthy again: `locald wait --timeout 2m`.
- Read output: `locald logs NAME -n 50`; only what went wrong: `locald logs --level warn --since 5m`.
- Run a command with the environment of a service: `locald exec NAME -- CMD`.
- Stop: `locald stop`. Each worktree has services and ports of its own: choose none, read `url` in the status.
"""
LARGEST = 1_000_000
"""bytes of a file that is looked into: what is larger is no Procfile"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("init", description=ABOUT)
    parser.add_argument("--name", help="name of the project (default: the folder's)")
    parser.add_argument("--agents", action="store_true", help=f"write {GUIDE} for coding agents instead")
    parser.add_argument("--print", action="store_true", help="print the file and write nothing")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from locald.domain.project import (  # with regular expressions, which no other command should wait for
        init,
        labels,
    )

    if args.name is not None and not labels.is_label(args.name):
        what = f'"{args.name}" is not a DNS label'
        raise Refused(Problem(what, "--name", labels.remedy(args.name)))
    here = Path(folder(args.directory))
    if args.agents:
        return _write_guide(here, only_print=args.print)
    files = _look(here, init.READ)
    text = init.starter(args.name or here.name, files)
    if args.print:
        print(text, end="")
        return 0
    _write(here / FILE, text, "run `locald config check` to check it")
    names = ", ".join(found.name for found in init.services(files))
    say.note(f"wrote {here / FILE} (services: {names or 'none'})")
    if compose := init.compose(files):
        say.warning(
            f"{here / compose}: its services are not in {FILE}",
            f"write each as [services.NAME] with `image` in {FILE}, then run `locald config check`",
        )
    else:
        say.hinted("review it, then run `locald up`")
    if GUIDE not in files and not init.compose(files):
        say.hinted(f"run `locald init --agents` to write an {GUIDE} for coding agents")
    return 0


def _write_guide(here: Path, *, only_print: bool) -> int:
    """What agents read. One that is there is the project's own."""
    if only_print:
        print(FOR_AGENTS, end="")
        return 0
    _write(here / GUIDE, FOR_AGENTS, f"run `locald init --agents --print >> {GUIDE}` to add to it")
    say.note(f"wrote {here / GUIDE}")
    return 0


def _look(here: Path, read: tuple[str, ...]) -> dict[str, str]:
    """The names in the folder, with the contents of those to be read, and of its `bin`."""
    try:
        names = os.listdir(here)
    except OSError as error:
        what = f"cannot be listed: {error.strerror}"
        raise Refused(Problem(what, str(here), "check its permissions")) from None
    files = {name: _contents(here / name) if name in read else "" for name in names}
    return files | ({"bin/rails": ""} if (here / "bin" / "rails").is_file() else {})


def _contents(path: Path) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(LARGEST)
    except OSError:
        return ""


def _write(path: Path, text: str, where_it_is: str) -> None:
    """`where_it_is`: what to do where there is one already."""
    try:
        with open(path, "x", encoding="utf-8") as file:  # "x": also when another made it a moment ago
            _fill(file, text)
    except FileExistsError:
        raise Refused(Problem("already exists", str(path), where_it_is)) from None
    except OSError as error:
        what = f"cannot be written: {error.strerror}"
        option = "--agents " if path.name == GUIDE else ""
        raise Refused(
            Problem(what, str(path), f"run `locald init {option}--print` to see its content")
        ) from None


def _fill(file: TextIO, text: str) -> None:
    """All of it or nothing: a full disk leaves no half of a file that would then be there already."""
    try:
        file.write(text)
        file.flush()
    except OSError:
        os.unlink(file.name)
        raise
