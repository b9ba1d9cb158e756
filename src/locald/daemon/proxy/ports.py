"""Where the proxy listens: where it is asked to, or the next ports that are free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from locald.adapters import ports
from locald.domain.values import digits

if TYPE_CHECKING:
    from collections.abc import Mapping

HTTPS, HTTP = 7443, 7080
HTTPS_VARIABLE, HTTP_VARIABLE = "LOCALD_PROXY_HTTPS_PORT", "LOCALD_PROXY_HTTP_PORT"
ENOUGH = 100
"""ports that are tried"""


class Chosen(Struct, frozen=True):
    """`told`: a sentence for each port that is another than the one asked for."""

    https: int
    http: int
    told: tuple[str, ...] = ()


def choose(environ: Mapping[str, str]) -> Chosen:
    """Blocks. Raises OSError where no port is free."""
    https, told = _free(_asked(environ, HTTPS_VARIABLE, HTTPS), ())
    http, others = _free(_asked(environ, HTTP_VARIABLE, HTTP), (https,))
    return Chosen(https, http, (*told, *others))


def _asked(environ: Mapping[str, str], variable: str, usual: int) -> int:
    return digits.port(environ.get(variable, "")) or usual


def _free(asked: int, but: tuple[int, ...]) -> tuple[int, tuple[str, ...]]:
    for port in range(asked, min(asked + ENOUGH, 65536)):
        if port not in but and ports.free(port):
            return port, () if port == asked else (_taken(asked, port),)
    raise OSError(0, f"no port from {asked} to {asked + ENOUGH} is free")


def _taken(asked: int, port: int) -> str:
    holder = ports.holder(asked)
    by = f" by {holder.owner}" if holder and holder.owner.pid else ""
    return f"port {asked} is already in use{by}, the proxy uses {port}"
