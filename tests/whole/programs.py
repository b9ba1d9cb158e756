"""The programs that services of these tests run: small, quick to start, and told by the test when to go on.

`command(code)` is the value of a `command` key: Python with the helpers of `PRELUDE` at hand. What a program
waits for is a `Gate` that the test opens, or a file that it writes.
"""

from __future__ import annotations

import json
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PRELUDE = """
import os, signal, socket, sys, threading, time
PORT = int(os.environ.get("PORT", 0))
class Listener(socket.socket):
    def close(self):
        self.shutdown(socket.SHUT_RDWR)  # else who waits in accept would keep it open
        super().close()
def serve(listener):
    taken = []
    try:
        while True:
            taken.append(listener.accept())
    except OSError:
        pass
def listen(port=PORT, address="127.0.0.1", accept=True):
    listener = Listener(socket.AF_INET6 if ":" in address else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    listener.listen()
    if accept:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
    return listener
def notify(text, path=os.environ.get("NOTIFY_" + "SOCKET")):  # in two: a program with the word is waited for
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
        out.sendto(text.encode(), path)
def gate(path):
    with open(path) as pipe:
        return pipe.read()
def stay():
    while True:
        signal.pause()
def append(path, line):
    with open(path, "a") as file:
        file.write(f"{line}\\n")
def ignore_term():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
def answer(listener, status):
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.0 %s\\r\\n\\r\\n" % status().encode())
"""


def command(code: str) -> str:
    """A `command` that runs this code."""
    return json.dumps([sys.executable, "-u", "-S", "-E", "-c", PRELUDE + code])


SERVE = command("kept = listen(); stay()")
"""opens its port at once"""

STAY = command("stay()")
"""does nothing"""


def serve_after(gate: object) -> str:
    """Opens its port when the test opens the gate."""
    return command(f"gate({str(gate)!r}); kept = listen(); stay()")


def http_told_by(file: object, first: str = "503 Not Yet") -> str:
    """Answers every request with the status line in the file, and with `first` before there is one."""
    return command(
        f"""
def status():
    try:
        return open({str(file)!r}).read().strip() or {first!r}
    except FileNotFoundError:
        return {first!r}
answer(listen(accept=False), status)
"""
    )


def saying(*assignments: str, then: str = "stay()") -> str:
    """Sends these datagrams, one after the other."""
    return command("".join(f"notify({each!r})\n" for each in assignments) + then)


def noting(name: str, path: object, then: str = "kept = listen(); stay()") -> str:
    """Appends its name to a file when it starts: to see who ran, and in which order."""
    return command(f"append({str(path)!r}, {name!r}); {then}")


# Those that are no services of ours.


@contextmanager
def listener(port: int) -> Iterator[None]:
    """The test itself listens on this port."""
    with socket.create_server(("127.0.0.1", port)):
        yield
