"""The page that starts a service: where the page in place of a service leads to.

That one is shown to everybody who asks for the service's name, so there is no button on it. It leads here,
to who is signed in, and from here back to the service.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aiohttp import web

from locald.daemon.api.http import Answer, Query, Request
from locald.daemon.api.routes import told
from locald.daemon.dashboard.link import PATH, word
from locald.daemon.dashboard.notices import Button, notice
from locald.domain.explain.routes import name_url
from locald.domain.project.names import Key

if TYPE_CHECKING:
    from locald.daemon.api.routes import Api
    from locald.domain.lifecycle.service import Service


class Starting:
    def __init__(self, api: Api) -> None:
        self._api = api

    def routes(self) -> list[web.RouteDef]:
        return [web.get(PATH, self._ask, allow_head=False), web.post(PATH, self._do)]

    async def _ask(self, request: web.Request) -> web.Response:
        service = self._service(request.query.get("service", ""))
        verb, name = word(service), service.key.service
        button = Button(PATH, {"service": str(service.key), "action": verb.lower()}, f"{verb} {name}")
        text = notice(f"{verb} {name}?", f"{_sentence(service.result.because)}", button=button)
        # Without a referrer a browser would not say either that the form is ours.
        return _html(text, {"Referrer-Policy": "same-origin"})

    async def _do(self, request: web.Request) -> web.Response:
        sent = await request.post()
        service = self._service(str(sent.get("service", "")))
        body = json.dumps({"project": service.key.project, "services": [service.key.service]}).encode()
        changing = self._api.changing
        does = changing.restart if sent.get("action") == "restart" else changing.up
        asked = Request("POST", PATH, Query(""), lambda: _given(body), is_masked=True)
        answer = await told("POST", PATH, does(asked))
        if not isinstance(answer, Answer) or answer.status >= 400:
            return _html(_refused(service, answer), status=409)
        onward = name_url(self._api.core.world, service) or "/"
        return _html(notice(f"Starting {service.key.service}", onward=onward))

    def _service(self, said: str) -> Service:
        """Raises HTTPNotFound."""
        service = self._api.core.world.services.get(Key.parse(said))
        if service is None:
            raise web.HTTPNotFound
        return service


def _refused(service: Service, answer: object) -> str:
    problems = json.loads(answer.body).get("problems", []) if isinstance(answer, Answer) else []
    said = [_sentence(each["what"]) for each in problems]
    return notice(f"{service.key.service} was not started", *said, f"Run `locald up {service.key}` for more.")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""


async def _given(body: bytes) -> bytes:
    return body


def _html(text: str, headers: dict[str, str] | None = None, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html", headers=headers)
