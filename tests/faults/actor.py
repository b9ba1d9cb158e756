"""What every service of the fault suite runs: `actor.py ROLE NAME BOARD [options]`, standard library only.

It tells of itself without locald's help: it writes what it does into a journal (one short `write` a line, so
that lines of many processes do not mix), and how many numbered lines it has printed into a mark, a file for
each of its streams. So it can be compared what happened with what locald says of it.

`leader` is the process that locald starts, `child` one that a leader starts. Only a leader writes.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import threading
import time

STDOUT, STDERR = 1, 2


def text_of(incarnation: str, stream: int, number: int) -> str:
    """The numbered line: its length differs from line to line, and its end is known."""
    return f"L {incarnation} {stream} {number} " + "abcdefghij"[number % 10] * (number * 37 % 120) + "."


class Actor:
    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.incarnation = f"{os.getpid()}-{time.monotonic_ns():x}"
        self._journal = os.open(f"{given.board}/journal", os.O_WRONLY | os.O_APPEND)
        self.children: list[subprocess.Popen[bytes]] = []

    def tell(self, event: str) -> None:
        line = f"{time.monotonic_ns()} {event} {self.given.name} {self.incarnation} {os.getpid()}\n"
        os.write(self._journal, line.encode())

    def live(self) -> int:
        given = self.given
        self.tell("start")
        self._hear_signals()
        if given.meets:
            self.tell("meets" if _answers(int(os.environ[given.meets])) else "misses")
        if given.lines:
            self._begin_to_print()
        if given.detached:
            self._detach()
        self.children = [self._child() for _ in range(given.children)]
        if given.dies:
            return self._end("dies", 1)
        if given.leaves:
            self._child(start_new_session=True)
            return self._end("leaves", 0)
        time.sleep(given.after)
        self.tell("ready")
        self._become_ready()
        if given.task:
            return self._end("done", 0)
        while True:
            self._mind()

    def _hear_signals(self) -> None:
        if self.given.deaf:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        else:
            signal.signal(signal.SIGTERM, lambda *_: os._exit(self._end("stop", 0)))

    def _end(self, event: str, code: int) -> int:
        self.tell(event)
        return code

    def _become_ready(self) -> None:
        """As the options say. The moment before is in the journal."""
        given = self.given
        if given.listen:
            self._serve(int(os.environ["PORT"]))
        if given.ready:
            self._notify("READY=1")
        if given.says:
            os.write(STDOUT, f"{given.says}\n".encode())
        if given.touch:
            os.close(os.open(f"{given.board}/{given.name}.up", os.O_CREAT))

    def _mind(self) -> None:
        """What goes on for ever: children that were killed come back, the watchdog is told, and it is said
        again what may have fallen on a full disk."""
        time.sleep(0.2)
        for number, child in enumerate(self.children):
            if child.poll() is not None:
                self.children[number] = self._child()
        if self.given.says:
            os.write(STDOUT, f"{self.given.says}\n".encode())
        if self.given.watchdog:
            self._notify("WATCHDOG=1")

    def _notify(self, text: str) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            try:
                out.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])
            except OSError:  # nobody is there: a service goes on
                pass

    def _serve(self, port: int) -> None:
        listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._answer, args=(listener,), daemon=True).start()

    def _answer(self, listener: socket.socket) -> None:
        while True:
            connection, _ = listener.accept()
            try:
                connection.settimeout(1)
                if connection.recv(4096).startswith(b"GET "):
                    connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")
            except OSError:
                pass
            finally:
                connection.close()

    def _child(self, **options: bool) -> subprocess.Popen[bytes]:
        program = [sys.executable, "-I", "-S", __file__, "child", self.given.name, self.given.board]
        return subprocess.Popen(program, **options)  # type: ignore[call-overload, no-any-return]

    def _detach(self) -> None:
        """A process that has left family and session, as daemons do."""
        between = os.fork()
        if between == 0:
            os.setsid()
            self._child()
            os._exit(0)
        os.waitpid(between, 0)

    def _begin_to_print(self) -> None:
        for stream in (STDOUT, STDERR):
            path = f"{self.given.board}/marks/{self.given.name}.{self.incarnation}.{stream}"
            mark = os.open(path, os.O_WRONLY | os.O_CREAT)
            threading.Thread(target=self._print, args=(stream, mark), daemon=True).start()

    def _print(self, stream: int, mark: int) -> None:
        """`lines` of them a second, some of them at once. Marked is what was printed wholly."""
        number = 0
        while True:
            for _ in range(1 + number % 7):
                number += 1
                _write_all(stream, text_of(self.incarnation, stream, number).encode() + b"\n")
                os.pwrite(mark, b"%012d" % number, 0)
            time.sleep((1 + number % 7) / self.given.lines)


def _answers(port: int) -> bool:
    """Whether the store of the tests is there."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(b"PING\n")
            return connection.recv(100).startswith(b"+PONG")
    except OSError:
        return False


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]


def parsed(arguments: list[str]) -> argparse.Namespace:
    options = argparse.ArgumentParser()
    for name in ("role", "name", "board"):
        options.add_argument(name)
    for name in ("listen", "ready", "watchdog", "deaf", "detached", "dies", "leaves", "task", "touch"):
        options.add_argument(f"--{name}", action="store_true")
    options.add_argument("--children", type=int, default=0)
    options.add_argument("--lines", type=float, default=0.0, help="numbered lines a second, on each stream")
    options.add_argument("--after", type=float, default=0.05, help="seconds until it is ready")
    options.add_argument("--says", default="")
    options.add_argument("--meets", default="", help="the variable with the port of what it needs at once")
    return options.parse_args(arguments)


def main() -> int:
    given = parsed(sys.argv[1:])
    if given.role == "child":
        while True:
            signal.pause()
    return Actor(given).live()


if __name__ == "__main__":
    sys.exit(main())
