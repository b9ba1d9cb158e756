"""A locald of its own for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from whole.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path / "shop")
    yield made
    made.close()
