"""The referee: a real client that asks a server without pause, from before it starts, and keeps every answer.

It is the judge of what locald said: of a request that began after `ready_at` nothing but a good answer is
right.
It asks on both loopback addresses in turn until one answers, as a client that resolves `localhost` does.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from zoo.clients import Refused

if TYPE_CHECKING:
    from zoo.clients import Client

HOSTS = ("127.0.0.1", "::1")
PAUSE = 0.0005
"""seconds between two requests: enough for the server to go on where both share a core"""
CUT = 0.001
"""seconds: `ready_at` is cut to whole milliseconds, so it may be that much too early"""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: when it began and ended (seconds since the epoch), what was wrong."""

    began: float
    ended: float
    error: str

    @property
    def is_good(self) -> bool:
        return not self.error


class Referee:
    """Asks from `with` to its end."""

    def __init__(self, client: Client, port: int) -> None:
        self._client = client
        self._port = port
        self._ended = False
        self._news = threading.Condition()
        self._asked: list[Asked] = []
        self._thread = threading.Thread(target=self._ask_without_pause, daemon=True)

    def __enter__(self) -> Referee:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._thread.join()

    def watch(self, since: float, seconds: float, patience: float = 120.0) -> None:
        """Wait until it has asked for that long after a moment, and not less than ten times."""

        def is_enough() -> bool:
            after = [each for each in self._asked[-10:] if each.began > since]
            return len(after) == 10 and after[-1].began > since + seconds

        with self._news:
            assert self._news.wait_for(is_enough, patience), self._asked[-3:]

    def after(self, moment: float) -> list[Asked]:
        """The requests that began after a moment."""
        with self._news:
            return [each for each in self._asked if each.began > moment]

    def _ask_without_pause(self) -> None:
        host = 0
        while not self._ended:
            asked = self._ask(HOSTS[host])
            if asked.error.startswith("ConnectionRefusedError"):
                other = self._ask(HOSTS[1 - host])
                if not other.error.startswith("ConnectionRefusedError"):
                    asked, host = other, 1 - host
            with self._news:
                self._asked.append(asked)
                self._news.notify_all()
            time.sleep(PAUSE)

    def _ask(self, host: str) -> Asked:
        began = time.time()
        error = ""
        try:
            self._client(host, self._port)
        except (OSError, Refused) as found:
            error = f"{type(found).__name__}: {found}"
        return Asked(began, time.time(), error)


@dataclass(frozen=True, slots=True)
class Verdict:
    """`lag`: milliseconds from the first good answer to `ready_at`, below 0 where locald knew first; `early`:
    what went wrong after `ready_at`."""

    lag: float
    early: tuple[Asked, ...]


def judge(referee: Referee, started_at: float, ready_at: float) -> Verdict:
    """Of one run: from its spawn on. The first good answer is the first of those without a break up to
    `ready_at`: a temporary server that answers and ends does not count."""
    asked = referee.after(started_at)
    early = tuple(each for each in asked if not each.is_good and each.began > ready_at + CUT)
    broken = [each.began for each in asked if not each.is_good and each.began <= ready_at]
    good = [each.ended for each in asked if each.is_good and each.began > max(broken, default=0)]
    return Verdict(1000 * (ready_at + CUT / 2 - min(good)) if good else math.inf, early)
