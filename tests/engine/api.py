"""What tests themselves ask of a Docker Engine, apart from the code that they test: plain calls that wait."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any
from urllib.parse import quote, urlencode

PATIENCE = 60.0
Json = Any


class Api:
    """Calls to the engine at a `unix://` or `tcp://` address. Raises AssertionError when it refuses."""

    def __init__(self, host: str) -> None:
        self.host = host

    def get(self, path: str, **query: str) -> Json:
        return self.call("GET", path, query)

    def post(self, path: str, body: Json = None, **query: str) -> Json:
        return self.call("POST", path, query, body)

    def delete(self, path: str, **query: str) -> Json:
        return self.call("DELETE", path, query)

    def call(self, method: str, path: str, query: dict[str, str] | None = None, body: Json = None) -> Json:
        data = None if body is None else json.dumps(body).encode()
        status, answer = self.send(method, _with_query(path, query or {}), data, "application/json")
        assert status < 400, f"{method} {path}: {status} {answer!r}"
        try:
            return json.loads(answer) if answer.strip() else None
        except ValueError:
            return answer

    def send(self, method: str, path: str, data: bytes | None, kind: str) -> tuple[int, bytes]:
        connection = self._connect()
        try:
            connection.request(method, path, data, {"Content-Type": kind, "Connection": "close"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        kind, _, address = self.host.partition("://")
        if kind == "unix":
            return _OverUnix(address)
        return http.client.HTTPConnection(address, timeout=PATIENCE)

    # What several tests ask.

    def labelled(self, label: str) -> list[Json]:
        """The containers, running or not, that carry a label `name=value`."""
        found: list[Json] = self.get("/containers/json", all="1", filters=_filter(label=label))
        return found

    def networks_labelled(self, label: str) -> list[str]:
        return [each["Name"] for each in self.get("/networks", filters=_filter(label=label))]

    def remove_labelled(self, label: str) -> None:
        """Containers, volumes and networks that carry a label."""
        for container in self.labelled(label):
            self.send("DELETE", f"/containers/{container['Id']}?force=1&v=1", None, "")
        for network in self.get("/networks", filters=_filter(label=label)):
            self.send("DELETE", f"/networks/{network['Id']}", None, "")
        for volume in self.get("/volumes", filters=_filter(label=label))["Volumes"] or ():
            self.send("DELETE", f"/volumes/{volume['Name']}", None, "")


class _OverUnix(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self._path)


def _filter(**filters: str) -> str:
    return json.dumps({name: [value] for name, value in filters.items()})


def _with_query(path: str, query: dict[str, str]) -> str:
    return f"{quote(path)}?{urlencode(query)}" if query else quote(path)
