"""Values of options that are more than a text."""

from __future__ import annotations

from locald.domain.values import duration


def seconds(text: str) -> float:
    """A duration."""
    try:
        return duration.from_argument(text)
    except ValueError as error:
        raise wrong(str(error)) from None


def wrong(what: str) -> Exception:
    """What to raise for a value that is none; of a ValueError argparse would keep no word."""
    import argparse  # who is here has it already

    return argparse.ArgumentTypeError(what)
