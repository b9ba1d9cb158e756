"""The text in what a program printed, without the sequences that steer a terminal.

Removed are control sequences (colours, cursor), control strings with all that is in them (window titles,
link targets), character set and other escape sequences, in their seven-bit and eight-bit forms, and control
characters that mean nothing outside a terminal. Text is never removed: what follows a control string
that was begun and never ended stays. Tabs and carriage returns stay too.

Source: ECMA-48 (5.3, 5.4, 5.6); OSC ended by BEL is xterm's.
"""

from __future__ import annotations

import re

_ESCAPED = (
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x80-\x9f{end}]*(?:\x07|\x1b\\|\x9c)"  # OSC
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x80-\x9f{end}]*(?:\x1b\\|\x9c)"  # DCS, SOS, PM, APC
    r"|\x1b[ -/]+[0-~]"  # character sets and the like
    r"|\x1b[0-~]"  # every other escape sequence, and the beginning of one that never ended
)
_CONTROLS = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # C0 but tab, line feed and carriage return, DEL, C1
_STEERING = re.compile(f"{_ESCAPED.replace('{end}', '')}|[\n{_CONTROLS}]")
_STEERING_LINES = re.compile(f"{_ESCAPED.replace('{end}', chr(10))}|[{_CONTROLS}]")

_STEERING_BYTES = bytes({*range(32), 0x7F} - set(b"\t\n\r"))
_C1_BYTES = re.compile(rb"\xc2[\x80-\x9f]")


def plain(text: str) -> str:
    """One line of output as text.

    Takes time in proportion to its length, whatever is in it: the body of a string ends where another
    sequence could begin, so that nothing is looked through twice.
    """
    return text if text.isprintable() else _STEERING.sub("", text)


def plain_lines(text: str) -> str:
    """Many lines as text: the same as if each were made plain by itself."""
    return _STEERING_LINES.sub("", text)


def steers(data: bytes) -> bool:
    """Whether there may be something to remove from these lines, as a glance at their UTF-8 tells."""
    if len(data.translate(None, _STEERING_BYTES)) != len(data):
        return True
    return not data.isascii() and _C1_BYTES.search(data) is not None
