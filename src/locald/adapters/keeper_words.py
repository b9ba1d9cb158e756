"""The keeper's words in ours: each of its events as one of the domain's, each refusal as a sentence.

Pure, but for what `/proc` calls a process that cannot be ended.
"""

from __future__ import annotations

import base64
import errno
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
from locald.linux import procfs

if TYPE_CHECKING:
    from locald.domain.project.names import Run

Json = dict[str, Any]


def translate(run: Run, event: Json) -> Event | None:
    """One event of the keeper's, or None for what a later keeper may say and we do not know."""
    at = event["at"]
    match event["event"]:
        case "spawned":
            return Spawned(run, event["pid"], at)
        case "refused":
            about = event.get("subject", ""), event["text"]
            reason, hint = refusal(event["stage"], event["errno"], *about)
            return NotStarted(run, reason, hint, at, may_pass=event["stage"] == "resources")
        case "notified":
            data = base64.b64decode(event["data"])
            return Notified(run, _sender(event), data, at, event.get("main"))
        case "ended":
            return SenderEnded(run, event["pid"], at)
        case "exited":
            return Exited(run, event["pid"], Exit(event["code"], event["signal"]), event["left"], at)
        case "gone":
            return Gone(run, at)
        case "stuck":
            return Stuck(run, tuple(Process(pid, procfs.program(pid)) for pid in event["pids"]), at)
        case _:
            return None


_STANDING: dict[str, Standing] = {
    "member": "member",
    "exited": "exited",
    "stranger": "outside",
    "spawner": "spawner",
}
"""The words of the wire stay as they are, for a running keeper may be older than the daemon: what the domain
calls "outside" is "stranger" there."""


def _sender(event: Json) -> Sender:
    """The sender, and whether its standing holds for its user too.

    A member of the tree is taken at its pid, whatever user it has become. One that is gone already, or
    that says it is the keeper (only root can), is known by its uid alone.
    """
    standing = _STANDING[event["standing"]]
    own = event["uid"] == os.geteuid()
    if (standing == "exited" and not own) or (standing == "spawner" and event["uid"] != 0):
        standing = "outside"
    line = event.get("line")
    told = None if line is None else tuple(Kin(*each) for each in line)
    return Sender(Process(event["pid"], event["program"]), event["uid"], standing, told)


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
