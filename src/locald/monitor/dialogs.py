"""Dialogs of the monitor: the confirmation of an action, the help, the link to the dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.table import Table
from rich.text import Text
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

from locald.faces import states
from locald.monitor import keys
from locald.monitor.table import style

if TYPE_CHECKING:
    from textual.app import ComposeResult

ACROSS = 4
"""states beside each other in the help"""


class Question(ModalScreen[bool]):
    """Shows what an action will do, and asks for confirmation."""

    BINDINGS: ClassVar = [
        Binding("y,enter", "answer(True)", show=False),
        Binding("n,escape,q", "answer(False)", show=False),
    ]

    def __init__(self, question: str, effect: Text) -> None:
        super().__init__()
        self._question = question
        self._effect = effect

    def compose(self) -> ComposeResult:
        answer = Text.assemble(("Enter y", "bold cyan"), " confirm   ", ("Esc n", "bold cyan"), " cancel")
        with VerticalScroll(classes="box", can_focus=False):
            yield Static(Text(self._question, "bold"), id="question")
            yield Static(self._effect, id="effect")
            yield Static(answer, id="answer")

    def action_answer(self, yes: bool) -> None:
        _ = self.dismiss(yes)


class Told(ModalScreen[None]):
    """Something to read; any of these keys closes it."""

    BINDINGS: ClassVar = [Binding("escape,enter,q,question_mark", "close", show=False)]

    def __init__(self, title: str, text: Text | Table) -> None:
        super().__init__()
        self._title = title
        self._text = text

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="box") as box:
            box.border_title = self._title
            box.border_subtitle = "Esc: close"
            yield Static(self._text)

    def action_close(self) -> None:
        _ = self.dismiss()


def help_text() -> Table:
    """All keys, and the sign of each state."""
    grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
    grid.add_column(no_wrap=True, width=11)
    grid.add_column(ratio=1)
    for group, members in keys.groups():
        grid.add_row(Text(group, "bold"), Text())
        for key in members:
            grid.add_row(Text(key.shown, "bold cyan"), Text(key.about))
    grid.add_row(Text("States", "bold"), Text())
    shapes = [f"{states.sign(word)} {word}" for word in states.STATES if word != "unknown"]
    for first in range(0, len(shapes), ACROSS):
        legend = Text()
        for shape in shapes[first : first + ACROSS]:
            legend.append(shape[:2], style(shape[2:])).append(f"{shape[2:]:<11}")
        grid.add_row(Text(), legend)
    return grid
