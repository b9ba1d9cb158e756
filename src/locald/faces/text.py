"""Text from outside, made fit for a screen.

Output, names and reasons may hold escape sequences: printed as they are, they move the cursor, change the
title or answer questions into the shell. In tables and sentences none of that is left (`plain`). In lines of
`logs` on a terminal only colours are left (`colours_only`).
Sources: ECMA-48 (control functions), XTerm Control Sequences.
"""

from __future__ import annotations

import re

ESCAPE = re.compile(
    r"\x1b\][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"  # OSC: a title, a link, the clipboard
    r"|\x1b[PX^_][^\x1b\x9c]*(?:\x1b\\|\x9c)?"  # DCS, SOS, PM, APC: a string up to its end
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI
    r"|\x1b[ -/]*[0-~]?"  # every other sequence
)
COLOURS = re.compile(r"(\x1b\[[0-9;:]*m)")
_C1_AND_DIRECTION = r"\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"  # of writing: it can lie
CONTROL = re.compile(rf"[\x00-\x1f{_C1_AND_DIRECTION}]")
CONTROL_BUT_TAB = re.compile(rf"[\x00-\x08\x0a-\x1f{_C1_AND_DIRECTION}]")


def plain(text: str) -> str:
    """One line without escape sequences and control characters; white space stays white space."""
    if text.isprintable():
        return text
    return CONTROL.sub("", re.sub(r"[\t\r\n\v\f]+", " ", ESCAPE.sub("", text)))


def colours_only(text: str) -> str:
    """A line for a terminal: its colours stay and end with it, everything else that steers is removed.

    Of what was overwritten by carriage returns (progress bars) the last is kept, as a screen would show.
    """
    if text.isprintable():
        return text
    text = next((part for part in reversed(text.split("\r")) if part), "")
    pieces = COLOURS.split(ESCAPE.sub(_colour_or_nothing, text))
    pieces[::2] = [CONTROL_BUT_TAB.sub("", piece) for piece in pieces[::2]]
    return "".join(pieces) + ("\x1b[0m" if len(pieces) > 1 else "")


def shorten(text: str, width: int) -> str:
    """At most `width` characters, with an ellipsis in place of what is cut off."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def _colour_or_nothing(found: re.Match[str]) -> str:
    return found[0] if COLOURS.fullmatch(found[0]) else ""
