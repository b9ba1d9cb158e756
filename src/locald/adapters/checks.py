"""Carries out the checks that users configure, each at its own pace.

Until its first success a check is looked at ever more rarely, in proportion to the age of the run, so that a
service that takes 200 ms is known 50 ms later and one that takes a minute costs little; from then on
every `interval`. A check of the service's own port is carried out only while the service listens there,
so that a stale process that answers in its place is not believed; it is carried out at once
when the listener appears, and so is a command, which often looks at the same port. Of a run that an earlier
daemon saw listen, it is reported in a moment whether it still does; only then is there anything to say.

A `log` check is fed line by line and is done with its first match. A line in which looking for the pattern
takes too long is passed over, and after some of these the check is given up, for everything else has to wait
meanwhile. `notify` and `none` ask for nothing here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from locald.adapters import commands, questions
from locald.adapters.patterns import Pattern, TooSlow
from locald.adapters.probes import SPEAKS_TLS, Result, is_tls, look_http, look_tcp, may_be_tls, shown
from locald.adapters.questions import Place
from locald.adapters.reach import LOOPBACK, place, ways_to
from locald.domain.knowledge import signals
from locald.domain.knowledge.protocols import PROTOCOLS, Meaning
from locald.domain.lifecycle.messages import Event, Listener, Probed
from locald.domain.project.names import Run
from locald.domain.project.spec import (
    CommandCheck,
    HealthCheck,
    HttpCheck,
    LogCheck,
    NoCheck,
    NotifyCheck,
    PortCheck,
    ProtocolCheck,
    TcpCheck,
)
from locald.domain.values import duration
from locald.domain.values.plain import plain

Look = PortCheck | CommandCheck
"""the checks that somebody has to carry out"""

SOONEST, LATEST, SHARE = 0.05, 1.0, 0.05
"""before its first success: the pause is this share of the run's age, within these limits in seconds"""
TOLD_WITHIN = 2.0
"""seconds for which it is waited to be told whether a run still listens"""
SEARCHED = 64 * 1024
"""characters of one line in which a pattern is looked for"""
LOOKING = 0.05
"""seconds that looking for a pattern in a line may take"""
TRIES = 10
"""lines in which it may take longer"""


class Target(Struct, frozen=True):
    """What there is to look at: the service's port (None: it has none), its folder, its whole environment and
    its umask.

    `inside` runs a command where the service is, with a timeout in seconds, when that is not this machine's
    own processes: whether it exited with 0, and one sentence.
    """

    port: int | None
    cwd: str
    env: Mapping[str, str] = field(default_factory=dict)
    umask: int = 0o022
    inside: Callable[[str, float], Awaitable[tuple[bool, str]]] | None = None


class _Watched(Struct):
    run: Run
    check: HealthCheck
    target: Target
    since: float
    task: asyncio.Task[None] | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    own: Listener | None = None
    """the service's own socket on its own port"""
    listened: bool = False
    succeeded: bool = False
    is_silent: bool = False
    """the next question is the one that leaves no line in the server's log"""
    doubted: str = ""
    """the answer to a request upon which it was found out whether the server speaks TLS"""
    is_tls: bool = False

    def pause(self, now: float) -> float:
        """Seconds until the next look."""
        if self.succeeded:
            return self.check.interval
        return min(max(SOONEST, SHARE * (now - self.since)), LATEST)

    def where(self, named: int | None) -> tuple[tuple[str, ...], int | None]:
        """The addresses and the port to look at: the port that the check names, else the service's own."""
        if named is not None:
            return LOOPBACK, named
        return ways_to(self.own.address) if self.own else (), self.target.port


class _Read(Struct):
    """A run whose lines are read, and in how many of them the pattern may still take too long."""

    pattern: Pattern
    tries: int = TRIES

    def line(self, text: str) -> Result | None:
        """What the line says, if it says anything."""
        try:
            found = self.pattern.found_in(text)
        except TooSlow as slow:
            self.tries -= 1
            again = "" if self.tries else f", as in {TRIES - 1} lines before (no longer checked)"
            return Result(False, f"{slow}{again}")
        return Result(True, f'a line matched /{self.pattern.text}/: "{shown(text)}"') if found else None


