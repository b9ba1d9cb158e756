"""Some descriptors that are kept back, so that what runs can be ended when all others are in use.

To find the members of a tree and to signal one takes descriptors for a moment: those that are given back here
meanwhile. Nothing that keeps one open is to be done in that moment.
"""

from __future__ import annotations

import os

SIZE = 4
"""a folder, a file in it, a process, and what is known of that"""


class Reserve:
    """`with reserve:` some can be opened. Not to be nested."""

    __slots__ = ("_kept",)

    def __init__(self) -> None:
        self._kept: list[int] = []
        self._fill()

    def _fill(self) -> None:
        try:
            while len(self._kept) < SIZE:
                self._kept.append(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError:  # those that there are have to do
            pass

    def __enter__(self) -> None:
        while self._kept:
            os.close(self._kept.pop())

    def __exit__(self, *_: object) -> None:
        self._fill()
