"""A service in one line, to be copied into a message to somebody.

    shop:web failed: exited with 1 after 2.3s (Error: address already in use) — locald logs shop:web
    shop:web is blocked: db failed: exited with 1 after 0.1s (no such file) — locald logs shop:db
    shop:web is healthy by notify: pid 4790 (node) sent READY=1 — locald why shop:web

What is blocked is told by its root cause. In parentheses stands the last word of the output that names an
error, else of what was printed to stderr.
"""

from __future__ import annotations

from locald.faces import words
from locald.faces.text import plain, shorten
from locald.faces.when import between, length

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    Document = Mapping[str, Any]

LONGEST = 160
"""characters of a line of output"""
OVER = ("failed", "backoff", "stopped")


def root(why: Document) -> str:
    """The service that somebody has to do something about."""
    blockers = why.get("blockers") or ()
    return str((blockers[-1] if blockers else why)["service"])


def line(why: Document, rows: Sequence[Document], output: Sequence[Document]) -> str:
    """`why`: its document; `rows`: those of the project; `output`: the last lines of its root's log."""
    name, cause = str(why["service"]), root(why)
    row = next((each for each in rows if each.get("name") == cause), {})
    told = f"{why.get('project')}:{name} {_is(why)}"
    if cause != name:
        blocker = list(why["blockers"])[-1]
        told += f": {cause} {_is(blocker)}: {_reason(blocker, row)}"
    else:
        source = words.source({**why, **row})
        told += f"{f' by {source}' if source else ''}: {_reason(why, row)}"
    said = last_word(output, row.get("run")) if words.word(why) != "healthy" else ""
    look = "why" if words.is_ready(why) or row.get("state") not in OVER else "logs"
    told += f" ({said})" if said else ""
    return plain(f"{told} — locald {look} {why.get('project')}:{cause}")


def last_word(output: Sequence[Document], run: Any = None) -> str:
    """The line that says most about an end: the last that names an error, else the last of stderr."""
    said = [each for each in output if _is_of(each, run)]
    errors = [each for each in said if each.get("level") == "error"]
    stderr = [each for each in said if each.get("stream") == "stderr"]
    return shorten(plain(str((errors or stderr)[-1]["line"])).strip(), LONGEST) if errors or stderr else ""


def _is_of(entry: Document, run: Any) -> bool:
    return (
        entry.get("stream") != "locald"
        and str(entry.get("line") or "").strip() != ""
        and (run is None or entry.get("run") == run)
    )


def _is(document: Document) -> str:
    return words.phrase(words.word(document)).removeprefix("has ")


def _reason(document: Document, row: Document) -> str:
    """With how long it ran, where it is over: its health is unknown since it ended."""
    reason = words.because(document)
    took = between(row.get("started_at"), row.get("since"))
    if document.get("state") not in OVER or row.get("exit_code") is None or took is None or took < 0:
        return reason
    head, separator, rest = reason.partition(";")
    when = f"after {length(took)}" if took >= 0.05 else "at once"
    return f"{head} {when}{separator}{rest}"
