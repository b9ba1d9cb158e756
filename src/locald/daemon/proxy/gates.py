"""Which services do not serve who comes now, as files that Caddy sees: see `adapters.caddy.config`.

Only those with names have one. The folder is of this boot, and put in order before the proxy is begun or
taken over.
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
        self._closed: set[Key] | None = None
        """None: not known yet"""

    def begin(self, keys: Iterable[Key]) -> None:
        """These are closed, and nothing else is, whatever an earlier daemon left."""
        self._closed = set(keys)
        wanted = {gate(key) for key in self._closed}
        with self._told():
            os.makedirs(self._folder, 0o700, exist_ok=True)
            for name in wanted:
                self._touch(name)
            for name in {*os.listdir(self._folder)} - wanted:
                os.unlink(self._path(name))

    def set(self, key: Key, *, is_closed: bool) -> None:
        if self._closed is None or (key in self._closed) == is_closed:
            return
        if is_closed:
            self._closed.add(key)
            self._create(key)
        else:
            self._closed.discard(key)
            self._remove(key)

    def _create(self, key: Key) -> None:
        with self._told():
            try:
                self._touch(gate(key))
            except FileNotFoundError:  # the folder was tidied away
                self.begin(self._closed or ())

    def _remove(self, key: Key) -> None:
        with self._told(), suppress(FileNotFoundError):
            os.unlink(self._path(gate(key)))

    def _touch(self, name: str) -> None:
        os.close(os.open(self._path(name), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))

    def _path(self, name: str) -> str:
        return os.path.join(self._folder, name)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """One that cannot be closed lets requests through to a service that is not healthy, if it listens."""
        try:
            yield
        except OSError as error:
            log.warning("%s: %s", error.filename or self._folder, error.strerror)
