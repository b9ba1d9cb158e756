"""Reading the state file: once, when the daemon starts.

A file that cannot be read, or that a newer version wrote, is kept aside under another name and never
overwritten.
"""

from __future__ import annotations

import itertools
import json
import os
from typing import TYPE_CHECKING, Any

from locald.adapters.state.document import SCHEMA, Head, Reader
from locald.adapters.state.upgrade import upgraded
from locald.domain.lifecycle.world import World
from locald.linux import procfs
from locald.wire.dataclass_json import codec

if TYPE_CHECKING:
    from collections.abc import Iterator


class Saved:
    """What a file said: the world as it was, and the clock it was told by."""

    def __init__(self, world: World, epoch: float | None, trouble: str = "") -> None:
        self.world = world
        self.epoch = epoch
        """None: another boot of the machine; its runs are gone and its clock with them"""
        self.trouble = trouble
        """why (part of) the file could not be used, one sentence, or empty"""


def load(path: str) -> Saved:
    """Read the file. What cannot be used is kept aside, and told in `trouble`. What cannot be read now may be
    good, and hold all that runs: OSError is raised for it, with its name."""
    try:
        with open(path, "rb") as file:
            return _restored(file.read())
    except FileNotFoundError:
        return Saved(World(), None)
    except (IsADirectoryError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return Saved(World(), None, _keep_aside(path, error))
    except OSError as error:
        error.filename = path  # who opens it tells, who reads it does not
        raise


def _restored(content: bytes) -> Saved:
    reader, head = Reader(), None
    for line in _lines(content):
        head = head or codec(Head).load(line)
        reader.take(line)
    if head is None:
        raise ValueError("it has no whole line")
    return Saved(reader.world(), head.epoch if head.boot_id == procfs.boot_id() else None)


def _lines(content: bytes) -> Iterator[dict[str, Any]]:
    """What follows the last newline is of a daemon that died while it wrote."""
    lines = content.split(b"\n")[:-1]
    if lines and _schema(lines[0]) == SCHEMA:
        yield from map(json.loads, lines)
    else:
        yield upgraded(json.loads(content))


def _schema(line: bytes) -> object:
    """As the first line of a file says; None for the file of an earlier version, which is of another form."""
    try:
        return json.loads(line)["schema"]
    except (ValueError, KeyError, TypeError):
        return None


def _keep_aside(path: str, error: Exception) -> str:
    reason = next(iter(str(error).splitlines()), type(error).__name__)
    names = (f"{path}.unusable-{number}" for number in itertools.count(1))
    aside = next(name for name in names if not os.path.exists(name))
    try:
        os.rename(path, aside)
    except OSError as cannot:
        return f"the saved state {path} is unusable ({reason}) and cannot be moved ({cannot.strerror})"
    # Without the state, no command could stop what ran.
    ended = "services were stopped, run `locald up` to start them again"
    return f"the saved state is unusable ({reason}) and was moved to {aside}: {ended}"
