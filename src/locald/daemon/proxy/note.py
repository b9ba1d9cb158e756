"""What a daemon notes of the proxy for the next one: which run it is, and where it listens."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict

from locald.adapters import whole

log = logging.getLogger(__name__)


class Note(Struct, frozen=True):
    """`run` 0: there was none yet. `caddy`: its version. `is_over`: it was ended with everything else."""

    run: int = 0
    https_port: int = 0
    http_port: int = 0
    caddy: str = ""
    is_over: bool = False


def recall(path: str) -> Note:
    """The last one; one that cannot be understood counts as none. Blocks."""
    try:
        found = json.loads(Path(path).read_bytes())
        run, https, http = (int(found[name]) for name in ("run", "https_port", "http_port"))
        return Note(run, https, http, str(found["caddy"]), found.get("is_over") is True)
    except FileNotFoundError:
        return Note()
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        log.warning("%s is unusable: the proxy is started again", path)
        return Note()


def keep(path: str, note: Note) -> None:
    """Blocks; raises OSError."""
    whole.put(path, json.dumps(asdict(note)).encode())
