"""News of files: that one in a watched folder was written, made, moved or removed.

Every folder is watched by itself, for inotify does not look below it. A number stands for a folder, the same
one for the same inode, whatever it was called.

Source: inotify(7).
"""

from __future__ import annotations

import ctypes
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

CLOSE_WRITE, MOVED_FROM, MOVED_TO = 0x8, 0x40, 0x80
CREATE, DELETE, DELETE_SELF, MOVE_SELF = 0x100, 0x200, 0x400, 0x800
OVERFLOW, IGNORED, IS_FOLDER = 0x4000, 0x8000, 0x40000000
_ONLY_FOLDER = 0x1000000
_OF_INTEREST = CLOSE_WRITE | MOVED_FROM | MOVED_TO | CREATE | DELETE | DELETE_SELF | MOVE_SELF | _ONLY_FOLDER
_HEAD = struct.Struct("iIII")
_LIBC = ctypes.CDLL(None, use_errno=True)


def listen() -> int:
    """A descriptor that is readable when there is news. Raises OSError (EMFILE: a user may have so many)."""
    return _checked(_LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))


def hear_of(listener: int, folder: str) -> int:
    """The number of this folder, from now on. Raises OSError (ENOSPC: a user may watch so many)."""
    return _checked(_LIBC.inotify_add_watch(listener, os.fsencode(folder), _OF_INTEREST))


def hear_no_more_of(listener: int, number: int) -> None:
    _LIBC.inotify_rm_watch(listener, number)


def news(listener: int) -> Iterator[tuple[int, int, str]]:
    """All that has arrived: the folder's number, what happened (bits), and the name in the folder."""
    while True:
        try:
            data = os.read(listener, 1 << 16)
        except BlockingIOError:
            return
        at = 0
        while at < len(data):
            number, bits, _, length = _HEAD.unpack_from(data, at)
            at += _HEAD.size + length
            yield number, bits, os.fsdecode(data[at - length : at].rstrip(b"\0"))


def _checked(returned: int) -> int:
    if returned < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return returned
