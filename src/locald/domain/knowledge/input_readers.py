"""Programs that exit when their standard input ends, as a watcher does that wants to go with its terminal.

A service's standard input is at its end from the beginning, so such a program exits at once, with code 0.
With `stdin = "open"` it stays.

Sources: seen with each (esbuild 0.28, tailwindcss 3 and 4, react-scripts 5), or its manual page.
"""

from __future__ import annotations

import re

_READERS = {
    "esbuild": r"esbuild\b.*--watch(?!=forever)",
    "tailwindcss": r"tailwind(css)?\b.*(--watch|-w)(?!=always)",
    "react-scripts": r"react-scripts start",
    "webpack": r"webpack\b.*--watch-options-stdin",
    "cat": r"cat",
    "iex": r"iex",
}
"""by name, with how a command of theirs looks"""
_BEGINS, _ENDS = r"(?<![\w.-])", r"(?![\w-])"

OPEN = 'set stdin = "open", since {} exits when its standard input ends'
EITHER = (
    'set type = "task" if the command runs to completion, '
    'or stdin = "open" if it exits when its standard input ends'
)
ONCE = 'set type = "task" if the command runs to completion'


def reader_of(command: str | tuple[str, ...] | None) -> str:
    """The program of this command that exits when its standard input ends; empty where none is known."""
    text = command if isinstance(command, str) else " ".join(command or ())
    found = (name for name, words in _READERS.items() if re.search(f"{_BEGINS}(?:{words}){_ENDS}", text))
    return next(found, "")


def hint(command: str | tuple[str, ...] | None, *, stays_open: bool) -> str:
    """What to do about a service that exited with code 0 soon after its start. `stays_open`: its standard
    input does."""
    if stays_open:
        return ONCE
    reader = reader_of(command)
    return OPEN.format(reader) if reader else EITHER
