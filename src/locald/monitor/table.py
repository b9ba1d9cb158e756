"""The table of services: which columns fit, and what is in them.

Columns are as wide as their content. Where the screen is too narrow, titles become short, then names and
sources are cut, so that at 80 columns every number is still there; below that the last columns go. Room that
is left goes to `because`; on a narrow screen that sentence is below the table, for the selected service.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.text import Text

from locald.domain.values import amounts
from locald.faces import states, words
from locald.faces.when import age
from locald.monitor.board import Row, Usage

GAP = 1
SIGN = 3
"""columns before the name: the mark of the selection, the shape, a gap"""
NARROWEST = 8
LEAST = 4
"""columns that are there on any screen: what it is, and how"""
BECAUSE = 24
"""columns from which on it is worth a column"""
FEW = 8
"""services that are always visible, if there are as many"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the table before it is laid out."""

    row: Row
    usage: Usage | None
    everywhere: bool
    """rows of several projects are shown, so a service is called `shop:web`"""

    @property
    def name(self) -> str:
        name = f"{self.row['project']}:{self.row['name']}" if self.everywhere else str(self.row["name"])
        return words.marked(name, self.row)


@dataclass(frozen=True, slots=True)
class Column:
    title: str
    short: str
    show: Callable[[Entry], str]
    paint: Callable[[Entry], str] = lambda _: ""
    right: bool = False
    flexible: bool = False


def style(word: str) -> str:
    """The colours of a state or a health."""
    return " ".join(states.colours(word))


def _uptime(entry: Entry) -> str:
    row = entry.row
    alive = row.get("pid") or row.get("container")
    return age(row.get("started_at")) if alive else ""


COLUMNS = (
    Column("SERVICE", "SERVICE", lambda e: e.name, lambda _: "bold", flexible=True),
    Column(
        "STATE", "STATE", lambda e: e.row.get("state", "unknown"), lambda e: style(e.row.get("state", ""))
    ),
    Column(
        "HEALTH", "HEALTH", lambda e: e.row.get("health", "unknown"), lambda e: style(e.row.get("health", ""))
    ),
    Column("SOURCE", "SOURCE", lambda e: words.source(e.row) or "-", flexible=True),
    Column("PORT", "PORT", lambda e: str(e.row.get("port") or "-"), right=True),
    Column("CPU", "CPU", lambda e: amounts.percent(e.usage.cpu) if e.usage else "-", right=True),
    Column("MEMORY", "MEM", lambda e: amounts.size(e.usage.memory) if e.usage else "-", right=True),
    Column("UPTIME", "UPTIME", lambda e: _uptime(e) or "-", right=True),
    Column("RESTARTS", "↻", lambda e: str(e.row.get("restarts") or 0), right=True),
)


@dataclass(frozen=True, slots=True)
class Layout:
    """How wide the columns are, each and all: those that there is room for. `because` 0: none for it."""

    titles: tuple[str, ...]
    widths: tuple[int, ...]
    because: int
    width: int


def height(lines: int, screen: int) -> int:
    """How many of its lines are on a screen of so many lines."""
    room = max(screen * 2 // 5 - 2, 3)
    return max(min(lines, max(room, min(FEW, screen // 3))), 1)


def plan_of(entries: Sequence[Entry], width: int) -> Layout:
    """The layout in a list of services that is `width` columns wide."""
    return layout(entries, max(width - 1, 40))


def layout(entries: Sequence[Entry], width: int) -> Layout:
    """The widths that make best use of `width` columns."""
    titles = tuple(column.title for column in COLUMNS)
    widths = _widths(entries, titles)
    if _sum(widths) > width:
        titles = tuple(column.short for column in COLUMNS)
        widths = _fitting(_widths(entries, titles), width)
    left = width - _sum(widths) - 2 * GAP
    return Layout(titles, tuple(widths), left if left >= BECAUSE else 0, max(width, _sum(widths)))


def _widths(entries: Sequence[Entry], titles: Sequence[str]) -> list[int]:
    return [
        max([len(title), *(cell_len(column.show(entry)) for entry in entries)])
        for column, title in zip(COLUMNS, titles, strict=True)
    ]


def _fitting(widths: list[int], width: int) -> list[int]:
    """As many columns as there is room for, each of them whole but for the flexible ones."""
    fitted = widths.copy()
    _fit(fitted, _sum(fitted) - width)
    is_done = _sum(fitted) <= width or len(widths) <= LEAST
    return fitted if is_done else _fitting(widths[:-1], width)


def _sum(widths: Sequence[int]) -> int:
    """Of the whole line, with what stands between."""
    return SIGN + sum(widths) + GAP * (len(widths) - 1)


def _fit(widths: list[int], excess: int) -> None:
    """Take `excess` columns from the widest flexible ones."""
    flexible = [index for index, column in enumerate(COLUMNS[: len(widths)]) if column.flexible]
    for _ in range(max(excess, 0)):
        widest = max(flexible, key=widths.__getitem__)
        if widths[widest] <= NARROWEST:
            return
        widths[widest] -= 1


def head(plan: Layout) -> Text:
    """The line of titles."""
    fields = [
        field(title, width, right=column.right)
        for column, title, width in zip(COLUMNS, plan.titles, plan.widths, strict=False)
    ]
    return _joined(Text(" " * SIGN), fields, Text("BECAUSE") if plan.because else None)


def line(entry: Entry, plan: Layout) -> Text:
    """A service's line. Of what does not run there are no numbers: its reason stands in their place, unless
    that has a column of its own."""
    word = words.word(entry.row)
    fields = [
        field(column.show(entry), width, right=column.right, style=column.paint(entry))
        for column, width in zip(COLUMNS, plan.widths, strict=False)
    ]
    if not plan.because and _runs_not(entry.row):
        fields = [*fields[:2], field(words.beside(entry.row), plan.width - _sum(plan.widths[:2]) - GAP)]
    calm = "dim" if words.is_ready(entry.row) else ""
    because = field(words.reason(entry.row), plan.because, style=calm) if plan.because else None
    return _joined(Text(f" {states.sign(word)} ", style(word)), fields, because)


def _runs_not(row: Row) -> bool:
    """There is no process of it, and nothing that it came to."""
    return not (row.get("pid") or row.get("container") or words.is_ready(row))


def _joined(sign: Text, fields: Sequence[Text], because: Text | None) -> Text:
    text = Text(no_wrap=True).append_text(sign).append_text(Text(" " * GAP).join(fields))
    return text.append(" " * 2 * GAP).append_text(because) if because else text


def field(content: str, width: int, *, right: bool = False, style: str = "") -> Text:
    """The content in exactly `width` columns of the screen, whatever width its characters have."""
    text = Text(content, style)
    text.truncate(width, overflow="ellipsis")
    missing = max(width - text.cell_len, 0)
    if right:
        return Text.assemble(" " * missing, text)
    text.append(" " * missing)
    return text
