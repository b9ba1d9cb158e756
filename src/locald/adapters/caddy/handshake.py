"""Whether Caddy has the certificate for a name: it listens before it has made them, and refuses who comes."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

EVERY = 0.01
"""seconds between two attempts"""


async def has_certificate(port: int, name: str) -> bool:
    """Whether who comes for this name now is served. By whom it is signed does not matter here."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
    except OSError:  # also of TLS
        return False
    writer.transport.abort()
    return True


async def certified(port: int, names: Iterable[str]) -> None:
    """Wait for all of them; `*` stands for any name."""
    for name in names:
        while not await has_certificate(port, name.replace("*", "any", 1)):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(EVERY)
