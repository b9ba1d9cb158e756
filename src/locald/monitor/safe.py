"""Text from outside, made harmless once, where it comes in.

Names, reasons, values and lines come from programs that cannot be trusted: they may hold markup, escape
sequences, text that changes the direction of writing, half a character, a megabyte. What has passed here is
one line of text, of bounded length, that any terminal can show; it is shown as `Text`, in which a square
bracket is a square bracket. Nothing that is shown is ever parsed as markup.
"""

from __future__ import annotations

import re
from typing import Any

from locald.faces.text import colours_only, plain

LONGEST = 2_000
"""characters of a name, a reason, a value"""
LONGEST_LINE = 2_000
"""characters of a line of output: some twenty-five rows of a small terminal"""
HALVES = re.compile("[\ud800-\udfff]")
"""Of characters: JSON can carry them, a terminal cannot."""
SGR = re.compile(r"\x1b\[[0-9;:]*m")


def harmless(value: Any) -> Any:
    """A document of the daemon, with all text in it fit for a screen; what is not text stays as it is."""
    if isinstance(value, str):
        return line(value)
    if isinstance(value, dict):
        return {line(str(name)): harmless(each) for name, each in value.items()}
    if isinstance(value, list):
        return [harmless(each) for each in value]
    return value


def line(text: str) -> str:
    """One line without anything that steers a terminal, cut where it is too long."""
    return _whole(plain(_cut(text, LONGEST)))


def output(text: str) -> str:
    """A line of output with its colours, and nothing else of what steers."""
    return _whole(colours_only(_cut(text, LONGEST_LINE)).expandtabs(8))


def uncoloured(text: str) -> str:
    """What `output` made, without the colours."""
    return SGR.sub("", text) if "\x1b" in text else text


def _cut(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    return f"{text[:longest]}\x1b[0m… ({len(text):,} characters)"


def _whole(text: str) -> str:
    return text if text.isascii() else HALVES.sub("�", text)
