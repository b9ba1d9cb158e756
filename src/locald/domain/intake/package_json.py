"""package.json: the scripts that start servers, also those of workspaces, and what starts several at once.

    concurrently "npm:dev:*"   npm-run-all -p api web   run-p dev:*   a & b      each a service of its own
    turbo run dev   npm run dev --workspaces   pnpm -r dev   nx run-many -t dev  the script of each workspace

Anything else is one service, `web`, started by its script.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

from locald.domain.intake import commands, yaml_text
from locald.domain.intake.plan import Plan, Planned, Report, named
from locald.domain.intake.yaml_text import Items, written
from locald.domain.knowledge import port_options
from locald.domain.values.problem import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from locald.domain.intake.plan import Folder

NAMES = ("package.json",)
STARTING = ("dev", "start", "serve", "develop")
"""scripts that start a project; of several the first"""

_MANAGERS = (
    ("pnpm-lock.yaml", "pnpm"),
    ("yarn.lock", "yarn"),
    ("bun.lock", "bun"),
    ("bun.lockb", "bun"),
)
_EACH_WORKSPACE = re.compile(
    r"\bturbo\b.*?\b(?P<turbo>dev|start|serve)\b|\bnx\b.*(?:-t|--targets?)[ =](?P<nx>[\w:-]+)"
    r"|\bnpm\b.*\brun (?P<npm>[\w:-]+).*(?:--workspaces|-ws)\b|\blerna run (?P<lerna>[\w:-]+)"
    r"|\b(?:pnpm|yarn)\b.*(?:-r|--recursive|foreach)\b.*?(?:run )?(?P<rest>[\w:-]+)$"
)
_PARALLEL = re.compile(r"(?:^|/|\s)(concurrently|run-p|npm-run-all2?)(?:\s|$)")
_SCRIPT = re.compile(r"(?:npm:|(?:npm|pnpm|yarn|bun) (?:run )?)(?P<script>[\w:.*-]+)(?P<rest>.*)")
_SERVES = re.compile(r"(?<![\w-])(node|nodemon|tsx|ts-node(-dev)?|bun|deno|nest|strapi|medusa)(?![\w-])")
_BACKGROUND = re.compile(r"worker|watch|types?|css|build|queue|job|lint|test|codegen", re.IGNORECASE)
_WITH_VALUE = (
    "-n",
    "--names",
    "-c",
    "--prefix-colors",
    "-p",
    "--prefix",
    "-m",
    "--max-processes",
    "-s",
    "--success",
)


class Package(NamedTuple):
    """One package.json."""

    folder: str
    name: str
    scripts: Mapping[str, str]


def read(folder: Folder, file: str) -> Plan:
    """The services that the scripts start; none when there is no script that would."""
    report = Report(file)
    here = posixpath.dirname(file) or "."
    root = package(folder, here)
    manager = manager_of(folder, here)
    workspaces = list(_workspaces(folder, here))
    script = next((name for name in STARTING if name in root.scripts), "")
    if script and (several := _several(root, script)):
        services = _split(root, several, manager, report)
        _tell_others(root, workspaces, script, report)
    elif workspaces and (every := _of_each(root.scripts.get(script, ""), script)):
        services = _each(workspaces, every, manager, report)
    elif script:
        services = (_single(root, script, manager, report),)
        _tell_others(root, workspaces, script, report)
    else:
        services = ()
    return Plan((file,) if services else (), services, report.remarks)


def package(folder: Folder, path: str) -> Package:
    """The package in a folder; one without scripts where there is none."""
    try:
        found = json.loads(folder.text(posixpath.normpath(posixpath.join(path, "package.json"))) or "{}")
        scripts = {str(name): str(command) for name, command in found.get("scripts", {}).items()}
        return Package(path, str(found.get("name", "")), scripts)
    except (ValueError, TypeError, AttributeError, RecursionError):
        return Package(path, "", {})


def manager_of(folder: Folder, path: str) -> str:
    names = folder.names(path)
    return next((manager for lock, manager in _MANAGERS if lock in names), "npm")


def _workspaces(folder: Folder, here: str) -> Iterator[Package]:
    """The packages of the workspaces that have scripts."""
    for pattern in _patterns(folder, here):
        base, _, last = pattern.rstrip("/").rpartition("/")
        base = posixpath.normpath(posixpath.join(here, base))
        names = folder.names(base) if "*" in last else (last,)
        for name in names:
            path = posixpath.normpath(posixpath.join(base, name))
            if (
                re.fullmatch(re.escape(last).replace(r"\*", ".*"), name)
                and (found := package(folder, path)).scripts
            ):
                yield found


def _patterns(folder: Folder, here: str) -> list[str]:
    try:
        given: Any = json.loads(folder.text(posixpath.normpath(posixpath.join(here, "package.json"))) or "{}")
        given = given.get("workspaces", [])
        given = given.get("packages", []) if isinstance(given, dict) else given
        found = [each for each in given if isinstance(each, str)] if isinstance(given, list) else []
    except (ValueError, AttributeError, RecursionError):
        found = []
    return [each for each in found + _pnpm(folder, here) if not each.startswith(("!", "/", "."))]


def _pnpm(folder: Folder, here: str) -> list[str]:
    file = posixpath.normpath(posixpath.join(here, "pnpm-workspace.yaml"))
    try:
        packages = yaml_text.table(folder.text(file) or "", file).get("packages")
    except Refused:
        return []
    return [written(each) for each in packages] if isinstance(packages, Items) else []


def _of_each(command: str, script: str) -> str:
    """The script that is run in each workspace; empty when the root has a server of its own."""
    if not script:
        return "dev"
    found = _EACH_WORKSPACE.search(command)
    return next((each for each in found.groups() if each), "") if found else ""


def _each(workspaces: list[Package], script: str, manager: str, report: Report) -> tuple[Planned, ...]:
    having = [each for each in workspaces if script in each.scripts]
    if not having:
        having, script = [each for each in workspaces if "start" in each.scripts], "start"
    names = named([posixpath.basename(each.folder) for each in having], report)
    made = [_single(each, script, manager, report, names[posixpath.basename(each.folder)]) for each in having]
    return tuple(made)


def _tell_others(root: Package, workspaces: list[Package], script: str, report: Report) -> None:
    """The workspaces that none of the root's scripts names: a script may start them all the same."""
    file = posixpath.normpath(posixpath.join(root.folder, "package.json"))
    named_there = " ".join(root.scripts.values())
    for each in workspaces:
        is_named = each.folder in named_there or (each.name and each.name in named_there)
        if not is_named and any(name in each.scripts for name in STARTING):
            because = f'only the script "{script}" of {file} is read, which may start it'
            report.left("", each.folder, because)


