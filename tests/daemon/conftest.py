"""What the tests of both doors share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from daemon.doors import opened

if TYPE_CHECKING:
    from pathlib import Path

    from daemon.doors import Opened


@pytest.fixture
def open_doors(tmp_path: Path) -> Opened:
    return lambda: opened(tmp_path)
