"""At the terminal of a run, by a connection to the keeper, which holds it also while there is no daemon."""

from __future__ import annotations

import json
import os

from locald.client.http import Unreachable
from locald.domain.values.problem import Problem, Refused
from locald.keeper.wire import attachment
from locald.keeper.wire.attachment import Malformed, Pieces, piece
from locald.linux import ownership

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

ANSWERS_WITHIN = 5.0
"""seconds"""
_CHUNK = 1 << 16


class Over(Exception):
    """Nothing more comes: the keeper has gone, and the run with it."""


class Attached:
    """`looks`: only to see what it prints; `takes`: to type, whoever else did."""

    def __init__(self, keeper: str, run: str, *, looks: bool, takes: bool) -> None:
        """Refused where the run has ended or has no terminal, Unreachable where there is no keeper."""
        request = {"do": "attach", "run": run, "looks": looks, "takes": takes}
        try:
            self.socket = _connected(keeper)
            self.socket.sendall(json.dumps(request).encode() + b"\n")
            answer, self._rest = self._answer()
        except OSError as error:
            what = f"cannot reach the keeper: {error.strerror or error}"
            raise Unreachable(what, "run `locald doctor` to find the cause", keeper) from None
        self._pieces = Pieces()
        if answer.get("event") != "attached":
            self.close()
            raise Refused(_refusal(str(answer.get("text"))))
        self.socket.settimeout(None)

    def fileno(self) -> int:
        return self.socket.fileno()

    def close(self) -> None:
        self.socket.close()

    def type(self, keys: bytes) -> None:
        self._send(piece(attachment.KEYS, keys))

    def resize(self, rows: int, columns: int) -> None:
        self._send(piece(attachment.SIZE, attachment.WINDOW.pack(_count(rows), _count(columns))))

    def begun(self) -> Iterator[tuple[bytes, bytes]]:
        """What came behind the answer."""
        rest, self._rest = self._rest, b""
        return self._pieces.take(rest)

    def hear(self) -> Iterator[tuple[bytes, bytes]]:
        """What has come. Raises Over."""
        try:
            data = self.socket.recv(_CHUNK)
        except OSError:
            data = b""
        if not data:
            raise Over
        try:
            yield from self._pieces.take(data)
        except Malformed:
            raise Over from None

    def _answer(self) -> tuple[dict[str, object], bytes]:
        data = b""
        while b"\n" not in data:
            more = self.socket.recv(_CHUNK)
            if not more:
                raise ConnectionError("it closed the connection")
            data += more
        line, _, rest = data.partition(b"\n")
        return json.loads(line), rest

    def _send(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # what is read next tells it


def _connected(keeper: str) -> socket.socket:
    try:
        return ownership.connect(keeper, ANSWERS_WITHIN)
    except ownership.ForeignOwner as foreign:
        raise Refused(Problem(f"{foreign.strerror}: it is never used", os.fspath(foreign.filename))) from None


def _refusal(text: str) -> Problem:
    if text == "say hello first":  # a keeper of a version that had no terminals
        hint = "run `locald server stop`, then `locald up`"
        return Problem("services were started by an earlier version of locald, without a terminal", hint=hint)
    return Problem(f"cannot attach: {text}", hint="run `locald status` to see what runs")


def _count(size: int) -> int:
    return min(max(size, 1), 0xFFFF)
