"""The engines that may have something of ours: a file beside the saved state, for whoever comes after us.

An engine that is away cannot remove a container, and a saved state that cannot be read names none. So an
engine is written down before anything is made there, and struck off when nothing of ours is left.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from msgspec import json

from locald.adapters import whole
from locald.wire.engines import Address

if TYPE_CHECKING:
    from collections.abc import Collection

log = logging.getLogger(__name__)


class EnginesUsed:
    """Its methods block, and never raise."""

    def __init__(self, path: str) -> None:
        self._path = path

    def all(self) -> set[Address]:
        """Nothing where it cannot be read: then nothing can be done about it."""
        try:
            with open(self._path, "rb") as file:
                return json.decode(file.read(), type=set[Address])
        except FileNotFoundError:
            return set()
        except (OSError, ValueError) as error:
            log.warning("the engines that were used before are not known: %s", error)
            return set()

    def add(self, address: Address) -> None:
        known = self.all()
        if address not in known:
            self._put({*known, address})

    def strike_off(self, address: Address) -> None:
        known = self.all()
        if address in known:
            self._put(known - {address})

    def _put(self, known: Collection[Address]) -> None:
        try:
            if known:
                whole.put(self._path, json.encode(known))
            else:
                os.unlink(self._path)
        except OSError as error:
            log.warning("the engines that are used cannot be written down: %s", error)
