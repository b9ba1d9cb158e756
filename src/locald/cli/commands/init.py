"""`locald init`: write a first `locald.toml` for this folder, from what the project has.

The folder is read here; what to make of it is for `domain.intake`. A file that is there already is never
touched without `--force`, and what is written is a file that `config check` accepts, all of it or nothing.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from locald.cli.shared import say
from locald.client.project import folder
from locald.domain.project.file import FILE
from locald.domain.values.problem import Problem, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable
    from typing import Any

    from locald.domain.intake.plan import Plan, Remark

ABOUT = """\
Write a locald.toml for this folder from what is in it: a compose file, a Procfile, the
files of process-compose, mprocs, dekit or pitchfork, else package.json, pyproject.toml,
Cargo.toml, go.mod, a Makefile, or files of other frameworks. Nothing is asked. What was
carried over in another form, guessed, or left out is told, and stands in the file at the
line that it is about. Review it, then run `locald up`.

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
"""bytes of a file that is read"""
SOURCES = (".yaml", ".yml", ".toml", ".json")
"""names end like this of files that mean nothing if they are cut off"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("init", description=ABOUT)
    parser.add_argument("--from", dest="source", metavar="FILE", help="read this file only")
    parser.add_argument("--name", help="name of the project (default: the folder's)")
    parser.add_argument("--agents", action="store_true", help=f"write {GUIDE} for coding agents instead")
    parser.add_argument("--print", action="store_true", help="print the file and write nothing")
    parser.add_argument("--force", action="store_true", help="overwrite a file that is there")
    parser.add_argument("--json", action="store_true", help="print the report as one JSON document")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from locald.domain.project import (
        labels,
    )  # with regular expressions, which no other command should wait for

    if args.name is not None and not labels.is_label(args.name):
        what = f'"{args.name}" is not a DNS label'
        raise Refused(Problem(what, "--name", labels.remedy(args.name)))
    here = Path(folder(args.directory))
    if args.agents:
        return _write_guide(here, only_print=args.print, force=args.force)
    plan, text = _planned(here, args)
    if not args.print:
        hint = "run `locald config check` to check it, or `locald init --force` to overwrite it"
        _write(here / FILE, text, hint, force=args.force)
    if args.json:
        print(json.dumps(_document(here, plan, text, written=not args.print), ensure_ascii=False))
    elif args.print:
        print(text, end="")
    _tell(here, plan, written=not args.print)
    return 0


def _planned(here: Path, args: argparse.Namespace) -> tuple[Plan, str]:
    """What is to be written. It is valid, whatever is there: the tests see to it, for to check it here would
    take longer than all of this."""
    from locald.domain import intake  # these know YAML, and every format that is read
    from locald.domain.intake import writing
    from locald.domain.project import labels

    shown = Here(here)
    if args.source is None:
        plan = intake.look(shown, here.name)
    else:
        plan = intake.read(shown, os.path.relpath(args.source, here), here.name)
    return plan, writing.text(plan, args.name or plan.name or labels.near(here.name) or "project")


class Here:
    """The project's folder, for readers."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._texts: dict[str, str | None] = {}

    def text(self, path: str) -> str | None:
        if path not in self._texts:
            self._texts[path] = self._read(path)
        return self._texts[path]

    def names(self, path: str = ".") -> tuple[str, ...]:
        try:
            return tuple(sorted(os.listdir(self._root / path)))
        except OSError:
            if path == ".":
                raise Refused(Problem("cannot be listed", str(self._root), "check its permissions")) from None
            return ()

    def env(self, name: str) -> str | None:
        return os.environ.get(name)

    def _read(self, path: str) -> str | None:
        whole = self._root / path
        if "\0" in path or not whole.is_file():  # no device, nothing that would be waited for
            return None
        try:
            with open(whole, encoding="utf-8-sig", errors="replace") as file:
                text = file.read(LARGEST + 1)
        except OSError as error:
            what = f"cannot be read: {error.strerror}"
            raise Refused(Problem(what, path, "check its permissions")) from None
        if len(text) > LARGEST and path.endswith(SOURCES):
            raise Refused(Problem("is larger than 1 MB", path, "name another file with --from"))
        return text


