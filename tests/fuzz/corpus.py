"""Inputs to begin with, and those that were faults once: `corpus/PARSER.txt`, one a line, written as in a
string literal of Python."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).with_name("corpus")


def inputs(parser: str) -> list[bytes]:
    lines = (FOLDER / f"{parser}.txt").read_text(encoding="ascii").splitlines()
    return [line.encode("ascii").decode("unicode_escape").encode("latin-1") for line in lines]


def spelled(data: bytes) -> str:
    """As a line of such a file."""
    return data.decode("latin-1").encode("unicode_escape").decode("ascii")
