"""News of a folder: that something in it, or the folder itself, was removed or moved away.

Only that there is news is of use here, never what it says: the receiver looks for himself.

Source: inotify(7).
"""

from __future__ import annotations

import ctypes
import os

_LIBC = ctypes.CDLL(None, use_errno=True)
_MOVED_FROM, _DELETE, _DELETE_SELF, _MOVE_SELF, _ONLYDIR = 0x40, 0x200, 0x400, 0x800, 0x1000000
_LOSSES = _MOVED_FROM | _DELETE | _DELETE_SELF | _MOVE_SELF | _ONLYDIR


def listen() -> int:
    """A descriptor that is readable when there is news. Raises OSError: a user may have some hundred."""
    return _checked(_LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))


def hear_of_losses(listener: int, folder: str) -> None:
    """From now on also of this folder; nothing changes where it is watched already. Raises OSError."""
    _checked(_LIBC.inotify_add_watch(listener, os.fsencode(folder), _LOSSES))


def forget_news(listener: int) -> None:
    """Take away what has arrived, so that the descriptor is readable at the next news."""
    try:
        while os.read(listener, 1 << 16):
            pass
    except BlockingIOError:
        pass


def _checked(returned: int) -> int:
    if returned < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return returned
