"""Which folder it is, whatever it is called: that of a project may be moved while its services run."""

from __future__ import annotations

import os


def identity(path: str) -> str:
    """Device and inode, which move with the folder; empty when there is none."""
    try:
        found = os.stat(path)
    except OSError:
        return ""
    return f"{found.st_dev}:{found.st_ino}"
