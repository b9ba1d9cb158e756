"""Where the project is: the folder that holds `locald.toml`, and the text in it.

A command that runs somewhere in a project means the nearest `locald.toml` upward, as git does with its
folder. `-C DIR` names the project's folder itself and is taken at its word. Links are followed, so that a
project has one folder however one got there.
"""

from __future__ import annotations

from os.path import isfile
from pathlib import Path

from locald.domain.problem import Problem, Refused

FILE = "locald.toml"


def find_project(directory: str | None) -> Path:
    """The absolute folder of the project. Raises Refused, with a hint, when there is none."""
    start = folder(directory)
    found = next((each for each in (start, *start.parents) if isfile(each / FILE)), None)
    if found is None:
        raise Refused(Problem(f"there is no {FILE}", str(start), "`locald init` writes one"))
    if directory is not None and found != start:
        raise Refused(Problem(f"there is no {FILE}", str(start), f"did you mean `-C {found}`?"))
    return found


def read_file(project: Path, name: str = FILE) -> bytes:
    """The bytes of a file in the project's folder. Raises Refused when it cannot be read."""
    path = project / name
    try:
        return path.read_bytes()
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}"
        raise Refused(Problem(what, str(path), "your user has to be able to read it")) from None


def folder(directory: str | None) -> Path:
    """The absolute folder that `-C` or this folder means. Raises Refused when it is none."""
    try:
        found = Path(directory or ".").resolve(strict=True)
    except (OSError, RuntimeError) as error:
        # The folder that a shell stands in can be deleted under it; a link can lead round in a circle.
        reason = getattr(error, "strerror", None) or error
        hint = f"-C takes the folder that holds {FILE}" if directory else "`cd` to one that is there"
        where = directory or "the current folder"
        raise Refused(Problem(f"is not a folder: {reason}", where, hint)) from None
    if not found.is_dir():
        raise Refused(Problem("is not a folder", str(found), f"-C takes the folder that holds {FILE}"))
    return found