class Checks:
    """Posts `Probed` for each look at a run that is watched."""

    def __init__(
        self, post: Callable[[Event], None], clock: Callable[[], float], tasks: asyncio.TaskGroup
    ) -> None:
        """`clock`: epoch seconds, never going back. `tasks`: where the looks live."""
        self._post = post
        self._clock = clock
        self._tasks = tasks
        self._watched: dict[Run, _Watched] = {}
        self._read: dict[Run, _Read] = {}

    def watch(self, run: Run, check: HealthCheck, target: Target, *, listened: bool = False) -> None:
        """Carry out the check until `unwatch`. Harmless when it is done already.

        `listened`: an earlier daemon saw the service listen on its own port.
        """
        if run in self._watched or run in self._read:
            return
        match check.check:
            case HttpCheck() | TcpCheck() | ProtocolCheck() | CommandCheck() as look:
                watched = _Watched(run, check, target, self._clock(), listened=listened)
                self._watched[run] = watched
                work = self._look_after(watched, look)
                watched.task = self._tasks.create_task(work, name=f"check {run}")
            case LogCheck(pattern=pattern):
                self._read[run] = _Read(Pattern(pattern, LOOKING))
            case NotifyCheck() | NoCheck():
                pass

    def unwatch(self, run: Run) -> None:
        """Tell nothing more about the run. A command that runs now is ended."""
        self._read.pop(run, None)
        watched = self._watched.pop(run, None)
        if watched and watched.task:
            watched.task.cancel()

    def listening(self, run: Run, own: Listener | None, port: int | None = None) -> None:
        """The service listens on its own port now, by this socket, or does not any more. `port`: which one
        that is, if it is not the one that it was given."""
        watched = self._watched.get(run)
        if watched is None:
            return
        if port is not None:
            watched.target = replace(watched.target, port=port)
        appeared = own is not None and watched.own is None
        watched.own = own
        watched.listened = watched.listened or own is not None
        if appeared:
            watched.wake.set()

    def line(self, run: Run, text: str) -> None:
        """The run printed a line."""
        if read := self._read.get(run):
            result = read.line(plain(text[:SEARCHED]))
            if result and (result.ok or read.tries == 0):
                del self._read[run]
            if result:
                self._post(Probed(run, result.ok, result.detail, self._clock()))

    def unwritten(self, run: Run, data: bytes) -> None:
        """The run printed this, and it is in no log, for the disk is full: the line that is waited for may
        be in it. The ends of it may be parts of lines."""
        for line in data.decode("utf-8", "replace").splitlines():
            self.line(run, line)

    async def close(self) -> None:
        """Nothing is watched any more."""
        for run in list(self._watched):
            self.unwatch(run)
        self._read.clear()

    async def _look_after(self, watched: _Watched, check: Look) -> None:
        if watched.listened and not isinstance(check, CommandCheck) and check.port is None:
            await self._woken(watched, TOLD_WITHIN)
        while True:
            watched.wake.clear()
            result = await self._look(watched, check)
            self._tell(watched, result)
            await self._woken(watched, watched.pause(self._clock()))

    async def _woken(self, watched: _Watched, within: float) -> None:
        """Until the listener appears, but no longer than so many seconds."""
        try:
            async with asyncio.timeout(within):
                await watched.wake.wait()
        except TimeoutError:
            pass

    def _tell(self, watched: _Watched, result: Result) -> None:
        if self._watched.get(watched.run) is watched:
            watched.succeeded = watched.succeeded or result.ok
            self._post(Probed(watched.run, result.ok, result.detail, self._clock()))

    async def _look(self, watched: _Watched, check: Look) -> Result:
        timeout = watched.check.timeout
        if isinstance(check, CommandCheck):
            return await look_command(check.command, watched.target, timeout)
        hosts, port = watched.where(check.port)
        if port is None:
            return Result(False, "neither the service nor its check has a port")
        if not hosts:
            where = f"listening on port {port}"
            return Result(False, f"no longer {where}" if watched.listened else f"not {where} yet")
        match check:
            case TcpCheck():
                return await look_tcp(hosts, port, timeout)
            case ProtocolCheck():
                own = watched.own if check.port is None else None
                is_udp = own is not None and own.kind == "udp"
                at = Place(hosts, port, place(hosts[0], port), own.owner.pid if own else None, is_udp)
                return await self._asked(watched, check, at)
            case HttpCheck():
                return await self._requested(watched, check, hosts, port)

    async def _requested(
        self, watched: _Watched, check: HttpCheck, hosts: tuple[str, ...], port: int
    ) -> Result:
        """A GET. The first time that it fails in a way in which TLS makes it fail, that is found out."""
        seen = await look_http(hosts, port, check, watched.check.timeout)
        if not may_be_tls(check, seen):
            return seen
        if watched.doubted != seen.detail:
            watched.doubted, watched.is_tls = seen.detail, await is_tls(hosts, port, check)
        return seen._replace(detail=f"{seen.detail}, {SPEAKS_TLS}") if watched.is_tls else seen

    async def _asked(self, watched: _Watched, check: ProtocolCheck, where: Place) -> Result:
        """The question of a protocol; its silent form once a yes has left a line in the server's log."""
        protocol = PROTOCOLS[check.kind]
        answer = await questions.put(protocol, where, watched.check.timeout, again=watched.is_silent)
        watched.is_silent = answer.meaning is Meaning.READY and (watched.is_silent or answer.left_a_line)
        return Result(answer.meaning is Meaning.READY, answer.detail)


async def look_command(command: str, target: Target, timeout: float) -> Result:
    """Run the check's command once, for `timeout` seconds at most."""
    if target.inside:
        return Result(*await target.inside(command, timeout))
    try:
        ended = await commands.run(command, target.cwd, target.env, timeout, target.umask)
    except (OSError, ValueError) as error:
        return Result(False, f"the health_check command could not be started: {shown(str(error))}")
    lines = [line for part in ended.output.splitlines() if (line := shown(part))]
    said = f": {lines[-1]}" if lines else ""
    return Result(ended.code == 0, f"{_how(ended.code, timeout)}{said}")


def _how(code: int | None, timeout: float) -> str:
    if code is None:
        return f"the health_check command did not end within {duration.show(timeout)}"
    if code < 0:
        return f"the health_check command was killed by {signals.name(-code)}"
    return f"the health_check command exited with code {code}"
