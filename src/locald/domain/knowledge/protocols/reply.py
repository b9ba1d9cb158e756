"""What a server's answer to a harmless question means, whatever the protocol.

A protocol is a question and a reader of its answer. The question leaves no state, no login and, as far as its
server allows, no line in its log. A reader gets all bytes so far and says what they mean; None asks for more.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from msgspec import Struct


class Meaning(Enum):
    READY = "ready"
    """a client that comes now is served"""
    NOT_YET = "not yet"
    """the server says itself that it does not serve yet"""
    OTHER = "other"
    """this is not the protocol that was expected"""


class Reply(Struct, frozen=True):
    """`detail`: what the server said, as the end of a sentence that begins with who said it."""

    meaning: Meaning
    detail: str
    left_a_line: bool = False
    """the server has written the question into its log, and would again"""


class Protocol(Struct, frozen=True):
    """`question`: None for a server that speaks first. `is_quiet`: being asked again and again leaves no line
    in the log of a usual installation, so a healthy server may be asked too."""

    name: str
    question: bytes | None
    read: Callable[[bytes], Reply | None]
    is_quiet: bool = True
    again: bytes | None = None
    """the question to a healthy server that writes the first one down"""
    answers_again: bytes = b""
    """how an answer to that begins: with one of these"""
    farewell: Callable[[bytes], bytes] = lambda answer: b""
    """what to say after this answer, so that the server counts no broken connection"""
    has_datagrams: bool = False
    """it is spoken over UDP too, where a message has no length of two bytes before it"""


def ready(detail: str, *, left_a_line: bool = False) -> Reply:
    return Reply(Meaning.READY, detail, left_a_line)


def always(words: bytes) -> Callable[[bytes], bytes]:
    return lambda answer: words


def not_yet(detail: str, *, left_a_line: bool = False) -> Reply:
    return Reply(Meaning.NOT_YET, detail, left_a_line)


OTHER = Reply(Meaning.OTHER, "did not answer in that protocol")


def shown(data: bytes, most: int = 80) -> str:
    """Bytes of a server as part of a sentence."""
    text = "".join(char if char.isprintable() else " " for char in data.decode("utf-8", "replace"))
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


_OTHERS = (
    (b"HTTP/", "HTTP"),
    (b"\x15\x03", "TLS"),
    (b"SSH-", "SSH"),
    (b"220", "SMTP or FTP"),
    (b"-ERR", "that of Redis"),
    (b"INFO {", "that of NATS"),
    (b"AMQP", "AMQP"),
)
"""how answers of well-known protocols begin"""


def other(data: bytes, expected: str) -> Reply:
    """An answer in another protocol, which is named where it is known."""
    known = next((name for beginning, name in _OTHERS if data.startswith(beginning)), "")
    detail = f"did not answer in the {expected} protocol{known and f', but in {known}'}"
    return Reply(Meaning.OTHER, detail)
