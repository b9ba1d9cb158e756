"""`locald config`: check, show or describe `locald.toml`, without a daemon.

    check    every problem that `up` would find in the file; warnings for what depends on this shell
    show     every key with its value and where that comes from: a complete file, its lines as comments
    schema   the JSON Schema, for editors

What reads the file takes some hundredths of a second, so it is imported only by the functions that use it,
so that `locald config --help` and completion need not wait.
"""

from __future__ import annotations

import json
import os

from locald.cli.shared import checking, say
from locald.client.project import find_project
from locald.domain.project.file import FILE
from locald.faces import documents
from locald.wire.project_files import read_texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import Any

    from locald.domain.project.config import Setting
    from locald.domain.project.spec import ProjectSpec
    from locald.domain.project.texts import Texts

ABOUT = "Check, show or describe the project's locald.toml. Needs no daemon."
CHECK = """\
Check locald.toml. Every problem is shown with its line number. Exits 2 when there is
one. Warns of what is right in the file but not on this machine: a variable that is not
set, a missing env file or folder, a value that is ignored, and a check that runs as a
command but reads like an address.
"""
SHOW = """\
Print every key with its value and its origin: a line of the file, or the default. The
output is itself a file of the same meaning.
"""
SCHEMA = "Print the JSON Schema of locald.toml or, with --local, of locald.local.toml, for editors."


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("config", description=ABOUT)
    commands = parser.add_subparsers(metavar="check|show|schema", dest="what", required=True)
    for name, about, function, brief in (
        ("check", CHECK, check, "find every problem"),
        ("show", SHOW, show, "print every key, its value and its origin"),
        ("schema", SCHEMA, schema, "print the JSON Schema, for editors"),
    ):
        command = commands.add_parser(name, description=about, help=brief)
        command.set_defaults(run=function)
        if name == "schema":
            command.add_argument("--local", action="store_true", help="that of locald.local.toml")
        else:
            command.add_argument("--json", action="store_true", help="print one JSON document")


def check(args: argparse.Namespace) -> int:
    folder = find_project(args.directory)
    file = os.path.join(folder, FILE)
    found, count = checking.look(folder)
    errors = [problem for problem in found if not problem.is_warning]
    if args.json:
        print(json.dumps(documents.checked(file, found)))
        return 2 if errors else 0
    say.problems(found)
    if not errors:
        say.note(f"{file} is valid: {count} service{'' if count == 1 else 's'}")
    return 2 if errors else 0


def show(args: argparse.Namespace) -> int:
    from locald.domain.project import config  # see above

    folder = find_project(args.directory)
    texts, spec = _read(folder)
    settings = config.describe(spec, texts)
    if args.json:
        rows = [{"key": each.key, "value": each.value, "from": each.source} for each in settings]
        print(
            json.dumps({"file": os.path.join(folder, FILE), "settings": rows}, indent=2, ensure_ascii=False)
        )
    else:
        print("\n".join(_lines(settings)))
    return 0


def schema(args: argparse.Namespace) -> int:
    from locald.domain.project import config  # see above

    found = config.local_schema() if args.local else config.schema()
    print(json.dumps(found, indent=2, ensure_ascii=False))
    return 0


def _read(folder: str) -> tuple[Texts, ProjectSpec]:
    from locald.domain.project import config  # see above

    texts = read_texts(folder)
    return texts, config.parse(texts)


def _lines(settings: tuple[Setting, ...]) -> Iterator[str]:
    """`services.web.port = 3000  # locald.toml:7`, a blank line between tables of the file."""
    from locald.domain.values import toml

    written = [f"{each.key} = {toml.value(each.value)}" for each in settings]
    width = min(60, max(map(len, written)))
    table = settings[0].key.split(".")[:2]
    for setting, line in zip(settings, written, strict=True):
        if (head := setting.key.split(".")[:2]) != table and head[0] != "project":
            table = head
            yield ""
        if setting.value is None:
            yield f"# {setting.key}: {setting.otherwise}"
        else:
            yield f"{line:<{width}}  # {setting.source}"
