"""A service that does what the test tells it: nothing happens by chance, and nothing has to be waited out.

Run as a program (`python3 puppet.py SOCKET`) this file is the service. It connects to the test and carries
out one order after another, each answered when it is done. Imported, it is the test's side: `Puppet.run`
waits for the next incarnation of the service, `Acting.do` gives it an order and returns the answer.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from threading import Thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path
    from typing import Any, NoReturn, Self

PATIENCE = 30.0
"""seconds: far beyond what anything here takes, also with the other core busy"""


# The test's side.


NOTIFY = "NOTIFY_" + "SOCKET"
"""in two, so that it is not in the program: one that can send READY=1 is waited for a second longer"""


class Puppet:
    """One service of the test's, through all its runs."""

    def __init__(self, folder: Path, name: str) -> None:
        """`folder`: a short path, for the socket."""
        self._path = folder / f"{name}.puppet"
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._listener.listen()
        self._listener.settimeout(PATIENCE)
        self._runs: list[Acting] = []

    @property
    def command(self) -> str:
        """The value of `command` in a `locald.toml`."""
        return json.dumps([sys.executable, "-I", "-S", __file__, str(self._path)])

    @property
    def shell_command(self) -> str:
        """The same for a shell."""
        return f"{sys.executable} -I -S {__file__} {self._path}"

    def run(self) -> Acting:
        """The next run, when it is there."""
        connection, _ = self._listener.accept()
        self._runs.append(Acting(connection))
        return self._runs[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._listener.close()
        for run in self._runs:
            run.close()


class Acting:
    """One run of the service."""

    def __init__(self, connection: socket.socket) -> None:
        connection.settimeout(PATIENCE)
        self._connection = connection
        self._answers = connection.makefile("rb")
        first = self._answer()
        self.pid: int = first["pid"]
        self.env: dict[str, str] = first["env"]

    def do(self, what: str, *with_what: Any) -> Any:
        """Have an order carried out. Returns its answer; None when the run ended of it."""
        self._connection.sendall(json.dumps([what, *with_what]).encode() + b"\n")
        return self._answer()

    def say(self, *lines: str) -> None:
        """Have lines printed."""
        self.do("print", "".join(f"{line}\n" for line in lines))

    def listen(self) -> None:
        """Have its own port opened."""
        self.do("listen", self.env["PORT"])

    def wait_end(self) -> None:
        """Until it has ended."""
        assert self._answers.read() == b""

    def close(self) -> None:
        self._answers.close()
        self._connection.close()

    def _answer(self) -> Any:
        try:
            line = self._answers.readline()
        except ConnectionResetError:
            line = b""
        return json.loads(line) if line else None


# The service's side.


class _Service:
    """What the orders do."""

    def __init__(self) -> None:
        self._listeners: list[socket.socket] = []
        self._statuses: dict[str, int] = {}

    def print(self, text: str, stream: int = 1) -> None:
        """Text as it is; lone surrogates stand for bytes."""
        data = text.encode("utf-8", "surrogateescape")
        while data:
            data = data[os.write(stream, data) :]

    def listen(self, port: str, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listeners.append(socket.create_server((host, int(port)), family=family))
        Thread(target=_take, args=(self._listeners[-1],), daemon=True).start()

    def close(self) -> None:
        while self._listeners:
            listener = self._listeners.pop()
            listener.shutdown(socket.SHUT_RDWR)  # else who waits in accept would keep it open
            listener.close()

    def http(self, statuses: Mapping[str, int]) -> None:
        """Serve HTTP on PORT; each path is answered with its status. Asked again: change the statuses."""
        begun, self._statuses = bool(self._statuses), dict(statuses)
        if not begun:
            from http.server import ThreadingHTTPServer  # it takes a while, and few need it

            server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), self._handler())
            Thread(target=server.serve_forever, daemon=True).start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        from http.server import BaseHTTPRequestHandler

        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(service._statuses.get(self.path, 404))
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def notify(self, *datagrams: str) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            for datagram in datagrams:
                sender.sendto(datagram.encode("utf-8", "surrogateescape"), os.environ[NOTIFY])

    def ignore(self, name: str) -> None:
        signal.signal(signal.Signals[name], signal.SIG_IGN)

    def hear(self, *names: str) -> None:
        """From now on these signals are told of and obeyed."""

        def heard(number: int, _: object) -> NoReturn:
            self.print(f"heard {signal.Signals(number).name}\n")
            os._exit(0)

        for name in names:
            signal.signal(signal.Signals[name], heard)

    def fork(self) -> int:
        """A child in a session of its own that waits for ever. Returns its pid."""
        pid = os.fork()
        if pid == 0:
            os.setsid()
            while True:
                signal.pause()
        return pid

    def exit(self, code: int) -> NoReturn:
        os._exit(code)


def _take(listener: socket.socket) -> None:
    """Accept whoever comes, and say nothing."""
    taken = []
    try:
        while True:
            taken.append(listener.accept())
    except OSError:
        pass


def main(path: str) -> None:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    orders = connection.makefile("rb")
    service = _Service()
    connection.sendall(json.dumps({"pid": os.getpid(), "env": dict(os.environ)}).encode() + b"\n")
    for line in orders:
        what, *with_what = json.loads(line)
        answer = getattr(service, what)(*with_what)
        connection.sendall(json.dumps(answer).encode() + b"\n")
    while True:
        signal.pause()  # the test has gone; locald ends us


if __name__ == "__main__":
    main(sys.argv[1])
