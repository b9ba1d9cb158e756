"""A run with a terminal of its own: who attaches sees it and types there, one at a time; none holds it up."""

from __future__ import annotations

import hashlib
import json
import os
import select
import socket
import struct
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from keeping import PATIENCE, once, python
from locald.keeper.wire import attachment
from locald.keeper.wire.attachment import Pieces, piece

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keeping import Daemon, Keeping

WEB = "shop:web#1"
SIZES = (
    "import os, signal, sys\n"
    "def tell(*_): os.write(1, b'%d %d\\n' % os.get_terminal_size(0))\n"
    "signal.signal(signal.SIGWINCH, tell)\n"
    "tell()\n"
    "while True: signal.pause()\n"
)


class Seat:
    """Somebody who is attached."""

    def __init__(self, run: str, /, **asked: object) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(os.path.join(run, "keeper.sock"))
        request = {"do": "attach", "run": WEB, "looks": False, "takes": False} | asked
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        answer, _, rest = self._until_line().partition(b"\n")
        self.answer = json.loads(answer)
        self._pieces = Pieces()
        self.heard = list(self._pieces.take(rest))

    def _until_line(self) -> bytes:
        data = b""
        while b"\n" not in data:
            data += self.socket.recv(4096)
        return data

    @property
    def seen(self) -> bytes:
        return b"".join(data for kind, data in self.heard if kind == attachment.OUTPUT)

    @property
    def types(self) -> bool:
        turns = [data for kind, data in self.heard if kind == attachment.TURN]
        return bool(turns) and turns[-1] == attachment.MINE

    def hear(self) -> None:
        data = self.socket.recv(65536)
        assert data, f"cut off after {self.heard}"
        self.heard += self._pieces.take(data)

    def until(self, text: bytes) -> bytes:
        while text not in self.seen:
            self.hear()
        return self.seen

    def until_turn(self) -> None:
        while not self.types:
            self.hear()

    def until_ended(self) -> None:
        while (attachment.ENDED, b"") not in self.heard:
            self.hear()
        assert self.socket.recv(1) == b""

    def type(self, keys: bytes) -> None:
        self.socket.sendall(piece(attachment.KEYS, keys))

    def size(self, rows: int, columns: int) -> None:
        self.socket.sendall(piece(attachment.SIZE, struct.pack(">HH", rows, columns)))


@contextmanager
def seated(keeping: Keeping, /, **asked: object) -> Iterator[Seat]:
    seat = Seat(keeping.run, **asked)
    try:
        yield seat
    finally:
        seat.socket.close()


def test_it_is_one_terminal_that_controls_the_run(daemon: Daemon, keeping: Keeping) -> None:
    code = (
        "import os, sys\n"
        "print([os.isatty(file) for file in (0, 1, 2)], len({os.ttyname(file) for file in (0, 1, 2)}))\n"
        "print(os.getsid(0) == os.getpid() == os.tcgetpgrp(0), open('/dev/tty').isatty())\n"
        "print(input('name? '), file=sys.stderr)\n"
    )
    daemon.start(WEB, python(code), stdin="terminal")
    with seated(keeping) as seat:
        seat.until(b"name? ")
        seat.type("Jöe\x7f\x7f\x7fann\r".encode())
        seat.until_ended()
    assert seat.seen.startswith(b"[True, True, True] 1\r\nTrue True\r\nname? ")
    assert seat.seen.endswith(b"ann\r\nann\r\n")
    daemon.wait("gone", WEB)
    assert daemon.printed() == seat.seen


def test_ctrl_c_interrupts_the_run(daemon: Daemon, keeping: Keeping) -> None:
    daemon.start(WEB, python("print('here', flush=True); import signal; signal.pause()"), stdin="terminal")
    with seated(keeping) as seat:
        seat.until(b"here")
        seat.type(b"\x03")
        assert daemon.wait("exited", WEB)["signal"] == 2


@once
def test_what_was_printed_before_is_shown_first_from_the_beginning_of_a_line(
    daemon: Daemon, keeping: Keeping
) -> None:
    code = "print('\\n'.join(f'line {n} ' + 'x' * 90 for n in range(5000))); input('(Pdb) ')"
    daemon.start(WEB, python(code), stdin="terminal")
    with seated(keeping) as first:
        first.until(b"(Pdb) ")
        with seated(keeping) as second:
            second.until(b"(Pdb) ")
    assert second.seen.startswith(b"line ")
    assert 30_000 < len(second.seen) < 33_000


@once
def test_several_look_and_one_types(daemon: Daemon, keeping: Keeping) -> None:
    daemon.start(WEB, ["cat"], stdin="terminal")
    with seated(keeping) as first, seated(keeping, looks=True) as looking, seated(keeping) as second:
        first.until_turn()
        second.type(b"not heard\r")
        first.type(b"one\r")
        for seat in (first, looking, second):
            seat.until(b"one\r\none\r\n")
            assert b"not heard" not in seat.seen
        first.socket.close()
        second.until_turn()
        second.type(b"two\r")
        looking.until(b"two\r\ntwo\r\n")
        assert not looking.types


@once
def test_who_takes_over_types_and_the_other_looks(daemon: Daemon, keeping: Keeping) -> None:
    daemon.start(WEB, ["cat"], stdin="terminal")
    with seated(keeping) as first:
        first.until_turn()
        with seated(keeping, takes=True) as second:
            second.until_turn()
            while first.types:
                first.hear()
            first.type(b"not heard\r")
            second.type(b"heard\r")
            assert b"not" not in first.until(b"heard\r\nheard\r\n")
        first.until_turn()


