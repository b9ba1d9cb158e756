"""Runs a check's command inside a container, and ends what it leaves when it takes too long.

The API starts a command and tells how it ended, but has no way to end it. So the command first says its
number in the container, as the leader of a session of its own (an engine makes it that); when its time is
up, another command sends SIGKILL to that whole group.

Source: docs.docker.com/reference/api/engine (ContainerExec, ExecStart, ExecInspect).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from locald.adapters.containers.engine import EngineAbsent, Refusal
from locald.adapters.containers.refusals import shown
from locald.adapters.containers.streams import Demultiplexer
from locald.domain.values.duration import show

if TYPE_CHECKING:
    from locald.adapters.containers.engine import Engine

KEPT = 4096
"""bytes of output, the last ones"""
SAY_NUMBER = 'echo "$$"; exec /bin/sh -c "$0" 2>&1'


async def check(engine: Engine, container: str, command: str, timeout: float) -> tuple[bool, str]:
    """Run `sh -c command` once, for `timeout` seconds at most; whether it exited with 0, and one sentence."""
    output = _Output()
    try:
        try:
            async with asyncio.timeout(timeout):
                number = await _run(engine, container, ["/bin/sh", "-c", SAY_NUMBER, command], output)
        except TimeoutError:
            await _kill(engine, container, output.leader)
            return False, f"the health_check command did not end within {show(timeout)}{output.last}"
        code = int((await engine.get(("exec", number, "json"))).get("ExitCode") or 0)
    except Refusal as refusal:
        return (
            False,
            f"the health_check command could not be started in the container: {shown(refusal.message)}",
        )
    except EngineAbsent as absent:
        return False, absent.reason
    if output.leader is None:
        return False, f"the health_check command could not be started in the container{output.last}"
    return code == 0, f"the health_check command exited with code {code}{output.last}"


async def _run(engine: Engine, container: str, words: list[str], output: _Output) -> str:
    """Run to the end; the number of the execution. Raises Refusal, EngineAbsent."""
    made = await engine.post(
        ("containers", container, "exec"), {"Cmd": words, "AttachStdout": True, "AttachStderr": True}
    )
    number: str = made["Id"]
    async with engine.stream(
        "POST", ("exec", number, "start"), body={"Detach": False, "Tty": False}
    ) as content:
        parts = Demultiplexer()
        while data := await content.readany():
            for _, part in parts.feed(data):
                output.feed(part)
    return number


async def _kill(engine: Engine, container: str, leader: int | None) -> None:
    if leader is None:
        return
    try:
        async with asyncio.timeout(5):
            kill = f"kill -9 -{leader} || kill -9 {leader}"
            await _run(engine, container, ["/bin/sh", "-c", kill], _Output())
    except (Refusal, EngineAbsent, TimeoutError):
        pass  # it has ended with its container, or nobody can tell


class _Output:
    """The number in the first line, and the end of the rest."""

    def __init__(self) -> None:
        self._first = b""
        self._rest = b""
        self.leader: int | None = None

    def feed(self, data: bytes) -> None:
        if self.leader is None:
            self._first += data
            line, end, data = self._first.partition(b"\n")
            if not end or not line.strip().isdigit():
                self._rest = self._first[-KEPT:]
                return
            self.leader, self._rest = int(line), b""
        self._rest = (self._rest + data)[-KEPT:]

    @property
    def last(self) -> str:
        """The last line, as the end of a sentence; may be empty."""
        text = self._rest.decode("utf-8", "replace")
        lines = [line for part in text.splitlines() if (line := shown(part))]
        return f": {lines[-1]}" if lines else ""
