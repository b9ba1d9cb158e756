"""`locald config`: check, show or describe `locald.toml`, without a daemon.

    check    every problem that `up` would find in the file; warnings for what depends on this shell
    show     every key with its value and where that comes from: a complete file, its lines as comments
    schema   the JSON Schema, for editors

What reads the file (pydantic among it, a tenth of a second) is imported only by the functions that use it,
so that `locald config --help` and completion need not wait.
"""

from __future__ import annotations

import json
import os

from locald.cli.shared import say
from locald.client.project import FILE, find_project, read_file
from locald.domain.values.problem import Problem, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from typing import Any

    from locald.domain.project.config import Setting
    from locald.domain.project.spec import Project, ProjectSpec

ABOUT = "Check, show or describe the project's locald.toml. Needs no daemon, and starts none."
CHECK = """\
Check locald.toml. Every problem is told with its line; exits 2 when there is one.
Warns of what is right in the file but not in this shell: a variable that is not set,
an env file that is missing, a value that locald would ignore.
"""
SHOW = """\
Print every key with its value, and where that comes from: a line of the file, or the
default. What is printed is itself a file of the same meaning.
"""
SCHEMA = "Print the JSON Schema of locald.toml, for editors."


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("config", description=ABOUT)
    commands = parser.add_subparsers(metavar="check|show|schema", dest="what", required=True)
    for name, about, function, brief in (
        ("check", CHECK, check, "find every mistake"),
        ("show", SHOW, show, "print every key, its value and where that comes from"),
        ("schema", SCHEMA, schema, "print the JSON Schema, for editors"),
    ):
        command = commands.add_parser(name, description=about, help=brief)
        command.set_defaults(run=function)
        if name != "schema":
            command.add_argument("--json", action="store_true", help="print one JSON document")


def check(args: argparse.Namespace) -> int:
    folder = find_project(args.directory)
    file = os.path.join(folder, FILE)
    try:
        text, spec = _read(folder)
        warnings, problems = list(dict.fromkeys(_warnings(folder, text, spec))), []
    except Refused as refused:
        spec, warnings, problems = None, [], list(refused.problems)
    if args.json:
        print(json.dumps({"file": file, "problems": _rows(problems), "warnings": _rows(warnings)}))
        return 2 if problems else 0
    for warning in warnings:
        say.warning(warning.head, warning.hint)
    say.problems(problems)
    if spec:
        count = len(spec.services)
        say.note(f"{file} is valid: {count} service{'' if count == 1 else 's'}")
    return 2 if problems else 0


def show(args: argparse.Namespace) -> int:
    from locald.domain.project import config  # pydantic: see above

    folder = find_project(args.directory)
    text, spec = _read(folder)
    settings = config.describe(spec, text)
    if args.json:
        rows = [{"key": each.key, "value": each.value, "from": each.source} for each in settings]
        print(
            json.dumps({"file": os.path.join(folder, FILE), "settings": rows}, indent=2, ensure_ascii=False)
        )
    else:
        print("\n".join(_lines(settings)))
    return 0


def schema(args: argparse.Namespace) -> int:
    from locald.domain.project import config  # pydantic: see above

    print(json.dumps(config.schema(), indent=2, ensure_ascii=False))
    return 0


def _read(folder: str) -> tuple[str, ProjectSpec]:
    from locald.domain.project import config  # pydantic: see above

    text = config.decode(read_file(folder))
    return text, config.parse(text)


def _rows(problems: list[Problem]) -> list[dict[str, str]]:
    return [{"where": each.where, "what": each.what, "hint": each.hint} for each in problems]


def _warnings(folder: str, text: str, spec: ProjectSpec) -> Iterator[Problem]:
    """What `up` would say from this shell, and that is not the file's own fault."""
    from locald.domain.project import env

    try:
        project = _resolve(folder, text, spec)
    except Refused as refused:
        yield from refused.problems
        return
    for definition in project.definitions.values():
        _, ignored = env.compose(definition, os.environ, project.definitions)
        yield from ignored


def _resolve(folder: str, text: str, spec: ProjectSpec) -> Project:
    """As `up` does, but with ports that nobody has assigned."""
    from locald.domain.project import config, env

    texts = {
        path: read_file(folder, path)
        for path in config.env_file_paths(spec)
        if os.path.isfile(os.path.join(folder, path))
    }
    files = {path: env.parse(config.decode(data, path), path) for path, data in texts.items()}
    ports = dict.fromkeys(spec.services, 1)
    return config.resolve(spec, folder, ports, files, os.environ, text=text)


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
