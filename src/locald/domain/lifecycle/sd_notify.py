"""The sd_notify protocol, as far as it is pure: what a datagram says, and whether its sender may say it.

Sources: sd_notify(3), systemd.service(5). A datagram is lines of `KEY=value`. Tokens are exact: `READY=10`
is not `READY=1`. The first occurrence of a key wins, unknown keys are ignored. The kernel's part (whose
datagram it is) is done by the keeper at the moment of arrival.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct, field

from locald.domain.values.duration import LONGEST as LONGEST_TIME
from locald.domain.values.plain import plain

if TYPE_CHECKING:
    from locald.domain.lifecycle.messages import Sender

LONGEST = 4096
"""bytes; a longer datagram is dropped whole, as systemd does"""

KNOWN = frozenset(
    {
        "READY",
        "STATUS",
        "RELOADING",
        "STOPPING",
        "ERRNO",
        "EXIT_STATUS",
        "MAINPID",
        "WATCHDOG",
        "WATCHDOG_USEC",
        "EXTEND_TIMEOUT_USEC",
    }
)
"""what says something of the service; other keys are ignored (BARRIER=1 and descriptors are the keeper's)"""

_LINE_END = re.compile(r"[\n\v\f\x85\u2028\u2029]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


class Notification(Struct, frozen=True):
    """The assignments of one datagram."""

    assignments: dict[str, bytes] = field(default_factory=dict)

    @property
    def are_known(self) -> bool:
        """Whether it says anything at all that is understood."""
        return not KNOWN.isdisjoint(self.assignments)

    @property
    def are_promise(self) -> bool:
        """Whether it announces that READY=1 will follow. ERRNO= alone never does: failing tools of systemd
        (`systemctl`, `loginctl`, `busctl`) send it by themselves, whatever they were started by."""
        return not (KNOWN - {"ERRNO", "EXIT_STATUS"}).isdisjoint(self.assignments)

    def has(self, key: str, value: bytes) -> bool:
        return self.assignments.get(key) == value

    def number(self, key: str) -> int | None:
        """A non-negative decimal number, or None when the key is missing or says something else."""
        text = self.assignments.get(key, b"")
        return int(text) if re.fullmatch(rb"[0-9]{1,19}", text) else None

    def seconds(self, key: str) -> float | None:
        """The microseconds of a key as seconds: no more than clocks and calendars can take."""
        number = self.number(key)
        return None if number is None else min(number / 1e6, LONGEST_TIME)

    def text(self, key: str) -> str | None:
        """Free text without control characters; None when missing or not UTF-8."""
        try:
            return clean(self.assignments[key].decode())
        except (KeyError, UnicodeDecodeError):
            return None

    def __str__(self) -> str:
        """The assignments in words. A STATUS that comes with others is left out: it is shown by itself."""
        told = {key: value for key, value in self.assignments.items() if key != "STATUS"} or self.assignments
        shown = (f"{key}={value.decode('utf-8', 'replace')}" for key, value in told.items())
        return clean(" ".join(shown))[:200]


def parse(datagram: bytes) -> Notification | None:
    """Read one datagram; None for what has to be dropped whole: too long, or with a NUL inside."""
    body = datagram.removesuffix(b"\0")
    if len(datagram) > LONGEST or b"\0" in body:
        return None
    assignments: dict[str, bytes] = {}
    for line in re.split(rb"[\r\n]", body):  # as systemd's own parser does
        key, sign, value = line.partition(b"=")
        if sign and key.isascii():
            assignments.setdefault(key.decode(), value)
    return Notification(assignments)


def refusal(sender: Sender) -> str | None:
    """Why this sender may not speak for the run, or None when it may."""
    if sender.standing == "outside":
        return f"{sender.process}, a process outside the service"
    return None


def introduce(sender: Sender) -> str:
    """The sender in words, with what is uncertain about it."""
    match sender.standing:
        case "exited":
            return f"{sender.process}, which had already exited,"
        case "spawner":
            # A root sender may forge its pid: systemd-notify run by root shows its parent's, even the
            # keeper's own. The socket is private to the run, so its word is taken.
            return f"{sender.process}, run as root,"
        case "member" | "outside":
            return str(sender.process)


def clean(text: str) -> str:
    """Text that can be shown anywhere: without escape sequences; what else steers becomes one space."""
    return _CONTROL.sub(" ", plain(_LINE_END.sub(" ", text))).strip()
