"""The two things that a process tells the kernel about itself and for which Python has no word.

Source: prctl(2).
"""

from __future__ import annotations

import ctypes
import os

_LIBC = ctypes.CDLL(None, use_errno=True)
_SET_NAME = 15
_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> None:
    """From now on orphans among our descendants become our children, not init's. Raises OSError."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def set_name(name: bytes) -> None:
    """What `ps` and `top` show for this process: at most 15 bytes. Raises OSError."""
    _prctl(_SET_NAME, ctypes.c_char_p(name))


def _prctl(option: int, argument: object) -> None:
    if _LIBC.prctl(option, argument, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
