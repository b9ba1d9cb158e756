"""Which services serve who comes now, as files that Caddy sees: see `adapters.caddy.config`.

The folder is of this boot: nothing serves after the machine has started, so nothing is open then.
"""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from locald.adapters.caddy.config import gate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from locald.domain.project.names import Key

log = logging.getLogger(__name__)


class Gates:
    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._open: set[Key] | None = None
        """None: not known yet"""

    def begin(self, keys: Iterable[Key]) -> None:
        """These are open, and nothing else is, whatever an earlier daemon left."""
        self._open = set(keys)
        wanted = {gate(key) for key in self._open}
        with self._told():
            os.makedirs(self._folder, 0o700, exist_ok=True)
            for name in {*os.listdir(self._folder)} - wanted:
                os.unlink(self._path(name))
            for name in wanted:
                self._touch(name)

    def set(self, key: Key, is_open: bool) -> None:
        if self._open is None or (key in self._open) == is_open:
            return
        if is_open:
            self._open.add(key)
            self._create(key)
        else:
            self._open.discard(key)
            self._remove(key)

    def _create(self, key: Key) -> None:
        with self._told():
            try:
                self._touch(gate(key))
            except FileNotFoundError:  # the folder was tidied away
                self.begin(self._open or ())

    def _remove(self, key: Key) -> None:
        with self._told(), suppress(FileNotFoundError):
            os.unlink(self._path(gate(key)))

    def _touch(self, name: str) -> None:
        os.close(os.open(self._path(name), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """A gate that cannot be opened costs time only: the daemon is asked about each request."""
        try:
            yield
        except OSError as error:
            log.warning("%s: %s", error.filename or self._folder, error.strerror)
