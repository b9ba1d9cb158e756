"""Textual's door to the terminal, for a screen that has the monitor's first picture on it already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.drivers.linux_driver import LinuxDriver

from locald.monitor.opening import ENTER

if TYPE_CHECKING:
    from locald.monitor.opening import Opened


def taking_over(screen: Opened) -> type[LinuxDriver]:
    """A driver that enters the screen without clearing it, and leaves the terminal as it was before."""

    class Driver(LinuxDriver):
        def start_application_mode(self) -> None:
            super().start_application_mode()  # type: ignore[no-untyped-call]
            self.attrs_before = screen.modes

        def write(self, data: str) -> None:
            if data == ENTER and not screen.is_taken:  # entered again, after a pause, it is empty
                screen.is_taken = True
                return
            super().write(data)

    return Driver
