"""Text from outside, made fit for a screen.

Output, names and reasons may hold escape sequences: printed as they are, they move the cursor, change the
title or answer questions into the shell. In tables and sentences none of that is left (`plain`). In lines of
`logs` on a terminal only colours are left (`colours_only`).
"""

from __future__ import annotations


def plain(text: str) -> str:
    """One line without escape sequences and control characters; white space stays white space."""
    if text.isprintable():
        return text
    from locald.faces import steering  # see there

    return steering.without(text)


def colours_only(text: str) -> str:
    """A line for a terminal: its colours stay and end with it, everything else that steers is removed.

    Of what was overwritten by carriage returns (progress bars) the last is kept, as a screen would show.
    """
    if text.isprintable():
        return text
    from locald.faces import steering  # see there

    return steering.with_colours(next((part for part in reversed(text.split("\r")) if part), ""))


def shorten(text: str, width: int) -> str:
    """At most `width` characters, with an ellipsis in place of what is cut off."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"
