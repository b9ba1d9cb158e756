"""A line of a structured log as people read it: what happened, then the fields.

    {"level":"info","time":1764504000,"msg":"request","status":200,"path":"/a b"}
    request  status=200 path="/a b"

Time and level are left out: every face has its own place for them. Fields keep their order; what is nested
stays JSON. Names of fields are dim, by the escape sequence that every face understands.

Sources: pino, zap, zerolog, logrus, structlog, python-json-logger, ECS (names of the fields).
"""

from __future__ import annotations

import json
from typing import Any

LONGEST = 64_000
"""characters of a line that is read"""
MESSAGES = ("msg", "message", "event")
"""names of what happened, the first of them that is there"""
TIMES = ("time", "timestamp", "ts", "@timestamp", "asctime")
LEVELS = ("level", "lvl", "severity", "levelname", "log.level", "level_name")
DIM, PLAIN = "\x1b[2m", "\x1b[22m"


def as_fields(line: str) -> str | None:
    """The line for a screen; None for what is no object, or has nothing but time and level."""
    text = line.strip()
    if not (text.startswith("{") and text.endswith("}")) or len(text) > LONGEST:
        return None
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return _shown(told) if isinstance(told, dict) else None


def _shown(told: dict[str, Any]) -> str | None:
    named = next((name for name in MESSAGES if isinstance(told.get(name), str)), "")
    rest = [
        f"{DIM}{_escaped(name)}={PLAIN}{_value(value)}"
        for name, value in told.items()
        if name != named and name.lower() not in (*TIMES, *LEVELS)
    ]
    parts = [_escaped(told[named])] if named else []
    return "  ".join([*parts, *([" ".join(rest)] if rest else [])]) or None


def _value(value: Any) -> str:
    if isinstance(value, str) and value and not any(letter.isspace() or letter in '"=' for letter in value):
        return _escaped(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _escaped(text: str) -> str:
    """On one line, with nothing in it that steers a terminal."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in text)
