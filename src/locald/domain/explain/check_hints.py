"""What to do about a `health_check` that fails, judged by its last result.

A check that never passes is often not the service's fault: the path is another one, or the command is not
there. Then the hint is about the check, with its own words in it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from locald.domain.lifecycle.health import Source
from locald.domain.project.doubts import address_meant
from locald.domain.project.spec import CommandCheck, HttpCheck, ProtocolCheck

if TYPE_CHECKING:
    from locald.domain.lifecycle.run_facts import RunFacts

_SHELL_SAID = {126: "execute", 127: "find"}
"""what the shell could not do with a program, by its exit code"""


def check_hints(facts: RunFacts) -> list[str]:
    """Nothing while the check passes, or fails in a way that is the service's own business."""
    latest = facts.evidence.get(Source.EXPLICIT)
    if latest is None or latest.ok:
        return []
    match facts.check:
        case CommandCheck(command):
            return _of_a_command(facts, command, latest.detail)
        case HttpCheck() as check:
            return _of_tls(latest.detail) or _of_a_request(check, latest.detail)
        case ProtocolCheck() as check:
            return _of_a_protocol(check, latest.detail)
        case _:
            return []


def _of_a_command(facts: RunFacts, command: str, detail: str) -> list[str]:
    code = re.search(r"command exited with code (126|127)\b", detail)
    if code is None:
        return []
    if meant := address_meant(command, facts.definition.spec):
        return [f"did you mean `{meant}`? As a string, health_check is a command"]
    return [
        f"correct the health_check command, it names a program that sh could not {_SHELL_SAID[int(code[1])]}"
    ]


def _of_tls(detail: str) -> list[str]:
    """The server speaks TLS and the check does not, or the other way round."""
    if detail.endswith("the server speaks TLS"):
        return ['add scheme = "https" to health_check']
    if detail.endswith("the server does not speak TLS"):
        return ['remove scheme = "https" from health_check']
    return []


def _of_a_protocol(check: ProtocolCheck, detail: str) -> list[str]:
    """Something answered, but in another protocol."""
    if f"did not answer in the {check.kind} protocol" in detail:
        meant = "http" if detail.endswith("but in HTTP") else "tcp"
        return [f'correct `type` of health_check ("{check.kind}"), for example to "{meant}"']
    return []


def _of_a_request(check: HttpCheck, detail: str) -> list[str]:
    """An answer came, but not one that means healthy. What a server says of itself (5xx) is no mistake in
    the check."""
    status = re.search(r" returned ([1-4]\d\d)\b", detail)
    if status is None:
        return []
    wanted = " or ".join(map(str, check.status)) or "2xx or 3xx"
    also = ", ".join(map(str, (*(check.status or (200,)), int(status[1]))))
    return [
        f'set `path` of health_check (now "{check.path}") to one that returns {wanted}, '
        f"or set status = [{also}] if {status[1]} means healthy too"
    ]
