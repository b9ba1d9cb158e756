"""Who may come in: decided for every request, before anything is answered.

The port is open to everything on this machine, and a browser sends requests for whatever page it shows. So
each request is asked, in this order:

Does its own user ask? Another user of this machine is not let in, whatever he knows: he may have seen a
ticket on the command line of a browser, or the cookie, which a browser sends to the servers on all ports of
this machine. Root is let in: it can do anything anyway, and some programs of root's forward connections.

Is it meant for us? `Host` is one of our names. A page of a domain that was made to point at 127.0.0.1
(DNS rebinding) has its own name there.

Does our own page ask? `Origin`, which a browser adds where it matters, is ours; and so is the page that asks,
where the browser tells (`Sec-Fetch-Site`): another port of this machine is another origin, though the same
"site", so the cookie alone would not keep it out.

Is it somebody whom `locald dashboard` let in? It has the secret, as a cookie or, scripts, as a bearer
token. A cookie opens nothing that changes anything, and no WebSocket, without an `Origin`.

The secret comes to a browser by a ticket, which is in the address that `locald dashboard` opens: so it may be
seen, and works once, for a few minutes.

Sources: RFC 6454 (Origin), RFC 6265 (cookies: no port keeps them apart), W3C Fetch Metadata.
"""

from __future__ import annotations

import hmac
import secrets
from typing import TYPE_CHECKING

from msgspec import Struct

from locald.domain.explain.routes import suffix

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TICKET_LASTS = 300.0
"""seconds"""
MOST_TICKETS = 100
"""that are valid at the same time; the oldest goes when another is made"""
SIGN_IN = "run `locald dashboard` to open it signed in"
SIGN_IN_BY_NAME = "run `locald dashboard --by-name` to open it signed in"
PUBLIC = ("/signin", "/assets/")
"""What is answered to everybody: the beginnings of paths that know nothing of anybody's services"""
FAMILIAR = ("same-origin", "none")
"""Who asks, by the browser's own word: our page, or the person at the address bar"""


class Refusal(Struct, frozen=True):
    status: int
    what: str
    hint: str


class Door:
    def __init__(
        self,
        scheme: str,
        hosts: tuple[str, ...],
        cookie: str,
        secret: str,
        owner: int,
        sign_in: str = SIGN_IN,
    ) -> None:
        """`hosts`: with their ports, the first is the one that people are told. `cookie`: its name. `owner`:
        the user whose daemon this is. `sign_in`: what to do to be let in here."""
        self.scheme, self.hosts, self.cookie, self.secret = scheme, hosts, cookie, secret
        self._owner, self.sign_in = owner, sign_in

    @classmethod
    def of_port(cls, port: int, secret: str, owner: int) -> Door:
        """The cookie is named by the port, for a browser sends it to all ports: that of another locald stays
        another."""
        return cls("http", (f"127.0.0.1:{port}", f"localhost:{port}"), f"locald-{port}", secret, owner)

    @classmethod
    def of_name(cls, name: str, port: int, secret: str, owner: int) -> Door:
        """By way of the proxy, so over HTTPS. Nobody below this name, a service for example, can set a cookie
        whose name begins with `__Host-` for it."""
        host = f"{name}{suffix(port, 443)}"
        return cls("https", (host,), f"__Host-locald-{port}", secret, owner, SIGN_IN_BY_NAME)

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.hosts[0]}/"

    def refuses(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        cookies: Mapping[str, str],
        uid: int | None = None,
    ) -> Refusal | None:
        """Why this request is not answered, or None. `uid`: whose it is, where that can be known."""
        return (
            self._is_of_another_user(uid)
            or self._is_for_another(headers)
            or self._is_foreign(path, headers)
            or self._is_signed_out(method, path, headers, cookies)
        )

    def _is_of_another_user(self, uid: int | None) -> Refusal | None:
        if uid is None or uid in (0, self._owner):
            return None
        what = "this is the dashboard of another user of this machine"
        return Refusal(403, what, "run `locald dashboard` to open your own")

    def _is_for_another(self, headers: Mapping[str, str]) -> Refusal | None:
        if headers.get("Host", "").lower() in self.hosts:
            return None
        what = "this request is for another host"
        return Refusal(421, what, f"use {self.url} only, {self.sign_in}")

    def _is_foreign(self, path: str, headers: Mapping[str, str]) -> Refusal | None:
        origin = headers.get("Origin")
        familiar = headers.get("Sec-Fetch-Site", "none") in FAMILIAR
        if (origin is None or self._is_ours(origin)) and (familiar or not path.startswith("/v1/")):
            return None
        return Refusal(403, "this request comes from another page", self.sign_in)

    def _is_signed_out(
        self, method: str, path: str, headers: Mapping[str, str], cookies: Mapping[str, str]
    ) -> Refusal | None:
        if path.startswith(PUBLIC) or self._has_token(headers):
            return None
        if not self.knows(cookies.get(self.cookie, "")):
            return Refusal(401, "you are not signed in", self.sign_in)
        harmless = method in ("GET", "HEAD") and "Upgrade" not in headers
        if harmless or "Origin" in headers:
            return None
        return Refusal(403, "this request has no Origin header", self.sign_in)

    def _has_token(self, headers: Mapping[str, str]) -> bool:
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self.knows(token.strip())

    def knows(self, secret: str) -> bool:
        """Whether this is our secret; takes as long whatever is wrong with it."""
        return hmac.compare_digest(secret.encode("utf-8", "surrogatepass"), self.secret.encode())

    def _is_ours(self, origin: str) -> bool:
        scheme, _, host = origin.lower().partition("://")
        return scheme == self.scheme and host in self.hosts


class Tickets:
    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def issue(self) -> str:
        ticket = secrets.token_urlsafe(24)
        self._until[ticket] = self._clock() + TICKET_LASTS
        for oldest in list(self._until)[:-MOST_TICKETS]:
            del self._until[oldest]
        return ticket

    def take(self, ticket: str) -> bool:
        """Whether it lets in. It does not a second time."""
        until = self._until.pop(ticket, None)
        return until is not None and self._clock() <= until
