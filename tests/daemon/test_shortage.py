"""What is logged when the daemon has no descriptors left."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import resource
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from locald.daemon.shortage import Shortage, behind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pytest


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Not one can be opened."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open(os.devnull, os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_server_that_is_closed_while_there_are_none_leaves_no_traceback(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """asyncio tries to serve again a second after it could not, whether the server is still there or not."""

    async def play() -> None:
        loop = asyncio.get_running_loop()
        Shortage().watch()
        usual = loop.get_exception_handler()
        assert usual
        told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

        def noticed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            usual(loop, context)
            told.put_nowait(context)

        loop.set_exception_handler(noticed)
        server = await asyncio.start_unix_server(lambda _reader, writer: writer.close(), tmp_path / "socket")
        with socket.socket(socket.AF_UNIX) as client:
            client.setblocking(False)
            with no_descriptors():
                await loop.sock_connect(client, str(tmp_path / "socket"))
                assert isinstance((await told.get())["exception"], OSError)
                server.close()
            while not isinstance((await told.get())["exception"], ValueError):
                pass

    with caplog.at_level(logging.ERROR):
        asyncio.run(play())
    assert [record.exc_info for record in caplog.records if record.exc_info] == []


def test_a_shortage_that_has_ended_everything_is_known_from_a_fault_of_ours() -> None:
    out = OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    assert behind(out) is out
    assert behind(ExceptionGroup("tasks", [ExceptionGroup("more", [out])])) is out
    assert behind(ExceptionGroup("tasks", [out, ValueError("of ours")])) is None
    assert behind(FileNotFoundError(errno.ENOENT, "no such file")) is None
