"""The field in which one types what is looked for in the logs, or what lines have to hold to be shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from textual.message import Message
from textual.widgets import Input

if TYPE_CHECKING:
    from locald.monitor.logs import LogPane

What = Literal["find", "only"]


class Search(Input):
    class Ended(Message):
        """The field has gone. `missed`: these words are nowhere."""

        def __init__(self, missed: str = "") -> None:
            super().__init__()
            self.missed = missed

    def __init__(self, pane: LogPane, id: str) -> None:
        super().__init__(id=id, select_on_focus=False)
        self._pane = pane
        self._what: What = "find"

    def ask(self, what: What) -> None:
        self._what = what
        finds = what == "find"
        self.placeholder = "find text (`a|b` matches either)" if finds else "show only lines with this text"
        self.value = self._pane.look.words if finds else self._pane.lines.choice.words
        self.display = True
        self.focus()

    def end(self, missed: str = "") -> None:
        self.display = False
        self._pane.focus()
        self.post_message(self.Ended(missed))

    def on_input_submitted(self, submitted: Input.Submitted) -> None:
        submitted.stop()
        words = submitted.value
        if self._what == "only":
            self._pane.only(words)
            self.end()
        else:
            self.end("" if self._pane.search(words) else words)
