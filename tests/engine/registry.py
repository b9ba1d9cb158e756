"""A registry of images on this machine's loopback, where engines do without TLS: for pulls that work, wait,
and fail.

It knows one repository, `shelf`, with the tag `1`: an image of two layers. A download of the second one
stops half-way until the test opens the gate.

Source: github.com/opencontainers/distribution-spec.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from engine.images import root_filesystem

if TYPE_CHECKING:
    from types import TracebackType

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar"
GATE_WITHIN = 30.0
"""seconds that a download waits for its gate, should a test forget it"""


class Registry:
    """`image` is the full name of what can be pulled. Use it as a context."""

    def __init__(self) -> None:
        self.login = ""
        """`user:password`, without which it tells nothing; empty: whoever asks is answered"""
        self.gate = threading.Event()
        self.waiting = threading.Event()
        """the second layer is being downloaded, and waits at the gate"""
        self._blobs: dict[str, bytes] = {}
        layers = [self._keep(root_filesystem()), self._keep(_random_layer(3_000_000))]
        self.gated = layers[1]["digest"]
        self._manifest = self._describe(layers)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        self.image = f"{self.host}/shelf:1"

    def __enter__(self) -> Registry:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()

    def _keep(self, data: bytes, kind: str = LAYER) -> dict[str, Any]:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self._blobs[digest] = data
        return {"mediaType": kind, "digest": digest, "size": len(data)}

    def _describe(self, layers: list[dict[str, Any]]) -> bytes:
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Env": ["PATH=/bin"], "Cmd": ["sleep", "1000000"]},
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]},
        }
        described = self._keep(json.dumps(config).encode(), CONFIG)
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": layers}
        return json.dumps(manifest).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                registry.answer(self)

            def do_HEAD(self) -> None:
                registry.answer(self)

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        digest = f"sha256:{hashlib.sha256(self._manifest).hexdigest()}"
        told = base64.b64encode(self.login.encode()).decode()
        if self.login and request.headers.get("Authorization") != f"Basic {told}":
            self._send(request, 401, b"{}", "application/json")
        elif request.path == "/v2/":
            self._send(request, 200, b"{}", "application/json")
        elif request.path in ("/v2/shelf/manifests/1", f"/v2/shelf/manifests/{digest}"):
            self._send(request, 200, self._manifest, MANIFEST, digest)
        elif (wanted := request.path.rpartition("/")[2]) in self._blobs:
            self._send(request, 200, self._blobs[wanted], "application/octet-stream", wanted)
        else:
            code = "MANIFEST_UNKNOWN" if "/shelf/" in request.path else "NAME_UNKNOWN"
            said = {"errors": [{"code": code, "message": code.replace("_", " ").lower()}]}
            self._send(request, 404, json.dumps(said).encode(), "application/json")

    def _send(
        self, request: BaseHTTPRequestHandler, status: int, data: bytes, kind: str, digest: str = ""
    ) -> None:
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(data)))
        if status == 401:
            request.send_header("WWW-Authenticate", 'Basic realm="shelf"')
        if digest:
            request.send_header("Docker-Content-Digest", digest)
        request.end_headers()
        if request.command == "HEAD":
            return
        half = len(data) // 2 if digest == self.gated else 0
        try:
            request.wfile.write(data[:half])
            if half:
                self.waiting.set()
                self.gate.wait(GATE_WITHIN)
            request.wfile.write(data[half:])
        except OSError:
            pass  # whoever pulled was called off


def _random_layer(size: int) -> bytes:
    """A layer that no engine has yet."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        entry = tarfile.TarInfo("ballast")
        entry.size = size
        tar.addfile(entry, io.BytesIO(os.urandom(size)))
    return out.getvalue()
