"""What a daemon remembers of its site for the next one: the port and the secret.

So an open page finds the next daemon at the same place, and is still let in. The file is for its owner's eyes
only. One that cannot be understood is replaced; one that cannot be read now may be good, so it is left to the
next daemon, and browsers sign in to this one. One that cannot be written costs nothing but that the next
daemon begins afresh.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
from typing import Any

from msgspec import Struct

log = logging.getLogger(__name__)


class Memory(Struct, frozen=True):
    """`port` None: there was none yet."""

    port: int | None
    secret: str


def recall(path: str) -> Memory | None:
    """What the last daemon noted, or a new secret; None where nobody can tell now. Blocks; raises nothing."""
    try:
        with open(path, encoding="ascii") as file:
            return _understood(json.load(file))
    except FileNotFoundError:
        return new()
    except (ValueError, KeyError, TypeError, RecursionError, IsADirectoryError):
        log.warning("%s is unusable: browsers have to sign in again", path)
        return new()
    except OSError as error:
        log.warning("%s: %s: browsers have to sign in again, to this daemon", path, error.strerror)
        return None


def keep(path: str, memory: Memory) -> None:
    """Note it for the next daemon, all or nothing. Blocks; raises nothing."""
    new = f"{path}.new"
    try:
        _unlink(new)
        file = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(file, "w", encoding="ascii") as writing:
            json.dump({"port": memory.port, "secret": memory.secret}, writing)
        os.replace(new, path)
    except OSError as error:
        log.warning("%s cannot be written: %s", path, error.strerror)


def new() -> Memory:
    return Memory(None, secrets.token_urlsafe(32))


def _understood(noted: Any) -> Memory:
    """Raises ValueError for what no daemon has written."""
    port, secret = noted["port"], noted["secret"]
    if not (isinstance(port, int) and 1 < port < 65536 and isinstance(secret, str)):
        raise ValueError
    if not re.fullmatch(r"[A-Za-z0-9_-]{32,}", secret):  # what is easily guessed, or fits into no cookie
        raise ValueError
    return Memory(port, secret)


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
