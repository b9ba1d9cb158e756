"""What a run printed that says most about its end, and the sentence that it makes of the reason.

`exited with code 3` sends people to the log. The line that they find there is nearly always the last that
names an error, or what follows a traceback, else the last on stderr. What package managers and runners print
when the program below them has failed only repeats that it has: they have the last word, but not the telling
one. Indented lines belong to what stands above them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from locald.domain.knowledge.level import level
from locald.domain.lifecycle.phase import Backoff, Blocked, Ended, Failed
from locald.domain.values.plain import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from locald.domain.lifecycle.service import Service
    from locald.domain.lifecycle.world import World

LONGEST = 160
"""characters of a line of output"""
_BREAKS = re.compile(r"[\s\u2028\u2029]+")
_DIRECTION = re.compile(r"[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""of writing: it can lie about what stands where"""
_TRACEBACK = "Traceback (most recent call last)"
_EXIT = re.compile(r"(?:exited with code \d+(?: before becoming ready)?|exit status unknown)(?=, |: |$)")
"""of a reason, what a line of output says better"""
_REPEATED = re.compile(
    r"npm (?:ERR!|error)(?: |$)|error: script \"|error Command failed|\s*ELIFECYCLE|info Visit https://yarnpkg"
    r"|(?:g?make)(?:\[\d+\])?: |exit status \d+$|\[nodemon\] app crashed|Node\.js v\d|Bun v\d"
    r"|error: process didn't exit successfully|note: run with `RUST_BACKTRACE|error: Recipe `"
    r"|(?:npm notice)|Waiting for the (?:debugger|file changes)"
)
"""what npm, yarn, pnpm, bun, make, just, cargo, go run and nodemon say when the program has failed"""


def last_word(output: Iterable[tuple[str, str]]) -> str:
    """The line that says most about an end, of `(stream, line)`; empty when none does."""
    printed = [(stream, text) for stream, line in output if stream != "locald" and (text := _shown(line))]
    telling = [(stream, text) for stream, text in printed if not _REPEATED.match(text)] or printed
    stderr = [text for stream, text in telling if stream == "stderr"]
    indented = [text for _, text in telling if level(text) == "error"]
    found = _errors(telling) or indented or _heads(stderr) or stderr
    return found[-1].strip() if found else ""


def is_over(service: Service) -> bool:
    """It ended by itself, so what it printed last may say why."""
    return isinstance(service.phase, Failed | Backoff | Ended)


def reason(world: World, service: Service, because: str) -> str:
    """`because`, with what was printed in place of the bare exit code: `Error: no such file, restart 2 of 5`.

    Of what is blocked it is the word of the root. A reason that names no exit code stays as it is: what was
    printed last need not have to do with it.
    """
    root = world.services.get(service.phase.root) if isinstance(service.phase, Blocked) else service
    said = cut(root.facts.said or "") if root and root.facts and is_over(root) else ""
    return _EXIT.sub(lambda _: said, because, count=1) if said else because


def cut(text: str, most: int = LONGEST) -> str:
    """One line of text, without what steers a terminal or lies about its order."""
    line = _DIRECTION.sub("", plain(_BREAKS.sub(" ", text))).strip()
    return line if len(line) <= most else line[: most - 1] + "…"


def _shown(line: str) -> str:
    """What is to be read of a line, its indentation included."""
    return plain(line).rstrip()


def _errors(printed: Sequence[tuple[str, str]]) -> list[str]:
    """The lines that name an error, and what ends a traceback, which may be called anything."""
    found, raised = [], ""
    for stream, text in printed:
        if text.startswith(_TRACEBACK):
            raised = stream
        elif not text[0].isspace() and (raised == stream or level(text) == "error"):
            found.append(text)
            raised = ""
    return found


def _heads(lines: Sequence[str]) -> list[str]:
    return [text for text in lines if not text[0].isspace()]
