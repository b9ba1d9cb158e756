"""What a run printed is on disk as it came, within its limit, and no disk error reaches the run."""

from __future__ import annotations

import os
import resource
from typing import TYPE_CHECKING

import pytest

from locald.capture import frames, writer
from locald.capture.writer import CaptureWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KIB = 1024


def frames_of(path: Path) -> list[tuple[float, int, bytes]]:
    return [(at, stream, data) for at, stream, data, _ in frames.decode(path.read_bytes())]


def segments(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def total(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.iterdir())


def test_frames_hold_time_stream_and_bytes_exactly_as_they_came(tmp_path: Path) -> None:
    capture = CaptureWriter(str(tmp_path / "web"), 3, 10**6)
    capture.write(1.5, frames.STDOUT, b"half a li")
    capture.write(1.25, frames.STDERR, b"\xff\0\r\n")
    capture.close()
    assert segments(tmp_path / "web") == ["00000003-0001.cap"]
    written = frames_of(tmp_path / "web" / "00000003-0001.cap")
    assert written == [(1.5, 0, b"half a li"), (1.25, 1, b"\xff\0\r\n")]


def test_a_silent_run_leaves_no_file(tmp_path: Path) -> None:
    CaptureWriter(str(tmp_path / "web"), 1, 10**6).close()
    assert not (tmp_path / "web").exists()


def test_history_is_readable_by_the_owner_only(tmp_path: Path) -> None:
    capture = CaptureWriter(str(tmp_path / "web"), 1, 10**6)
    capture.write(1.0, 0, b"secret\n")
    capture.close()
    assert (tmp_path / "web").stat().st_mode & 0o077 == 0
    assert (tmp_path / "web" / "00000001-0001.cap").stat().st_mode & 0o077 == 0


def test_a_closed_capture_takes_a_late_note(tmp_path: Path) -> None:
    capture = CaptureWriter(str(tmp_path), 1, 10**6)
    capture.write(1.0, 0, b"out\n")
    capture.close()
    capture.write(2.0, frames.LOCALD, b"exit code 1\n")
    capture.close()
    assert [data for _, _, data in frames_of(tmp_path / "00000001-0001.cap")] == [b"out\n", b"exit code 1\n"]


def test_a_torn_last_frame_is_cut_off_by_the_writer_that_continues(tmp_path: Path) -> None:
    path = tmp_path / "00000001-0002.cap"
    path.write_bytes(frames.encode(1.0, 0, b"whole") + frames.encode(2.0, 0, b"torn apart")[:-3])
    capture = CaptureWriter(str(tmp_path), 1, 10**6)
    capture.write(3.0, 0, b"next")
    capture.close()
    assert frames_of(path) == [(1.0, 0, b"whole"), (3.0, 0, b"next")]


def test_a_full_segment_is_followed_by_the_next(tmp_path: Path) -> None:
    capture = CaptureWriter(str(tmp_path), 1, 10**6)
    for number in range(5):
        capture.write(float(number), 0, bytes(50 * KIB))
    capture.close()
    assert segments(tmp_path) == ["00000001-0001.cap", "00000001-0002.cap", "00000001-0003.cap"]
    assert max(each.stat().st_size for each in tmp_path.iterdir()) <= frames.segment_size(10**6)


def test_the_oldest_segments_go_when_the_folder_exceeds_its_limit(tmp_path: Path) -> None:
    for run in range(1, 4):
        capture = CaptureWriter(str(tmp_path), run, 512 * KIB)
        for number in range(20):
            capture.write(float(number), 0, bytes(16 * KIB))
            assert total(tmp_path) <= 512 * KIB
        capture.close()
    left = segments(tmp_path)
    assert left[-1].startswith("00000003-")
    assert not [name for name in left if name.startswith("00000001-")]


def test_the_segment_being_written_is_never_deleted(tmp_path: Path) -> None:
    capture = CaptureWriter(str(tmp_path), 1, 1000)
    for number in range(10):
        capture.write(float(number), 0, b"x" * 900)
    capture.close()
    assert len(frames_of(tmp_path / "00000001-0001.cap")) == 10


def test_what_is_no_segment_is_left_alone(tmp_path: Path) -> None:
    foreign = tmp_path / "notes.txt"
    foreign.write_bytes(bytes(200 * KIB))
    capture = CaptureWriter(str(tmp_path), 1, 64 * KIB)
    for number in range(10):
        capture.write(float(number), 0, bytes(30 * KIB))
    capture.close()
    assert foreign.exists()


def test_many_tiny_runs_do_not_fill_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MOST_SEGMENTS", 10)
    for run in range(1, 31):
        capture = CaptureWriter(str(tmp_path), run, 10**6)
        capture.write(1.0, 0, b"hello\n")
        capture.close()
    assert segments(tmp_path) == [frames.segment_name(run, 1) for run in range(21, 31)]


@pytest.fixture
def file_limit() -> Iterator[int]:
    """Files of this process may not grow beyond this many bytes: what a full disk does, half frames too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = 1000
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_loses_frames_but_stops_nothing_and_is_told_afterwards(
    tmp_path: Path, file_limit: int
) -> None:
    capture = CaptureWriter(str(tmp_path), 1, 10**6)
    capture.write(1.0, 0, b"a" * 700)
    capture.write(2.0, 0, b"b" * 700)
    capture.write(3.0, 0, b"c" * 800)
    path = tmp_path / "00000001-0001.cap"
    assert frames_of(path) == [(1.0, 0, b"a" * 700)]
    assert path.stat().st_size < file_limit
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    capture.write(4.0, 1, b"d")
    capture.close()
    _, note, last = frames_of(path)
    assert note[:2] == (4.0, frames.LOCALD)
    assert note[2].startswith(b"1500 bytes of output lost here: ")
    assert last == (4.0, 1, b"d")


def test_a_folder_that_cannot_be_made_is_made_as_soon_as_it_can(tmp_path: Path) -> None:
    obstacle = tmp_path / "logs"
    obstacle.write_text("a file where a folder should be")
    capture = CaptureWriter(str(obstacle / "web"), 1, 10**6)
    capture.write(1.0, 0, b"lost")
    obstacle.unlink()
    capture.write(2.0, 0, b"kept")
    capture.close()
    note, kept = frames_of(obstacle / "web" / "00000001-0001.cap")
    assert note[2].startswith(b"4 bytes of output lost here: ")
    assert kept == (2.0, 0, b"kept")


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("00000012-0003.cap", (12, 3)),
        ("123456789-12345.cap", (123456789, 12345)),
        ("00000012-0003.cap.gz", None),
        ("00000012.cap", None),
        ("x-1.cap", None),
        ("", None),
    ],
)
def test_a_segment_is_known_by_its_name(name: str, meaning: tuple[int, int] | None) -> None:
    assert frames.parse_name(name) == meaning
