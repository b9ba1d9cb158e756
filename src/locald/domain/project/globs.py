"""Which files a glob means: `src/**/*.py`, `templates`, `config/*.toml`, relative to the project's folder.

`*` and `?` stay within a name, `**` is any number of folders, and a glob without a wildcard at its end that
names a folder means everything below it. A glob may begin with `../`.
"""

from __future__ import annotations

import re
from functools import lru_cache

Parts = tuple[str, ...]

UP = ".."
_ANY = "**"
_WILD = re.compile(r"[*?\[]")
VALID = r"^(?![/~])[^\x00]*[^\x00\s][^\x00]*$"
"""a pattern of what is a glob: one that is relative, and says something"""


def is_glob(text: str) -> bool:
    return re.search(VALID, text) is not None


def parts(glob: str) -> Parts:
    """Its names, without empty ones and without `.`."""
    return tuple(part for part in glob.split("/") if part not in ("", "."))


def above(glob: Parts) -> int:
    """How many folders above the project's it begins."""
    return next((place for place, part in enumerate(glob) if part != UP), len(glob))


def is_plain(glob: Parts) -> bool:
    """It names one file or folder."""
    return not any(map(_WILD.search, glob))


def matches(glob: Parts, path: Parts) -> bool:
    """Whether the file is meant."""
    if not glob:
        return not path
    if glob[0] == _ANY:
        return any(matches(glob[1:], path[skipped:]) for skipped in range(len(path) + 1)) or len(glob) == 1
    if not path or not _pattern(glob[0]).fullmatch(path[0]):
        return False
    if len(glob) == 1:
        return len(path) == 1 or not _WILD.search(glob[0])
    return matches(glob[1:], path[1:])


def may_hold(glob: Parts, folder: Parts) -> bool:
    """Whether a file somewhere below the folder can be meant."""
    if not folder:
        return True
    if not glob:
        return False
    if glob[0] == _ANY:
        return True
    if not _pattern(glob[0]).fullmatch(folder[0]):
        return False
    if len(glob) == 1:
        return not _WILD.search(glob[0])
    return may_hold(glob[1:], folder[1:])


@lru_cache(maxsize=512)
def _pattern(part: str) -> re.Pattern[str]:
    """One name of a glob. A bracket without an end is itself."""
    pattern, at = "", 0
    while at < len(part):
        letter, end = part[at], part.find("]", at + 2)
        if letter == "[" and end > 0:
            inner = part[at + 1 : end].replace("\\", "\\\\").replace("[", "\\[")
            pattern += f"[{'^' + inner[1:] if inner.startswith('!') else inner}]"
            at = end + 1
            continue
        pattern += {"*": ".*", "?": "."}.get(letter) or re.escape(letter)
        at += 1
    try:
        return re.compile(pattern, re.DOTALL)
    except re.error:  # a range that goes backwards
        return re.compile(re.escape(part))
