"""The store: products and their prices, in memory. GET / lists them, PUT /NAME sets a price.

It takes a moment to load, and only the program itself knows when it has finished. So it says so, in the
words that systemd understands too (sd_notify): a datagram `READY=1` to the socket in $NOTIFY_SOCKET.
"""

import http.server
import json
import os
import signal
import socket
import sys
import time

products: dict[str, float] = {}


def notify(message: str) -> None:
    """Tell whoever started us. Without a $NOTIFY_SOCKET nobody wants to know, which is fine."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(message.encode(), address)


class Store(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps(products).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        products[self.path.strip("/")] = float(self.rfile.read(length))
        self.send_response(204)
        self.end_headers()
        notify(f"STATUS={len(products)} for sale")

    def log_message(self, format: str, *arguments: object) -> None:
        if self.command == "PUT":  # the api looks every few seconds
            print(format % arguments)


def load() -> None:
    """Stands for what takes long in a real one: migrations, caches, connections."""
    for part in range(1, 6):
        notify(f"STATUS=loading, part {part} of 5")
        time.sleep(0.1)


def stop(*_: object) -> None:
    notify("STOPPING=1")
    sys.exit(0)


signal.signal(signal.SIGTERM, stop)
load()
address = ("127.0.0.1", int(os.environ["PORT"]))
with http.server.ThreadingHTTPServer(address, Store) as server:
    print(f"listening on {address[0]}:{address[1]}")
    notify("READY=1\nSTATUS=nothing for sale yet")
    server.serve_forever()
