"""Textual's door to the terminal, for a screen that has the monitor's first picture on it already."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual.drivers.linux_driver import LinuxDriver

from locald.monitor.opening import ENDING, ENTER, LEAVE

if TYPE_CHECKING:
    from locald.monitor.opening import Opened


def taking_over(screen: Opened) -> type[LinuxDriver]:
    """A driver that enters the screen without clearing it, and leaves the terminal as it was before, also
    when it is told to end."""

    class Driver(LinuxDriver):
        def start_application_mode(self) -> None:
            for number in ENDING:
                asyncio.get_running_loop().add_signal_handler(number, self._end, 128 + number)
            super().start_application_mode()  # type: ignore[no-untyped-call]
            self.attrs_before = screen.modes

        def _end(self, code: int) -> None:
            self._app.exit(return_code=code)

        def write(self, data: str) -> None:
            if data == ENTER and not screen.is_taken:  # entered again, after a pause, it is empty
                screen.is_taken = True
                return
            screen.is_left = LEAVE in data or (screen.is_left and ENTER not in data)
            super().write(data)

    return Driver
