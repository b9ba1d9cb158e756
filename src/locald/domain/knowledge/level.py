"""How grave a line of output is, as far as the line itself says.

Programs write a level in many ways, but mostly near the beginning: after a time and a name, in brackets or
capitals (`2026-05-01 12:00:00 [warn] slow`, `E0501 12:00:00`), as a field (`level=info`, `"level":"error"`,
`"level":50`), or as the first word (`npm ERR!`, `Error: no such file`). A word in the middle of a sentence
("no errors found") is no level: only words in capitals, in brackets, before a colon or in a field count, and
only in the first part of a line. What names no level has none; it is not guessed from the stream.

Sources: RFC 5424 (names), pino (numbers in JSON), logfmt, klog's header.
"""

from __future__ import annotations

import re
from typing import Literal

from locald.domain.values.plain import plain

Level = Literal["error", "warn", "info", "debug"]

LEVELS: tuple[Level, ...] = ("error", "warn", "info", "debug")
"""the gravest first"""
LOOKED_AT = 400
"""characters of a line, from its beginning, that may name its level"""
IN_FIELDS = 4_000
"""characters of a JSON object that may: its fields have no order"""

_ERROR = "emergency|emerg|alert|critical|crit|fatal|panic|severe|error|err"
_WARN = "warning|warn"
_INFO = "information|info|notice|log"
_DEBUG = "debug|dbg|trace|verbose|finest|finer|fine"
_WORDS: dict[str, Level] = {
    **dict.fromkeys(_ERROR.split("|"), "error"),
    **dict.fromkeys(_WARN.split("|"), "warn"),
    **dict.fromkeys(_INFO.split("|"), "info"),
    **dict.fromkeys(_DEBUG.split("|"), "debug"),
}
_ANY = f"{_ERROR}|{_WARN}|{_INFO}|{_DEBUG}"
_LETTERS: dict[str, Level] = {
    "E": "error",
    "F": "error",
    "W": "warn",
    "I": "info",
    "D": "debug",
    "V": "debug",
}

_FIELD = re.compile(
    rf"""(?:^|[\s,{{\["'])(?:level|lvl|severity|loglevel|log\.level|levelname)["']?\s*[=:]\s*["']?"""
    rf"""(?:(?P<word>{_ANY})\b|(?P<number>[1-6]0)\b)""",
    re.IGNORECASE,
)
_MARKED = re.compile(
    rf"(?<![A-Za-z0-9_.'-])(?P<capitals>{_ANY.upper()})(?![A-Za-z0-9_'-]|\.[a-z])"
    rf"|[\[(<|]\s*(?P<bracketed>(?i:{_ANY}))\s*[\])>|]"
)
_FIRST = re.compile(rf"(?:[\w./-]+:\s+)?(?P<word>(?i:{_ANY}))(?:\[[^\]]*\])?:(?=\s|$)")
_KLOG = re.compile(r"(?P<letter>[EFWIDV])\d{4} \d\d:\d\d:\d\d")
_RAISED = re.compile(
    r"(?:Traceback \(most recent call last\)|panic: |Uncaught |Unhandled "
    r"|[\w.]*(?:Error|Exception)(?:: | \[|$))"
)
_ON_TIME = re.compile(r"(?:\d[TZ]?|[\s:.,/+-])*")


def level(text: str) -> Level | None:
    """The level that a line of output names; None when it names none. Takes no longer for a long line."""
    if text.startswith(("{", "\x1b")) or text[:1].isspace():
        text = plain(text[:IN_FIELDS]).lstrip()
    head = text[: IN_FIELDS if text.startswith("{") else LOOKED_AT]
    if not head.isprintable():
        head = plain(head)
    if found := _FIELD.search(head):
        return _WORDS[found["word"].lower()] if found["word"] else _of_number(int(found["number"]))
    if head.startswith("{"):
        return None
    return _of_text(head)


def is_at_least(text: str, wanted: Level) -> bool:
    """Whether the line names this level, or a graver one."""
    found = level(text)
    return found is not None and LEVELS.index(found) <= LEVELS.index(wanted)


def _of_number(number: int) -> Level:
    """pino and bunyan: 10 trace, 20 debug, 30 info, 40 warn, 50 error, 60 fatal."""
    return "error" if number >= 50 else "warn" if number == 40 else "info" if number == 30 else "debug"


def _of_text(head: str) -> Level | None:
    if found := _MARKED.search(head):
        return _WORDS[(found["capitals"] or found["bracketed"]).lower()]
    begin = _ON_TIME.match(head)
    start = begin.end() if begin else 0
    if found := _FIRST.match(head, start):
        return _WORDS[found["word"].lower()]
    if found := _KLOG.match(head):
        return _LETTERS[found["letter"]]
    return "error" if _RAISED.match(head, start) else None
