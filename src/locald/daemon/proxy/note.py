"""What a daemon notes of the proxy for the next one: which run it is, and where it listens."""

from __future__ import annotations

import json
import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Note:
    """`run` 0: there was none yet. `caddy`: its version."""

    run: int = 0
    https_port: int = 0
    http_port: int = 0
    caddy: str = ""


def recall(path: str) -> Note:
    """The last one; one that cannot be understood counts as none. Blocks."""
    try:
        found = json.loads(Path(path).read_bytes())
        run, https, http = (int(found[name]) for name in ("run", "https_port", "http_port"))
        return Note(run, https, http, str(found["caddy"]))
    except FileNotFoundError:
        return Note()
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        log.warning("%s is unusable: the proxy is started again", path)
        return Note()


def keep(path: str, note: Note) -> None:
    """Blocks; raises OSError."""
    beside = Path(f"{path}.new")
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w") as file:
        json.dump(asdict(note), file)
    beside.replace(path)
