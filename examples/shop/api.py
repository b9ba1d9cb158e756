"""The api: GET /products says what is for sale; GET /health says whether the api can do its work.

An open port would not tell that. `health_check` in locald.toml asks /health instead, and what it answers
is what counts: 200 when the store can be reached, 503 when not.
"""

import http.server
import json
import os
import signal
import sys
import urllib.error
import urllib.request


def products() -> dict[str, float]:
    with urllib.request.urlopen(os.environ["STORE_URL"], timeout=1) as answer:
        found: dict[str, float] = json.load(answer)
    return found


class Api(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        try:
            if self.path == "/health":
                products()
                self.answer(200, {"health": "good"})
            elif self.path == "/products":
                self.answer(200, products())
            else:
                self.answer(404, {"error": "there are /products and /health"})
        except urllib.error.URLError as error:
            self.answer(503, {"error": f"the store cannot be reached: {error.reason}"})

    def answer(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        if self.path != "/health":  # asked every few seconds
            print(format % arguments)


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
address = ("127.0.0.1", int(os.environ["PORT"]))
with http.server.ThreadingHTTPServer(address, Api) as server:
    print(f"listening on {address[0]}:{address[1]}")
    server.serve_forever()
