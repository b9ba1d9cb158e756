"""What a file says about the port of a service: whether its program was told which one to use."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from locald.domain.knowledge.side_ports import SIDE_PORTS, debugger_ports
from locald.domain.project.spec import Type

if TYPE_CHECKING:
    from locald.domain.project.spec import Definition

_NAMES_PORT = re.compile(r"(?<!\w)PORT(?![\w=])")


def may_be_elsewhere(definition: Definition) -> bool:
    """Whether nobody told the program which port to use, but for the variable PORT."""
    spec, port = definition.spec, definition.port
    if spec.type is not Type.EXEC or spec.port is not None or port is None:
        return False
    number = re.compile(rf"(?<!\d){port}(?!\d)")
    texts = _texts(definition)
    return not any(_NAMES_PORT.search(text) or number.search(text) for text in texts)


def may_become(definition: Definition, port: int) -> bool:
    """Whether this port can turn out to be the one of the service."""
    if port == definition.port or port in SIDE_PORTS or not may_be_elsewhere(definition):
        return port == definition.port
    return not any(port in debugger_ports(text) for text in _texts(definition))


def _texts(definition: Definition) -> list[str]:
    command = definition.spec.command or ()
    words = (command,) if isinstance(command, str) else (*command, " ".join(command))
    return [*words, *definition.spec.env.values(), *definition.env.values()]
