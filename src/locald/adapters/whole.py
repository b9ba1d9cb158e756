"""Files of our own that a later daemon finds whole, or as they were: written beside, then put in place."""

from __future__ import annotations

import os


def put(path: str, content: bytes) -> None:
    """For the owner's eyes alone. Blocks; raises OSError."""
    beside = f"{path}.new"
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(content)
    os.replace(beside, path)
