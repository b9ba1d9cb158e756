"""The keeper's log: standard error, for what goes nowhere else. A disk that is full costs the line only."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Callable


def report(line: str) -> None:
    try:
        os.write(2, line.encode("utf-8", "replace") + b"\n")
    except OSError:
        pass


def guarded(action: Callable[[], None]) -> bool:
    """Do it; an exception goes to the log (without `traceback`, whose import is as big as all of this)."""
    try:
        action()
    except Exception:
        sys.excepthook(*sys.exc_info())
        return False
    return True
