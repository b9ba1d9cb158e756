"""A server that tells what it was asked: `by_name.py PORT`."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BLOCK = 1_000_000
NEXT = threading.Event()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        left = length = int(self.headers["Content-Length"])
        while left and (part := self.rfile.read(min(left, BLOCK))):
            left -= len(part)
        self._tell(received=length - left)

    def do_GET(self) -> None:
        word = self.path.split("/")[1]
        if word == "silent":
            self.close_connection = True
        elif word == "die":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.flush()
            os._exit(1)
        elif word == "socket":
            self._talk()
        elif word == "live":
            self._talk_to_a_browser()
        elif word == "large":
            self._send_much(int(self.path.split("/")[2]))
        elif word == "events":
            self._send_events()
        elif word == "forward":
            self._forward(int(self.path.split("/")[2]))
        else:
            if word == "next":
                NEXT.set()
            self._tell()

    def _talk(self) -> None:
        """Not really a WebSocket: what comes is sent back."""
        self.send_response(101)
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", "websocket")
        self.end_headers()
        while data := self.connection.recv(4096):
            self.connection.sendall(data)
        self.close_connection = True

    def _talk_to_a_browser(self) -> None:
        """A WebSocket that says by which protocol it came to the proxy, then the same again for each message
        (RFC 6455; messages are short)."""
        key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        self.send_response(101)
        self.send_header("Connection", "Upgrade")
        self.send_header("Upgrade", "websocket")
        accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
        self.send_header("Sec-WebSocket-Accept", accept)
        self.end_headers()
        said = self.headers["Via"].encode()
        self.connection.sendall(bytes([0x81, len(said)]) + said)
        while data := self.connection.recv(4096):
            if data[0] != 0x81:
                break
            self.connection.sendall(bytes([0x81, len(said)]) + said)
        self.close_connection = True

    def _send_much(self, size: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        for _ in range(0, size, BLOCK):
            self.wfile.write(b"x" * BLOCK)

    def _send_events(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.wfile.write(b"data: 1\n\n")
        self.wfile.flush()
        NEXT.wait(30)
        self.wfile.write(b"data: 2\n\n")
        self.close_connection = True

    def _forward(self, port: int) -> None:
        """To its own name, with all headers, as a proxy that is configured wrongly."""
        asked = urllib.request.Request(f"http://127.0.0.1:{port}{self.path}", headers=dict(self.headers))
        try:
            with urllib.request.urlopen(asked) as answer:
                self._send(answer.status, answer.read())
        except urllib.error.HTTPError as error:
            self._send(error.code, error.read())

    def _tell(self, **more: object) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        told = {"path": self.path, "headers": headers, "instance": os.environ.get("LOCALD_INSTANCE"), **more}
        self._send(200, json.dumps(told).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
