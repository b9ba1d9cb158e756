"""Writes docs/reference/servers.md: the programs that locald knows, from the tables that it knows them by.

Two tables: development servers with what tells them a port (`dev_servers`), and servers that are asked
whether they serve (`servers`). `--check` writes nothing and exits 1 when the page is not what it should be.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))  # this checkout, whatever else is installed

from locald.domain.knowledge.dev_servers import SERVERS, TRIED, Server  # noqa: E402
from locald.domain.knowledge.servers import BY_PROGRAM, by_class  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from locald.domain.knowledge.servers import Server as Asked

PAGE = ROOT / "docs" / "reference" / "servers.md"

HEAD = """\
# Known servers

<!-- Written by tools/known_servers.py from domain/knowledge/dev_servers.py and servers.py: change those. -->

locald works with every program. Of some it knows more: how to tell them their port, or how to ask them
whether they serve.
"""

PORTS = """
## Told their port

When one of these listens on another port than `PORT`, the hint is your own command with what stands here, or
its variable where an argument does not reach it. *Tried* is the version with which that was tried; the others
are as in their manuals. [Wrong ports](../guides/ports.md#wrong-ports) explains more.

"""

ASKED = """
## Asked in their protocol

These are known by the name of their executable, or by what a virtual machine runs. They are healthy when they
have answered. Any other program is never sent a byte. [Readiness](../explanation/readiness.md#known-servers)
explains more.

"""

BEAM = ("`beam.smp` with `rabbit` in its arguments", "`amqp`")


def page() -> str:
    """The whole page."""
    told = table(("server", "option", "variable", "tried"), map(port_row, sorted(SERVERS, key=by_name)))
    return f"{HEAD}{PORTS}{told}{ASKED}{table(('program', 'asked by'), asked_rows())}"


def by_name(server: Server) -> str:
    return server.name.lower()


def port_row(server: Server) -> tuple[str, ...]:
    variable = server.variable and f"{server.variable}{'' if '=' in server.variable else '=$PORT'}"
    return server.name, option(server), code(variable), TRIED.get(server.name, "")


def option(server: Server) -> str:
    if not server.option and not server.variable:
        return code(server.fix)
    return code(server.option) + (", before its arguments" if server.first else "")


def asked_rows() -> Iterator[tuple[str, ...]]:
    by_question: dict[Asked, list[str]] = {}
    for program, server in [*BY_PROGRAM.items(), *by_class()]:
        by_question.setdefault(server, []).append(code(program))
    rows = [(", ".join(programs), question(server)) for server, programs in by_question.items()]
    return iter(sorted([*rows, BEAM]))


def question(server: Asked) -> str:
    if server.protocol != "http":
        return code(server.protocol)
    yes = f", {' or '.join(map(str, server.status))}" if server.status else ""
    return f"{code(f'GET {server.path}')}{yes}"


def code(text: str) -> str:
    return f"`{text}`" if text else ""


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    ruled = "|".join("---" for _ in head)
    shown = ["| " + " | ".join(each) + " |" for each in (head, *rows)]
    return "\n".join([shown[0], f"|{ruled}|", *shown[1:]]) + "\n"


def main() -> int:
    text = page()
    if "--check" in sys.argv:
        if PAGE.is_file() and PAGE.read_text(encoding="utf-8") == text:
            return 0
        print(f"{PAGE.relative_to(ROOT)} is out of date: run tools/known_servers.py", file=sys.stderr)
        return 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