def _single(root: Package, script: str, manager: str, report: Report, name: str = "web") -> Planned:
    """The service that one script starts, told its port where its server would choose one."""
    text = root.scripts[script]
    run = f"{manager} run {script}"
    server = None if re.search(r"\bPORT\b", text) else port_options.recognise(text)
    keys: dict[str, object] = {"command": port_options.with_port(run, server) if server else run}
    if root.folder != ".":
        keys["workdir"] = root.folder
    if name != "web":
        keys |= _kind(name, text, report)
    if "port" in keys and server:
        del keys["port"]
    return Planned(name, keys, about=f'The script "{script}".')


def _kind(name: str, text: str, report: Report) -> dict[str, object]:
    """Whether it serves: a server that is known does, Node does unless its name says otherwise."""
    if not commands.nature(text).is_sure and _SERVES.search(text) and not _BACKGROUND.search(name):
        report.guessed(name, "type", 'it seems to be a server; if it listens on no port, set type = "worker"')
        return {}
    return commands.keys(name, text, report)


class Part(NamedTuple):
    """One of the commands that a script starts at once."""

    name: str
    script: str
    """empty: `command` is no script"""
    command: str


def _several(root: Package, script: str) -> list[Part]:
    """The parts of a script that starts several commands; empty for any other."""
    text = root.scripts[script]
    if not _PARALLEL.search(text):
        return _in_background(root, text)
    try:
        words = shlex.split(text)
    except ValueError:
        return []
    place = next((n for n, word in enumerate(words) if _PARALLEL.search(word)), len(words))
    names, arguments = _arguments(words[place + 1 :])
    is_concurrently = "concurrently" in words[place] if place < len(words) else False
    if not is_concurrently and "run-p" not in words[place] and not {"-p", "--parallel"} & set(words):
        return []
    parts: list[Part] = []
    for argument in arguments:
        parts += _part(root, argument if is_concurrently else f"npm:{argument}")
    named_parts = len(names) == len(parts)
    return [part._replace(name=names[n]) if named_parts else part for n, part in enumerate(parts)]


