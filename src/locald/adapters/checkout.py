"""What git has checked out in a folder, read from its own files: no program is run for it.

Source: gitrepository-layout(5) (`gitdir`, `worktrees`, `HEAD`).
"""

from __future__ import annotations

import os

LONGEST = 4096
"""bytes of the files that are read; they have one line"""
BRANCH = "ref: refs/heads/"


def branch_of_worktree(directory: str) -> str:
    """The branch of the linked worktree that the folder is in; empty when it is in none, or its head is
    detached."""
    above = directory
    while not os.path.lexists(os.path.join(above, ".git")):
        above, below = os.path.dirname(above), above
        if above == below:
            return ""
    link = _line(os.path.join(above, ".git"))
    if not link.startswith("gitdir: "):
        return ""  # a repository of its own: `.git` is a folder
    repository = os.path.join(above, link.removeprefix("gitdir: "))
    if os.path.basename(os.path.dirname(repository)) != "worktrees":
        return ""  # a submodule
    head = _line(os.path.join(repository, "HEAD"))
    return head.removeprefix(BRANCH) if head.startswith(BRANCH) else ""


def _line(path: str) -> str:
    """What the file says; empty when it is none, or no text."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(file, LONGEST).decode("utf-8").strip()
    except (OSError, ValueError):
        return ""
    finally:
        os.close(file)
