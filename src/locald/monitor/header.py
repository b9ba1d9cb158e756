"""The lines that say where one is: what is looked at and how it is, what is wrong, which pane is open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from locald.faces import words
from locald.monitor.board import counts
from locald.monitor.table import style
from locald.wire.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from locald.monitor.board import Board, Row


def head(board: Board, name: str, width: int, *, gone: bool) -> Text:
    """`locald · shop     ● 3 healthy  ✗ 1 failed`: what does not fit at the right is left out."""
    rows = board.rows
    text = Text(no_wrap=True).append(" locald ", "bold black on cyan").append(f" {name} ", "bold")
    text.append(f" {words.counted(len(rows), 'service')}" if rows else "")
    state = Text()
    if gone:
        state.append("no daemon: this is how it was ", "bold")
    elif not board.daemon:
        state.append("asking the daemon… ")
    else:
        state = _counted(rows, width - text.cell_len - 1)
    state.truncate(max(width - text.cell_len - 1, 0), overflow="ellipsis")
    text.append(" " * max(width - text.cell_len - state.cell_len, 1))
    return text.append_text(state)


def _counted(rows: Sequence[Row], room: int) -> Text:
    """What does not fit is left out as a whole: half a number would be another one."""
    text = Text()
    for word, number in counts(rows).items():
        told = f"{words.sign(word)} {number} {word}  "
        if text.cell_len + len(told) > room:
            return text.append("…")
        text.append(told, f"bold {style(word)}")
    return text


def nothing(board: Board) -> Text:
    """In place of a service, where there is none; nothing while the daemon has not answered yet."""
    if not board.daemon:
        return Text()
    told = "no project is up" if board.scope.is_everything else "this project has no services"
    return Text.assemble((f"{told}\n", "dim"), ("hint: ", "cyan"), "`locald up` in its folder starts one")


def trouble(what: str, hint: str) -> Text:
    """A line of its own at the top, for what makes everything below it doubtful."""
    return Text.assemble((f"{what}. ", "bold"), f"hint: {hint}" if hint else "")


def remark(daemon: Mapping[str, Any]) -> Text | None:
    """What is to be known about the daemon that answers: it is another version, or lost what it had saved."""
    if (theirs := daemon.get("version", __version__)) != __version__:
        what = f"the daemon is version {theirs}, this monitor {__version__}"
        return trouble(what, "`locald server restart` renews it, and services keep running")
    return trouble(str(daemon["trouble"]), "") if daemon.get("trouble") else None


def tabs(panes: Sequence[str], current: str, told: str, width: int) -> Text:
    """The panes with their keys, the open one marked, and at the right how it stands with it."""
    text = Text(no_wrap=True)
    for number, pane in enumerate(panes, 1):
        open_ = pane == current
        text.append(f" {number} {pane} ", "bold reverse" if open_ else "")
        text.append(" ")
    right = Text(f"{told} ", "dim")
    right.truncate(max(width - text.cell_len, 0), overflow="ellipsis")
    text.append(" " * max(width - text.cell_len - right.cell_len, 0))
    return text.append_text(right)
