"""One service of the demonstration: it says what such a service says, and is ready as such a service is.

    service.py NAME notify|port|live|done|fail SECONDS

A file `slow` beside it names services that take four times as long to open their port, as things do on a bad
day; a file `talk`, when it appears, makes it print what it has to say in its work.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

GREEN, YELLOW, CYAN, FAINT, END = "\x1b[32m", "\x1b[33m", "\x1b[36m", "\x1b[2m", "\x1b[0m"

FIRST = {
    "db": ["LOG:  database system was shut down cleanly", "LOG:  ready to accept connections"],
    "cache": ["# Server initialized", "* Ready to accept connections tcp"],
    "migrate": [
        f"{GREEN}ok{END}  0041_orders_paid_at",
        f"{GREEN}ok{END}  0042_customer_email_unique",
        "2 migrations applied in 0.4 s",
    ],
    "api": [f"{CYAN}INFO{END}  connected to postgres", f"{CYAN}INFO{END}  listening, 4 workers"],
    "web": [f"  {GREEN}VITE{END} v8.3.8  ready in 431 ms", f"  {GREEN}➜{END}  Local: /"],
    "worker": [f"{CYAN}INFO{END}  consuming queue orders"],
    "index": [
        "INFO  reading 18,204 products",
        "WARN  product 7731 has no title: skipped",
        "ERROR cannot write segment 3: no space left on device (/var/lib/index)",
    ],
}
WORK = {
    "db": ["LOG:  checkpoint complete: wrote 42 buffers (0.3%)"],
    "cache": ["* DB saved on disk"],
    "api": [
        f"{CYAN}INFO{END}  GET /products {GREEN}200{END} {FAINT}4 ms{END}",
        f"{CYAN}INFO{END}  POST /orders {GREEN}201{END} {FAINT}12 ms{END}",
        f"{YELLOW}WARN{END}  GET /products/7731 {YELLOW}404{END} {FAINT}1 ms{END}",
        f"{CYAN}INFO{END}  GET /health {GREEN}200{END} {FAINT}0 ms{END}",
    ],
    "web": [f"{FAINT}10:42:07{END} {CYAN}[vite]{END} {GREEN}hmr update{END} /src/Cart.svelte"],
    "worker": [
        f"{CYAN}INFO{END}  order 1004 charged {FAINT}(card, 59.90 EUR){END}",
        f"{CYAN}INFO{END}  order 1005 charged {FAINT}(card, 12.50 EUR){END}",
        f"{YELLOW}WARN{END}  order 1006: payment declined, next try in 30 s",
    ],
}
HERE = Path(__file__).parent


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def notify(text: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])


def say(lines: list[str]) -> None:
    for line in lines:
        print(line, flush=True)


def main(name: str, how: str, seconds: float) -> int:
    slow = HERE / "slow"
    is_slow = slow.exists() and name in slow.read_text().split()
    first = FIRST.get(name, [])
    say(first[:1])
    time.sleep(seconds * (4 if is_slow else 1))
    if how in ("port", "notify"):
        server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Answer)
        Thread(target=server.serve_forever, daemon=True).start()
    if how == "notify":
        time.sleep(0.3)
        notify("READY=1\nSTATUS=accepting connections")
    say(first[1:])
    if how == "done":
        return 0
    if how == "fail":
        return 28
    while not (HERE / "talk").exists():
        time.sleep(0.1)
    for turn in range(5):
        for line in WORK.get(name, [])[turn:] if turn else WORK.get(name, []):
            say([line])
            time.sleep(0.11)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
