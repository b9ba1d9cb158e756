"""What Caddy is told: it takes it, names are in order, and each service's route is as it is meant."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from locald.adapters.caddy.config import Site, config
from locald.adapters.caddy.program import Caddy, breaks_off, find
from locald.domain.explain.routes import Route
from locald.domain.project.names import Key

WEB, API = Key("shop", "web"), Key("shop@feat", "api")
ROUTES = (
    Route("api.feat.shop.localhost", API, "[::1]:24001", "https"),
    Route("shop.localhost", WEB, "127.0.0.1:24000"),
    Route("web.shop.localhost", WEB, "127.0.0.1:24000"),
    Route("*.shop.localhost", WEB, "127.0.0.1:24000"),
)
DOMAINS = ("feat.shop.localhost", "shop.localhost")


def made(folder: Path = Path("/h"), *, breaks_off: bool = False) -> dict[str, Any]:
    sockets = f"{folder}/caddy.sock", f"{folder}/proxy.sock", f"{folder}/board.sock"
    folders = f"{folder}/gates", f"{folder}/store", f"{folder}/requests"
    return config(Site(7443, 7080, *sockets, *folders, breaks_off), ROUTES, DOMAINS)


def server(*, breaks_off: bool = False) -> dict[str, Any]:
    found: dict[str, Any] = made(breaks_off=breaks_off)["apps"]["http"]["servers"]["locald"]
    return found


def parts() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = server()["routes"]
    return found


def own_routes() -> list[dict[str, Any]]:
    """Those in front of all others, of one service each."""
    return [part for part in parts() if part["handle"][0]["handler"] == "subroute"]


def hosts(routes: list[dict[str, Any]]) -> list[list[str]]:
    return [part["match"][0]["host"] for part in routes if "host" in part.get("match", [{}])[0]]


def test_names_are_matched_each_service_together_and_patterns_last() -> None:
    own = [["shop.localhost", "web.shop.localhost"], ["api.feat.shop.localhost"]]
    assert parts()[:2] == own_routes()
    assert hosts(own_routes()) == own
    _, *named = hosts(parts()[2:])
    # Of what is known of a request the last word counts: that of a name which is written out.
    assert named == [["*.shop.localhost"], *reversed(own)]


def test_a_plain_request_goes_straight_to_the_service_unless_its_gate_is_closed() -> None:
    (only,) = own_routes()[1]["handle"][0]["routes"]
    others = {"file", "path", "header"}
    assert {kind for each in only["match"][0]["not"] for kind in each} == others
    assert {"file": {"root": "/h/gates", "try_files": ["/shop@feat:api"]}} in only["match"][0]["not"]
    told, handler = only["handle"]
    assert handler["upstreams"] == [{"dial": "[::1]:24001"}]
    assert handler["transport"]["tls"] == {"insecure_skip_verify": True}
    assert told["request"]["set"] == {"X-Locald-Route": ["shop@feat:api"]}


def test_a_request_is_not_written_down_by_who_proxies() -> None:
    assert made()["logging"]["logs"]["default"]["exclude"] == ["http.handlers.reverse_proxy"]


def test_what_stands_still_is_not_ended() -> None:
    """A WebSocket may be silent for longer than a minute: see findings/caddy-h2-websocket-minute.sh."""
    times = {"read_idle_timeout": -1, "write_idle_timeout": -1}
    assert times.items() <= server(breaks_off=True).items()
    assert not times.keys() & server().keys()  # an older one does not know these words


def test_any_other_request_is_held_while_the_gate_is_closed_and_then_goes_to_the_service() -> None:
    closed, *onwards = parts()[-3:]
    file = closed["match"][0]["file"]
    assert file == {"root": "/h/gates", "try_files": ["/{http.vars.locald_service}"]}
    asking, asked, over = closed["handle"]
    assert asked["rewrite"] == {"method": "GET", "uri": "/hold"}
    assert (asking["locald_held"], over["locald_held"]) == ("yes", "")
    assert [part["match"] for part in onwards] == [
        [{"vars": {"locald_scheme": [scheme]}}] for scheme in ("http", "https")
    ]
    assert {part["handle"][0]["upstreams"][0]["dial"] for part in onwards} == {"{http.vars.locald_address}"}
    named = next(
        part["handle"][0]
        for part in parts()[2:]
        if part.get("match") == [{"host": ["api.feat.shop.localhost"]}]
    )
    assert (named["locald_service"], named["locald_address"]) == ("shop@feat:api", "[::1]:24001")


def test_a_request_that_was_held_when_the_daemon_ended_is_held_by_the_next() -> None:
    again = server()["errors"]["routes"][-2]
    assert {"vars": {"locald_held": ["yes"]}} in again["match"]
    assert again["handle"][1]["rewrite"]["uri"] == "/hold"


def test_the_dashboards_name_is_nobody_elses_and_the_daemon_hears_who_comes() -> None:
    first = next(part for part in parts() if part.get("match") == [{"host": ["locald.localhost"]}])
    (handler,) = first["handle"]
    assert handler["upstreams"] == [{"dial": "unix//h/board.sock"}]
    assert handler["headers"]["request"]["set"] == {
        "X-Locald-There": ["{http.request.remote.host} {http.request.remote.port}"],
        "X-Locald-Here": ["{http.request.local.host} {http.request.local.port}"],
    }


def test_what_is_asked_of_the_daemon_is_there_once_however_many_services_there_are() -> None:
    many = [Route(f"s{n}.shop.localhost", Key("shop", f"s{n}"), f"127.0.0.1:{n}") for n in range(1, 51)]
    site = Site(7443, 7080, "/a", "/d", "/b", "/g", "/s", "/r")
    assert json.dumps(config(site, many, DOMAINS)).count('"handler": "reverse_proxy"') == 50 + 11


def test_it_listens_on_loopback_only_and_is_told_on_a_socket_of_the_owner() -> None:
    assert server()["listen"] == ["127.0.0.1:7443", "[::1]:7443", "127.0.0.1:7080", "[::1]:7080"]
    assert made()["admin"] == {"listen": "unix//h/caddy.sock|0600", "config": {"persist": False}}
    assert made()["apps"]["pki"]["certificate_authorities"]["local"]["install_trust"] is False


def test_certificates_are_of_domains_and_not_of_services() -> None:
    assert made()["apps"]["tls"]["certificates"]["automate"] == [
        "*.feat.shop.localhost",
        "*.localhost",
        "*.shop.localhost",
        "*.test",
        "feat.shop.localhost",
        "locald.localhost",
        "shop.localhost",
    ]


def test_a_name_outside_of_the_domains_has_one_of_its_own() -> None:
    site = Site(7443, 7080, "/a", "/d", "/b", "/g", "/s", "/r")
    odd = Route("deep.below.test", WEB, "127.0.0.1:1")
    automated = config(site, [odd], [])["apps"]["tls"]["certificates"]["automate"]
    assert "deep.below.test" in automated


def test_only_of_services_with_an_idle_timeout_it_is_noted_when_they_were_asked() -> None:
    assert "logs" not in server()
    site = Site(7443, 7080, "/a", "/d", "/b", "/g", "/s", "/r")
    made_for = config(site, [Route("web.shop.localhost", WEB, "127.0.0.1:1", is_counted=True)], [])
    (names,) = made_for["apps"]["http"]["servers"]["locald"]["logs"]["logger_names"].items()
    assert names[0] == "web.shop.localhost"
    assert made_for["logging"]["logs"][names[1][0]]["writer"]["filename"] == "/r/shop:web"


def test_the_same_world_is_the_same_configuration() -> None:
    assert json.dumps(made()) == json.dumps(made())


def test_caddy_takes_it(tmp_path: Path) -> None:
    caddy = find()
    if not isinstance(caddy, Caddy):
        pytest.skip("needs Caddy")
    file = tmp_path / "config.json"
    file.write_text(json.dumps(made(tmp_path, breaks_off=breaks_off(caddy.version))))
    done = subprocess.run(
        [caddy.path, "validate", "--config", str(file)],
        env={"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
