"""A project, a home of its own, a daemon that says what the test wants, and the real command line."""

from __future__ import annotations

import shutil
import tempfile
from typing import TYPE_CHECKING

import pytest

from faces.fake_daemon import FakeDaemon
from faces.run_cli import Cli
from locald.wire.home import Home

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def home() -> Iterator[Home]:
    """Under /tmp, for the path of a socket has to be short."""
    folder = tempfile.mkdtemp(prefix="ld")
    yield Home.find({"LOCALD_HOME": folder})
    shutil.rmtree(folder)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "locald.toml").write_text('[project]\nname = "shop"\n[services.web]\n[services.db]\n')
    return folder


@pytest.fixture
def daemon(home: Home) -> Iterator[FakeDaemon]:
    fake = FakeDaemon(home.socket).start()
    yield fake
    fake.stop()


@pytest.fixture
def cli(home: Home, project: Path) -> Iterator[Cli]:
    """`cli("status", "--json")` runs the command in the project's folder."""
    runner = Cli(home, project)
    yield runner
    runner.end_all()
