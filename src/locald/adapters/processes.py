"""Processes, by way of the keeper: orders become its requests, its events become ours.

The keeper is started when there is something to run or to look for. A connection begins with a replay of
all that it holds, so after a pause (ours or its own) both sides agree: what it does not name any more was
lost with an earlier keeper. Every run that was ordered ends in exactly one `NotStarted`, `Gone` or `Lost`.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import json
import logging
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from locald.domain.messages import (
    Event,
    Exit,
    Exited,
    Gone,
    Lost,
    Notified,
    NotStarted,
    Process,
    Sender,
    Spawned,
    Standing,
    Stuck,
)
from locald.domain.names import Run
from locald.linux import procfs
from locald.linux.tree import Tree, from_description

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from locald.linux.clock import Clock

log = logging.getLogger(__name__)

LONGEST_EVENT = 1 << 20
"""bytes of one line; a datagram is at most 4 KiB, so this is far away"""
PATIENCE = 5
"""attempts at a keeper that cannot be started, a second apart, before what was ordered is refused"""

LEFTOVERS = 3.0
"""seconds to wait for the end of runs that are not known any more"""
MOMENT = 0.05
"""seconds that the exit of a process that left nothing behind may wait for the end of its run"""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Order:
    """All that a spawn needs. `logs` is the service's folder of captures."""

    argv: tuple[str, ...]
    cwd: str
    env: dict[str, str]
    umask: int
    limits: dict[str, tuple[int, int]]
    tty: bool
    watchdog: float | None
    logs: str
    log_size: int

    def request(self, run: Run) -> Json:
        return {
            "do": "spawn",
            "run": str(run),
            "argv": list(self.argv),
            "cwd": self.cwd,
            "env": self.env,
            "umask": self.umask,
            "limits": self.limits,
            "tty": self.tty,
            "watchdog_usec": int(self.watchdog * 1e6) if self.watchdog else None,
            "logs": self.logs,
            "log_size": self.log_size,
        }