# What is told.


def _tell(here: Path, plan: Plan, *, written: bool) -> None:
    for outcome, text in _sentences(plan.remarks):
        say.note(f"{outcome}: {text}")
    names = ", ".join(each.name for each in plan.present)
    if written:
        source = f" from {', '.join(plan.sources)}" if plan.sources else ""
        say.note(f"wrote {here / FILE}{source} (services: {names or 'none'})")
    if not written:
        return
    if names:
        say.hinted("review it, then run `locald up`")
    else:
        what = "nothing here says what to run" if not plan.services else "no service of it can run yet"
        say.warning(f"{here}: {what}", f"write a [services.NAME] table with `command` or `image` in {FILE}")
    if names and not (here / GUIDE).exists():
        say.hinted(f"run `locald init --agents` to write an {GUIDE} for coding agents")


def _sentences(remarks: Iterable[Remark]) -> list[tuple[str, str]]:
    """Remarks by outcome; one that is the same of several services once, with all of these."""
    same: dict[tuple[str, str, str], list[Remark]] = {}
    for remark in remarks:
        same.setdefault((remark.outcome, remark.key, remark.because), []).append(remark)
    order = ("carried", "guessed", "left")
    return [
        (outcome, _sentence(each))
        for (outcome, _, _), each in sorted(same.items(), key=lambda item: order.index(item[0][0]))
    ]


def _sentence(same: list[Remark]) -> str:
    first = same[0]
    services = ", ".join(dict.fromkeys(each.service for each in same if each.service))
    subject = f"{services}: {first.key}" if services else first.key
    more = f" and {len(same) - 1} more" if len(same) > 1 else ""
    return f"{first.where}{more}: {subject}: {first.because}"


def _document(here: Path, plan: Plan, text: str, *, written: bool) -> dict[str, Any]:
    """`init --json`: what became of every key that is not exactly what it was."""

    def rows(outcome: str) -> list[dict[str, str]]:
        return [
            {"service": each.service, "key": each.key, "because": each.because, "where": each.where}
            for each in plan.remarks
            if each.outcome == outcome
        ]

    return {
        "file": str(here / FILE),
        "written": written,
        "sources": list(plan.sources),
        "services": [each.name for each in plan.present],
        "not_runnable": {each.name: each.missing for each in plan.services if each.missing},
        "carried": rows("carried"),
        "guessed": rows("guessed"),
        "left": rows("left"),
        "text": text,
    }


# What is written.


def _write_guide(here: Path, *, only_print: bool, force: bool) -> int:
    """What agents read. One that is there is the project's own."""
    if only_print:
        print(FOR_AGENTS, end="")
        return 0
    _write(
        here / GUIDE, FOR_AGENTS, f"run `locald init --agents --print >> {GUIDE}` to add to it", force=force
    )
    say.note(f"wrote {here / GUIDE}")
    return 0


def _write(path: Path, text: str, where_it_is: str, *, force: bool) -> None:
    """All of it or nothing: a full disk leaves no half of a file.

    `where_it_is`: what to do where there is one already."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(name, 0o666 & ~_umask())
            (os.replace if force else os.link)(
                name, path
            )  # a link also fails where another made it a moment ago
        finally:
            Path(name).unlink(missing_ok=True)
    except FileExistsError:
        raise Refused(Problem("already exists", str(path), where_it_is)) from None
    except OSError as error:
        what = f"cannot be written: {error.strerror}"
        option = "--agents " if path.name == GUIDE else ""
        raise Refused(
            Problem(what, str(path), f"run `locald init {option}--print` to see its content")
        ) from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
