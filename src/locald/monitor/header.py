"""The bars of the monitor: project and counts at the top, warnings, the selected service, the panes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.text import Text

from locald.faces import states, words
from locald.monitor.board import counts
from locald.monitor.table import style
from locald.wire.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from locald.monitor.board import Board, Row


PANES = ("logs", "why", "timeline", "environment")


def head(board: Board, name: str, width: int, *, gone: bool) -> Text:
    """`locald · shop     ● 3 healthy  ✗ 1 failed`: what does not fit at the right is left out."""
    rows = board.rows
    text = Text(no_wrap=True).append(" locald ", "bold black on cyan").append(f" {name} ", "bold")
    text.append(f" {words.counted(len(rows), 'service')}" if rows else "")
    state = Text()
    if gone:
        state.append("daemon not running, last known state ", "bold")
    elif not board.daemon:
        state.append("connecting… ")
    else:
        state = _counted(rows, width - text.cell_len - 1)
    state.truncate(max(width - text.cell_len - 1, 0), overflow="ellipsis")
    text.append(" " * max(width - text.cell_len - state.cell_len, 1))
    return text.append_text(state)


def _counted(rows: Sequence[Row], room: int) -> Text:
    """What does not fit is left out as a whole: half a number would be wrong."""
    text = Text()
    for word, number in counts(rows).items():
        told = f"{states.sign(word)} {number} {word}  "
        if text.cell_len + len(told) > room:
            return text.append("…")
        text.append(told, f"bold {style(word)}")
    return text


def facts(row: Row, width: int) -> Text:
    """Two lines of `width` columns on the selected service, with what the table has no room for."""
    word = words.word(row)
    text = Text().append(f"{states.sign(word)} {row['name']} ", f"bold {style(word)}".strip())
    text.append(words.judged(row))
    told = [
        words.url(row),
        f"waiting for {words.listed(row['waiting_on'])}" if row["waiting_on"] else "",
    ]
    told += [f"pid {row['pid']}" if row.get("pid") else "", f"run {row['run']}" if row.get("run") else ""]
    for part in (part for part in told if part):
        if text.cell_len + cell_len(part) + 3 <= width:
            text.append(f" · {part}", "dim")
    because = Text(words.reason(row))
    for each in (text, because):
        each.truncate(width, overflow="ellipsis")
    return Text("\n", no_wrap=True).join([text, because])


def nothing(board: Board) -> Text:
    """In place of a service, where there is none; nothing while the daemon has not answered yet."""
    if not board.daemon:
        return Text()
    told = "no project is running" if board.scope.is_everything else "this project has no services"
    return Text.assemble((f"{told}\n", "dim"), ("hint: ", "cyan"), "run `locald up` in a project folder")


def trouble(what: str, hint: str) -> Text:
    """A line of its own at the top, for what puts everything below it in doubt."""
    return Text.assemble((f"{what}. ", "bold"), f"hint: {hint}" if hint else "")


def remark(daemon: Mapping[str, Any]) -> Text | None:
    """A warning about the daemon: it has another version, or lost its saved state."""
    if (theirs := daemon.get("version", __version__)) != __version__:
        what = f"daemon is version {theirs}, monitor {__version__}"
        return trouble(what, "run `locald server restart` (services keep running)")
    return trouble(str(daemon["trouble"]), "") if daemon.get("trouble") else None


def tabs(panes: Sequence[str], current: str, told: str, width: int) -> Text:
    """The panes with their keys, the open one marked, and at the right its state (`following`)."""
    text = Text(no_wrap=True)
    for number, pane in enumerate(panes, 1):
        open_ = pane == current
        text.append(f" {number} {pane} ", "bold reverse" if open_ else "")
        text.append(" ")
    right = Text(f"{told} ", "dim")
    right.truncate(max(width - text.cell_len, 0), overflow="ellipsis")
    text.append(" " * max(width - text.cell_len - right.cell_len, 0))
    return text.append_text(right)
