"""Write docs/reference/cli.md from the parsers of the command line, so that the two cannot differ.

python tools/cli_reference.py            write the page
python tools/cli_reference.py --check    only say whether it is up to date (exit code 1 when not)
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from locald.cli.described import commands
from locald.cli.index import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from locald.cli.described import Command, Option

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "cli.md"

HEAD = """\
# Commands

<!-- Written by tools/cli_reference.py from the command line itself: do not edit. -->

A service is `web` inside its project, `shop:web` from anywhere. `-C DIR`, before or after the command, names
the folder of another project. Otherwise locald uses the nearest `locald.toml`, in this folder or above it.
Durations are `500ms`, `2s`, `1m30s`, or a number of seconds.

Data goes to standard output, messages go to standard error. Without a terminal there is no colour and no
cursor movement. `NO_COLOR` is honoured. `LOCALD_DEBUG=1` shows the traceback of an internal error.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | a service failed; its name, the reason and its last lines are on standard error |
| 2 | wrong usage, or a mistake in the configuration; nothing has changed |
| 3 | the daemon cannot be reached, or failed |
| 124 | a `--timeout` ran out |
| 130 | interrupted with Ctrl-C; services keep running |

`exec` and `try` return the code of their command.
"""


def page() -> str:
    """The whole page."""
    all_commands = commands()
    parts = [HEAD]
    for group in COMMANDS:
        parts.append(f"## {group}\n")
        parts += [_command(each, f"locald {each.name}") for each in all_commands if each.group == group]
    return "\n".join(parts)


def _command(command: Command, name: str, level: str = "###") -> str:
    lines = [f"{level} {name}", "", f"    {command.usage}", "", command.about.strip(), ""]
    lines += _table("argument", ((f"`{each.value}`", each.help) for each in command.arguments))
    lines += _table(
        "option", ((_flags(each), each.help) for each in command.options if "-h" not in each.flags)
    )
    lines += [_command(each, f"{name} {each.name}", level + "#") for each in command.actions]
    return "\n".join(lines)


def _flags(option: Option) -> str:
    return ", ".join(f"`{flag} {option.value}`" if option.value else f"`{flag}`" for flag in option.flags)


def _table(title: str, rows: Iterable[tuple[str, str]]) -> list[str]:
    cells = [f"| {first} | {second.replace('|', chr(92) + '|')} |" for first, second in rows]
    return [f"| {title} | |", "|---|---|", *cells, ""] if cells else []


def main(arguments: list[str]) -> int:
    new = page()
    if "--check" not in arguments:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(new, encoding="utf-8")
        return 0
    if PAGE.exists() and PAGE.read_text(encoding="utf-8") == new:
        return 0
    print(f"{PAGE.name} is out of date: python tools/cli_reference.py", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
