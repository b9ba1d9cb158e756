"""The monitor: the state of all services on one screen, with the same words as every other face.

At the top are the services, as a table or a tree. Below them is a pane about the selected service: its logs,
why it has its status, the timeline of the last start, its environment. Pure modules beside this one make
everything that is shown; this one connects them with the daemon's messages, the keys and the screen.

A message changes the board, and what depends on it is drawn again, several changes in one frame. The panes
that show a document refresh themselves (`documents`); whose lines are shown, `watched` knows; actions are in
`actions`.
"""

from __future__ import annotations

import gc
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from textual import on
from textual.app import App
from textual.binding import Binding
from textual.widgets import ContentSwitcher, Static

from locald.monitor import dialogs, feed, header, keys, palette, table
from locald.monitor.actions import Actions
from locald.monitor.board import Board, Row, Scope
from locald.monitor.documents import Documents
from locald.monitor.effects import Action
from locald.monitor.feed import Feed
from locald.monitor.logs import LogPane
from locald.monitor.notices import Notice, Notices, few, title
from locald.monitor.roster import Roster
from locald.monitor.searching import Search
from locald.monitor.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from rich.text import Text
    from textual.app import ComposeResult
    from textual.worker import Worker

FRAME = 1 / 40
"""seconds in which changes are gathered"""
SHOWN_FOR = 6.0
"""seconds of a notice"""


