"""Resources: the configuration, the schemas of it, and the state of each service."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import mcp_types as types

from locald.client import daemon
from locald.client.http import Denied, Unreachable
from locald.domain.project.file import FILE, LOCAL, decode
from locald.domain.values.problem import Problem, Refused
from locald.wire.project_files import read_file

if TYPE_CHECKING:
    from locald.mcp.asking import Asking

CONFIG, OVERLAY = "locald://config", "locald://config/local"
SCHEMA, OVERLAY_SCHEMA = "locald://schema", "locald://schema/local"
SERVICE = "locald://services/"
TOML, JSON = "application/toml", "application/json"


def listed(asking: Asking) -> list[types.Resource]:
    """What there is now; without a daemon, no services."""
    schemas = [
        types.Resource(uri=uri, name=name, mime_type=JSON, description=f"the JSON Schema of {file}")
        for uri, name, file in ((SCHEMA, "schema", FILE), (OVERLAY_SCHEMA, "local schema", LOCAL))
    ]
    try:
        folder = asking.folder
    except Refused:
        return schemas
    files = [(CONFIG, FILE), (OVERLAY, LOCAL)]
    found = [
        types.Resource(uri=uri, name=name, mime_type=TOML, description=f"{name} of the project")
        for uri, name in files
        if os.path.isfile(os.path.join(folder, name))
    ]
    return [*found, *schemas, *(_service(name) for name in services(asking))]


def services(asking: Asking) -> list[str]:
    """The names of the services of the project, as far as they can be told."""
    try:
        api = daemon.look(asking.home)
        return [row["name"] for row in api.get("/v1/status", asking.target().query)["services"]]
    except (Refused, Denied, Unreachable):
        return []


def _service(name: str) -> types.Resource:
    about = f"the state of {name}, as in `locald status --json`"
    return types.Resource(uri=f"{SERVICE}{name}", name=name, mime_type=JSON, description=about)


def read(asking: Asking, uri: str) -> types.TextResourceContents:
    """Raises Refused for what there is not."""
    if uri in (CONFIG, OVERLAY):
        name = FILE if uri == CONFIG else LOCAL
        text = decode(read_file(asking.folder, name), name)
        return types.TextResourceContents(uri=uri, mime_type=TOML, text=text)
    return types.TextResourceContents(
        uri=uri, mime_type=JSON, text=json.dumps(_document(asking, uri), indent=2)
    )


def _document(asking: Asking, uri: str) -> object:
    if uri in (SCHEMA, OVERLAY_SCHEMA):
        from locald.domain.project import config

        return config.schema() if uri == SCHEMA else config.local_schema()
    if uri.startswith(SERVICE):
        target = asking.target([uri.removeprefix(SERVICE)])
        return daemon.look(asking.home).get("/v1/status", target.query)["services"][0]
    raise Refused(Problem("no such resource", uri, "list the resources to see which there are"))
