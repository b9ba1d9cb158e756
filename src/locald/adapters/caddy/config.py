"""What Caddy is told: routes in its JSON. Pure.

Of each service there are its names and where it listens; all else is there once. A request goes to where its
service listens, unless its *gate* is closed: a file that is there as long as the service is not healthy.
So a service that starts or stops costs no new configuration, which would make Caddy let go of connections.
While the gate is closed the daemon is asked first: it answers what there is to say, or 204 when the service
has become healthy, and then the request goes on, body and all. The same happens when the service turns out
not to listen although its gate is open.

Most requests are plain ones for a healthy service by its full name. They have a route of their own in front,
with as little in it as can be; what it does not take goes the long way, where everything is looked at. What
each part of a request costs is in docs/decisions/proxy.md.

Caddy goes on without the daemon. What then would have been the daemon's to answer is a plain sentence.

Certificates are few: each domain's own and one for all names directly below it.

Source: https://caddyserver.com/docs/json/
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from locald.domain.explain.routes import DASHBOARD, OURS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from locald.domain.explain.routes import Route
    from locald.domain.project.names import Key

Json = dict[str, Any]

TRIES_LAST, TRIES_EVERY = "10s", "50ms"
"""how long a daemon that is being replaced is waited for"""
STREAMS_LAST = "24h"
"""how long a WebSocket may stay on a route that was configured again"""
ROUNDS = "X-Locald-Route"
"""the header that has the services on the way of a request"""
_MANY_ROUNDS: Json = {"header_regexp": {ROUNDS: {"pattern": r"(?:\S+\s+){5}"}}}
"""It has been to so many that the daemon is asked whether it goes in circles"""
SERVICE, ADDRESS, SCHEME = "locald_service", "locald_address", "locald_scheme"
"""what is known of the service that a request is for, as variables of the request"""
WAITS_FOR_EVER = {"read_idle_timeout": -1, "write_idle_timeout": -1}
"""Some versions break off what stood still for a minute, a silent WebSocket over HTTP/2 too"""
HELD = "locald_held"
"""the variable of a request that waits for its service"""
_OF_OUR_OWN: Json = {"path": ["/.well-known/locald/*"]}
"""of every name: what the page that is shown in place of a service asks"""
HOLD, NOWHERE, LOOP, BROKEN, OWN = "/hold", "/nowhere", "/loop", "/broken", "/own"
"""what the daemon is asked: whether a service is ready, and what to say of a request that leads nowhere"""
AWAY = "locald does not answer\nhint: run `locald up` in the project's folder\n"
_COOKIE = r"(^|;\s*)(?:__Host-)?locald[-_][^;]*"


class Site(Struct, frozen=True):
    """Where things are. `gates`, `requests`: folders; `admin`, `daemon`, `dashboard`: paths of sockets;
    `storage`: what Caddy keeps; `breaks_off`: it would end what stands still."""

    https_port: int
    http_port: int
    admin: str
    daemon: str
    dashboard: str
    gates: str
    storage: str
    requests: str
    breaks_off: bool = False


def gate(key: Key) -> str:
    """The name of a service's file in the folder of the gates."""
    return str(key)


def config(site: Site, routes: Sequence[Route], domains: Iterable[str]) -> Json:
    """All that Caddy is told. `domains`: of the projects, each of which has certificates."""
    return {
        "admin": {"listen": f"unix/{site.admin}|0600", "config": {"persist": False}},
        "storage": {"module": "file_system", "root": site.storage},
        "logging": {"logs": _logs(site, routes)},
        "apps": {
            "pki": {"certificate_authorities": {"local": {"name": "locald", "install_trust": False}}},
            "tls": {
                "automation": {"policies": [{"issuers": [{"module": "internal"}]}]},
                "certificates": {"automate": _certified(routes, domains)},
                "disable_ocsp_stapling": True,
            },
            "http": {
                "http_port": site.http_port,
                "https_port": site.https_port,
                "servers": {"locald": _server(site, routes)},
            },
        },
    }


def _certified(routes: Iterable[Route], domains: Iterable[str]) -> list[str]:
    """What there are certificates for: a name below a domain by that for all names there."""
    found = {DASHBOARD, *(f"*.{each}" for each in OURS)}
    for domain in domains:
        found |= {domain, f"*.{domain}"}
    for route in routes:
        if f"*.{route.name.partition('.')[2]}" not in found:
            found.add(route.name)
    return sorted(found)


