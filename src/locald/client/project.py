"""Where the project is: the folder that holds `locald.toml`.

A command that runs somewhere in a project means the nearest `locald.toml` upward, as git does with its
folder. `-C DIR` names the project's folder itself and is taken at its word. Links are followed, so that a
project has one folder however one got there.

Folders are strings here: to import `pathlib` costs a `status` more than all that it asks.
"""

from __future__ import annotations

import os

from locald.domain.project.file import FILE
from locald.domain.values.problem import Problem, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def find_project(directory: str | None) -> str:
    """The absolute folder of the project. Raises Refused, with a hint, when there is none."""
    start = folder(directory)
    found = next((each for each in _upward(start) if os.path.isfile(os.path.join(each, FILE))), None)
    if found is None and os.path.isdir(os.path.join(start, FILE)):
        raise Refused(Problem("is a folder, not a file", os.path.join(start, FILE), "rename it"))
    if found is None:
        raise Refused(
            Problem(f"no {FILE} found", start, f"run `locald{_option(directory)} init` to write one")
        )
    if directory is not None and found != start:
        raise Refused(Problem(f"no {FILE} found", start, f"did you mean `-C {found}`?"))
    return found


def kept_project(directory: str | None) -> str | None:
    """The folder of a project which the daemon knows though its file is gone: another branch is checked out,
    or somebody has deleted it."""
    known = _kept_folders()
    start = folder(directory)
    return next((each for each in (_upward(start) if directory is None else [start]) if each in known), None)


def _kept_folders() -> set[str]:
    return set(kept_projects().values())


def kept_projects() -> dict[str, str]:
    """The folder of each project and instance that is up, by the last line of the state that tells of it."""
    import json  # only where something is amiss

    from locald.wire.home import Home

    known: dict[str, str] = {}
    try:
        with open(Home.find().state_file, encoding="utf-8", errors="replace") as file:
            for line in file:
                if (places := json.loads(line).get("places")) is not None:
                    known = {name: place["directory"] for name, place in places.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass  # what was understood so far
    return known


def has_no_services(project: str) -> bool:
    """Whether the file of this project's folder is right, and has no service in it."""
    import tomllib  # only where something is amiss

    from locald.wire.project_files import read_file

    try:
        return not tomllib.loads(read_file(project).decode()).get("services")
    except (Refused, ValueError):
        return False


def folder(directory: str | None) -> str:
    """The absolute folder that `-C` or this folder means. Raises Refused when it is none."""
    try:
        found = os.path.realpath(directory or ".", strict=True)
    except OSError as error:
        # The folder that a shell stands in can be deleted under it; a link can lead round in a circle.
        hint = f"use -C with the folder that contains {FILE}" if directory else "`cd` to an existing folder"
        where = directory or "the current folder"
        raise Refused(Problem(_no_folder(error, directory), where, hint)) from None
    if not os.path.isdir(found):
        raise Refused(Problem("is not a folder", found, f"use -C with the folder that contains {FILE}"))
    return found


def _no_folder(error: OSError, directory: str | None) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such folder" if directory else "no longer exists"
    return f"not a folder that can be used: {error.strerror or error}"


def _option(directory: str | None) -> str:
    """`-C DIR` as it was given, for a command that can be pasted."""
    import shlex  # with regular expressions, which only who has gone wrong waits for

    return f" -C {shlex.quote(directory)}" if directory is not None else ""


def _upward(start: str) -> Iterator[str]:
    yield start
    while (above := os.path.dirname(start)) != start:
        yield above
        start = above
