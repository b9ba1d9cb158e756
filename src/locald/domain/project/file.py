"""What the files of a project are called, and their text.

Beside `locald.toml` may stand `locald.local.toml`, which is one person's and not for version control. It has
the same tables, and its keys go over those of the other.
"""

from __future__ import annotations

from locald.domain.values.problem import Problem, Refused

FILE = "locald.toml"
LOCAL = "locald.local.toml"


def decode(data: bytes, where: str = FILE) -> str:
    """The text of a file. Raises Refused when it is not UTF-8."""
    try:
        return data.decode("utf-8-sig")  # some editors put a mark at the beginning, which TOML does not know
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Refused(Problem("is not UTF-8 text", f"{where}:{line}", "save the file as UTF-8")) from None
