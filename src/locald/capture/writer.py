"""Appends what a run prints to its capture, and lets nothing that the disk does come back to the run.

One writer serves one run. It opens its segment at the first frame, begins a new one when that is full, and
deletes the oldest segments of the service's folder (also those of earlier runs) while all of them together
exceed `log_size`. What cannot be written (a full disk, a quota, too many open files) is dropped and counted,
half a frame is cut off again, and when writing works once more a note in the capture says how much is
missing. A writer for a run that has a capture already continues its last segment. A service that restarts
for weeks and prints little would fill the folder with tiny files, so their number has a limit too.
"""

from __future__ import annotations

import os

from locald.capture import frames

MOST_SEGMENTS = 1000
_WINDOW = 1 << 20


class CaptureWriter:
    """`write` and `close` never raise OSError. Times are epoch seconds on the steady clock."""

    __slots__ = (
        "_file",
        "_folder",
        "_log_size",
        "_lost",
        "_lost_why",
        "_prune_at",
        "_run",
        "_segment",
        "_size",
        "_total",
    )

    def __init__(self, folder: str, run_number: int, log_size: int) -> None:
        """`folder`: the service's own (made when missing); `log_size`: bytes of history to keep in it."""
        self._folder = folder
        self._run = run_number
        self._log_size = log_size
        self._segment = 0
        self._file: int | None = None
        self._size = 0
        self._total = 0
        self._prune_at = 0
        self._lost = 0
        self._lost_why = ""

    def write(self, at: float, stream: int, data: bytes | memoryview) -> bool:
        """Append one frame; when that fails, count it as lost. Whether it was written."""
        try:
            self._append(self._note_of_loss(at) + frames.header(at, stream, len(data)), data)
        except OSError as error:
            self._lost += len(data)
            self._lost_why = error.strerror or str(error)
            return False
        self._lost = 0
        return True

    @property
    def place(self) -> tuple[int, int]:
        """Where the next frame goes: the number of the segment, 0 before the first, and bytes in it."""
        return (self._segment, self._size) if self._file is not None else (0, 0)

    def close(self) -> None:
        """Let go of the file; a later `write` opens it again."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _note_of_loss(self, at: float) -> bytes:
        if not self._lost:
            return b""
        note = f"{self._lost} bytes of output lost here: {self._lost_why}\n"
        return frames.encode(at, frames.LOCALD, note.encode())

    def _append(self, begin: bytes, data: bytes | memoryview) -> None:
        """Both in one write; large data is not copied for it."""
        length = len(begin) + len(data)
        file = self._open_for(length)
        written = os.writev(file, [begin, data])
        if written < length:
            os.ftruncate(file, self._size)
            raise OSError(0, "no space left")
        self._size += written
        self._total += written
        if self._total > self._prune_at:
            self._prune()

    def _open_for(self, length: int) -> int:
        if self._file is None:
            self._file = self._continue()
        if self._size and self._size + length > frames.segment_size(self._log_size):
            self._file = self._next()
        return self._file

    def _continue(self) -> int:
        """The run's last segment, sound again, or its first one."""
        os.makedirs(self._folder, 0o700, exist_ok=True)
        ours = [segment for run, segment in self._segments() if run == self._run]
        self._segment = max(ours, default=1)
        file = self._open_segment()
        try:
            self._size = _cut_torn_frame(file)
        except OSError:
            os.close(file)
            raise
        return file

    def _next(self) -> int:
        """Begin the next segment. The present one stays open when that fails."""
        self._segment += 1
        try:
            file = self._open_segment()
        except OSError:
            self._segment -= 1
            raise
        self.close()
        self._size = 0
        return file

    def _open_segment(self) -> int:
        path = self._path(self._run, self._segment)
        self._prune_at = 0  # another segment: look at the whole folder after the next frame
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _prune(self) -> None:
        """Delete the oldest segments, never the one being written."""
        sizes = {name: _size_of(self._path(*name)) for name in sorted(self._segments())}
        self._total = sum(sizes.values())
        for number, (name, size) in enumerate(sizes.items()):
            if self._total <= self._log_size and len(sizes) - number <= MOST_SEGMENTS:
                break
            if name != (self._run, self._segment) and _unlink(self._path(*name)):
                self._total -= size
        # Where one segment alone is more than may be kept, do not look again at each frame.
        self._prune_at = max(self._log_size, self._total + 4096)

    def _segments(self) -> list[tuple[int, int]]:
        parsed = map(frames.parse_name, os.listdir(self._folder))
        return [name for name in parsed if name is not None]

    def _path(self, run: int, segment: int) -> str:
        return os.path.join(self._folder, frames.segment_name(run, segment))


def _cut_torn_frame(file: int) -> int:
    """Cut off what a crash left of a last frame; the length of what is sound, in bytes."""
    sound = 0
    while ends := [end for *_, end in frames.decode(os.pread(file, _WINDOW, sound))]:
        sound += ends[-1]
    if sound < os.fstat(file).st_size:
        os.ftruncate(file, sound)
    return sound


def _size_of(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _unlink(path: str) -> bool:
    try:
        os.unlink(path)
    except OSError:
        return False
    return True
