"""Every state and health of a service with its tone, its sign and its rank: one table for all screens."""

from __future__ import annotations

STATES = {
    "failed": ("bad", "✗"),
    "unhealthy": ("bad", "▲"),
    "backoff": ("warn", "↻"),
    "blocked": ("warn", "⊘"),
    "unknown": ("quiet", "◌"),
    "stopping": ("busy", "◑"),
    "preparing": ("busy", "◐"),
    "starting": ("busy", "◐"),
    "waiting": ("quiet", "◌"),
    "stopped": ("quiet", "○"),
    "running": ("good", "●"),
    "healthy": ("good", "●"),
    "completed": ("good", "✓"),
}
"""Every state and health with its tone and its sign, from the worst to the best.

The signs tell words apart without colour. `tools/vocabulary.py` writes the page's table from this one.
"""

COLOURS = {
    "good": ("green",),
    "busy": ("bright_blue",),
    "warn": ("yellow",),
    "bad": ("red",),
    "quiet": ("dim",),
}
"""Of a tone, on terminals; the page has one token for each."""

DOWN = ("unhealthy", "failed", "backoff")
"""Words for a service that went down by itself."""
AMISS = (*DOWN, "blocked")
"""Words for a service that somebody has to look at: it stands first where there is a choice."""
MOVING = ("waiting", "preparing", "starting", "stopping", "backoff")
"""Words for a service that has not settled."""
_ORDER = list(STATES)


def tone(word: str) -> str:
    """What to make of a word: `good`, `busy`, `warn`, `bad` or `quiet`."""
    return STATES.get(word, STATES["unknown"])[0]


def colours(word: str) -> tuple[str, ...]:
    """The colours of a state or a health on a terminal."""
    return COLOURS[tone(word)]


def rank(word: str) -> int:
    """The worst has 0."""
    return _ORDER.index(word if word in STATES else "unknown")


def sign(word: str) -> str:
    """The shape that stands before the word on screens."""
    return STATES.get(word, STATES["unknown"])[1]
