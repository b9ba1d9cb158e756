"""The development servers of PyPI and npm, at the versions that `install.py` pins."""

from __future__ import annotations

from zoo.clients import http
from zoo.server import Server

SERVERS = [
    Server(
        "Vite",
        "node",
        "exec node_modules/.bin/vite --port $PORT",
        http(),
        version="node_modules/.bin/vite --version",
        files={"index.html": "<p>zoo</p>\n"},
        tool="vite",
    ),
]
