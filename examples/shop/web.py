"""The web page of the shop: shows what the api says is for sale.

Knows nothing of locald but $PORT. `--port N` makes it listen elsewhere, to see what locald says then.
"""

import argparse
import html
import http.server
import json
import os
import signal
import sys
import urllib.error
import urllib.request

PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="3">
<title>The shop</title>
<style>
  :root { color-scheme: light dark }
  body { font: 1.1rem/1.6 system-ui, sans-serif; max-width: 30rem; margin: 4rem auto; padding: 0 1rem }
  td { padding: 0.2rem 2rem 0.2rem 0 }
  td + td { text-align: right; font-variant-numeric: tabular-nums }
</style>
<h1>The shop</h1>
%s
"""


def content() -> str:
    url = os.environ["API_URL"].rstrip("/") + "/products"
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            products: dict[str, float] = json.load(answer)
    except urllib.error.URLError as error:
        return f"<p>The api does not answer: {html.escape(str(error.reason))}</p>"
    rows = (f"<tr><td>{html.escape(name)}<td>{price:.2f}" for name, price in sorted(products.items()))
    return "<table>" + "\n".join(rows) + "</table>"


class Web(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = (PAGE % content()).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        print(format % arguments)


parser = argparse.ArgumentParser(description="The web page of the shop.")
parser.add_argument("--port", type=int, default=os.environ.get("PORT"))
address = ("127.0.0.1", parser.parse_args().port)

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
with http.server.ThreadingHTTPServer(address, Web) as server:
    print(f"listening on {address[0]}:{address[1]}")
    server.serve_forever()
