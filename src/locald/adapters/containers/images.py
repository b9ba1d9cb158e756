"""The image of a container: looked at, and fetched when it is not there.

Source: docs.docker.com/reference/api/engine (ImageInspect, ImageCreate).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from locald.adapters.containers import credentials, translate
from locald.adapters.containers.engine import Refusal, documents
from locald.adapters.containers.networks import CannotBegin
from locald.adapters.containers.progress import Progress
from locald.adapters.containers.refusals import pull
from locald.domain.project.image_names import repository_and_tag

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from locald.adapters.containers.engine import Engine

PACE = 0.25
"""seconds between two words on how far a pull is"""


async def have(
    engine: Engine, name: str, shell: Mapping[str, str], tell: Callable[[str], None]
) -> translate.Image:
    """What the image says of itself. `tell` gets how far its pull is, where it has to be pulled, with the
    credentials of the user whose `shell` it is.

    Raises CannotBegin, EngineAbsent.
    """
    found = await _look(engine, name)
    if found is None:
        await _pull(engine, name, shell, tell)
        found = await _look(engine, name)
    if found is None:
        raise CannotBegin(pull(name, "the engine pulled a different image"))
    return found


async def _look(engine: Engine, name: str) -> translate.Image | None:
    try:
        return translate.image(await engine.get(("images", *name.split("/"), "json")))
    except Refusal as refusal:
        if refusal.status == 404:
            return None
        raise CannotBegin(pull(name, refusal.message)) from None


async def _pull(engine: Engine, name: str, shell: Mapping[str, str], tell: Callable[[str], None]) -> None:
    """Raises CannotBegin: a pull that has begun tells of its failure in the stream."""
    repository, tag = repository_and_tag(name)
    wanted, progress = {"fromImage": repository, "tag": tag}, Progress(name)
    with _Paced(tell) as paced:
        paced.tell(progress.sentence)
        login = await asyncio.to_thread(credentials.headers, name, shell)
        try:
            async with engine.stream("POST", ("images", "create"), wanted, headers=login) as content:
                async for said in documents(content):
                    if error := said.get("error"):
                        raise CannotBegin(pull(name, str(error)))
                    progress = progress.observe(said)
                    paced.tell(progress.sentence)
        except Refusal as refusal:
            raise CannotBegin(pull(name, refusal.message)) from None


class _Paced:
    """Passes on what is said, not too often; the last word always comes, even when nothing follows it."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._next_at = 0.0
        self._word = self._told = ""

    def __enter__(self) -> _Paced:
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer:
            self._timer.cancel()

    def tell(self, word: str) -> None:
        self._word = word
        if self._timer is None and word != self._told:
            self._timer = self._loop.call_at(max(self._next_at, self._loop.time()), self._pass_on)

    def _pass_on(self) -> None:
        self._timer = None
        if self._word != self._told:
            self._told, self._next_at = self._word, self._loop.time() + PACE
            self._tell(self._word)
