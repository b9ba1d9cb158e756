"""Look through the file of a project, and at what it needs on this machine. Needs no daemon."""

from __future__ import annotations

import os

from locald.domain.values.problem import Problem, Refused
from locald.wire.project_files import read_file, read_texts


def look(folder: str) -> tuple[tuple[Problem, ...], int]:
    """All that is to be said of the file, as one goes through it, and the number of its services."""
    from shutil import which

    from locald.domain.project.around import Around
    from locald.domain.project.config import understand  # a tenth of a second
    from locald.domain.project.review import review

    def read(path: str) -> bytes | None:
        return read_file(folder, path) if os.path.isfile(os.path.join(folder, path)) else None

    around = Around(folder, os.environ, read, os.path.isdir, which)
    try:
        found = review(understand(read_texts(folder)), around)
    except Refused as refused:
        return refused.problems, 0
    return found.problems(lenient=True), len(found.spec.services)
