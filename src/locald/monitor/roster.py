"""The list of services, as a table or as a tree: one line each, one of them selected.

Only visible lines are made, when they are drawn, so two hundred services cost no more than ten. The selection
is a service, not a line: it stays while rows come and go, and in the tree it may appear in several places.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from locald.faces import states, words
from locald.monitor import table, tree

if TYPE_CHECKING:
    from rich.style import Style
    from textual import events

    from locald.monitor.board import Board, Key

LIT = "bold yellow"
MARK = "▌"


class Roster(ScrollView, can_focus=True):
    COMPONENT_CLASSES: ClassVar = {"roster--cursor", "roster--selected"}
    BINDINGS: ClassVar = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "edge(0)", show=False),
        Binding("end", "edge(-1)", show=False),
    ]

    class Selected(Message):
        """Another service is selected; None: there is none."""

        def __init__(self, key: Key | None) -> None:
            super().__init__()
            self.key = key

    def __init__(self, board: Board, id: str) -> None:
        super().__init__(id=id)
        self._board = board
        self.as_tree = False
        self.selected: Key | None = None
        self._line = 0
        """on which line the selection is shown"""
        self._entries: list[table.Entry] = []
        self._plan = table.layout([], 80)
        self._branches: list[tree.Branch] = []
        self._lit: frozenset[Key] = frozenset()

    @property
    def lines(self) -> int:
        return len(self._branches) if self.as_tree else len(self._entries)

    @property
    def head(self) -> Text:
        """The titles above the lines."""
        return Text("   Dependencies") if self.as_tree else table.head(self._plan)

    @property
    def _keys(self) -> list[Key]:
        if self.as_tree:
            return [branch.key for branch in self._branches]
        return [words.key(entry.row) for entry in self._entries]

    def show_board(self) -> None:
        """Rows have changed, or time has passed."""
        rows, everywhere = self._board.rows, self._board.scope.is_everything
        self._entries = [table.Entry(row, self._board.usage(words.key(row)), everywhere) for row in rows]
        self._branches = tree.branches(rows) if self.as_tree else []
        width = self.scrollable_content_region.width or self.app.size.width  # not laid out yet
        self._plan = table.plan_of(self._entries, width)
        self.virtual_size = Size(self.scrollable_content_region.width, self.lines)
        self._keep_selection()
        self._lit = tree.blocking(rows, self.selected) if self.as_tree else frozenset()
        self.refresh()

    def toggle_tree(self) -> None:
        self.as_tree = not self.as_tree
        self._line = -1
        self.show_board()
        self._reveal()

    def action_move(self, step: int) -> None:
        self._select(self._line + step)

    def action_page(self, step: int) -> None:
        self._select(self._line + step * max(self.size.height - 1, 1))

    def action_edge(self, line: int) -> None:
        self._select(line if line >= 0 else self.lines - 1)

    def on_click(self, event: events.Click) -> None:
        self._select(event.y + self.scroll_offset.y)

    def on_resize(self) -> None:
        self.show_board()
        self._reveal()

    def render_line(self, y: int) -> Strip:
        width, line = self.scrollable_content_region.width, y + self.scroll_offset.y
        if line >= self.lines:
            return Strip.blank(width, self.rich_style)
        text = (
            self._drawn(self._branches[line]) if self.as_tree else table.line(self._entries[line], self._plan)
        )
        text.truncate(width, overflow="ellipsis")
        if line == self._line:
            text = Text.assemble((MARK, "bold cyan"), text[1:])
        strip = Strip(text.render(self.app.console, end=""), text.cell_len).extend_cell_length(width)
        return strip.apply_style(self._style_of(line))

    def _style_of(self, line: int) -> Style:
        """The selected line is told by its mark and by its ground, stronger where keys go to."""
        if line != self._line:
            return self.rich_style
        name = "roster--cursor" if self.has_focus else "roster--selected"
        return self.get_component_rich_style(name)

    def _drawn(self, branch: tree.Branch) -> Text:
        row = self._board.get(branch.key)
        if row is None:
            return Text(branch.key[1])
        word = words.word(row)
        lit = branch.key in self._lit
        text = Text(no_wrap=True).append(f" {branch.guide}", LIT if lit else "dim")
        text.append(f"{states.sign(word)} ", table.style(word))
        name = f"{branch.key[0]}:{branch.key[1]}" if self._board.scope.is_everything else branch.key[1]
        text.append(f"{name} ", LIT if lit else "bold").append(word, table.style(word))
        if branch.condition and branch.condition != "healthy":
            text.append(f" (required: {branch.condition})", "dim")
        if branch.again:
            return text.append("  (dependencies shown above)", "dim")
        return text.append("  ").append(words.beside(row), "" if lit else "dim")

    def _select(self, line: int) -> None:
        if not self.lines:
            return
        self._line = min(max(line, 0), self.lines - 1)
        self._choose(self._keys[self._line])
        self._lit = tree.blocking(self._board.rows, self.selected) if self.as_tree else frozenset()
        self._reveal()
        self.refresh()

    def _keep_selection(self) -> None:
        """The selected service may stand on another line now, or be gone."""
        keys = self._keys
        if 0 <= self._line < len(keys) and keys[self._line] == self.selected:
            return
        if self.selected in keys:
            self._line = keys.index(self.selected)
        else:
            self._line = min(max(self._line, 0), max(len(keys) - 1, 0))
            self._choose(keys[self._line] if keys else None)

    def _choose(self, key: Key | None) -> None:
        if key != self.selected:
            self.selected = key
            self.post_message(self.Selected(key))

    def _reveal(self) -> None:
        """Scroll so that the selection can be seen."""
        top, height = self.scroll_offset.y, max(self.size.height, 1)
        if self._line < top:
            self.scroll_to(y=self._line, animate=False)
        elif self._line >= top + height:
            self.scroll_to(y=self._line - height + 1, animate=False)
