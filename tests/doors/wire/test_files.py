"""Whatever a file turns out to be, reading it comes to an end."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from locald.wire import files

if TYPE_CHECKING:
    from pathlib import Path


def test_all_of_a_file_is_read(tmp_path: Path) -> None:
    file = tmp_path / "file"
    for content in (b"", b"A=1\n", b"x" * 1_000_000):
        file.write_bytes(content)
        assert files.read(str(file)) == content


def test_a_pipe_is_read_when_somebody_writes(tmp_path: Path) -> None:
    os.mkfifo(pipe := tmp_path / "pipe")
    writer = threading.Thread(target=pipe.write_bytes, args=(b"x" * 200_000,))
    writer.start()
    assert files.read(str(pipe)) == b"x" * 200_000
    writer.join()


def test_a_pipe_that_nobody_writes_to_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PATIENCE", 0.01)
    os.mkfifo(pipe := tmp_path / "pipe")
    with pytest.raises(OSError, match="without a writer"):
        files.read(str(pipe))


def test_a_pipe_that_is_not_closed_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "PATIENCE", 0.01)
    os.mkfifo(pipe := tmp_path / "pipe")
    with open(os.open(pipe, os.O_RDWR), "wb", buffering=0) as kept:
        kept.write(b"A=1\n")
        with pytest.raises(OSError, match="stays open"):
            files.read(str(pipe))


def test_what_has_no_end_is_given_up() -> None:
    with pytest.raises(OSError, match="larger than 16MiB"):
        files.read("/dev/zero")


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        files.read(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        files.read(str(tmp_path / "gone"))
