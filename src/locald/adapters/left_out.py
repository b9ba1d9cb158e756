"""What is left out of a watched folder: version control, packages, and what `.gitignore` files name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pathspec import GitIgnoreSpec

from locald.domain.project.globs import matches, parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locald.domain.project.globs import Parts

NEVER = frozenset({".git", ".hg", ".svn", "node_modules", ".venv", "__pycache__"})
GITIGNORE = ".gitignore"
_Said = tuple[tuple[GitIgnoreSpec, int, str], ...]
"""of the files that speak for a folder, the deepest first: what one says, how many names of a path lie above
it, and what comes before the others (where it is above the root)"""


class LeftOut:
    """By paths relative to `root`, which is absolute. The `.gitignore` of a folder is read when something
    in it is asked about for the first time, those above the root up to the repository's folder too."""

    def __init__(self, root: str, ignore: Sequence[str]) -> None:
        self._root = root
        self._ignore = [parts(glob) for glob in ignore]
        self._known: dict[Parts, _Said] = {}

    def holds(self, path: Parts, *, is_folder: bool) -> bool:
        """Whether it is left out, of a folder that is not."""
        if path[-1] in NEVER or any(matches(glob, path) for glob in self._ignore):
            return True
        for spec, depth, before in self._speak_for(path[:-1]):
            name = before + "/".join(path[depth:]) + ("/" if is_folder else "")
            said = spec.check_file(name).include
            if said is not None:
                return said
        return False

    def _speak_for(self, folder: Parts) -> _Said:
        if folder not in self._known:
            own = _read(os.path.join(self._root, *folder, GITIGNORE))
            above = self._speak_for(folder[:-1]) if folder else _above(self._root)
            self._known[folder] = above if own is None else ((own, len(folder), ""), *above)
        return self._known[folder]


def _above(root: str) -> _Said:
    """Those above the root, the nearest first, as far as its repository goes."""
    found: list[tuple[GitIgnoreSpec, int, str]] = []
    folder = root
    while not os.path.exists(os.path.join(folder, ".git")):
        folder, before = os.path.dirname(folder), folder
        if folder == before:  # there is no repository
            return ()
        if spec := _read(os.path.join(folder, GITIGNORE)):
            found.append((spec, 0, os.path.relpath(root, folder) + "/"))
    return tuple(found)


def _read(path: str) -> GitIgnoreSpec | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return GitIgnoreSpec.from_lines(file.read(1 << 20).splitlines())
    except (OSError, ValueError):  # there is none, or a line of it is no pattern
        return None
