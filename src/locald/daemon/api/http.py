"""What is asked and what is answered, whichever server carries it: the Unix socket's or the dashboard's.

Nothing here knows a web framework, so the daemon answers its command line without importing one.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST_REQUEST = 16 << 20
"""bytes: an environment, of which the kernel allows some 2 MB, in JSON"""
JSON = "application/json; charset=utf-8"
REASONS = {
    200: "OK",
    204: "No Content",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Request Entity Too Large",
    421: "Misdirected Request",
    422: "Unprocessable Entity",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    502: "Bad Gateway",
    503: "Service Unavailable",
    508: "Loop Detected",
}
"""Every status of an answer, with its words (RFC 9110, section 15)"""


class Query(Mapping[str, str]):
    """What stands behind the `?` of an address: of each name the first value; `getall` has the others."""

    def __init__(self, text: str) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in parse_qsl(text, keep_blank_values=True, errors="surrogateescape"):
            self._values.setdefault(name, []).append(value)

    def __getitem__(self, name: str) -> str:
        return self._values[name][0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def getall(self, name: str) -> list[str]:
        return self._values.get(name, [])


class Request(Struct, eq=False):
    method: str
    path: str
    query: Query
    body: Callable[[], Awaitable[bytes]]
    """reads all of it; raises Failure when it is too large or takes too long"""
    is_masked: bool = False
    """no secret is shown to who asks, whoever that is"""
    headers: Mapping[str, str] = field(default_factory=dict)
    """by name in lower case; only of what came at a Unix socket"""


class Answer(Struct, frozen=True):
    body: bytes
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


class Stream(Struct, frozen=True):
    """An answer that is written piece by piece, and has no end of its own."""

    content_type: str
    pieces: Callable[[], AsyncGenerator[bytes]]
    read_within: float | None = None
    """seconds that a reader may read nothing while much waits for him; None: as many as he likes"""


class Failure(Exception):
    """A request that cannot be answered: what is wrong is in its HTTP, not in what is asked for."""

    def __init__(self, status: int, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(REASONS[status])
        self.status, self.headers = status, headers or {}


class Route(Struct, frozen=True):
    method: str
    path: str
    answers: Callable[[Request], Awaitable[Answer | Stream]]
    allows_head: bool = True
    """a GET that may be asked for its head alone"""


def document(told: Any, status: int = 200) -> Answer:
    """An answer in JSON."""
    return Answer(json.dumps(told).encode(), status)
