"""The files of a project as they stand in its folder: client and daemon read them the same."""

from __future__ import annotations

import os

from locald.domain.project.file import FILE, LOCAL, decode
from locald.domain.project.texts import Texts
from locald.domain.values.problem import Problem, Refused
from locald.wire import files


def read_texts(directory: str) -> Texts:
    """The texts of `locald.toml`, and of `locald.local.toml` if there is one. Raises Refused."""
    has_local = os.path.lexists(os.path.join(directory, LOCAL))
    local = decode(read_file(directory, LOCAL), LOCAL) if has_local else None
    return Texts(decode(read_file(directory)), local)


def read_file(directory: str, name: str = FILE) -> bytes:
    """The bytes of a file in the folder. Raises Refused when it cannot be read, or does not end."""
    path = os.path.join(directory, name)
    try:
        return files.read(path)
    except OSError as error:
        raise Refused(Problem(error.strerror or "cannot be read", path, _hint(error, directory))) from None


def _hint(error: OSError, directory: str) -> str:
    if not isinstance(error, FileNotFoundError):
        return "check that it is a file that you may read"
    if os.path.isdir(directory):
        return "run `locald init` to create it"
    return f"the folder no longer exists, run `locald down {directory}` to remove the project"
