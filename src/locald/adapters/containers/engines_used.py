"""The engines that may have something of ours: files beside the saved state, for whoever comes after us.

An engine that is away cannot remove what runs there, and a saved state that cannot be read names none of it.
So an engine is written down before anything is made there, and struck off when nothing of ours is left.
"""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

from locald.adapters import whole

if TYPE_CHECKING:
    from collections.abc import Collection

log = logging.getLogger(__name__)


A = TypeVar("A")
"""how an engine of a kind is addressed"""


class EnginesUsed(Generic[A]):
    """Those of one kind, in ASCII: an environment may have what is not Unicode. Its methods block, and never
    raise."""

    def __init__(self, path: str, address: type[A]) -> None:
        self._path = path
        self._several = set[address]  # type: ignore[valid-type]

    def all(self) -> set[A]:
        """Nothing where it cannot be read: then nothing can be done about it."""
        try:
            with open(self._path, "rb") as file:
                return msgspec.convert(json.load(file), self._several)
        except FileNotFoundError:
            return set()
        except (OSError, ValueError, RecursionError) as error:
            log.warning("the engines that were used before are not known: %s", error)
            return set()

    def add(self, address: A) -> None:
        known = self.all()
        if address not in known:
            self._put({*known, address})

    def strike_off(self, address: A) -> None:
        known = self.all()
        if address in known:
            self._put(known - {address})

    def _put(self, known: Collection[A]) -> None:
        try:
            if known:
                whole.put(self._path, json.dumps(msgspec.to_builtins(known)).encode())
            else:
                os.unlink(self._path)
        except OSError as error:
            log.warning("the engines that are used cannot be written down: %s", error)
