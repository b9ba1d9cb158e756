"""What goes between a run's terminal and those who look at it: pieces, each a kind and its bytes.

Who attaches says so in one request, as a line (`attach`, see `protocol`); after its answer, `attached`,
nothing but pieces is said in either direction. A kind that is not known is passed over, so that later
versions can add some.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = b"k"
"""to the service: what was typed"""
SIZE = b"s"
"""to the service: rows and columns of the terminal there (`WINDOW`)"""
OUTPUT = b"o"
"""from the service: what it printed, or was printed before"""
SKIPPED = b"x"
"""what follows is not all that was printed: there was too much for who reads so slowly"""
TURN = b"t"
"""`MINE`: what you type is read by the service from now on; `OTHERS`: it is not, somebody else types"""
ENDED = b"e"
"""nothing is left of the run"""

MINE, OTHERS = b"1", b"0"
WINDOW = struct.Struct(">HH")
LONGEST = 1 << 20
"""bytes of one piece"""
_HEAD = struct.Struct(">cI")


class Malformed(Exception):
    """What came is no piece."""


def piece(kind: bytes, data: bytes = b"") -> bytes:
    return _HEAD.pack(kind, len(data)) + data


class Pieces:
    """Takes apart what arrives."""

    __slots__ = ("_here",)

    def __init__(self) -> None:
        self._here = bytearray()

    def take(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The kind and the bytes of each piece that is complete now. Raises Malformed."""
        self._here += data
        while len(self._here) >= _HEAD.size:
            kind, length = _HEAD.unpack_from(self._here)
            if length > LONGEST:
                raise Malformed(f"a piece of {length} bytes")
            end = _HEAD.size + length
            if len(self._here) < end:
                return
            whole = bytes(self._here[_HEAD.size : end])
            del self._here[:end]
            yield kind, whole