class Processes:
    def __init__(
        self,
        connect: Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]],
        post: Callable[[Event], None],
        clock: Clock,
        on_output: Callable[[Run], None],
    ) -> None:
        """`connect` reaches the keeper, starting it where it is absent; it raises OSError where it cannot."""
        self._connect = connect
        self._post = post
        self._clock = clock
        self._on_output = on_output
        self._writer: asyncio.StreamWriter | None = None
        self._orders: dict[Run, Json] = {}
        """ordered while there was no keeper, or while it held an unknown run of this name"""
        self._expected: set[Run] = set()
        """runs that the world believes in"""
        self._trees: dict[Run, Tree] = {}
        self._unknown: set[Run] = set()
        """runs of an earlier daemon that the world does not believe in: they are being ended"""
        self._held_back: dict[Run, tuple[Exited, asyncio.TimerHandle]] = {}
        self._wanted = asyncio.Event()
        self._cleared = asyncio.Event()
        """the keeper that we talk to holds nothing unknown, or there is none"""
        self.keeper_pid: int | None = None

    # Orders.

    def start(self, run: Run, order: Order) -> None:
        self._expected.add(run)
        if self._writer and run not in self._unknown:
            self._send(order.request(run))
        else:
            self._orders[run] = order.request(run)
            self._wanted.set()

    def adopt(self, run: Run) -> None:
        """Look for a run of an earlier daemon. The first replay tells, so this comes before it."""
        self._expected.add(run)
        self._wanted.set()

    def look(self) -> None:
        """There may be runs that nobody knows of any more: find and end them."""
        self._wanted.set()

    async def cleared(self) -> None:
        """Wait until none of these is left, for they may hold ports; not for ever, should one be stuck."""
        if not self._wanted.is_set():
            return
        try:
            async with asyncio.timeout(LEFTOVERS):
                await self._cleared.wait()
        except TimeoutError:
            log.warning("still there, though not known any more: %s", ", ".join(map(str, self._unknown)))

    def signal(self, run: Run, number: int) -> None:
        self._send({"do": "signal", "run": str(run), "signal": number})

    def kill(self, run: Run) -> None:
        self._send({"do": "kill", "run": str(run)})

    def note(self, run: Run, line: str) -> None:
        self._send({"do": "note", "run": str(run), "line": line})

    def tail(self, run: Run, on: bool) -> None:
        """Whether `on_output` is called when the run prints. Runs of others are passed over."""
        if run not in self._expected:
            return
        self._send({"do": "tail", "run": str(run), "on": on})

    def forget(self, run: Run) -> None:
        self._expected.discard(run)
        self._trees.pop(run, None)
        self._send({"do": "forget", "run": str(run)})

    def release(self) -> None:
        """Nothing will be asked of the keeper any more: it may end when it holds nothing."""
        self._send({"do": "quit"})

    def pids(self, run: Run) -> Collection[int]:
        """The processes of the run now; empty when nothing of it is known."""
        tree = self._trees.get(run)
        return tree.pids() if tree else ()

    def _send(self, request: Json) -> None:
        if self._writer and not self._writer.is_closing():
            self._writer.write(json.dumps(request).encode() + b"\n")

    # The conversation.

    async def run(self) -> None:
        """Talk to the keeper while there is one; have another one when it went away and is needed."""
        while True:
            await self._wanted.wait()
            try:
                reader, writer = await self._reach()
            except OSError as error:
                self._refuse(error)
                continue
            try:
                await self._converse(reader, writer)
            finally:
                self._writer = None
                self._unknown.clear()
                self._cleared.clear()
                writer.close()
            log.info("the keeper went away")
            if not self._expected:
                self._wanted.clear()

    async def _reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for attempt in range(1, PATIENCE):
            try:
                return await self._connect()
            except OSError as error:
                log.warning("the keeper cannot be reached (attempt %d): %s", attempt, error)
            await asyncio.sleep(1)
        return await self._connect()

    def _refuse(self, error: OSError) -> None:
        """No keeper is to be had: everything expected ends here, so that nobody waits for ever."""
        reason = f"locald's keeper cannot be started: {error.strerror or error}"
        now = self._clock.now()
        for run in sorted(self._expected):
            if run in self._orders:
                self._post(NotStarted(run, reason, "`locald doctor` looks for the cause", now))
            else:
                self._post(Lost(run, reason, now))
        self._expected.clear()
        self._orders.clear()
        self._wanted.clear()
        self._cleared.set()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'{"do":"hello","protocol":1}\n')
        replayed: set[Run] = set()
        shift = 0.0
        while line := await _line(reader):
            event = json.loads(line)
            if "at" in event:
                event["at"] += shift
            if event["event"] == "hello":
                shift, self.keeper_pid = self._clock.epoch - event["epoch"], event["pid"]
            elif event["event"] == "replayed":
                self._agree(writer, replayed)
            else:
                self._hear(event, replayed if self._writer is None else None, writer)

    def _agree(self, writer: asyncio.StreamWriter, replayed: set[Run]) -> None:
        """The replay is over: what was expected and not named is lost, what waited is ordered."""
        self._writer = writer
        now = self._clock.now()
        for run in sorted(self._expected - replayed - self._orders.keys()):
            self._expected.discard(run)
            self._post(Lost(run, "the run was lost: its keeper ended, or the machine restarted", now))
        for run in self._orders.keys() - self._unknown:
            self._send(self._orders.pop(run))
        self._see_whether_cleared()

    def _see_whether_cleared(self) -> None:
        if not self._unknown:
            self._cleared.set()

    def _hear(self, event: Json, replayed: set[Run] | None, writer: asyncio.StreamWriter) -> None:
        if event["event"] == "error":
            log.error("the keeper could not do as asked: %s", event)
            return
        run = Run.parse(event["run"])
        if run not in self._expected or run in self._orders:
            self._end_unknown(run, event, writer)
            return
        if replayed is not None:
            replayed.add(run)
        if event["event"] == "output":
            self._on_output(run)
            return
        if event["event"] == "spawned":
            self._trees[run] = from_description(event["tree"])
        if event["event"] == "gone":
            self._trees.pop(run, None)
        if event["event"] in ("gone", "refused"):
            self._on_output(run)
        translated = translate(run, event)
        if isinstance(translated, Exited) and not translated.left:
            self._hold_back(translated)
        elif translated:
            self._release(run)
            self._post(translated)

    def _hold_back(self, exited: Exited) -> None:
        """Nothing is left of the run, so `Gone` follows at once: the two are told as one piece of news."""
        timer = asyncio.get_running_loop().call_later(MOMENT, self._release, exited.run)
        self._held_back[exited.run] = (exited, timer)

    def _release(self, run: Run) -> None:
        if held := self._held_back.pop(run, None):
            held[1].cancel()
            self._post(held[0])

    def _end_unknown(self, run: Run, event: Json, writer: asyncio.StreamWriter) -> None:
        """A run that the saved state does not name: nobody could ever stop it, so it is ended now.

        A new one of its name, which was ordered meanwhile, comes after it.
        """
        verb = {"spawned": "kill", "gone": "forget", "refused": "forget"}.get(event["event"])
        if not verb:
            return
        log.warning("%s is not known any more: %s", run, verb)
        writer.write(json.dumps({"do": verb, "run": str(run)}).encode() + b"\n")
        if verb == "kill":
            self._unknown.add(run)
        else:
            self._unknown.discard(run)
            if self._writer:
                self._agree_again(run)

    def _agree_again(self, run: Run) -> None:
        """An unknown run is gone: what waited for that goes on."""
        if order := self._orders.pop(run, None):
            self._send(order)
        self._see_whether_cleared()


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        line = await reader.readline()
    except (ConnectionError, ValueError) as error:  # ValueError: longer than any event of ours
        log.error("the keeper's connection broke: %s", error)
        return b""
    return line if line.endswith(b"\n") else b""