def _server(site: Site, routes: Sequence[Route]) -> Json:
    """First come plain requests; then it is found out whose name it is, and what concerns all services."""
    ports = (site.https_port, site.http_port)
    groups = _grouped(routes)
    named = [_named(group) for group in reversed(groups)]  # the last word is that of a name written out
    return {
        "listen": [f"{address}:{port}" for port in ports for address in ("127.0.0.1", "[::1]")],
        "protocols": ["h1", "h2"],
        "automatic_https": {"disable": True},
        "tls_connection_policies": [{"default_sni": DASHBOARD}],
        **(WAITS_FOR_EVER if site.breaks_off else {}),
        **_counted(routes),
        "routes": [
            *(_plain(site, group) for group in groups if not _is_pattern(group[0])),
            {"match": [{"host": [DASHBOARD]}], "terminal": True, "handle": [_dashboard(site)]},
            {"handle": [{"handler": "vars", SERVICE: ""}]},
            *named,
            {"match": [{"vars": {SERVICE: [""]}}], "terminal": True, "handle": [_asked(site, NOWHERE)]},
            {"match": [_OF_OUR_OWN], "terminal": True, "handle": [_asked(site, OWN)]},
            {"match": [_MANY_ROUNDS], "handle": [_asked(site, LOOP)]},
            {"match": [_closed(site, _var(SERVICE))], "handle": _held(site)},
            *_onwards(),
        ],
        "errors": {"routes": _when_it_fails(site, named)},
    }


def _logs(site: Site, routes: Iterable[Route]) -> Json:
    """Its own, and a file for each service of which it matters when it was last asked for. Who proxies has
    none: it would write down every request for a line that is hardly ever wanted."""
    fields = {name: {"filter": "delete"} for name in ("request", "resp_headers", "user_id")}
    found: Json = {"default": {"level": "ERROR", "exclude": ["http.handlers.reverse_proxy"]}}
    for key in sorted({route.key for route in routes if route.is_counted}):
        path = f"{site.requests}/{gate(key)}"
        found[_logger(key)] = {
            "writer": {"output": "file", "filename": path, "roll_size_mb": 1, "roll_keep": 1},
            "encoder": {"format": "filter", "wrap": {"format": "json"}, "fields": fields},
            "include": [f"http.log.access.{_logger(key)}"],
        }
    return found


def _counted(routes: Iterable[Route]) -> Json:
    names = {route.name: [_logger(route.key)] for route in routes if route.is_counted}
    return {"logs": {"logger_names": names, "skip_unmapped_hosts": True}} if names else {}


def _logger(key: Key) -> str:
    """A name of a logger, in which a dot would mean something."""
    return hashlib.sha256(str(key).encode()).hexdigest()[:16]


def _grouped(routes: Sequence[Route]) -> list[list[Route]]:
    """The names of each service together; patterns for themselves, behind all others."""
    groups: dict[tuple[bool, Key], list[Route]] = {}
    for route in routes:
        groups.setdefault((_is_pattern(route), route.key), []).append(route)
    return [groups[key] for key in sorted(groups)]


def _is_pattern(route: Route) -> bool:
    return route.name.startswith("*")


def _plain(site: Site, routes: list[Route]) -> Json:
    """For its own program, from where no service has sent it, while the gate is open."""
    service = routes[0]
    others = [_OF_OUR_OWN, {"header": {ROUNDS: []}}, _closed(site, gate(service.key))]
    told = {"handler": "headers", "request": _told(gate(service.key))}
    handlers = [told, _service(service.address, service.scheme)]
    only = {"match": [{"not": others}], "terminal": True, "handle": handlers}
    return {"match": [_of(routes)], "handle": [{"handler": "subroute", "routes": [only]}]}


def _named(routes: list[Route]) -> Json:
    service = routes[0]
    known = {SERVICE: gate(service.key), ADDRESS: service.address, SCHEME: service.scheme}
    return {"match": [_of(routes)], "handle": [{"handler": "vars", **known}]}


def _of(routes: list[Route]) -> Json:
    return {"host": [route.name for route in routes]}


def _closed(site: Site, name: str) -> Json:
    return {"file": {"root": site.gates, "try_files": [f"/{name}"]}}


