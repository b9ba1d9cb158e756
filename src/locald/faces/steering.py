"""What steers a terminal, found in text and taken out. `text` asks for it where there is any.

To compile these patterns takes a millisecond, and what most commands print has nothing of the kind.
Sources: ECMA-48 (control functions), XTerm Control Sequences.
"""

from __future__ import annotations

import re

_ESCAPE = re.compile(
    r"\x1b\][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC: a title, a link, the clipboard
    r"|\x1b[PX^_][^\x1b\x9c]*(?:\x1b\\|\x9c)?"  # DCS, SOS, PM, APC: a string up to its end
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI
    r"|\x1b[ -/]*[0-~]?"  # every other sequence
)
_COLOURS = re.compile(r"(\x1b\[[0-9;:]*m)")
_C1_AND_DIRECTION = r"\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # of writing: it can lie
_CONTROL = re.compile(rf"[\x00-\x1f{_C1_AND_DIRECTION}]")
CONTROL_BUT_TAB = re.compile(rf"[\x00-\x08\x0a-\x1f{_C1_AND_DIRECTION}]")


def without(text: str) -> str:
    """One line without any of it; white space becomes a space."""
    return _CONTROL.sub("", re.sub(r"[\t\r\n\v\f]+", " ", _ESCAPE.sub("", text)))


def with_colours(text: str) -> str:
    """One line with its colours alone, which end with it."""
    pieces = _COLOURS.split(_ESCAPE.sub(_colour_or_nothing, text))
    pieces[::2] = [CONTROL_BUT_TAB.sub("", piece) for piece in pieces[::2]]
    return "".join(pieces) + ("\x1b[0m" if len(pieces) > 1 else "")


def _colour_or_nothing(found: re.Match[str]) -> str:
    return found[0] if _COLOURS.fullmatch(found[0]) else ""
