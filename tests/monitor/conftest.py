"""A stand-in for the daemon, at a socket of its own."""

from __future__ import annotations

import shutil
import tempfile
from typing import TYPE_CHECKING

import pytest

from faces.fake_daemon import row
from monitor.stand_in import StandIn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def daemon() -> AsyncIterator[StandIn]:
    """With two healthy services: db, and web that needs it."""
    folder = tempfile.mkdtemp(prefix="ld", dir="/tmp")  # the path of a socket has to be short
    made = await StandIn(
        f"{folder}/s", row("db", port=24000), row("web", depends_on={"db": "healthy"}, restarts=2)
    ).start()
    yield made
    await made.stop()
    shutil.rmtree(folder)
