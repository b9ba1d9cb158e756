"""The text in what a program printed, without the sequences that steer a terminal.

Removed are control sequences (colours, cursor), control strings with all that is in them (window titles,
link targets), character set and other escape sequences, in their seven-bit and eight-bit forms, and control
characters that mean nothing outside a terminal. Text is never removed: what follows a control string
that was begun and never ended stays. Tabs and carriage returns stay too.

Source: ECMA-48 (5.3, 5.4, 5.6); OSC ended by BEL is xterm's.
"""

from __future__ import annotations

import re

_STEERING = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x80-\x9f]*(?:\x07|\x1b\\|\x9c)"  # OSC
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x80-\x9f]*(?:\x1b\\|\x9c)"  # DCS, SOS, PM, APC
    r"|\x1b[ -/]+[0-~]"  # character sets and the like
    r"|\x1b[0-~]"  # every other escape sequence, and the beginning of one that never ended
    r"|[\x00-\x08\x0a-\x0c\x0e-\x1f\x7f-\x9f]"  # C0 but tab and carriage return, DEL, C1
)


def plain(text: str) -> str:
    """One line of output as text.

    Takes time in proportion to its length, whatever is in it: the body of a string ends where another
    sequence could begin, so that nothing is looked through twice.
    """
    return text if text.isprintable() else _STEERING.sub("", text)
