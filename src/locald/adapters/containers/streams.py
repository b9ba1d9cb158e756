"""The format in which an engine sends two streams as one: a header, then as many bytes as it says.

Source: docs.docker.com/reference/api/engine (ContainerAttach, "Stream format").
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

STDIN, STDOUT, STDERR, ENGINE = 0, 1, 2, 3
"""whose bytes follow; the last is the engine speaking for itself"""
HEADER = struct.Struct(">B3xI")
"""the stream, and the length of what follows in bytes"""


class Demultiplexer:
    """Takes a stream in pieces of any size, and gives each whole part of it with its stream."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        data, at = self._rest + data, 0
        while at + HEADER.size <= len(data):
            stream, length = HEADER.unpack_from(data, at)
            end = at + HEADER.size + length
            if end > len(data):
                break
            yield stream, data[at + HEADER.size : end]
            at = end
        self._rest = data[at:]
