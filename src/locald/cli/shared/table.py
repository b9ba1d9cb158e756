"""A table of plain text: columns aligned, nothing drawn, so that it reads well and cuts well.

Cells come from outside and lose their control characters here. On a terminal a table that is too wide
gives up characters of its widest columns, rather than break into two lines a row.
"""

from __future__ import annotations

from locald.cli.shared.say import paint
from locald.faces.text import plain, shorten

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

GAP = "  "
NARROWEST = 8
"""characters that a column is never cut below"""


class Cell:
    """What stands in a field, and its colours."""

    __slots__ = ("colours", "text")

    def __init__(self, text: object, *colours: str) -> None:
        self.text = "-" if text is None or text == "" else plain(str(text))
        self.colours = colours


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[Cell]],
    *,
    colour: bool,
    width: int | None,
    spare: Sequence[str] = (),
) -> list[str]:
    """The lines of the table. `width` is that of the terminal, or None where lines may be of any length.

    `spare`: titles of columns that are left out, one after the other, where not even the narrowest fit.
    """
    titled = [[Cell(title, "bold") for title in head], *rows]
    columns = [max(len(row[i].text) for row in titled) for i in range(len(head))]
    if width is not None:
        _fit(columns, width)
    if width is not None and spare and _taken(columns) > width:
        kept = [i for i, title in enumerate(head) if title != spare[0]]
        fewer = [[row[i] for i in kept] for row in rows]
        return table([head[i] for i in kept], fewer, colour=colour, width=width, spare=spare[1:])
    return [_line(row, columns, colour) for row in titled]


def _taken(columns: Sequence[int]) -> int:
    return sum(columns) + len(GAP) * (len(columns) - 1)


def _fit(columns: list[int], width: int) -> None:
    """Take from the widest column until the row fits, or all are as narrow as they can be."""
    while _taken(columns) > width:
        widest = max(range(len(columns)), key=columns.__getitem__)
        if columns[widest] <= NARROWEST:
            return
        columns[widest] -= 1


def _line(row: Sequence[Cell], columns: Sequence[int], colour: bool) -> str:
    fields = []
    for cell, width in zip(row, columns, strict=True):
        text = shorten(cell.text, width)
        fields.append(paint(text, *cell.colours, on=colour) + " " * (width - len(text)))
    return GAP.join(fields).rstrip()