# The keeper's words in ours.


def translate(run: Run, event: Json) -> Event | None:
    """One event of the keeper's, or None for what a later keeper may say and we do not know."""
    at = event["at"]
    match event["event"]:
        case "spawned":
            return Spawned(run, event["pid"], at)
        case "refused":
            about = event.get("subject", ""), event["text"]
            return NotStarted(run, *refusal(event["stage"], event["errno"], *about), at)
        case "notified":
            data = base64.b64decode(event["data"])
            return Notified(run, _sender(event), data, at, event.get("main"))
        case "exited":
            return Exited(run, event["pid"], Exit(event["code"], event["signal"]), event["left"], at)
        case "gone":
            return Gone(run, at)
        case "stuck":
            return Stuck(run, tuple(Process(pid, procfs.program(pid)) for pid in event["pids"]), at)
        case _:
            return None


def _sender(event: Json) -> Sender:
    """The sender, and whether its standing holds for its user too.

    A member of the tree is taken at its pid, whatever user it has become. One that is gone already, or
    that says it is the keeper (only root can), is known by its uid alone.
    """
    standing: Standing = event["standing"]
    own = event["uid"] == os.geteuid()
    if (standing == "exited" and not own) or (standing == "spawner" and event["uid"] != 0):
        standing = "stranger"
    return Sender(Process(event["pid"], event["program"]), event["uid"], standing)


def refusal(stage: str, number: int, subject: str, text: str) -> tuple[str, str]:
    """Why a process could not be started, and what to do.

    `number` is an errno, or 0; `subject` the program or the folder that it is about; `text` says what failed.
    """
    if stage == "workdir":
        return f"workdir {subject}: {text}", "`workdir` is relative to locald.toml"
    if stage != "program":
        return text, "`locald doctor` looks for what is short"
    match number:
        case errno.ENOENT if text == os.strerror(errno.ENOENT):
            return (
                f"no such program: {subject}",
                "check the spelling of `command`, and the PATH of this shell",
            )
        case errno.ENOENT:
            return (
                f"{subject}: {text}",
                "install that program, or correct the line; it may not end with CR LF",
            )
        case errno.EACCES:
            return f"{subject}: {text}", f"is it a program? `chmod +x {subject}`"
        case errno.ENOEXEC:
            return f"{subject}: {text}", "a script needs a first line such as #!/bin/sh"
        case errno.E2BIG:
            return f"{subject}: {text}", "make its arguments and its environment smaller"
        case _:
            return f"{subject}: {text}", "`locald doctor` looks for the cause"
