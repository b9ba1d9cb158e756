"""A port that somebody else has: who that is, and what to do. Before a run begins, and after one that failed.

A program that finds its port taken says so in its last lines. Which port that was is read there, who has it
is asked anew, and what to write instead is known where the program is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from locald.domain.knowledge.port_options import instead, named

if TYPE_CHECKING:
    from locald.domain.lifecycle.messages import Listener
    from locald.domain.lifecycle.service import Service
    from locald.domain.lifecycle.world import World
    from locald.domain.project.names import Key

PROXY = "docker-proxy"
"""listens for an engine on the ports that its containers publish"""
ANOTHER = "set another `port`"
PASS_IT = "pass $PORT on the command line, or make the program read PORT"


def who_listens(world: World, port: int) -> Key | None:
    """The service that listens on a port, its own or not."""
    for key, service in world.services.items():
        facts = service.facts if service.run else None
        if facts and any(each.port == port for each in facts.listeners):
            return key
    return None


def taken(
    port: int, holder: Listener | None, service: Key | None, otherwise: str = ANOTHER
) -> tuple[str, str]:
    """Why nobody else can listen on a port that somebody has, perhaps a `service`, and what to do."""
    if holder is None:
        return f"port {port} is already in use", "run `locald up` again when it is free"
    if not holder.owner.pid:
        return f"port {port} is already in use by a process of another user", otherwise
    held = f"port {port} is already in use by {holder.owner}, which listens on {holder.shown}"
    if service:
        return f"{held} (service {service})", f"run `locald stop {service}`, or {otherwise}"
    if holder.owner.program == PROXY:
        hint = f"run `docker ps --filter publish={port}` to find it, or {otherwise}"
        return f"{held} for a container", hint
    return held, f"run `kill {holder.owner.pid}` to stop that process, or {otherwise}"


def hint(service: Service, port: int, holder: Listener | None, other: Key | None) -> str:
    """What to do about a run that ended because a port was in use. `port`: the one that it named, or its own;
    `holder`: who listens there now; `other`: the service that does."""
    if holder:
        return ": ".join(taken(port, holder, other, _otherwise(service, port)))
    return f"port {port} was in use and is free now: run `locald up {service.spec.name}` to try again"


def wanted(service: Service) -> list[int]:
    """The ports that a run may have wanted which did not name any, the likeliest first."""
    own = service.present.port
    return [*([own] if own else []), *named(service.present.spec.command or "")]


def hint_without_port(service: Service) -> str:
    """The same where the run named no port, and nobody has its own: it wanted another one."""
    return f"the port that it wants was in use, and PORT is free: {_write(service)}"


def _otherwise(service: Service, port: int) -> str:
    if port != service.present.port:
        return _write(service, port)
    if service.spec.port is not None:
        return ANOTHER
    return f"run `locald up {service.spec.name}`, which takes another port"


def _write(service: Service, port: int | None = None) -> str:
    """What makes it use its own port; it may have none."""
    if service.present.port is None:
        return "have it use another port"
    return instead(service.present.spec.command or "", port) or PASS_IT
