"""The file as a client has read it, for a daemon that is just starting and has not the means yet.

To import what reads a file takes as long as the start of a daemon, so the two are done at the same time.
"""

from __future__ import annotations

from locald.domain.project.file import FILE
from locald.domain.project.texts import Texts
from locald.domain.values.problem import Refused
from locald.wire.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def read(directory: str) -> dict[str, Any] | None:
    """The `read` of a request: the file's text, and what it asks for. None when there is something wrong with
    it, which the daemon finds as well."""
    from locald.domain.project import config
    from locald.domain.project.spec import ProjectSpec
    from locald.wire.dataclass_json import codec
    from locald.wire.project_files import read_texts

    try:
        texts = read_texts(directory)
        spec = config.parse(texts, FILE)
    except Refused:
        return None
    written = {"texts": codec(Texts).dump(texts), "spec": codec(ProjectSpec).dump(spec)}
    return {"version": __version__, **written}
