"""Where a service really listens is what people, and whatever starts later, are told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from whole.programs import command

if TYPE_CHECKING:
    from whole.machine import Machine

CURL = "curl -fsS --max-time 5"
ASKING = f"""
[services.ask]
type = "task"
depends_on = ["web"]
env = {{ WEB = "${{services.web.url}}", WHERE = "${{services.web.host}} ${{services.web.port}}" }}
command = "{CURL} $WEB && {CURL} ${{services.web.url}}/ && echo && echo at $WHERE $PORT_WEB"
"""
"""a dependent that has to reach the service by what it is told"""


def serving(listen: str) -> str:
    """Answers every request with "ok"."""
    code = f"""
listener = {listen}
while True:
    connection, _ = listener.accept()
    with connection:
        if connection.recv(65536):
            connection.sendall(b"HTTP/1.0 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
"""
    return f"command = {command(code)}"


@pytest.mark.parametrize(("address", "shown"), [("::1", "[::1]"), ("127.0.0.2", "127.0.0.2")])
def test_a_dependent_reaches_a_service_that_listens_on_one_address_only(
    machine: Machine, address: str, shown: str
) -> None:
    machine.write(f"[services.web]\n{serving(f'listen(address={address!r}, accept=False)')}\n{ASKING}")
    rows = machine.up()
    port = rows["web"]["port"]
    assert (rows["web"]["url"], rows["ask"]["state"]) == (f"http://{shown}:{port}/", "completed")
    assert machine.printed("ask") == ["okok", f"at {address} {port} {port}"]
    again = json.loads(machine.locald("up", "--json").stdout)["services"]
    assert {row["name"]: row["run"] for row in again} == {"web": 1, "ask": 1}, "nothing has changed"
