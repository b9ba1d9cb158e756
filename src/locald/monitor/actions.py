"""Actions of the monitor: start, stop and restart services, copy a status, open the dashboard.

The daemon is asked first what an action would do. That is shown, and the action is done when it is confirmed.
What the daemon refuses is shown and changes nothing.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Protocol

from rich.text import Text

from locald.client.http import Denied, Unreachable
from locald.faces import browser, words
from locald.monitor import dialogs, effects, explained

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import App

    from locald.monitor.board import Board, Key
    from locald.monitor.effects import Action
    from locald.monitor.feed import Feed


NEW_PROJECT = "The project is not running yet. It starts with its file and the environment of this shell."


class Say(Protocol):
    """Shows a sentence for some seconds; `good`: nothing went wrong."""

    def __call__(self, text: str, *, good: bool = True) -> None: ...


class Actions:
    """`caller` describes the shell that the monitor runs in."""

    def __init__(
        self, app: App[None], say: Say, board: Board, feed: Feed, caller: Callable[[], dict[str, Any]]
    ) -> None:
        self._app = app
        self._say = say
        self._board = board
        self._feed = feed
        self._caller = caller
        self._asking = False
        """a question is on its way to the screen, or there"""

    async def act(self, action: Action) -> None:
        """Show what it would do, ask, do it."""
        if self._asking:
            return
        self._asking = True
        try:
            _ = await self._feed.reached()  # before, it is not known what runs
            question = dialogs.Question(action.question, await self._effect(action))
            if await self._app.push_screen_wait(question):
                await self._feed.tell(f"/v1/{action.kind}", self._body(action))
                self._say(f"{effects.DONE[action.kind]} {action.what}")
        except (Denied, Unreachable) as error:
            self._complain(error)
        finally:
            self._asking = False

    async def copy(self, key: Key) -> None:
        """Copy the status of the service to the clipboard, as one line."""
        try:
            document = await self._feed.ask("/v1/why", [("project", key[0]), ("service", key[1])])
        except (Denied, Unreachable):
            document = {}
        told = explained.summary(document, self._board.get(key))
        self._app.copy_to_clipboard(told)
        self._say(f"copied: {told}")

    async def open_dashboard(self) -> None:
        """In the browser; where there is none, the link is shown and copied."""
        try:
            url = str((await self._feed.tell("/v1/dashboard", {})).get("url") or "")
        except (Denied, Unreachable) as error:
            self._complain(error)
            return
        if await asyncio.to_thread(browser.show, url):
            self._say("opened the dashboard in your browser")
            return
        self._app.copy_to_clipboard(url)
        text = Text.assemble(
            "Link copied. It signs in one browser within five minutes:\n\n", (url, "bold cyan")
        )
        _ = self._app.push_screen(dialogs.Told("dashboard", text))

    async def _effect(self, action: Action) -> Text:
        if self._is_new(action):
            return Text(NEW_PROJECT)
        return effects.told(await self._feed.ask("/v1/effect", action.query))

    def _body(self, action: Action) -> dict[str, Any]:
        """A project that is not running starts as `locald up` would start it, for this shell."""
        if not self._is_new(action):
            return action.body
        rows = self._board.of_project(action.project)
        directory = next((row for row in rows if not row["shared_by"]), rows[0]).get("directory")
        return {"directory": directory, "services": list(action.services), "caller": self._caller()}

    def _is_new(self, action: Action) -> bool:
        rows = self._board.of_project(action.project)
        return action.kind == "up" and not any(self._board.is_known(words.key(row)) for row in rows)

    def _complain(self, error: Denied | Unreachable) -> None:
        problems = error.problems if isinstance(error, Denied) else (error.problem,)
        self._say("\n".join(map(str, problems)), good=False)
