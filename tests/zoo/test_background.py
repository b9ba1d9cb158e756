"""nginx as it comes goes to the background: that is a failure with a hint, not health that is soon gone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from zoo.clients import http
from zoo.debian import NGINX
from zoo.server import Server, configured, missing

if TYPE_CHECKING:
    from zoo.house import House

COMMAND = configured("conf", "nginx -p $PWD -c conf -e stderr")


def test_nginx_as_it_comes_has_gone_to_the_background(house: House) -> None:
    nginx = Server("nginx", "nginx", COMMAND, http(), files={"conf.in": NGINX})
    if lacking := missing(nginx, house.env["PATH"]):
        pytest.skip(f"no {lacking}")
    house.furnish(nginx)
    house.write(f"[services.it]\ncommand = {json.dumps(COMMAND)}\n")
    house.locald("up", timeout=60)  # it may have served before its first process left
    row = house.until("it", lambda row: row["state"] == "failed")
    assert "background" in row["because"], row
    assert any("daemon off;" in hint for hint in house.why("it")["hints"])
    house.locald("down")
