"""The status line of an HTTP answer: all that a health check wants to know of it.

Whatever follows the line (a body that should not be there, headers without end, nothing at all) changes
nothing. Interim answers (100 to 199) are passed over up to the final one.

Source: RFC 9112, sections 2 to 4.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from locald.domain.knowledge.protocols.reply import shown

MOST = 64 * 1024
"""bytes before the final status line: more than any server sends in earnest"""
_BEGINNING = b"HTTP/"
_LINE = re.compile(rb"HTTP/\d(?:\.\d)? ([1-5]\d\d)(?: ([^\r\n]*))?\r?\n")
_TLS_ALERT = b"\x15\x03"


class StatusLine(NamedTuple):
    status: int
    phrase: str
    """what the server calls its status, else what everybody does"""


class NotHttp(Exception):
    """The answer is not HTTP. `is_tls`: it is one of a server that speaks TLS."""

    def __init__(self, *, is_tls: bool = False) -> None:
        super().__init__("the answer is not HTTP")
        self.is_tls = is_tls


def status_line(data: bytes) -> StatusLine | None:
    """The final status line in all bytes so far; None asks for more. Raises NotHttp."""
    if data.startswith(_TLS_ALERT):
        raise NotHttp(is_tls=True)
    if not data.startswith(_BEGINNING[: len(data)]) or len(data) > MOST:
        raise NotHttp
    if b"\n" not in data:
        return None
    found = _LINE.match(data)
    if not found:
        raise NotHttp
    status = int(found[1])
    return _after_interim(data) if 100 <= status < 200 and status != 101 else _named(status, found[2] or b"")


def _after_interim(data: bytes) -> StatusLine | None:
    ended = re.search(rb"\n\r?\n", data)
    return status_line(data[ended.end() :]) if ended else None


def _named(status: int, phrase: bytes) -> StatusLine:
    if said := shown(phrase):
        return StatusLine(status, said)
    from http import HTTPStatus  # most servers send the phrase

    try:
        return StatusLine(status, HTTPStatus(status).phrase)
    except ValueError:
        return StatusLine(status, "")


def request(target: str, host: str, headers: dict[str, str]) -> bytes:
    """A GET that ends its connection; `headers` go over those that locald sends."""
    ours = {"Host": host, "User-Agent": "locald", "Accept": "*/*", "Connection": "close"}
    theirs = {name.lower() for name in headers}
    sent = {name: value for name, value in ours.items() if name.lower() not in theirs} | headers
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items()), "", ""]
    return "\r\n".join(lines).encode("utf-8")
