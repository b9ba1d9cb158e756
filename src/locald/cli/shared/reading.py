"""The file as a client has read it, for a daemon that is just starting and has not the means yet.

To import what reads a file takes as long as the start of a daemon, so the two are done at the same time.
"""

from __future__ import annotations

from locald.domain.project.file import FILE, decode
from locald.domain.values.problem import Refused
from locald.wire.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def read(directory: str) -> dict[str, Any] | None:
    """The `read` of a request: the file's text, and what it asks for. None when there is something wrong with
    it, which the daemon finds as well."""
    from locald.client.project import read_file
    from locald.domain.project import config
    from locald.domain.project.spec import ProjectSpec
    from locald.wire.dataclass_json import codec

    try:
        text = decode(read_file(directory))
        spec = config.parse(text, FILE)
    except Refused:
        return None
    return {"version": __version__, "text": text, "spec": codec(ProjectSpec).dump(spec)}
