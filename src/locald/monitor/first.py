"""The first picture of the monitor, drawn before Textual is imported, which takes longer than all the rest.

It is made by the functions that make the later ones, and is put where Textual puts them: when Textual has
drawn over it, nothing has moved. What is not known yet, the output, is left empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.color import Color
from rich.style import Style
from rich.text import Text

from locald.monitor import header, keys, table
from locald.monitor.palette import DARK

if TYPE_CHECKING:
    from rich.color import ColorSystem

    from locald.monitor.board import Board, Row
    from locald.monitor.subject import Subject

Colour = tuple[int, int, int]
MARK = "▌"
"""of the selected service"""
DIMMED = 0.66
"""what is left of a dim text's distance from its ground"""


@dataclass(frozen=True, slots=True)
class Ground:
    """What the style sheet makes of the theme's colours: of the text, and of what is behind it."""

    text: Colour = (224, 224, 224)
    behind: Colour = (18, 18, 18)
    bold: bool = False


PLAIN = Ground()
HEAD = Ground(text=(226, 227, 229), behind=(36, 47, 56))
TITLES = Ground(text=(160, 160, 160), bold=True)
SELECTED = Ground(behind=(10, 63, 105))
FACTS = Ground(behind=(30, 30, 30))
BAR = Ground(behind=(36, 47, 56))
Line = tuple[Text, Ground]


def picture(subject: Subject, width: int, height: int, depth: ColorSystem | None) -> list[str]:
    """The lines of the screen with their colours. `depth` None: without."""
    drawn = [_painted(*line, width, depth) for line in _lines(subject, width, height)]
    is_log = not subject.board().worst
    pane = _painted(Text(), PLAIN, width - is_log, depth)
    pane += _painted(Text(), FACTS, 1, depth) if is_log else ""  # the scroll bar
    footer = keys.footer("logs" if is_log else "why", width, reading=False)
    free = height - len(drawn) - 1
    return [*drawn, *[pane] * free, _painted(footer, BAR, width, depth)][:height]


def _lines(subject: Subject, width: int, height: int) -> list[Line]:
    """All above the pane."""
    board = subject.board()
    rows = board.rows
    first = rows[0] if rows else None
    listed, titles = _services(board, rows, width, height)
    return [
        (header.head(board, subject.name, width, gone=False), HEAD),
        (titles, TITLES),
        *listed,
        *((Text(" ").append_text(text), FACTS) for text in _facts(board, first, width)),
        (_tabs(board, first, width), BAR),
    ]


def _services(board: Board, rows: list[Row], width: int, height: int) -> tuple[list[Line], Text]:
    entries = [table.Entry(row, None, board.scope.is_everything) for row in rows]
    room = table.height(len(entries), height)
    width -= 1 if len(entries) > room else 0  # the scroll bar
    plan = table.plan_of(entries, width)
    lines = [(_cut(table.line(entry, plan), width), PLAIN) for entry in entries[:room]]
    if not lines:
        return [(Text(), PLAIN)], table.head(plan)
    selected = Text.assemble((MARK, "bold cyan"), lines[0][0][1:])
    return [(selected, SELECTED), *lines[1:]], table.head(plan)


def _facts(board: Board, first: Row | None, width: int) -> list[Text]:
    text = header.facts(first, width - 2) if first else header.nothing(board)
    return [*text.split("\n"), Text(), Text()][:2]


def _tabs(board: Board, first: Row | None, width: int) -> Text:
    name = str(first["name"]) if first else ""
    pane, told = ("why", "") if board.worst else ("logs", f"{name} · following")
    return header.tabs(header.PANES, pane, told, width)


def _cut(text: Text, width: int) -> Text:
    text.truncate(width, overflow="ellipsis")
    return text


def _first_row(text: Text, width: int) -> Text:
    """What is shown of a line that is too long: Textual breaks it between words, and one row is visible."""
    cut = text.copy()
    cut.truncate(width)
    is_whole = text.cell_len <= width or text.plain[len(cut.plain)] == " "
    words = 0 if is_whole else cut.plain.rfind(" ")
    return cut[:words] if words > 0 and cut.plain[:words].strip() else cut


def _painted(text: Text, ground: Ground, width: int, depth: ColorSystem | None) -> str:
    """In exactly `width` columns."""
    text = _first_row(text, width)
    text.append(" " * max(width - text.cell_len, 0))
    ends = sorted({end for span in text.spans for end in (span.start, span.end)})
    return "".join(_run(piece, ground, depth) for piece in text.divide(ends) if piece.plain)


def _run(piece: Text, ground: Ground, depth: ColorSystem | None) -> str:
    """A piece of one style."""
    named = [piece.style, *(span.style for span in piece.spans)]
    style = Style.combine(each if isinstance(each, Style) else Style.parse(each) for each in named)
    text = tuple(style.color.get_truecolor(DARK)) if style.color else ground.text
    behind = tuple(style.bgcolor.get_truecolor(DARK, foreground=False)) if style.bgcolor else ground.behind
    if style.dim:
        text = tuple(int(far + (near - far) * DIMMED) for near, far in zip(text, behind, strict=True))
    whole = Style(
        color=Color.from_rgb(*text),
        bgcolor=Color.from_rgb(*behind),
        bold=style.bold or ground.bold,
        reverse=style.reverse,
    )
    return whole.render(piece.plain, color_system=depth)
