"""What texts of `locald.toml` say, each understood once.

To understand a text takes a library that is longer in coming than all else that the first `up` needs. So a
client that starts a daemon reads the file in the meantime and sends along what it says, with the text: it is
believed when the file has just this text. What a text says depends on nothing else.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from locald.domain.project.file import FILE, LOCAL
from locald.domain.project.spec import ProjectSpec
from locald.domain.project.texts import Texts
from locald.domain.project.understood import Understood
from locald.domain.values.lines import Path, Places
from locald.domain.values.problem import Refused
from locald.wire.dataclass_json import Unfit, codec
from locald.wire.project_files import read_texts
from locald.wire.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST = 64
"""texts that are remembered"""


class KnownTexts:
    def __init__(self) -> None:
        self._specs: OrderedDict[Texts, ProjectSpec] = OrderedDict()
        """of texts with nothing wrong in them, the one asked for last at the end"""

    def learn(self, told: Mapping[str, Any]) -> None:
        """What a client has read, see `cli.shared.reading`. Of another version of locald nothing is taken."""
        if told.get("version") != __version__:
            return
        try:
            self._remember(codec(Texts).load(told.get("texts")), codec(ProjectSpec).load(told.get("spec")))
        except Unfit:
            pass

    def understand(self, texts: Texts) -> Understood:
        """All that is in it. Raises Refused when it is not TOML. May take a while: for a thread."""
        if spec := self._known(texts):
            return Understood(_places(texts), [], spec)
        from locald.domain.project import config  # see above

        found = config.understand(texts)
        if not found.faults:
            self._remember(texts, found.spec)
        return found

    def parse(self, texts: Texts) -> ProjectSpec:
        """What it asks for. Raises Refused with every problem that it has. For a thread, too."""
        found = self.understand(texts)
        if found.faults:
            from locald.domain.values.faults import in_order

            raise Refused(*in_order(found.faults, found.places))
        return found.spec

    def name_in(self, directory: str) -> str:
        """What the file in this folder calls the project; empty when it does not tell."""
        try:
            return self.parse(read_texts(directory)).name
        except Refused:
            return ""

    def _known(self, texts: Texts) -> ProjectSpec | None:
        if found := self._specs.get(texts):
            self._specs.move_to_end(texts)
        return found

    def _remember(self, texts: Texts, spec: ProjectSpec) -> None:
        self._specs[texts] = spec
        while len(self._specs) > MOST:
            self._specs.popitem(last=False)


def place(directory: str, path: Path) -> tuple[str, int | None]:
    """Which of the files in this folder has the path, and on which line; the first, and None, where none has.
    Raises Refused, ValueError for what is no TOML."""
    found = _places(read_texts(directory))
    for places in (found, found.over):
        if places and path in places.lines:
            return places.where, places.lines[path]
    return FILE, None


def _places(texts: Texts) -> Places:
    over = None if texts.local is None else Places.of(LOCAL, texts.local)
    return replace(Places.of(FILE, texts.main), over=over)
