"""Caddy as a run of the keeper's: so it outlives the daemon, as services do, and the next one takes it over.

It is no service: its key is one that no project can have, and no world knows of it. What the keeper tells of
it comes here.
"""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING

from locald.adapters.processes import Order
from locald.domain.lifecycle.messages import Gone, Lost, Notified, NotStarted
from locald.domain.project.names import Key, Run

if TYPE_CHECKING:
    from locald.adapters.processes import Processes
    from locald.domain.lifecycle.messages import Event
    from locald.wire.home import Home

KEY = Key("_locald", "proxy")
"""`_` begins no name of a project"""
LOG_SIZE = 5_000_000
"""bytes of what it prints that are kept"""
STOP_WITHIN = 3.0
"""seconds from SIGTERM to SIGKILL"""


class Child:
    """`number` of the run that there is or was; `is_ready`: it listens; `over`: why there is none, once
    so."""

    def __init__(self, processes: Processes, home: Home) -> None:
        self._processes, self._home = processes, home
        self.number = 0
        self.ready = asyncio.Event()
        self.over: asyncio.Future[str] | None = None

    @property
    def is_there(self) -> bool:
        return self.over is not None and not self.over.done()

    def start(self, number: int, program: str, config: str) -> None:
        self._expect(number)
        self._processes.start(self._run, self._order(program, config))

    def adopt(self, number: int) -> None:
        """Take over the run of an earlier daemon, if it is still there."""
        self._expect(number)
        self._processes.adopt(self._run)

    async def stop(self) -> None:
        """Return when nothing of it is left."""
        if self.over is None or self.over.done():
            return
        self._processes.signal(self._run, signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_WITHIN):
                await asyncio.shield(self.over)
        except TimeoutError:
            self._processes.kill(self._run)
            await asyncio.shield(self.over)

    def take(self, event: Event) -> None:
        """News of it."""
        if self.over is None or event.run != self._run:
            return
        match event:
            case Notified(datagram=said) if b"READY=1" in said:
                self.ready.set()
            case NotStarted(reason=reason) | Lost(reason=reason):
                self._end(reason)
            case Gone():
                self._end("it exited")
            case _:
                pass

    @property
    def _run(self) -> Run:
        return Run(KEY, self.number)

    def _expect(self, number: int) -> None:
        self.number = number
        self.ready.clear()
        self.over = asyncio.get_running_loop().create_future()

    def _end(self, reason: str) -> None:
        self._processes.forget(self._run)
        self.ready.clear()
        if self.over and not self.over.done():
            self.over.set_result(reason)

    def _order(self, program: str, config: str) -> Order:
        """Without anything of the caller's environment. Of WebSockets over HTTP/2 (RFC 8441) Go tells
        browsers only when it is asked to; without it each WebSocket is another connection of HTTP/1.1. By
        itself Go collects garbage so often that one request in a hundred waits for it; this costs 4 MB."""
        folder = self._home.proxy
        env = {
            "GODEBUG": "http2xconnect=1",
            "GOGC": "150",
            "HOME": folder,
            "PATH": os.defpath,
            "XDG_CONFIG_HOME": folder,
            "XDG_DATA_HOME": folder,
        }
        return Order(
            argv=(program, "run", "--config", config),
            cwd="/",
            env=env,
            umask=0o077,
            limits={},
            tty=False,
            watchdog=None,
            logs=os.path.join(folder, "log"),
            log_size=LOG_SIZE,
        )
