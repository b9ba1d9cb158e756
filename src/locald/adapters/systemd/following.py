"""What the properties of a unit mean for its run: snapshots in, news out. Pure.

    (job) ── a process ──► Spawned ── READY=1 ──► Reported ── its main process ends ──► Exited
       └─► NotStarted

A unit of type `exec` is active as soon as its program runs, one of type `notify` when that has said READY=1;
the other sources of health are looked at from here. A snapshot says what is, so nothing is lost when some
come late.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from locald.domain.lifecycle.messages import Exit, Exited, NotStarted, Reported, Spawned

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from locald.domain.lifecycle.messages import Event
    from locald.domain.project.names import Run

_EXITED = 1
"""CLD_EXITED, of waitid(2): what is above is a signal"""
_OF_SYSTEMD = range(200, 256)
"""exit codes of a child of systemd that never became the program, see systemd.exec(5)"""
_CHDIR, _EXEC = 200, 203
INTEREST = (
    "ActiveState",
    "Job",
    "SubState",
    "Result",
    "MainPID",
    "ExecMainPID",
    "ExecMainCode",
    "ExecMainStatus",
    "ExecMainStartTimestamp",
    "ExecMainExitTimestamp",
    "ActiveEnterTimestampMonotonic",
    "StatusText",
)


class State(Struct, frozen=True):
    """`started`, `ended`: seconds on the machine's clock, None before. `pid`: of the main process, also when
    it has ended; `main`: 0 then. `queued`: systemd has something to do with the unit, and will get to it."""

    active: str
    queued: bool
    sub: str
    result: str
    pid: int
    main: int
    code: int
    status: int
    started: float | None
    ended: float | None
    was_active: bool
    said: str

    @property
    def is_over(self) -> bool:
        """Its main process has ended, or there never was one and none will be."""
        has_ended = self.pid != 0 and self.main == 0 and self.code != 0
        return has_ended or (self.active in ("failed", "inactive") and not self.queued)

    @property
    def is_cleared(self) -> bool:
        """systemd has no more to do for it."""
        return self.active in ("failed", "inactive") or self.sub == "exited"


def state(properties: Mapping[str, Any]) -> State:
    known = {name: properties.get(name) for name in INTEREST}
    return State(
        active=str(known["ActiveState"] or "inactive"),
        queued=bool((known["Job"] or (0,))[0]),
        sub=str(known["SubState"] or ""),
        result=str(known["Result"] or "success"),
        pid=int(known["ExecMainPID"] or 0),
        main=int(known["MainPID"] or 0),
        code=int(known["ExecMainCode"] or 0),
        status=int(known["ExecMainStatus"] or 0),
        started=_moment(known["ExecMainStartTimestamp"]),
        ended=_moment(known["ExecMainExitTimestamp"]),
        was_active=bool(known["ActiveEnterTimestampMonotonic"]),
        said=str(known["StatusText"] or ""),
    )


def _moment(microseconds: int | None) -> float | None:
    return microseconds / 1e6 if microseconds else None


class Following:
    def __init__(
        self, run: Run, unit: str, program: str, steady: Callable[[float | None], float], *, speaks: bool
    ) -> None:
        """`steady`: a moment of the machine's clock on ours. `speaks`: READY=1 is waited for."""
        self._run, self._unit, self._program, self._steady = run, unit, program, steady
        self._speaks = speaks
        self.spawned = False
        self._reported: tuple[bool, str] | None = None

    def look(self, now: State) -> list[Event]:
        """The news in this snapshot: `NotStarted` or `Exited` is the last."""
        if now.is_over:
            return self._over(now)
        if now.pid == 0 or not (now.was_active or self._speaks):
            return []  # there is nothing yet, or it has not become its program yet
        news: list[Event] = self._begun(now)
        if self._speaks and (told := self._report(now)):
            news.append(told)
        return news

    def _begun(self, now: State) -> list[Event]:
        if self.spawned:
            return []
        self.spawned = True
        return [Spawned(self._run, now.pid, self._steady(now.started))]

    def _report(self, now: State) -> Event | None:
        """What systemd says of READY=1."""
        ready = now.active == "active"
        if now.active not in ("active", "activating"):
            told = f"{self._unit} is {now.active}"
        elif ready:
            told = f"{self._unit} is active, its program sent READY=1"
        else:
            told = f"{self._unit} is activating, its program has not sent READY=1 yet"
        told += f" (status: {now.said})" if now.said else ""
        if self._reported == (ready, told):
            return None
        self._reported = (ready, told)
        return Reported(self._run, ready, told, self._steady(None))

    def _over(self, now: State) -> list[Event]:
        at = self._steady(now.ended)
        if not self.spawned and not now.was_active:
            if now.pid == 0:
                reason = f"systemd could not start {self._unit}: {now.result}"
                return [NotStarted(self._run, reason, f"run `systemctl --user status {self._unit}`", at)]
            if now.code == _EXITED and now.status in _OF_SYSTEMD:
                return [NotStarted(self._run, *self._not_begun(now.status), at)]
        return [*self._begun(now), Exited(self._run, now.pid, self._ended(now), 0, at)]

    def _not_begun(self, status: int) -> tuple[str, str]:
        hint = f"run `journalctl --user-unit={self._unit}` to see why"
        if status == _EXEC:
            return f"{self._program}: systemd could not execute it", hint
        if status == _CHDIR:
            return "workdir: systemd could not enter it", "check `workdir`, it is relative to locald.toml"
        return f"{self._unit} could not be set up (exit status {status} of systemd)", hint

    def _ended(self, now: State) -> Exit:
        """What systemd says of it is named, where that is more than how the process ended."""
        reason = "" if now.result == "success" else f"{self._unit}: {now.result}"
        if now.code == 0:
            return Exit(reason=reason)
        if now.code == _EXITED:
            return Exit(code=now.status, reason=reason)
        return Exit(signal=now.status, reason=reason)
