"""The logs pane: it follows the newest lines, or stands still while somebody reads.

It draws only the visible rows; `Lines` holds the rest. Scrolling up pauses it: what is being read stays in
place, and new lines are counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from locald.monitor.drawn import Look
from locald.monitor.lines import LEVELS, STREAMS, Choice, Line, Lines

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual import events

LEFT_OUT_TEXT = "… lines skipped, output is too fast …"
LEFT_OUT = Line("", "", "", "locald", None, LEFT_OUT_TEXT, LEFT_OUT_TEXT)


class LogPane(ScrollView, can_focus=True):
    BINDINGS: ClassVar = [
        Binding("up,k", "by(-1)", show=False),
        Binding("down,j", "by(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "top", show=False),
        Binding("end", "follow", show=False),
    ]

    class Said(Message):
        """The state of the pane has changed."""

    class AtTop(Message):
        """The first line is in sight."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.lines = Lines()
        self.look = Look()
        self.empty = "no output yet"
        self._at: int | None = None
        """the line that a search has found"""

    @property
    def is_following(self) -> bool:
        return not self.lines.held

    @property
    def told(self) -> str:
        """The filters, and whether it follows: for the line above the pane."""
        choice = self.lines.choice
        parts = [choice.stream, f"{choice.level} and above" if choice.level else ""]
        parts += [
            f"filter “{choice.words}”" if choice.words else "",
            f"find “{self.look.words}”" if self.look.words else "",
        ]
        more = f" +{len(self.lines.waiting):,}" if self.lines.waiting else ""
        parts.append("following" if self.is_following else f"paused{more}")
        return " · ".join(part for part in parts if part)

    # What is shown.

    def begin(self, names: Mapping[str, str]) -> None:
        """Other services are selected; what is shown stays until their first lines are here."""
        self.look.names = names
        self._fit()

    def history(self, lines: Sequence[Line]) -> None:
        """The lines that were there when they were asked for."""
        self.lines.clear()
        self.lines.release()
        self._at = None
        self.add(lines)

    def add(self, lines: Sequence[Line], *, skipped: bool = False) -> None:
        self.lines.add([LEFT_OUT, *lines] if skipped else lines)
        self._changed()

    def add_before(self, lines: Sequence[Line]) -> None:
        """Older lines: what is being read stays where it is."""
        known, below = len(self.lines.shown), self.scroll_offset.y
        below += self.lines.add_before(lines)
        if self._at is not None:
            self._at += len(self.lines.shown) - known
        self._changed()
        if not self.is_following:
            self._stand_at(below)

    def choose(self, choice: Choice) -> None:
        self._at = None
        self.lines.choose(choice)
        self.follow()

    def next_stream(self) -> None:
        self.choose(
            Choice(_next(STREAMS, self.lines.choice.stream), self.lines.choice.level, self.lines.choice.words)
        )

    def next_level(self) -> None:
        self.choose(
            Choice(
                self.lines.choice.stream, _next(LEVELS[1:], self.lines.choice.level), self.lines.choice.words
            )
        )

    def only(self, words: str) -> None:
        self.choose(Choice(self.lines.choice.stream, self.lines.choice.level, words))

    # Where it stands.

    def follow(self) -> None:
        self.lines.release()
        self._at = None
        self._changed()

    def pause(self) -> None:
        self.lines.held = True
        self.post_message(self.Said())

    def search(self, words: str) -> bool:
        """Mark the words, and go to the last place that has them. False when there is none."""
        self.look.words = words
        self._at = None
        self.refresh()
        return not words or self.find(-1)

    def find(self, step: int) -> bool:
        """Go to the next place of what is searched for, in this direction."""
        words = self.look.words
        return bool(words) and self._go(self.lines.find(words, self._start(step), step))

    def event(self, step: int) -> bool:
        """Go to the next thing that locald did, in this direction."""
        return self._go(self.lines.find_event(self._start(step), step))

    def _start(self, step: int) -> int:
        if self._at is not None:
            return self._at + step
        found = self.lines.at_row(self.scroll_offset.y + (self.size.height - 1 if step < 0 else 0))
        return found[1] if found else len(self.lines.shown) - 1

    def _go(self, index: int | None) -> bool:
        if index is None:
            return False
        self.pause()
        self._at = index
        self._stand_at(self.lines.row_of(index) - self.size.height // 2)
        self.refresh()
        return True

    def action_by(self, rows: int) -> None:
        """Scroll; up from the end is to read, down beyond the end is to follow again."""
        if rows > 0 and self.scroll_offset.y >= self._end:
            self.follow()
        elif rows < 0 or not self.is_following:
            self.pause()
            self._stand_at(self.scroll_offset.y + rows)
            self._look_at_top()

    def action_page(self, step: int) -> None:
        self.action_by(step * max(self.size.height - 1, 1))

    def action_top(self) -> None:
        self.pause()
        self._stand_at(0)
        self._look_at_top()

    def action_follow(self) -> None:
        self.follow()

    def _look_at_top(self) -> None:
        if self.scroll_offset.y < self.size.height:
            self.post_message(self.AtTop())

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.action_by(-3)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.action_by(3)

    # How it is drawn.

    @property
    def _end(self) -> int:
        return max(self.lines.height - self.size.height, 0)

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        self.look.width = max(self.scrollable_content_region.width, 20)
        self.lines.fit(self.look.room)
        self._changed()

    def _changed(self) -> None:
        self.virtual_size = Size(self.scrollable_content_region.width, self.lines.height)
        if self.is_following:
            self._stand_at(self._end)
        self.refresh()
        self.post_message(self.Said())

    def _stand_at(self, row: int) -> None:
        self.scroll_to(y=min(max(row, 0), self._end), animate=False, force=True)

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        found = self.lines.at_row(y + self.scroll_offset.y)
        if found is None:
            text = Text(f"  {self.empty}", "dim") if y == 0 and not self.lines.shown else Text()
        else:
            line, index, part = found
            text = self.look.row(line, part)
            if index == self._at and part == 0:
                text.stylize("reverse", 0, max(self.look.margin - 1, 1))
        text.truncate(width)
        strip = Strip(text.render(self.app.console, end=""), text.cell_len)
        return strip.extend_cell_length(width).apply_style(self.rich_style)


def _next(names: Sequence[str], now: str) -> str:
    """Round and round, with `all` (empty) in between."""
    ring = ["", *names]
    return ring[(ring.index(now) + 1) % len(ring)]
