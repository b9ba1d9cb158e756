"""Which keeper is ours: the one that a daemon of this state folder had last, wherever that found it.

Sockets are in a run folder, which another environment may put elsewhere: cron has no `XDG_RUNTIME_DIR`. The
services belong to the state folder, so it is noted there in which run folder the keeper is. One that answers
there is used; else there is none, and ours is begun in the run folder of today.
"""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from locald.adapters import whole
from locald.adapters.processes import LONGEST_EVENT
from locald.keeper import launch

if TYPE_CHECKING:
    from locald.wire.home import Home

log = logging.getLogger(__name__)


class Keeping:
    def __init__(self, home: Home, begun: launch.Begun | None = None) -> None:
        """`begun`: the one that was begun with this daemon."""
        self._home, self._begun = home, begun

    def is_there(self) -> bool:
        """Whether there may be a keeper: that of an earlier daemon, which may hold something, or ours."""
        return self._begun is not None or os.path.exists(self._home.keeper)

    async def reach(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The keeper, started if it is not there. Raises OSError."""
        try:
            await asyncio.to_thread(self._have)
        except launch.CannotStart as error:
            raise OSError(0, str(error)) from None
        connection = await asyncio.to_thread(launch.connect, os.path.dirname(self._home.keeper))
        return await asyncio.open_unix_connection(sock=connection, limit=LONGEST_EVENT)

    def _have(self) -> None:
        """A keeper that answers, where the note says. It is noted before anything can be given to it."""
        begun, self._begun = self._begun, None
        if begun and begun.line() == "ready":
            _note(self._home.keeper_note, self._home.run)
        elif not self._answers(os.path.dirname(self._home.keeper)):
            launch.start(self._home.run, self._home.keeper_log)
            _note(self._home.keeper_note, self._home.run)

    def _answers(self, folder: str) -> bool:
        """Raises CannotStart where the folder is another user's, but for one that is only noted, and in which
        no keeper is: it may have been made by anybody since the machine was started anew."""
        try:
            return launch.answers(folder)
        except launch.CannotStart as error:
            if folder == self._home.run or launch.lives(folder):
                raise
            log.warning("there is no keeper in the folder that is noted: %s", error)
            return False


def _note(path: str, folder: str) -> None:
    """Raises OSError where an earlier note leads elsewhere. Without any the run folder of today is looked in,
    so a full disk keeps nobody from starting services."""
    line, noted = os.fsencode(folder) + b"\n", Path(path)
    if noted.exists() and noted.read_bytes() == line:
        return
    try:
        whole.put(path, line)
    except OSError as error:
        if noted.exists():
            raise
        log.warning("%s cannot be written: %s", path, error.strerror)
