"""Files that a project names, read in a bounded time and into a bounded memory, whatever they turn out to be.

A pipe is a file too: some password managers keep `.env` as one and write when it is read. But a pipe that
nobody writes to would hold its reader up for ever, and a device may have no end.
"""

from __future__ import annotations

import os
import select
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST = 16 << 20
"""bytes; more than any environment or project takes"""
PATIENCE = 5.0
"""seconds for all of it"""
_CHUNK = 1 << 16


def read(path: str) -> bytes:
    """All of a file. Raises OSError, also for what does not come to its end."""
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        return b"".join(_chunks(file))
    finally:
        os.close(file)


def _chunks(file: int) -> Iterator[bytes]:
    poll, until, size = select.poll(), time.monotonic() + PATIENCE, 0
    poll.register(file, select.POLLIN)
    while poll.poll(max(0.0, until - time.monotonic()) * 1000):
        if not (chunk := os.read(file, _CHUNK)):
            return
        if (size := size + len(chunk)) > LARGEST:
            raise OSError(0, f"is larger than {LARGEST >> 20}MiB")
        yield chunk
    raise OSError(0, "is a pipe without a writer, or one that stays open")
