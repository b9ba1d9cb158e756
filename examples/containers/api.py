"""The api: GET / counts a visit in the store, and says how many there were.

What it says to the store is the protocol of Redis, in which INCR of a key answers `:42`.
"""

import http.server
import os
import signal
import socket
import sys

STORE = (os.environ["STORE_HOST"], int(os.environ["STORE_PORT"]))
COUNT = b"*2\r\n$4\r\nINCR\r\n$6\r\nvisits\r\n"


def visits() -> int:
    """Raises OSError when the store cannot be reached, ValueError when it says something else."""
    with socket.create_connection(STORE, timeout=2) as store:
        store.sendall(COUNT)
        answer = store.makefile("rb").readline()
    return int(answer.removeprefix(b":"))


class Api(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path != "/":
            self.answer(404, "there is only /")
            return
        try:
            self.answer(200, f"visits: {visits()}")
        except (OSError, ValueError) as error:
            self.answer(503, f"the store does not count: {error}")

    def answer(self, status: int, text: str) -> None:
        body = f"{text}\n".encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
address = ("127.0.0.1", int(os.environ["PORT"]))
with http.server.ThreadingHTTPServer(address, Api) as server:
    print(f"listening on {address[0]}:{address[1]}, the store is at {STORE[0]}:{STORE[1]}")
    server.serve_forever()
