"""Output that was drawn again and again, as it stood at last.

Spinners and progress bars write over what they have written: within a line by a carriage return, over lines
by moving the cursor up. In a log every state would be a line of its own. What counts is the last one, which
is what a terminal would show still.

    within a line   CR, ESC[1G, ESC[G   what follows is written over the line
                    ESC[2K              the line is erased
    over lines      ESC[nA, ESC[nF      at the beginning of a line: it takes the place of the n before it
                    ESC[2J, ESC[3J, ESC c, ESC[H ESC[J   the screen is cleared; blank lines around it are one

The requests by which locald itself asks a server for its health are such a state too, where an access log
names them by their User-Agent: of several in a row the last stays.

Sources: ECMA-48 (8.3: CUU, CPL, CHA, EL, ED), XTerm Control Sequences.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from locald.domain.values.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_OVER = re.compile(r"(\r|\x1b\[[01]?G|\x1b\[2K)")
_LEADING = re.compile(r"(?:\r|\x1b\[(?P<up>\d*)[AF]|\x1b\[[\d;?]*[B-EGJKSThlmsu]|\x1b[78])*")
_UP = re.compile(r"\x1b\[(\d*)[AF]")
_CLEAR = re.compile(r"\x1b\[[23]J|\x1bc|\x1b\[(?:1;1)?H\x1b\[0?J")
_ASKED = re.compile(
    r'"(?:GET|HEAD) [^"]*"[^"]*(?:"[^"]*" ?)*"locald"'  # the combined log format, and what is like it
    r'|"user[_-]?agent": ?"locald"',
    re.IGNORECASE,
)
_REDRAWS = re.compile(rb"\x1b(?:\[\d*[AFGKJ]|c|\[(?:1;1)?H)")
_RETURNS = re.compile(rb"\r+[^\r\n]")
MOST = 200
"""lines that a cursor moves up at most: no terminal is higher"""


def redraws(data: bytes) -> bool:
    """Whether there may be something to fold in these lines, as a glance tells: most have nothing of it."""
    return (
        b'locald"' in data
        or (b"\r" in data and _RETURNS.search(data) is not None)
        or (b"\x1b" in data and _REDRAWS.search(data) is not None)
    )


def last_state(text: str) -> str:
    """What is left of a line that was written over: its escape sequences stay with it."""
    if "\r" not in text and "\x1b[" not in text:
        return text
    parts = _OVER.split(text)
    if len(parts) == 1:
        return text
    left = ""
    for part in parts:
        if part == "\x1b[2K":
            left = ""
        elif plain(part).strip("\r"):
            left = part
    return left


def kept(lines: Sequence[str]) -> list[int]:
    """The numbers of the lines that still stand: not what was drawn over, nor blank lines around a cleared
    screen."""
    return standing(lines)[0]


def standing(lines: Sequence[str], last: str = "") -> tuple[list[int], int]:
    """The same, and how many lines before them do not stand any more. `last`: the one just before them."""
    numbers: list[int] = []
    over = 0
    for number, line in enumerate(lines):
        if up := _climbs(line):
            over += max(up - len(numbers), 0)
            del numbers[max(len(numbers) - up, 0) :]
        if is_own_request(line):
            if numbers and is_own_request(lines[numbers[-1]]):
                numbers.pop()
            elif not numbers and not over and is_own_request(last):
                over = 1
        numbers.append(number)
    return list(_without_blanks(lines, numbers)), min(over, MOST)


def is_own_request(line: str) -> bool:
    """An access log tells of a request by which locald looked at the server."""
    return 'locald"' in line and _ASKED.search(line) is not None


def _climbs(line: str) -> int:
    """How many lines it goes up before it writes anything."""
    if "\x1b[" not in line:
        return 0
    head = _LEADING.match(line)
    steps = [int(found[:9] or 1) for found in _UP.findall(head[0])] if head else []
    return min(sum(steps), MOST)


def _without_blanks(lines: Sequence[str], numbers: Sequence[int]) -> Iterator[int]:
    """Of the blank lines in a row, around a line that clears the screen, one."""
    run: list[int] = []
    cleared = False
    for number in numbers:
        clears = _CLEAR.search(lines[number]) is not None
        if plain(lines[number]).strip():
            yield from run[:1] if cleared or clears else run
            run, cleared = [], False
            yield number
        else:
            run.append(number)
            cleared = cleared or clears
    yield from run[:1] if cleared else run
