"""Commands as people write them: what only a shell would expand, and how a list is written as one string.

A list is run as it stands, so that `["serve", "$PORT"]` hands the program a dollar sign and a word. That is
never what was meant, and is refused, unless the list itself starts a shell: what stands behind the `-c` of
`sh` or `bash` is expanded by that.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from locald.domain.values import toml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SHELLS = {"sh", "ash", "bash", "dash", "fish", "ksh", "mksh", "zsh"}
_TAKES_A_COMMAND = re.compile(r"-[A-Za-z]*c|--command")
_VARIABLE = re.compile(r"\$(?:PORT(?:_[A-Z0-9_]+)?\b|\{PORT(?:_[A-Z0-9_]+)?\})")
"""the ports that locald hands out: PORT and PORT_<SERVICE>"""


def unexpanded(command: object) -> Iterator[tuple[int, str]]:
    """Where a command that is a list names a port that nobody puts in, and the variable."""
    words = command if isinstance(command, list) and all(isinstance(each, str) for each in command) else []
    taken = _of_a_shell(words)
    for place, word in enumerate(words):
        found = _VARIABLE.search(word)
        if found and place != taken:
            yield place, found.group()


def for_shell(words: list[str]) -> str:
    """The list as a string for the shell, which puts the ports in."""
    return " ".join(map(_quoted, words))


def as_string(words: list[str]) -> str:
    """The same as a TOML value."""
    return toml.value(for_shell(words))


def _of_a_shell(words: list[str]) -> int:
    """The place of the command that a shell in this list takes: the first argument behind its `-c`."""
    names = [word.rpartition("/")[2] for word in words]
    shell = next((place for place, name in enumerate(names) if name in _SHELLS), len(words))
    option = _first(words, shell + 1, lambda word: bool(_TAKES_A_COMMAND.fullmatch(word)))
    return _first(words, option + 1, lambda word: not word.startswith("-"))


def _first(words: list[str], begin: int, fits: Callable[[str], bool]) -> int:
    return next((place for place in range(begin, len(words)) if fits(words[place])), len(words))


def _quoted(word: str) -> str:
    """In quotes where the shell needs them; double ones around a variable, which stays one."""
    if not _VARIABLE.search(word):
        return shlex.quote(word)
    if not re.search(r"[^\w@%+=:,./{}$-]", word) and not re.search(r"\$(?!\{?PORT)", word):
        return word
    parts = re.split(f"({_VARIABLE.pattern})", word)
    return '"' + "".join(part if place % 2 else _escaped(part) for place, part in enumerate(parts)) + '"'


def _escaped(text: str) -> str:
    return re.sub(r'(["\\$`])', r"\\\1", text)
