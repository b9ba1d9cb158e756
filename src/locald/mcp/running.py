"""Run a command for a call of `exec`: without a terminal, with an end, and with no more output than wanted.

It has its own session, so that all it leaves behind can be ended with it. Of each stream the last part is
kept, for that is where a command says how it ended.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from typing import IO, TYPE_CHECKING

from locald.domain.values.plain import plain_lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from locald.mcp.waiting import Call

LOOK_EVERY = 0.1
"""seconds"""
LEFT_OPEN = 0.5
"""seconds that output is read after the command has ended, when something that it left still holds it"""
CHUNK = 1 << 16


def run(
    call: Call,
    command: Sequence[str],
    environment: Mapping[str, str],
    workdir: str | None,
    timeout: float,
    most: int,
) -> tuple[dict[str, Any], bool]:
    """What it printed and returned, and whether its time ran out. Raises OSError when it cannot be run."""
    process = subprocess.Popen(
        list(command),
        cwd=workdir,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdout
    assert process.stderr
    streams = {"stdout": process.stdout, "stderr": process.stderr}
    tails = {name: _Tail(most) for name in streams}
    try:
        in_time = _read(call, process, streams, tails, time.monotonic() + timeout)
    finally:
        _end(process)
        for stream in streams.values():
            stream.close()
    code = process.returncode if process.returncode >= 0 else 128 - process.returncode
    texts = {name: tail.text for name, tail in tails.items()}
    truncated = any(tail.truncated for tail in tails.values())
    return {"exit_code": code, **texts, "truncated": truncated}, not in_time


def _read(
    call: Call,
    process: subprocess.Popen[bytes],
    streams: Mapping[str, IO[bytes]],
    tails: Mapping[str, _Tail],
    deadline: float,
) -> bool:
    """Until it has ended. False when its time ran out."""
    with selectors.DefaultSelector() as selector:
        for name, stream in streams.items():
            selector.register(stream, selectors.EVENT_READ, tails[name])
        over = None
        while selector.get_map() or process.poll() is None:
            call.look()
            now = time.monotonic()
            if process.poll() is not None:
                over = over or now + LEFT_OPEN
            if over and now > over:
                return True
            if now > deadline:
                return False
            _take(selector, process)
    return True


def _take(selector: selectors.BaseSelector, process: subprocess.Popen[bytes]) -> None:
    if not selector.get_map():
        try:
            process.wait(LOOK_EVERY)
        except subprocess.TimeoutExpired:
            pass
        return
    for ready, _ in selector.select(LOOK_EVERY):
        data = os.read(ready.fd, CHUNK)
        if data:
            ready.data.add(data)
        else:
            selector.unregister(ready.fileobj)


def _end(process: subprocess.Popen[bytes]) -> None:
    """The command, and what it has begun in its group, if it has not ended by itself."""
    try:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


class _Tail:
    """The last bytes of a stream."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._data = bytearray()
        self.truncated = False

    def add(self, data: bytes) -> None:
        self._data += data
        if len(self._data) > self._most:
            del self._data[: -self._most]
            self.truncated = True

    @property
    def text(self) -> str:
        return plain_lines(self._data.decode("utf-8", "replace"))
