"""Lengths of time on the command line."""

from __future__ import annotations

from locald.domain.values import duration


def seconds(text: str) -> float:
    """A duration on the command line; of a ValueError argparse would keep no word."""
    import argparse

    try:
        return duration.from_argument(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
