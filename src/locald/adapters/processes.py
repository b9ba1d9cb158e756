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
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from locald.adapters.keeper_words import Json, refusal, translate
from locald.domain.lifecycle.messages import Event, Exited, Lost, NotStarted, Process
from locald.domain.project.names import Run
from locald.keeper.wire.protocol import LONGEST_LINE, Malformed
from locald.linux import procfs
from locald.linux.tree import Tree, from_description

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from locald.linux.clock import Clock

log = logging.getLogger(__name__)

LONGEST_EVENT = 1 << 20
"""bytes of one line; a datagram is at most 4 KiB, so this is far away"""
PATIENCE = 5
"""attempts at a keeper that cannot be started, or does not stay, before what was ordered is refused"""
SOON, PAUSE = 0.05, 1.0
"""seconds from the first such attempt to the second, and between those that follow"""
LEFTOVERS = 3.0
"""seconds to wait for the end of runs that are not known any more"""
MOST_NAMED = 8
"""processes of a run that are named when its leader has ended"""
MOMENT = 0.05
"""seconds that the exit of a process that left nothing behind may wait for the end of its run"""


class Order(Struct, frozen=True):
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
    stdin: str = "empty"

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
            "stdin": self.stdin,
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
        self._replayed: set[Run] = set()
        """what the keeper has named in its replay"""
        self._unsent: dict[Run, list[Json]] = {}
        """asked before we had agreed with a keeper, or while it held an unknown run of this name"""
        self._expected: set[Run] = set()
        """runs that the world believes in"""
        self._asked: set[Run] = set()
        """to be begun by the keeper, which has not said yet what came of it"""
        self._trees: dict[Run, Tree] = {}
        self._unknown: set[Run] = set()
        """runs of an earlier daemon that the world does not believe in: they are being ended"""
        self._held_back: dict[Run, tuple[Exited, asyncio.TimerHandle]] = {}
        self._wanted = asyncio.Event()
        self._cleared = asyncio.Event()
        """the keeper that we talk to holds nothing unknown, or there is none"""
        self.on_unwritten: Callable[[Run, bytes], None] = lambda _run, _data: None
        """is called with what a run has printed and no disk has taken, as far as the keeper holds it; some of
        it may come again"""
        self._shift = 0.0
        """from the keeper's clock to ours, seconds"""
        self.keeper_pid: int | None = None

    # Orders.

    def start(self, run: Run, order: Order) -> None:
        request = order.request(run)
        if len(_encoded(request)) > LONGEST_LINE:  # the keeper would hang up, and so on every other run
            why = refusal("program", errno.E2BIG, order.argv[0], os.strerror(errno.E2BIG))
            self._post(NotStarted(run, *why, self._clock.now()))
            return
        self._expected.add(run)
        self._ask(run, request)
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
            log.warning("still running, although no longer known: %s", ", ".join(map(str, self._unknown)))

    def signal(self, run: Run, number: int, *, only_main: bool = False) -> None:
        """To every process of the run, or to its main one."""
        self._ask(run, {"do": "signal", "run": str(run), "signal": number, "main": only_main})

    def kill(self, run: Run) -> None:
        self._ask(run, {"do": "kill", "run": str(run)})

    def note(self, run: Run, line: str) -> None:
        self._ask(run, {"do": "note", "run": str(run), "line": line})

    def tail(self, run: Run, on: bool) -> None:
        """Whether `on_output` is called when the run prints. Runs of others are passed over."""
        self._ask(run, {"do": "tail", "run": str(run), "on": on})

    def forget(self, run: Run) -> None:
        if self._writer or run in self._replayed:
            self._ask(run, {"do": "forget", "run": str(run)})
        else:  # should a keeper name it still, it will be unknown then, and ended
            self._unsent.pop(run, None)
        self._expected.discard(run)
        self._trees.pop(run, None)

    @property
    def trouble(self) -> str:
        """Why orders wait, one sentence; empty when they do not."""
        if self.keeper_pid is None or self._writer is None or not procfs.stands_still(self.keeper_pid):
            return ""
        told = f"the keeper (pid {self.keeper_pid}) is stopped by a signal or by a debugger"
        return f"{told}: no service is started or stopped until it goes on (`locald doctor` says more)"

    def release(self) -> None:
        """Nothing will be asked of the keeper any more: it may end when it holds nothing."""
        self._send({"do": "quit"})

    def pids(self, run: Run) -> Collection[int]:
        """The processes of the run now; empty when nothing of it is known."""
        tree = self._trees.get(run)
        return tree.pids() if tree else ()

    def tree(self, run: Run) -> Tree | None:
        """What holds the run's processes together; None when nothing of it is known."""
        return self._trees.get(run)

    def _ask(self, run: Run, request: Json) -> None:
        """Of a run that the keeper has, or is to have: what is over with a keeper is nothing to the next."""
        if run not in self._expected:
            return
        if self._writer and run not in self._unknown:
            self._send(request)
        else:
            self._unsent.setdefault(run, []).append(request)

    def _is_ordered(self, run: Run) -> bool:
        """It is to be begun, and no keeper has been told yet."""
        return run in self._unsent and self._unsent[run][0]["do"] == "spawn"

    def _send(self, request: Json) -> None:
        if self._writer and not self._writer.is_closing():
            self._writer.write(_encoded(request))
            if request["do"] == "spawn":
                self._asked.add(Run.parse(request["run"]))

    # The conversation.

    async def run(self) -> None:
        """Talk to the keeper while there is one; have another one when it went away and is needed."""
        attempts = 0
        while True:
            await self._wanted.wait()
            trouble = await self._talk()
            attempts = attempts + 1 if trouble else 0
            if not self._expected:
                self._rest()
            elif trouble and attempts >= PATIENCE:
                self._refuse(trouble)
                attempts = 0
            elif trouble:
                await asyncio.sleep(SOON if attempts == 1 else PAUSE)

    async def _talk(self) -> OSError | None:
        """Reach a keeper and converse with it, until it goes away. Returns why that did not last."""
        self._cleared.clear()
        loop = asyncio.get_running_loop()
        try:
            reader, writer = await self._connect()
        except OSError as error:
            log.warning("the keeper cannot be reached: %s", error)
            return error
        began = loop.time()
        try:
            await self._converse(reader, writer)
        finally:
            self._writer = None
            self._replayed.clear()
            self._unknown.clear()
            self._asked.clear()
            writer.close()
        log.info("the keeper closed the connection")
        return None if loop.time() - began > PAUSE else OSError(0, "it exited immediately")

    def _rest(self) -> None:
        """No keeper is needed before something is asked for."""
        self._wanted.clear()
        self._cleared.set()

    def _refuse(self, error: OSError) -> None:
        """No keeper is to be had: everything expected ends here, so that nobody waits for ever."""
        reason = f"locald's keeper cannot be started: {error.strerror or error}"
        for run in sorted(self._expected):
            if self._is_ordered(run):
                hint = "run `locald doctor` to find the cause"
                self._end(run, NotStarted(run, reason, hint, self._clock.now()))
            else:
                self._end(run, Lost(run, reason, self._clock.now()))
        self._rest()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'{"do":"hello","protocol":1}\n')
        self._shift = 0.0
        while line := await _line(reader):
            try:
                self._take(json.loads(line), writer)
            except Malformed as malformed:
                log.error("malformed message from the keeper: %s: %.500r", malformed, line)
            except Exception:  # a fault of ours, or the word of a later keeper: it costs this news alone
                log.exception("malformed message from the keeper: %.500r", line)

    def _take(self, event: Json, writer: asyncio.StreamWriter) -> None:
        if "at" in event:
            event["at"] += self._shift
        match event["event"]:
            case "hello":
                self._shift, self.keeper_pid = self._clock.epoch - event["epoch"], event["pid"]
            case "replayed":
                self._agree(writer)
            case "error":
                log.error("the keeper refused a request: %s", event)
                self._see_whether_spawned(event)
            case _:
                self._observe(Run.parse(event["run"]), event, writer)

    def _see_whether_spawned(self, error: Json) -> None:
        """A run that the keeper will not begin has its end now. What it holds under this name is none that
        anybody could stop, so that is ended, too: forgotten if it is over, else killed."""
        run = Run.parse(error["run"]) if "run" in error else None
        if run not in self._asked or error.get("do", "spawn") != "spawn":
            return
        reason, hint = f"locald's keeper refused it: {error['text']}", "run `locald doctor` to find the cause"
        self._end(run, NotStarted(run, reason, hint, self._clock.now(), may_pass=True))
        for verb in ("forget", "kill"):
            self._send({"do": verb, "run": str(run)})

    def _agree(self, writer: asyncio.StreamWriter) -> None:
        """The replay is over: what was expected and not named is lost, what waited is asked for."""
        self._writer = writer
        reason = "the run was lost: its keeper exited, or the machine restarted"
        for run in sorted(self._expected - self._replayed):
            if not self._is_ordered(run):
                self._end(run, Lost(run, reason, self._clock.now()))
        for run in self._unsent.keys() - self._unknown:
            self._send_unsent(run)
        self._see_whether_cleared()

    def _end(self, run: Run, how: NotStarted | Lost) -> None:
        """No more events come of the run any more, from this keeper or another."""
        self._release(run)
        self._expected.discard(run)
        self._asked.discard(run)
        self._unsent.pop(run, None)
        self._trees.pop(run, None)
        self._post(how)

    def _send_unsent(self, run: Run) -> None:
        for request in self._unsent.pop(run, ()):
            self._send(request)

    def _see_whether_cleared(self) -> None:
        if not self._unknown:
            self._cleared.set()

    def _observe(self, run: Run, event: Json, writer: asyncio.StreamWriter) -> None:
        if run not in self._expected or self._is_ordered(run):
            self._end_unknown(run, event, writer)
            return
        if self._writer is None:
            self._replayed.add(run)
        if event["event"] == "output":
            self._on_output(run)
            if "unwritten" in event:
                self.on_unwritten(run, base64.b64decode(event["unwritten"]))
            return
        self._asked.discard(run)
        if event["event"] == "spawned":
            self._trees[run] = from_description(event["tree"])
        if event["event"] == "gone":
            self._trees.pop(run, None)
        if event["event"] in ("gone", "refused"):
            self._on_output(run)
        translated = self._translated(run, event)
        if isinstance(translated, Exited) and translated.left:
            translated = replace(translated, behind=self._named(run))
        if isinstance(translated, Exited) and not translated.left:
            self._hold_back(translated)
        elif translated:
            self._release(run)
            self._post(translated)

    def _translated(self, run: Run, event: Json) -> Event | None:
        """The event in our words; that a run is over is reported even when it is not clear how."""
        try:
            return translate(run, event)
        except Exception:
            if event["event"] != "refused":
                raise
            log.exception("malformed message from the keeper: %s", event)
            return NotStarted(run, "the keeper refused it", "see the log of the keeper", self._clock.now())

    def _named(self, run: Run) -> tuple[Process, ...]:
        """The processes of the run now, the oldest first, as far as can be told."""
        found = (Process(pid, procfs.program(pid)) for pid in sorted(self.pids(run)) if procfs.alive(pid))
        return tuple(each for each in found if each.program)[:MOST_NAMED]

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
        log.warning("%s is no longer known: %s", run, verb)
        writer.write(_encoded({"do": verb, "run": str(run)}))
        if verb == "kill":
            self._unknown.add(run)
        else:
            self._unknown.discard(run)
            if self._writer:  # what waited for its end goes on
                self._send_unsent(run)
                self._see_whether_cleared()


def _encoded(request: Json) -> bytes:
    return json.dumps(request).encode() + b"\n"


async def _line(reader: asyncio.StreamReader) -> bytes:
    """The next line; empty when the conversation is over."""
    while True:
        try:
            line = await reader.readline()
        except ConnectionError as error:
            log.error("the keeper's connection broke: %s", error)
            return b""
        except ValueError:  # what follows is the rest of it, and will not be understood
            log.error("ignored a message of the keeper that is longer than any event")
            continue
        return line if line.endswith(b"\n") else b""
