"""Writes docs/reference/file.md, the reference of `locald.toml`, from the tables that read the file.

Each key: what it means, what it takes, what happens without it, an example. All of it is in
`locald.domain.project.config.keys` and `checks`, beside the rules themselves, so that a page and the program
cannot disagree. `--check` writes nothing and exits 1 when the page is not what it should be.
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))  # this checkout, whatever else is installed

from locald.domain.project.config import json_schema  # noqa: E402
from locald.domain.project.config.checks import COMMON, PROTOCOLS, TABLES, CheckTable  # noqa: E402
from locald.domain.project.config.keys import ProjectTable, ServiceTable  # noqa: E402
from locald.domain.project.config.table import docs as docs_of  # noqa: E402
from locald.domain.project.config.watching import WatchTable  # noqa: E402
from locald.domain.values import toml  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterable

    from locald.domain.project.config.table import Doc, Table

PAGE = ROOT / "docs" / "reference" / "file.md"

HEAD = """\
# The file, `locald.toml`

<!-- Written by tools/reference.py from domain/project/config/keys.py and checks.py: change those. -->

A project is a folder with a `locald.toml`. The file is strict: an unknown key, a value of the wrong type or
one out of range is an error. locald reports all mistakes of a file at once, each with its line and a
suggestion, and changes nothing while there is one.

    locald config check     # every mistake
    locald config show      # every key with its value, and where it comes from
    locald config schema    # the JSON Schema, for your editor; with --local that of locald.local.toml

`locald.local.toml` beside it, for your own settings and not for version control, has the same tables. Its
keys go over those of `locald.toml`, table by table.

A **duration** is a number of seconds greater than zero, or a string such as `"500ms"`, `"2s"`, `"1m30s"`,
`"1h"`. An **amount of data** is a number of bytes, or a string such as `"512KB"`, `"50MB"`, `"1GiB"`. A **DNS
label** has lower-case letters, digits and inner hyphens, at most 63.
"""

WATCH_HEAD = """
## `watch`

A list of globs is short for `watch = { paths = […] }`. [Watching files](../guides/watch.md) has examples.
"""

CHECK_HEAD = """
## `health_check`

A string is a command that exits with 0 when the service is healthy: `health_check = "pg_isready"` is short
for `health_check = { type = "command", command = "pg_isready" }`. In a table, `type` says what is checked.
[Health checks](../guides/health-checks.md) has examples. [Readiness](../explanation/readiness.md) explains
how a check relates to the other sources.
"""

PROJECT_HEAD = "\n## `[project]`\n"
SERVICE_HEAD = "\n## `[services.NAME]`\n\nOne table for each service; the name is a DNS label.\n"
PROTOCOL_HEAD = "\n### A protocol as `type`\n\n"
COMMON_HEAD = "\n### Every check\n"


def page() -> str:
    """The whole page."""
    parts = [HEAD, PROJECT_HEAD, keys(ProjectTable, ProjectTable.keys)]
    parts += [SERVICE_HEAD, keys(ServiceTable, ServiceTable.keys), WATCH_HEAD]
    parts += [keys(WatchTable, WatchTable.keys), CHECK_HEAD]
    for name, table in TABLES.items():
        own = [key for key in table.keys if key not in (*COMMON, "type")]
        parts += [
            protocol_head() if name == "protocol" else check_head(name, table),
            keys(table, own, "####"),
        ]
    return "".join([*parts, COMMON_HEAD, keys(CheckTable, COMMON, "####")])


def protocol_head() -> str:
    names = ", ".join(f"`{each}`" for each in PROTOCOLS)
    what = f"The server answers a harmless question in this protocol: {names}."
    return f"{PROTOCOL_HEAD}{wrapped(what)}\n"


def check_head(name: str, table: type[Table]) -> str:
    return f'\n### `type = "{name}"`\n\n{docs_of(table)["type"].meaning}\n'


def keys(table: type[Table], names: Iterable[str], level: str = "###") -> str:
    """A definition of each key under a heading of this level, in the order of the table."""
    docs = docs_of(table)
    return "".join(key(name, docs[name], json_schema.words(table, name), level) for name in names)


def key(name: str, doc: Doc, words: str, level: str) -> str:
    facts = (f"Value: {words}", without(doc), f"Example: `{doc.example}`")
    listed = "\n".join(f"- {fact}" for fact in facts)
    return f"\n{level} `{name}`\n\n{wrapped(doc.meaning)}\n\n{listed}\n"


def wrapped(text: str) -> str:
    return textwrap.fill(text, 110, break_long_words=False, break_on_hyphens=False)


def without(doc: Doc) -> str:
    if doc.otherwise.startswith("required"):
        return doc.otherwise[0].upper() + doc.otherwise[1:]
    if doc.otherwise:
        return f"Default: {doc.otherwise}"
    return "Required" if doc.default is None else f"Default: `{toml.value(doc.default)}`"


def main() -> int:
    text = page()
    if "--check" in sys.argv:
        if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
            return 0
        print(f"{PAGE.relative_to(ROOT)} is out of date: run tools/reference.py", file=sys.stderr)
        return 1
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
