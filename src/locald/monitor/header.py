"""The two lines that say where one is: what is looked at and how it is, and which pane is open."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from locald.faces import words
from locald.monitor.board import counts
from locald.monitor.table import style

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locald.monitor.board import Board


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
        for word, number in counts(rows).items():
            state.append(f"{words.sign(word)} {number} {word}  ", f"bold {style(word)}")
    state.truncate(max(width - text.cell_len - 1, 0), overflow="ellipsis")
    text.append(" " * max(width - text.cell_len - state.cell_len, 1))
    return text.append_text(state)


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
