"""Whatever a server does with a question of a protocol that is not its own, that is no yes, and soon over."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from locald.adapters.questions import Place, put
from locald.domain.knowledge.protocols import PROTOCOLS, Meaning
from nonblocking import blocking_raises
from starved import starved

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from locald.adapters.questions import Answer

    Says = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

__all__ = ["blocking_raises"]

pytestmark = pytest.mark.usefixtures("blocking_raises")

TIMEOUT = 0.5
MEGABYTE = 1 << 20


async def noise(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\xfe" + os.urandom(200))


async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    pass


async def without_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while not writer.is_closing():
        await noise(reader, writer)
        await writer.drain()


async def drops(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while not writer.is_closing():
        writer.write(b"\0")
        await writer.drain()
        await asyncio.sleep(TIMEOUT / 5)


async def a_megabyte_of_letters(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"+" + b"A" * MEGABYTE)


async def a_megabyte_of_zeros(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(bytes(MEGABYTE))


async def asked_of_all(says: Says, *, again: bool) -> list[tuple[str, Answer]]:
    served = set[asyncio.Task[None] | None]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.add(asyncio.current_task())
        with suppress(OSError):
            await says(reader, writer)
            await writer.drain()
        writer.close()

    async def ask(name: str) -> tuple[str, Answer]:
        return name, await put(PROTOCOLS[name], place, TIMEOUT, again=again)

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        place = Place(("127.0.0.1",), server.sockets[0].getsockname()[1], "it")
        answers = list(await asyncio.gather(*map(ask, PROTOCOLS)))
        await asyncio.gather(*filter(None, served))
        return answers


@pytest.mark.parametrize("again", [False, True], ids=["at first", "again"])
@pytest.mark.parametrize(
    "says",
    [noise, nothing, the_end, without_end, drops, a_megabyte_of_letters, a_megabyte_of_zeros],
    ids=lambda says: says.__name__,
)
async def test_what_is_no_answer_is_no_yes_and_soon_over(says: Says, again: bool) -> None:
    began = time.monotonic() - starved()
    answers = await asked_of_all(says, again=again)
    assert [name for name, answer in answers if answer.meaning is Meaning.READY] == []
    assert all("\n" not in answer.detail and len(answer.detail) < 200 for _, answer in answers)
    assert time.monotonic() - starved() - began < 10 * TIMEOUT, (
        "it is given up at the timeout, and not at the end"
    )