class Monitor(App[None]):
    TITLE = "locald"
    ENABLE_COMMAND_PALETTE = False
    CSS = palette.CSS
    BINDINGS: ClassVar = [
        *(Binding(key.press, key.action, show=False) for key in keys.KEYS if key.action),
        Binding("ctrl+c", "quit", show=False, priority=True),
    ]

    def __init__(
        self,
        sockets: Callable[[], Sequence[str]],
        scope: Scope,
        *,
        name: str,
        written: Sequence[Row] = (),
        caller: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        """`name`: a project, or "all projects". `written`: rows of a project that is not running yet.

        `caller` describes this shell, whose environment such a project inherits.
        """
        super().__init__()
        self.ansi_theme_dark = palette.DARK
        self.board = Board(scope, written=list(written))
        self.terminal_title = ""
        self._about = name
        self._notices = Notices()
        self._feed = Feed(sockets, self._hear)
        self._actions = Actions(self, self.say, self.board, self._feed, caller)
        self._pane = "logs"
        self._gone = False
        self._due = False
        self._head, self._trouble, self._titles = (Static(id=name) for name in ("head", "trouble", "titles"))
        self._facts, self._tabs, self._keys = (Static(id=name) for name in ("facts", "tabs", "keys"))
        self._roster = Roster(self.board, id="roster")
        self._logs = LogPane(id="logs")
        self._documents = Documents(self._feed, self.board, lambda: (self._pane, self._roster.selected))
        self._switcher = ContentSwitcher(initial="logs", id="pane")
        self._watched = Watched(self._feed, self.board, self._logs, self._begin, self.set_timer)
        self._search = Search(self._logs, id="search")

    # The screen.

    def compose(self) -> ComposeResult:
        yield from (self._head, self._trouble, self._titles, self._roster, self._facts, self._tabs)
        with self._switcher:
            yield self._logs
            yield from self._documents.panes
        yield self._search
        yield self._keys

    def on_mount(self) -> None:
        self._roster.focus()
        if self.board.worst:
            self.action_pane("why")
        self._set_title_of_terminal("\x1b[22;2t")  # keep the terminal's own title
        self._show()
        self.call_after_refresh(self._listen)

    def _listen(self) -> None:
        """Once there is something to see: what is shown first was asked for by the command."""
        gc.enable()
        self._begin(self._feed.run, "feed")
        self._begin(self._documents.keep, "documents")
        self.set_interval(1.0, self._show)

    def _begin(self, work: Callable[[], Coroutine[None, None, None]], name: str) -> None:
        """Do it beside the rest. What has not begun when the monitor ends is not begun any more."""
        _: Worker[None] = self.run_worker(work, name=name)

    def on_resize(self) -> None:
        self.call_after_refresh(self._show)

    def on_unmount(self) -> None:
        self._set_title_of_terminal("\x1b[23;2t")

    def _fatal_error(self) -> None:
        """An error of ours ends the monitor; the caller reports it, without a page of traceback."""
        self._close_messages_no_wait()

    @property
    def fault(self) -> Exception | None:
        """What ended the monitor, if it was an error of ours."""
        return self._exception

    @property
    def _row(self) -> Row | None:
        return self.board.get(self._roster.selected)

    def _show(self) -> None:
        """Draw everything that is made of rows."""
        if not self.is_running or self.screen is None:
            return
        roster = self._roster
        roster.show_board()
        roster.styles.height = table.height(roster.lines, self.size.height)
        self._titles.update(roster.head)
        self._head.update(header.head(self.board, self._about, self.size.width, gone=self._gone))
        self._facts.update(self._selected_facts())
        self._show_bars()

    def _selected_facts(self) -> Text:
        row = self._row
        return header.facts(row, self.size.width - 2) if row else header.nothing(self.board)

    def _show_bars(self) -> None:
        logs = self._logs
        told = logs.told if self._pane == "logs" else ""
        about = "all services" if self._watched.merged else (self._row or {}).get("name", "")
        about += f" run {self._watched.run}" if self._watched.run else ""
        self._tabs.update(
            header.tabs(header.PANES, self._pane, f"{about} · {told}" if told else "", self.size.width)
        )
        screens = self.screen_stack  # none, when it ends
        reading = bool(screens) and screens[0].focused is not self._roster
        self._keys.update(keys.footer(self._pane, self.size.width, reading=reading))

    # News.

    def _hear(self, news: feed.News) -> None:
        match news:
            case feed.Met():
                self.board.begin(news.daemon, news.rows)
                self._be_reached(header.remark(news.daemon), gone=False)
                self._rows_changed(again=True)
            case feed.Changed():
                self.board.change(news.rows, news.removed)
                self._show_soon()
            case feed.Used():
                self.board.measure(news.usage)
                self._show()
            case feed.Printed():
                self._watched.take(news)
            case feed.Refused():
                self._watched.refuse(news.watch)
            case feed.Gone():
                self._be_reached(header.trouble(news.problem.what, news.problem.hint), gone=True)
                self._show()

    def _be_reached(self, trouble: Text | None, *, gone: bool) -> None:
        self._gone = gone
        self._trouble.update(trouble or "")
        self._trouble.display = trouble is not None

    def _show_soon(self) -> None:
        """Many rows change within a moment when many services start: that is one picture."""
        if not self._due:
            self._due = True
            self.set_timer(FRAME, self._rows_changed)

    def _rows_changed(self, *, again: bool = False) -> None:
        self._due = False
        self._show()
        self._tell(self._notices.about(self.board.rows))
        self._set_title_of_terminal()
        self._watched.choose(self._roster.selected, again=again)
        self._documents.stale.set()

    def _tell(self, notices: list[Notice]) -> None:
        """Ring once, however many there are, and leave most of the screen free."""
        if notices:
            self.bell()
        for notice in few(notices):
            self.say(notice.text, good=notice.good)

    def say(self, text: str, *, good: bool = True) -> None:
        """Show a sentence for some seconds."""
        self.notify(text, severity="information" if good else "error", timeout=SHOWN_FOR, markup=False)

    def _set_title_of_terminal(self, sequence: str = "") -> None:
        """Put the state into the terminal's title, or send a sequence that is about titles."""
        told = title(self.board.rows, self._about)
        if not sequence and told == self.terminal_title:
            return
        if not sequence:
            self.terminal_title = told
        if self._driver is not None and not self.is_headless:
            self._driver.write(sequence or f"\x1b]2;{told}\x07")

    @on(LogPane.Said)
    def _on_said(self) -> None:
        self._show_bars()

    @on(LogPane.AtTop)
    def _on_top(self) -> None:
        self._watched.reach_back()

    @on(Roster.Selected)
    def _on_selected(self) -> None:
        self._facts.update(self._selected_facts())
        self._watched.selected(self._roster.selected)
        self._show_bars()
        self._documents.stale.set()

    # Keys.

    def action_pane(self, name: str) -> None:
        self._pane = name
        self._switcher.current = name
        if self.focused is not self._roster:
            self.query_one(f"#{name}").focus()
        self._documents.stale.set()
        self._show_bars()

    def action_swap(self) -> None:
        """From the services to the pane, and back."""
        target = self.query_one(f"#{self._pane}") if self.focused is self._roster else self._roster
        if target is self._roster and self._roster.has_class("zoomed"):
            self.action_zoom()
        target.focus()
        self.call_after_refresh(self._show_bars)

    def action_graph(self) -> None:
        self._roster.toggle_tree()
        self._show()

    def action_zoom(self) -> None:
        zoomed = not self._roster.has_class("zoomed")
        for name in ("titles", "roster", "facts"):
            self.query_one(f"#{name}").set_class(zoomed, "zoomed")
        (self.query_one(f"#{self._pane}") if zoomed else self._roster).focus()
        self.call_after_refresh(self._show)

    def action_run(self, step: int) -> None:
        """All lines, then those of the latest run, of the one before, and so on."""
        if self._watched.step(self._roster.selected, int((self._row or {}).get("run") or 0), step):
            self.action_pane("logs")

    def action_merge(self) -> None:
        self._watched.merge(self._roster.selected)
        self._show_bars()

    def action_pause(self) -> None:
        self._logs.pause() if self._logs.is_following else self._logs.follow()

    def action_stream(self) -> None:
        self._logs.next_stream()

    def action_level(self) -> None:
        self._logs.next_level()

    def action_find(self, step: int) -> None:
        if not self._logs.look.words:
            self.action_search("find")
        elif not self._logs.find(step):
            self.say(f"no match for “{self._logs.look.words}” {'below' if step > 0 else 'above'}", good=False)

    def action_event(self, step: int) -> None:
        self._logs.event(step)

    def action_search(self, what: Literal["find", "only"]) -> None:
        self.action_pane("logs")
        self._search.ask(what)

    @on(Search.Ended)
    def _on_searched(self, ended: Search.Ended) -> None:
        if ended.missed:
            self.say(f"no match for “{ended.missed}”", good=False)
        self.call_after_refresh(self._show_bars)

    def key_escape(self) -> None:
        if self._search.display:
            self._search.end()
        elif self._roster.has_class("zoomed"):
            self.action_zoom()
        else:
            self._roster.focus()
            self.call_after_refresh(self._show_bars)

    def action_help(self) -> None:
        _ = self.push_screen(dialogs.Told("locald monitor", dialogs.help_text()))

    def action_copy(self) -> None:
        if key := self._roster.selected:
            self._begin(partial(self._actions.copy, key), "copy")

    # Actions.

    def action_act(self, kind: str) -> None:
        if key := self._roster.selected:
            self._begin(partial(self._actions.act, Action(kind, key[0], (key[1],))), "act")

    def action_act_all(self, kind: str) -> None:
        if key := self._roster.selected:
            self._begin(partial(self._actions.act, Action(kind, key[0])), "act")

    def action_dashboard(self) -> None:
        self._begin(self._actions.open_dashboard, "dashboard")
