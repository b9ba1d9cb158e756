"""What a program has set on a terminal, so that the terminal can be given back as it was.

A program that is left in the middle (`locald attach`) has no chance to undo what it did: the other screen, a
hidden cursor, reports of the mouse, bracketed paste, another way to report keys. So what it sends is read for
that, also where it comes in pieces.

What a program printed before is shown to who comes later, but its questions to the terminal (where is the
cursor?) are not asked again, for the answer would be taken for keys; only one at the very end may still wait
for its answer.

Sources: ECMA-48, XTerm Control Sequences (DECSET); the keyboard protocol of kitty.
"""

from __future__ import annotations

import re

_SET = re.compile(rb"\x1b\[\?([0-9;]{1,64})([hl])|\x1b\[([>=<])[0-9;]{0,16}u|\x1bc")
_BEGUN = re.compile(rb"\x1b(?:\[[?>=<]?[0-9;]{0,64})?\Z")
_AT_FIRST = {b"7", b"25"}
"""those that are set on every terminal: lines wrap, the cursor is shown"""
_PLAIN = b"\x1b[0m"
_QUESTION = (
    rb"(?:\x1b\[\??[56]n|\x1b\[[>=]?0?c|\x1b\[>0?q|\x1b\[\?u|\x1b\[\??[0-9]{1,5}\$p|\x1b\[(?:1[1-9]|2[01])t"
    rb"|\x1b\][0-9]{1,3};(?:[0-9]{1,3};)?\?(?:\x07|\x1b\\)|\x1bP[+$]q[^\x1b]{0,256}\x1b\\)"
)
_QUESTIONS, _LAST = re.compile(_QUESTION), re.compile(_QUESTION + rb"+\Z")


def without_questions(printed: bytes) -> bytes:
    """What was printed before, without those that have been answered."""
    last = _LAST.search(printed)
    end = last.start() if last else len(printed)
    return _QUESTIONS.sub(b"", printed[:end]) + printed[end:]


class Modes:
    """Reads what goes to the terminal; `undo` is what sets it back."""

    def __init__(self) -> None:
        self._changed: dict[bytes, bool] = {}
        self._keys = 0
        """how often another way to report keys was asked for"""
        self._rest = b""
        self._last = b"\n"

    def read(self, data: bytes) -> None:
        text = self._rest + data
        for found in _SET.finditer(text):
            self._take(found)
        begun = _BEGUN.search(text)
        self._rest = begun[0] if begun else b""
        self._last = data[-1:] or self._last

    def undo(self) -> bytes:
        """The last that was set first, and a new line where the cursor may stand within one."""
        sets = [b"\x1b[?%b%b" % (mode, b"l" if on else b"h") for mode, on in reversed(self._changed.items())]
        keys = b"\x1b[<%du" % self._keys if self._keys else b""
        return keys + b"".join(sets) + _PLAIN + (b"" if self._last == b"\n" else b"\r\n")

    def _take(self, found: re.Match[bytes]) -> None:
        numbers, on, keys = found.groups()
        if keys:
            self._keys = max(0, self._keys + {b">": 1, b"<": -1}.get(keys, 0))
        elif numbers is None:  # a full reset
            self._changed.clear()
        else:
            for mode in numbers.split(b";"):
                self._set(mode, on == b"h")

    def _set(self, mode: bytes, on: bool) -> None:
        if on == (mode in _AT_FIRST):
            self._changed.pop(mode, None)
        else:
            self._changed[mode] = on