def _onwards() -> list[Json]:
    """To the service, whichever it is."""
    told = {"headers": {"request": _told(f"{_var(SERVICE)} {{http.request.header.{ROUNDS}}}")}}
    return [
        {"match": [{"vars": {SCHEME: [scheme]}}], "handle": [{**_service(_var(ADDRESS), scheme), **told}]}
        for scheme in ("http", "https")
    ]


def _when_it_fails(site: Site, named: list[Json]) -> list[Json]:
    """The service does not listen: it was not sent anything, so the request may go to it later. The daemon
    does not listen: there is no more to ask it. It ended while a request was held: the next one is asked. All
    else: the service broke off."""
    again = {"handler": "subroute", "routes": _onwards()}
    return [
        _when_away(),
        *named,
        {
            "match": [_said("message", "dial tcp"), {"vars": {HELD: ["yes"]}}],
            "terminal": True,
            "handle": [*_held(site), again],
        },
        {"match": [_said("status_code", "^5")], "handle": [_asked(site, BROKEN)]},
    ]


def _var(name: str) -> str:
    return f"{{http.vars.{name}}}"


def _said(what: str, pattern: str) -> Json:
    """That an error is so. An `expression` would say it too, and each takes 2 ms and 0.2 MB to compile."""
    return {"vars_regexp": {f"{{http.error.{what}}}": {"pattern": pattern}}}


def _when_away() -> Json:
    return {"match": [_said("message", "dial unix")], "terminal": True, "handle": [_static(503, AWAY)]}


def _service(address: str, scheme: str) -> Json:
    """With its own name in `Host`. What it sends without a length (events, streams) Caddy passes on at once
    by itself; to have it do so with everything costs a fifth more."""
    transport: Json = {"protocol": "http", "compression": False}
    if scheme == "https":
        transport["tls"] = {"insecure_skip_verify": True}
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": address}],
        "transport": transport,
        "stream_close_delay": STREAMS_LAST,
    }


def _told(rounds: str) -> Json:
    """What is made of the headers of a request. To the request itself it is done for half of what it takes
    as a part of the proxying, which makes one more copy; only, then it stays done when it fails."""
    return {
        "set": {ROUNDS: [rounds]},
        "replace": {"Cookie": [{"search_regexp": _COOKIE, "replace": ""}]},
        "delete": ["Forwarded", "X-Real-Ip"],
    }


def _asked(site: Site, path: str) -> Json:
    """Ask the daemon, without the body. When it says 204 the request goes on."""
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": f"unix/{site.daemon}"}],
        "rewrite": {"method": "GET", "uri": path},
        "load_balancing": {"try_duration": TRIES_LAST, "try_interval": TRIES_EVERY},
        "headers": {
            "request": {
                "set": {
                    "Host": ["locald"],  # that of the request may be anything
                    "X-Locald-Host": ["{http.request.hostport}"],
                    "X-Locald-Service": [_var(SERVICE)],
                    "X-Locald-Method": ["{http.request.method}"],
                    "X-Locald-Uri": ["{http.request.orig_uri}"],
                    "X-Locald-Scheme": ["{http.request.scheme}"],
                },
                "delete": ["Upgrade", "Connection", "Cookie", "Authorization"],
            }
        },
        "handle_response": [{"match": {"status_code": [204]}, "routes": []}],
    }


def _held(site: Site) -> list[Json]:
    """Asked whether it is to wait; meanwhile it is known that nothing was sent to the service."""
    asking, asked = ({"handler": "vars", HELD: word} for word in ("yes", ""))
    return [asking, _asked(site, HOLD), asked]


def _dashboard(site: Site) -> Json:
    """With both ends of the visitor's connection: see `daemon.dashboard.by_name`."""
    ends = {"There": "remote", "Here": "local"}
    return {
        "handler": "reverse_proxy",
        "upstreams": [{"dial": f"unix/{site.dashboard}"}],
        "load_balancing": {"try_duration": TRIES_LAST, "try_interval": TRIES_EVERY},
        "headers": {
            "request": {
                "set": {
                    f"X-Locald-{name}": [f"{{http.request.{end}.host}} {{http.request.{end}.port}}"]
                    for name, end in ends.items()
                }
            }
        },
    }


def _static(status: int, text: str) -> Json:
    headers = {"Content-Type": ["text/plain; charset=utf-8"], "Retry-After": ["1"]}
    return {"handler": "static_response", "status_code": status, "headers": headers, "body": text}
