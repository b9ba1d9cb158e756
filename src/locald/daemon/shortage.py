"""Out of open files: said once, with what it means, and once that it is over.

Where the system gives the daemon no descriptor any more, everything that opens one fails, again and again:
asyncio takes no connection and says so with a traceback for each attempt, checks and looks at `/proc` come to
nothing. Nothing of that is a fault to be looked for, and all of it goes on by itself when there are
descriptors again. So from the first failure on whatever is to be logged for the same reason is left out,
until one can be opened.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import resource
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

OUT = (errno.EMFILE, errno.ENFILE)
LOOK_EVERY = 1.0
"""seconds between two looks whether there are descriptors again"""
NO_THREAD = "can't start new thread"
"""what Python says of it, which has no error number"""
ENOUGH = 4
"""descriptors that must be free: one alone would be gone at once"""


class Shortage(logging.Filter):
    """Told of what failed by the event loop and by the log's handlers, from any thread."""

    def __init__(self) -> None:
        super().__init__()
        self.trouble = ""
        """one sentence while there is one"""
        self._loop = asyncio.get_running_loop()

    def watch(self) -> None:
        """Look at what the loop and the log are told from now on."""
        self._loop.set_exception_handler(self._handle)
        for handler in logging.getLogger().handlers:
            handler.addFilter(self)

    def _handle(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if _is_one(context.get("exception")):
            self._begin()
        elif not _is_late(context.get("handle")):
            loop.default_exception_handler(context)

    def filter(self, record: logging.LogRecord) -> bool:
        if not (record.exc_info and _is_one(record.exc_info[1])):
            return True
        self._loop.call_soon_threadsafe(self._begin)
        return False

    def _begin(self) -> None:
        if self.trouble:
            return
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.trouble = f"the daemon has no open files left (its limit is {soft})"
        log.error("%s: connections and checks wait until there are some again", self.trouble)
        self._loop.call_later(LOOK_EVERY, self._look)

    def _look(self) -> None:
        if _are_free(ENOUGH):
            self.trouble = ""
            log.warning("the daemon has open files left again")
        else:
            self._loop.call_later(LOOK_EVERY, self._look)


class CannotOpen(OSError):
    """What the daemon has to open to be asked: of the machine, as a shortage is."""


@contextmanager
def opening() -> Iterator[None]:
    """Raises CannotOpen for whatever cannot be opened: its place is taken, read-only, or has no sockets."""
    try:
        yield
    except OSError as error:
        raise CannotOpen(error.errno, error.strerror or str(error), error.filename) from None


def behind(error: BaseException) -> OSError | None:
    """What the machine lacks that has ended everything; None where something else has had a part in it."""
    if isinstance(error, BaseExceptionGroup):
        found = [behind(each) for each in error.exceptions]
        return found[0] if all(found) else None
    if isinstance(error, RuntimeError) and NO_THREAD in str(error):
        return OSError(errno.EAGAIN, "no more processes and threads may be started (`ulimit -u`)")
    is_of_the_machine = isinstance(error, CannotOpen) or _is_one(error)
    return error if isinstance(error, OSError) and is_of_the_machine else None


def _is_one(error: object) -> bool:
    return isinstance(error, OSError) and error.errno in OUT


def _is_late(handle: object) -> bool:
    """A server that could not take a connection tries again a second later, also when it was closed
    meanwhile (asyncio in Python 3.11, `BaseSelectorEventLoop._accept_connection`)."""
    name = getattr(getattr(handle, "_callback", None), "__name__", "")
    sockets = [each for each in getattr(handle, "_args", None) or () if isinstance(each, socket.socket)]
    return name == "_start_serving" and any(each.fileno() < 0 for each in sockets)


def _are_free(number: int) -> bool:
    opened: list[int] = []
    try:
        opened += (os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC) for _ in range(number))
    except OSError:
        return False
    finally:
        for each in opened:
            os.close(each)
    return True
