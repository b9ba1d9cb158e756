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
    repository = _repository(directory)
    is_linked = os.path.basename(os.path.dirname(repository)) == "worktrees"  # else itself, or a submodule
    return _branch(repository) if is_linked else ""


def branch_of(directory: str) -> str:
    """The branch that is checked out in the folder, linked worktree or not."""
    return _branch(_repository(directory))


def _repository(directory: str) -> str:
    """Where git keeps what it knows of this folder; empty when it is in no repository."""
    above = directory
    while not os.path.lexists(dot := os.path.join(above, ".git")):
        above, below = os.path.dirname(above), above
        if above == below:
            return ""
    if os.path.isdir(dot):
        return dot
    link = _line(dot)
    return os.path.join(above, link.removeprefix("gitdir: ")) if link.startswith("gitdir: ") else ""


def _branch(repository: str) -> str:
    head = _line(os.path.join(repository, "HEAD")) if repository else ""
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
