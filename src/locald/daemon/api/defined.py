"""What a service is, by its file: what it runs, where, and which line says so.

The file is read as it is now; the service is as the last `up` understood it. Where the file has no such
service any more there is no line.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from locald.daemon import runners, texts
from locald.daemon.api.http import Answer, document
from locald.daemon.api.scope import one
from locald.domain.project.file import FILE
from locald.domain.values.problem import Refused

if TYPE_CHECKING:
    from locald.daemon.api.http import Request
    from locald.daemon.core import Core


class Defined:
    def __init__(self, core: Core) -> None:
        self._core = core

    async def definition(self, request: Request) -> Answer:
        key = await one(self._core, request.query, request.query.getall("service"))
        definition = self._core.world.services[key].definition
        spec = definition.spec
        file, line = await asyncio.to_thread(_place, definition.directory, key.service)
        return document(
            {
                "type": spec.type,
                "command": spec.command,
                "image": spec.image,
                "workdir": runners.workdir(definition),
                "file": os.path.join(definition.directory, file),
                "line": line,
            }
        )


def _place(directory: str, service: str) -> tuple[str, int | None]:
    """The file that has the service, and the line where it begins."""
    try:
        return texts.place(directory, ("services", service))
    except (Refused, ValueError, RecursionError):
        return FILE, None
