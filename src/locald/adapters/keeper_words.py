"""The keeper's words in ours: each of its events as one of the domain's, each refusal as a sentence.

Pure, but for what `/proc` calls a process that cannot be ended.
"""

from __future__ import annotations

import base64
import errno
import math
import os
from typing import TYPE_CHECKING, Any

from locald.domain.lifecycle.messages import (
    Event,
    Exit,
    Exited,
    Gone,
    Kin,
    Notified,
    NotStarted,
    Process,
    Sender,
    SenderEnded,
    Spawned,
    Standing,
    Stuck,
)
from locald.keeper.wire.protocol import Malformed, Request
from locald.linux import procfs

if TYPE_CHECKING:
    from locald.domain.project.names import Run

Json = dict[str, Any]

_MOST = 2**31 - 1
"""a C int, with which the kernel counts processes and errors"""


def translate(run: Run, event: Json) -> Event | None:
    """One event of the keeper's, or None for what a later keeper may say and we do not know.

    Raises Malformed: nothing of another kind than we expect gets any further.
    """
    said = _Said(event)
    at = said.moment("at")
    match said.text("event"):
        case "spawned":
            return Spawned(run, said.number("pid", 1, _MOST), at)
        case "refused":
            subject = said.text("subject") if said.has("subject") else ""
            stage, text = said.text("stage"), said.text("text")
            reason, hint = refusal(stage, said.number("errno", 0, _MOST), subject, text)
            return NotStarted(run, reason, hint, at, may_pass=stage == "resources")
        case "notified":
            return Notified(run, _sender(said), said.data("data"), at, _optional(said, "main"))
        case "ended":
            return SenderEnded(run, _pid(said), at)
        case "exited":
            ended = Exit(_optional(said, "code"), _optional(said, "signal"))
            return Exited(run, _pid(said), ended, said.number("left", 0, _MOST), at)
        case "gone":
            return Gone(run, at)
        case "stuck":
            pids = [_Said({"pid": each}).number("pid", 0, _MOST) for each in said.parts("pids")]
            return Stuck(run, tuple(Process(pid, procfs.program(pid)) for pid in pids), at)
        case _:
            return None


class _Said(Request):
    """The fields of an event, checked as those of a request are."""

    __slots__ = ()

    def moment(self, name: str) -> float:
        value = self._fields.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
        raise self.malformed(name, "seconds")

    def data(self, name: str) -> bytes:
        try:
            return base64.b64decode(self.text(name), validate=True)
        except ValueError:
            raise self.malformed(name, "Base64") from None

    def parts(self, name: str) -> list[Any]:
        value = self._fields.get(name)
        if isinstance(value, list):
            return value
        raise self.malformed(name, "a list")


def _pid(said: Request) -> int:
    """0 for one that cannot be seen from here."""
    return said.number("pid", 0, _MOST)


def _optional(said: Request, name: str) -> int | None:
    return said.number(name, 0, _MOST) if said.has(name) else None


_STANDING: dict[str, Standing] = {
    "member": "member",
    "exited": "exited",
    "stranger": "outside",
    "spawner": "spawner",
}
"""The words of the wire stay as they are, for a running keeper may be older than the daemon: what the domain
calls "outside" is "stranger" there."""


def _sender(said: _Said) -> Sender:
    """The sender, and whether its standing holds for its user too.

    A member of the tree is taken at its pid, whatever user it has become. One that is gone already, or
    that says it is the keeper (only root can), is known by its uid alone.
    """
    standing, uid = _STANDING.get(said.text("standing")), said.number("uid", 0, 2**32 - 1)
    if standing is None:
        raise said.malformed("standing", "one of " + ", ".join(_STANDING))
    own = uid == os.geteuid()
    if (standing == "exited" and not own) or (standing == "spawner" and uid != 0):
        standing = "outside"
    line = tuple(map(_kin, said.parts("line"))) if said.has("line") else None
    return Sender(Process(_pid(said), said.text("program")), uid, standing, line)


def _kin(told: object) -> Kin:
    match told:
        case [int(pid), str(program), bool(listens)]:
            return Kin(pid, program, listens)
        case _:
            raise Malformed("a line is of processes")


def refusal(stage: str, number: int, subject: str, text: str) -> tuple[str, str]:
    """Why a process could not be started, and what to do.

    `number` is an errno, or 0; `subject` the program or the folder that it is about; `text` says what failed.
    """
    if stage == "workdir":
        return f"workdir {subject}: {text}", "check `workdir`, it is relative to locald.toml"
    if stage != "program":
        return text, "run `locald doctor` to check the limits"
    match number:
        case errno.ENOENT if text == os.strerror(errno.ENOENT):
            return (
                f"no such program: {subject}",
                "check the spelling of `command` and the PATH of this shell",
            )
        case errno.ENOENT:
            return (
                f"{subject}: {text}",
                "install that interpreter, or correct the first line (without CR LF)",
            )
        case errno.EACCES:
            return f"{subject}: {text}", f"run `chmod +x {subject}` if it is a program"
        case errno.ENOEXEC:
            return f"{subject}: {text}", "add a first line such as #!/bin/sh"
        case errno.E2BIG:
            return f"{subject}: {text}", "shorten its arguments or its environment"
        case _:
            return f"{subject}: {text}", "run `locald doctor` to find the cause"
