"""What units print, from the journal into our captures: one `journalctl` for all of them.

Its entries come in order, each with a time and an identifier that is the unit's. (The unit itself is not told
with lines of a process that has ended before the journal looked at it.) Whoever is followed from an earlier
moment on than the others has all read again from there; captures know what is theirs already.

The journal drops what comes too fast, and counts all units of a user together. It says so when that is over,
to those who may read its own messages; each history is told.

Source: journalctl(1), systemd.journal-fields(7), journald.conf(5) (RateLimitBurst=),
systemd.io/JOURNAL_EXPORT_FORMATS.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from typing import TYPE_CHECKING, Any

from locald.adapters.containers.logs import Message
from locald.adapters.systemd.unit import identifier
from locald.capture import frames
from locald.linux import other_sockets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locald.adapters.containers.printing import Printing

log = logging.getLogger(__name__)

FIELDS = "MESSAGE,SYSLOG_IDENTIFIER,_LINE_BREAK,N_DROPPED"
DROPPED = "MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e"
"""of what the journal says of lines that it has not taken: SD_MESSAGE_JOURNAL_DROPPED"""
LONGEST = 1 << 20
"""bytes of an entry as JSON: the journal breaks lines that are longer than 48K"""
STREAM = "/run/systemd/journal/stdout"
"""where the output of units is sent"""
OF_USER = f" user@{os.getuid()}.service"
"""of whom the journal says that it took no more"""
READ_WITHIN = 5.0
"""seconds that the journal has to read the last of what was printed, before it is asked for"""
SETTLES = 0.05
"""seconds that it has to write what it has read"""
LOOKS = 10
"""how often it is asked at most, while there is more"""
AGAIN = 1.0
"""seconds before a journal that cannot be read is tried again"""
_GOES_ON = ("eof", "line-max")
"""how a line ends that has no line feed"""


class Journal:
    def __init__(self) -> None:
        self._printings: dict[str, Printing] = {}
        self._since: dict[str, int] = {}
        """by unit, the moment (nanoseconds of the machine's clock) from which on its entries are its run's"""
        self._reads_since: int | None = None
        """the moment from which on the journal is being read, while it is"""
        self._again = asyncio.Event()
        self._trouble = ""
        self._dropped_until = 0
        """the moment of the last such message"""

    async def follow(self, unit: str, printing: Printing, since: int) -> None:
        """Have what the unit prints from this moment on, in nanoseconds."""
        since = max(since, await _place(printing))
        self._printings[unit], self._since[unit] = printing, since
        if self._trouble:
            printing.note(self._trouble)
        if self._reads_since is None or since < self._reads_since:
            self._again.set()

    async def finish(self, unit: str) -> None:
        """Have the last of what a unit that has ended printed: those who follow are told of it four times a
        second only, who asks has all at once. It is not followed any more."""
        printing, since = self._printings.pop(unit, None), self._since.pop(unit, 0)
        if printing is None:
            return
        await _until_read()
        for _ in range(LOOKS):
            await asyncio.sleep(SETTLES)
            since = max(since, await _place(printing))
            if not await printing.take(await self._once(unit, since)):
                break
        await printing.end()

    async def _once(self, unit: str, since: int) -> list[Message]:
        """What the unit printed since then."""
        try:
            reader = await asyncio.create_subprocess_exec(
                *_command(since, f"SYSLOG_IDENTIFIER={identifier(unit)}"),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError:
            return []  # of which those who follow are told
        said, _ = await reader.communicate()
        found = map(message, map(json.loads, said.splitlines()))
        return [each for each in found if each.moment >= since]

    async def read(self) -> None:
        """Until cancelled."""
        while True:
            await self._again.wait()
            self._again.clear()
            for unit, printing in list(self._printings.items()):
                since = await _place(printing)
                if unit in self._since:  # it has not left meanwhile
                    self._since[unit] = max(self._since[unit], since)
            if self._since:
                self._reads_since = min(self._since.values())
                await self._read(self._reads_since)
                self._reads_since = None

    async def _read(self, since: int) -> None:
        """Until somebody wants it read from earlier on, or it cannot be read."""
        command = (*_command(since, "--follow", "--no-tail"), "+", DROPPED)
        pipe = asyncio.subprocess.PIPE
        try:
            reader = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe, limit=LONGEST
            )
        except OSError as error:
            await self._failed(f"cannot run journalctl: {error.strerror}")
            return
        try:
            await self._until_again(reader)
        finally:
            if reader.returncode is None:
                reader.kill()
            await reader.wait()

    async def _until_again(self, reader: asyncio.subprocess.Process) -> None:
        again = asyncio.ensure_future(self._again.wait())
        entries = asyncio.ensure_future(self._entries(reader))
        try:
            await asyncio.wait((again, entries), return_when=asyncio.FIRST_COMPLETED)
            if entries.done():
                await self._failed(entries.result())
        finally:
            for each in (again, entries):
                each.cancel()
            await asyncio.gather(again, entries, return_exceptions=True)

    async def _entries(self, reader: asyncio.subprocess.Process) -> str:
        """Take each entry; why there are no more."""
        assert reader.stdout
        assert reader.stderr
        while line := await reader.stdout.readline():
            await self._take(json.loads(line))
        said = (await reader.stderr.read()).decode(errors="replace").strip().splitlines()
        return said[-1] if said else "journalctl ended"

    async def _take(self, entry: Mapping[str, Any]) -> None:
        if "N_DROPPED" in entry:
            self._tell_dropped(entry)
            return
        unit = f"{entry.get('SYSLOG_IDENTIFIER', '')}.service"
        printing = self._printings.get(unit)
        if printing and (said := message(entry)).moment >= self._since[unit]:
            await printing.take([said])

    def _tell_dropped(self, entry: Mapping[str, Any]) -> None:
        """Once, also where the journal is read again."""
        moment = int(entry["__REALTIME_TIMESTAMP"])
        if moment <= self._dropped_until or not str(entry.get("MESSAGE")).endswith(OF_USER):
            return
        self._dropped_until = moment
        for printing in self._printings.values():
            printing.note(dropped(entry["N_DROPPED"]))

    async def _failed(self, why: str) -> None:
        """Those that are followed are told once."""
        told = f"its output cannot be read from the journal: {why}"
        if told != self._trouble:
            self._trouble = told
            log.warning("%s", told)
            for printing in self._printings.values():
                printing.note(told)
        await asyncio.sleep(AGAIN)
        self._again.set()


async def _until_read() -> None:
    """Until the journal has read what was printed by those that have ended: on a busy machine that takes a
    while."""
    try:
        async with asyncio.timeout(READ_WITHIN):
            while await asyncio.to_thread(other_sockets.unread_of_the_gone, STREAM):  # noqa: ASYNC110
                await asyncio.sleep(SETTLES)
    except OSError as error:  # TimeoutError is one
        log.debug("whether the journal has read everything is not known: %r", error)


async def _place(printing: Printing) -> int:
    """The moment from which on it has to be read, to have what is not there yet; 0: from its beginning."""
    return int((await printing.begin()).replace(".", "") or 0)


def _command(since: int, *more: str) -> list[str]:
    moment = f"@{since // 10**9}.{since // 1000 % 10**6:06d}"
    told = ("--quiet", "--all", "--output=json", f"--output-fields={FIELDS}", f"--since={moment}")
    return ["journalctl", *told, *more, "_TRANSPORT=stdout", f"_UID={os.getuid()}"]


def dropped(lines: str) -> str:
    told = f"the journal has dropped {lines} lines of your units, which came too fast"
    return f"{told}: RateLimitBurst= in journald.conf says how many it takes"


def message(entry: Mapping[str, Any]) -> Message:
    """What was printed. The journal gives what is no text as a list of numbers."""
    said = entry.get("MESSAGE") or ""
    line = said.encode() if isinstance(said, str) else bytes(said)
    end = b"" if entry.get("_LINE_BREAK") in _GOES_ON else b"\n"
    return Message(int(entry["__REALTIME_TIMESTAMP"]) * 1000, frames.STDOUT, line + end)
