"""Where the page is that starts a service, and what it does: see `starting`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from locald.domain.lifecycle.phase import Live

if TYPE_CHECKING:
    from locald.domain.lifecycle.service import Service
    from locald.domain.project.names import Key

PATH = "/start"


def address(dashboard: str, key: Key) -> str:
    """Of this page for a service. `dashboard`: its URL, which ends with `/`."""
    return f"{dashboard}{PATH[1:]}?{urlencode({'service': str(key)})}"


def word(service: Service) -> str:
    """What is done to it."""
    return "Restart" if isinstance(service.phase, Live) else "Start"
