"""The daemon's own log: `logs/daemon.log`, bounded."""

from __future__ import annotations

import logging
import os
import sys
from logging.handlers import RotatingFileHandler

SIZE = 2_000_000
"""bytes of one file; one earlier file is kept"""


def begin_log(path: str, *, foreground: bool) -> None:
    """Raises OSError when the file cannot be written."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
    file = RotatingFileHandler(path, maxBytes=SIZE, backupCount=1, encoding="utf-8", errors="replace")
    handlers: list[logging.Handler] = [file]
    if foreground:
        handlers.append(logging.StreamHandler(sys.stderr))
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", handlers=handlers
    )
    logging.raiseExceptions = False  # a full disk must not stop the daemon
