"""`locald export FORMAT`: write what another engine needs to run the project, and say what gets lost.

The file, and what the daemon saw of its services, are read here; what to make of them is for `domain.export`.
Nothing is started, and no file that is there is overwritten without `--force`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from locald.cli.shared import say
from locald.cli.shared.images import images
from locald.client import daemon
from locald.client.http import Denied, Unreachable
from locald.client.project import find_project
from locald.client.target import choose
from locald.domain.values.problem import Problem, Refused
from locald.wire.home import Home
from locald.wire.project_files import read_file, read_texts

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping, Sequence
    from typing import Any

    from locald.domain.export.plan import Learned, Loss, Plan
    from locald.domain.project.spec import ProjectSpec

FORMATS = ("compose", "systemd", "kubernetes")
WITH_LOSSES = 4
ABOUT = """\
Write the project for another engine: a compose file, units of systemd (with quadlets of
Podman for containers), or objects of Kubernetes. What locald learned while the services
ran here, ports and sources of health, is used and named. What the format cannot express
is told, and has a comment beside its line.

Engines of containers need an image for each process: name it by --image. Without -o
everything is printed. Exits 0 if nothing is lost or with --lossy, else 4.
"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("export", description=ABOUT)
    parser.add_argument("format", metavar="FORMAT", choices=FORMATS, help=f"one of {', '.join(FORMATS)}")
    parser.add_argument("-o", "--output", metavar="DIR", help="write into this folder, which is created")
    parser.add_argument(
        "--image", metavar="SERVICE=REF", action="append", default=[], help="the image of a process"
    )
    parser.add_argument("--lossy", action="store_true", help="exit with code 0 although something is lost")
    parser.add_argument("--force", action="store_true", help="overwrite files that are there")
    parser.add_argument("--json", action="store_true", help="print files and losses as one JSON document")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    files, losses = _written(args.format, _plan(args))
    if args.output is not None:
        _write(Path(args.output), files, force=args.force)
    if args.json:
        rows = [loss._asdict() for loss in losses]
        print(json.dumps({"files": files, "losses": rows}, ensure_ascii=False))
    elif args.output is None:
        print("\n".join(_printed(files)), end="")
    _tell(losses)
    if args.output is not None:
        say.note(f"wrote {', '.join(os.path.join(args.output, name) for name in files)}")
    return WITH_LOSSES if losses and not args.lossy else 0


def _written(name: str, plan: Plan) -> tuple[dict[str, str], list[Loss]]:
    from locald.domain.export import compose, kubernetes, systemd

    writers = {"compose": compose.write, "systemd": systemd.write, "kubernetes": kubernetes.write}
    return writers[name](plan)


def _plan(args: argparse.Namespace) -> Plan:
    from locald.domain.export import plan  # these know the whole file
    from locald.domain.project import config

    folder = find_project(args.directory)
    spec = config.parse(read_texts(folder))
    learned, env_files = _learned(args.directory), _env_files(spec, folder)
    base = (
        "."
        if args.output is None
        else os.path.relpath(os.path.realpath(folder), os.path.realpath(args.output))
    )
    outside = plan.Outside(folder, env_files, dict(os.environ), learned, images(args.image), base)
    return plan.make(spec, outside)


def _env_files(spec: ProjectSpec, folder: str) -> Mapping[str, Mapping[str, str]]:
    from locald.domain.project import env
    from locald.domain.project.resolving import env_file_paths

    paths = [path for path in env_file_paths(spec) if Path(folder, path).is_file()]
    texts = {path: read_file(folder, path).decode("utf-8-sig", "replace") for path in paths}
    return {path: env.parse(text, path) for path, text in texts.items()}


def _learned(directory: str | None) -> Mapping[str, Learned]:
    """What the daemon saw of the services, where it runs and knows them."""
    from locald.domain.export.plan import Learned

    try:
        api = daemon.find(Home.find())
        rows = api.get("/v1/status", choose([], directory).query)["services"] if api else []
    except (Unreachable, Denied, Refused):
        return {}
    seen = [row for row in rows if row["run"]]
    return {
        row["name"]: Learned(row["port"], row["source"], row["check"] or "", _ready_seconds(row))
        for row in seen
    }


def _ready_seconds(row: Mapping[str, Any]) -> float | None:
    from datetime import datetime

    begun, ready = row.get("started_at"), row.get("ready_at")
    if not begun or not ready:
        return None
    return (datetime.fromisoformat(ready) - datetime.fromisoformat(begun)).total_seconds()


def _printed(files: Mapping[str, str]) -> list[str]:
    """One file as it is; of several, each under its name."""
    if len(files) == 1:
        return list(files.values())
    return [f"# {name}\n{text}" for name, text in files.items()]


def _tell(losses: Sequence[Loss]) -> None:
    """Each once, with the services that it is about."""
    same: dict[tuple[str, str], list[str]] = {}
    for loss in losses:
        same.setdefault((loss.key, loss.because), []).append(loss.service)
    for (key, because), services in same.items():
        about = ", ".join(dict.fromkeys(each for each in services if each))
        say.note(f"lost: {f'{about}: ' if about else ''}{key}: {because}")


def _write(folder: Path, files: Mapping[str, str], *, force: bool) -> None:
    """All of them, or none where one is there already."""
    there = [name for name in files if os.path.lexists(folder / name)]
    if there and not force:
        hint = "choose another folder, or add --force to overwrite it"
        raise Refused(*(Problem("already exists", str(folder / name), hint) for name in there))
    if folder.exists() and not folder.is_dir():
        raise Refused(Problem("is a file", str(folder), "name a folder with -o"))
    path = folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            path = folder / name
            path.touch(mode=0o600)  # values of env files may be in it
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        what = f"cannot be written: {error.strerror}"
        raise Refused(Problem(what, str(path), "leave out -o to see the content")) from None