@once
def test_the_terminal_has_the_size_of_who_types(daemon: Daemon, keeping: Keeping) -> None:
    daemon.start(WEB, python(SIZES), stdin="terminal")
    with seated(keeping) as first:
        first.until(b"80 24\r\n")
        first.size(50, 20)
        first.until(b"20 50\r\n")
        with seated(keeping) as second:
            second.size(10, 100)
            for columns in range(21, 300):
                first.size(50, columns)
            first.until(b"299 50\r\n")
            assert b"100 10" not in first.seen
            first.socket.close()
            second.until(b"100 10\r\n")


@once
def test_keys_of_every_kind_arrive_as_they_were_typed(daemon: Daemon, keeping: Keeping) -> None:
    code = (
        "import sys, tty, hashlib; tty.setraw(0); print('raw', flush=True)\n"
        "read = sys.stdin.buffer.read(256 * 4000); print(hashlib.sha256(read).hexdigest(), flush=True)\n"
        "sys.stdin.read(1)"
    )
    keys = bytes(range(256)) * 4000
    daemon.start(WEB, python(code), stdin="terminal")
    with seated(keeping) as seat:
        seat.until(b"raw")
        for start in range(0, len(keys), 16384):
            seat.type(keys[start : start + 16384])
        seat.until(hashlib.sha256(keys).hexdigest().encode())


@once
def test_who_reads_slowly_holds_up_nobody_and_sees_the_newest(daemon: Daemon, keeping: Keeping) -> None:
    code = "import sys; [sys.stdout.write('x' * 99 + '\\n') for _ in range(100000)]; input('all printed ')"
    end = keeping.gate("end")
    code = f"open({str(end)!r}).readline(); {code}"
    daemon.start(WEB, python(code), stdin="terminal")
    with seated(keeping) as slow, seated(keeping, looks=True) as fast:
        end.write()
        fast.until(b"all printed ")
        slow.until(b"all printed ")
        assert (attachment.SKIPPED, b"") in slow.heard
        assert len(slow.seen) < 2_000_000


@once
def test_who_types_what_is_not_read_waits_and_the_keeper_goes_on(daemon: Daemon, keeping: Keeping) -> None:
    code = "import tty, signal; tty.setraw(0); print('raw', flush=True); signal.pause()"
    daemon.start(WEB, python(code), stdin="terminal")
    with seated(keeping) as seat:
        seat.until(b"raw")
        seat.socket.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                seat.socket.send(piece(attachment.KEYS, b"x" * 10_000))
        daemon.fence()
    daemon.send(do="kill", run=WEB)
    daemon.wait("gone", WEB)


@once
def test_a_terminal_that_nobody_holds_any_more_costs_nothing(daemon: Daemon, keeping: Keeping) -> None:
    code = "import os, signal, sys\n[os.close(file) for file in (0, 1, 2)]\nsignal.pause()\n"
    daemon.start(WEB, python(code), stdin="terminal")
    with seated(keeping) as seat:
        seat.until_turn()
        seat.type(b"into the void\r")
        daemon.fence()
        before = cpu(keeping.pid)
        select.select([], [], [], 0.5)
        assert cpu(keeping.pid) - before < 0.1
        daemon.send(do="kill", run=WEB)
        seat.until_ended()


def cpu(pid: int) -> float:
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@once
@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"run": "shop:other#1"}, "no such run"),
        ({"run": "shop:web#2"}, "it has no terminal"),
        ({"run": "shop:web#3"}, "it has ended"),
        ({"looks": "yes"}, "looks must be true or false"),
    ],
)
def test_who_cannot_be_attached_is_told_why(
    daemon: Daemon, keeping: Keeping, asked: dict[str, object], told: str
) -> None:
    daemon.start(WEB, ["cat"], stdin="terminal")
    daemon.start("shop:web#2", ["sleep", "1000"])
    daemon.spawn("shop:web#3", ["true"], stdin="terminal")
    daemon.wait("gone", "shop:web#3")
    with seated(keeping, **asked) as seat:
        assert (seat.answer["event"], seat.answer["text"]) == ("error", told)


@once
def test_what_is_no_piece_ends_the_talk_with_this_one_alone(daemon: Daemon, keeping: Keeping) -> None:
    daemon.start(WEB, ["cat"], stdin="terminal")
    with seated(keeping) as seat, seated(keeping) as other:
        seat.socket.sendall(b"\xff" * 100)
        other.until_turn()
        other.socket.sendall(piece(b"?", b"a later version says this"))
        other.type(b"still here\r")
        other.until(b"still here\r\nstill here\r\n")


@once
def test_it_outlives_the_daemon(daemon: Daemon, keeping: Keeping) -> None:
    daemon.start(WEB, ["cat"], stdin="terminal")
    with seated(keeping) as seat:
        daemon.close()
        seat.type(b"alone\r")
        seat.until(b"alone\r\nalone\r\n")
        following = keeping.daemon()
        seat.type(b"again\r")
        seat.until(b"again\r\nagain\r\n")
        following.send(do="kill", run=WEB)
        seat.until_ended()
        following.wait("gone", WEB)
