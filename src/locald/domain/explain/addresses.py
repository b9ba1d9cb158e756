"""Where a service is reached: the address at which it really listens, and the URL of what speaks HTTP.

While nothing of it listens, the address is the one that it will have. A program that is ready and listens
somewhere else has none, since whatever was told would be refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from locald.domain.lifecycle.health import Source
from locald.domain.project.env import LOCALHOST
from locald.domain.project.spec import HttpCheck, PortCheck, ProtocolCheck, Type

if TYPE_CHECKING:
    from locald.domain.knowledge.servers import ProtocolName
    from locald.domain.lifecycle.messages import Listener
    from locald.domain.lifecycle.service import Service

_EVERYWHERE = ("0.0.0.0", "::")


def port(service: Service) -> int | None:
    """The host port: of what runs, else of what the next run will be."""
    if service.run and service.facts:
        return service.facts.port
    return None if _exposes_none(service) else service.definition.port


def _exposes_none(service: Service) -> bool:
    """Its latest run has shown that its image has no port that could be published."""
    facts, spec = service.facts, service.spec
    if facts is None or facts.container is None or facts.container_port is not None:
        return False
    return facts.definition.spec.image == spec.image and spec.container_port is None


def address(service: Service) -> str | None:
    """`127.0.0.1:24001`, `[::1]:24001`, `udp 127.0.0.1:5353`, `unix /run/db.sock`; None without a port, or
    for what is ready and listens elsewhere."""
    number = port(service)
    if not number or _is_elsewhere(service):
        return None
    if socket := _socket(service):
        return socket.shown
    where = host(service)
    return f"[{where}]:{number}" if ":" in where else f"{where}:{number}"


def url(service: Service) -> str | None:
    """Where to point a browser; None for what is known not to speak HTTP."""
    found = address(service)
    return f"{scheme(service)}://{found}/" if found and speaks_http(service) else None


def _own_check(service: Service) -> PortCheck | None:
    """The user's own check of the service's own port."""
    configured = service.present.spec.health_check
    check = configured.check if configured else None
    return check if isinstance(check, PortCheck) and check.port is None else None


def scheme(service: Service) -> str:
    """`http` or `https`, as it is checked."""
    check = _own_check(service)
    return check.scheme if isinstance(check, HttpCheck) else "http"


def host(service: Service) -> str:
    """The address at which it listens on its port; 127.0.0.1 while it does not."""
    number = port(service)
    listeners = service.facts.listeners if service.run and service.facts else ()
    found = next((each.address for each in listeners if each.port == number), LOCALHOST)
    return LOCALHOST if found in _EVERYWHERE else found


def _socket(service: Service) -> Listener | None:
    """The UDP or Unix socket that stands for its port."""
    return service.facts.socket if service.run and service.facts and service.facts.open else None


def _is_elsewhere(service: Service) -> bool:
    ready = service.run and service.is_healthy and service.result.source is Source.NOTIFY
    opens_itself = service.present.spec.type is Type.EXEC
    return bool(ready and opens_itself and service.facts and not service.facts.open)


def speaks_http(service: Service) -> bool:
    """Whether it may: what is known to speak something else does not."""
    if _socket(service):
        return False
    check = service.present.spec.health_check
    if check and isinstance(check.check, HttpCheck):
        return True
    if isinstance(_own_check(service), ProtocolCheck):
        return False
    asked: ProtocolName | None = service.facts.server if service.run and service.facts else None
    return asked in (None, "http")