def _in_background(root: Package, text: str) -> list[Part]:
    """`npm run api & npm run web`."""
    pieces = [piece.strip() for piece in re.split(r"(?<!&)&(?!&)", text)]
    pieces = [piece for piece in pieces if piece and piece != "wait"]
    if len(pieces) < 2 or "&&" in text or "|" in text:
        return []
    return [part for piece in pieces for part in _part(root, piece)]


def _arguments(words: list[str]) -> tuple[list[str], list[str]]:
    """The names that were given, and what is to be run."""
    names: list[str] = []
    found: list[str] = []
    rest = iter(words)
    for word in rest:
        if word in ("-n", "--names"):
            names = next(rest, "").split(",")
        elif word.startswith("--names="):
            names = word.partition("=")[2].split(",")
        elif word in _WITH_VALUE and word not in ("-p",):
            next(rest, "")
        elif not word.startswith("-"):
            found.append(word)
    return names, found


def _part(root: Package, argument: str) -> Iterator[Part]:
    """One argument; a pattern such as `npm:dev:*` is several."""
    found = _SCRIPT.fullmatch(argument.strip())
    if not found:
        yield Part(_name(argument), "", argument)
        return
    pattern = re.escape(found["script"]).replace(r"\*", ".*")
    for script in root.scripts:
        if re.fullmatch(pattern, script):
            yield Part(script.rpartition(":")[2], script, root.scripts[script])


def _name(command: str) -> str:
    words = [word for word in command.split() if not word.startswith("-") and "=" not in word]
    words = words[1:] if words[:1] in (["npx"], ["node"], ["tsx"], ["nodemon"]) and len(words) > 1 else words
    return posixpath.basename(words[0]).partition(".")[0] if words else "service"


def _split(root: Package, parts: list[Part], manager: str, report: Report) -> tuple[Planned, ...]:
    found: list[Planned] = []
    labels = named(
        [
            f"{part.name}\0{n}" if part.name in [p.name for p in parts[:n]] else part.name
            for n, part in enumerate(parts)
        ],
        Report(""),
    )
    for label, part in zip(labels.values(), parts, strict=True):
        if part.script:
            planned = _single(root, part.script, manager, report, label)
            extra = _kind(label, part.command, report) if label == "web" else {}
            keys = {**planned.keys, **{key: value for key, value in extra.items() if key != "port"}}
            found.append(Planned(label, keys, about=planned.about))
        else:
            command = commands.meant(label, _local(part.command), report)
            keys = {"command": command} | _kind(label, part.command, report)
            where = {"workdir": root.folder} if root.folder != "." else {}
            found.append(Planned(label, keys | where))
    return tuple(found)


def _local(command: str) -> str:
    """A program of the project's packages is found by npx, as a script would find it."""
    first = command.split()[0]
    known = (
        "npm",
        "npx",
        "pnpm",
        "yarn",
        "bun",
        "bunx",
        "node",
        "deno",
        "python",
        "python3",
        "sh",
        "docker",
        "cd",
        "make",
    )
    return command if first in known or "/" in first or "=" in first else f"npx {command}"
