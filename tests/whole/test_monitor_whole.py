"""`locald monitor` with a real daemon: what a person sees while services start, fail, print and stop."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from faces.run_cli import COMMAND, Terminal
from locald.client.caller import caller
from locald.client.daemon import look
from locald.monitor.start import monitor
from locald.wire.home import Home
from monitor.stand_in import screen, sees, until
from whole.machine import Gate, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from locald.monitor.app import Monitor
    from whole.machine import Machine

SMALL = (80, 24)


def looking_at(machine: Machine) -> Monitor:
    """The monitor as the command starts it."""
    home = Home.find(machine.env)
    folder = str(machine.folder)
    rows = look(home).get("/v1/status", [("directory", folder)])["services"]
    return monitor(home, folder, rows, caller)


async def test_a_start_is_seen_from_waiting_to_healthy(machine: Machine) -> None:
    gate = Gate(machine.folder)
    machine.write(f"""
        [services.db]
        command = "{gate.wait}; exec sleep 1000"
        type = "worker"
        health_check = {{ type = "log", pattern = "ready" }}
        [services.web]
        type = "worker"
        command = "sleep 1000"
        depends_on = ["db"]
    """)
    machine.locald("up", "-d")
    async with looking_at(machine).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "◐ db", "◌ web")
        await pilot.press("down", "g", "w")
        await sees(pilot, "◌ web waiting", "└─ ◐ db starting", "Blocked by (root cause last)")


async def test_what_it_prints_is_seen_when_it_prints_it(machine: Machine) -> None:
    gate = Gate(machine.folder)
    machine.write(f"""
        [services.web]
        type = "worker"
        command = "echo before; {gate.wait}; echo '\\u001b[31mafter [red]\\u001b[0m'; exec sleep 1000"
    """)
    machine.up()
    async with looking_at(machine).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "│ before", "◇ started")
        gate.open()
        await sees(pilot, "│ after [red]")


async def test_stop_says_what_else_ends_and_start_brings_it_back(machine: Machine) -> None:
    machine.write("""
        [services.db]
        type = "worker"
        command = "sleep 1000"
        [services.web]
        type = "worker"
        command = "sleep 1000"
        depends_on = ["db"]
    """)
    machine.up()
    async with looking_at(machine).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "2 healthy")
        await pilot.press("x")
        await sees(pilot, "Stop db?", "stops web → db")
        await pilot.press("enter")
        await sees(pilot, "○ db", "⊘ web")
        await pilot.press("s")
        await sees(pilot, "Start db?", "starts db")
        await pilot.press("enter")
        await sees(pilot, "2 healthy")
        await pilot.press("t")
        await sees(pilot, "critical path:", "median")


async def test_a_failure_rings_and_is_explained_and_copied(machine: Machine) -> None:
    gate = Gate(machine.folder)
    machine.write(f"""
        [services.web]
        type = "worker"
        command = "{gate.wait}; exit 3"
        restart = "no"
    """)
    machine.up()
    app = looking_at(machine)
    async with app.run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "1 healthy")
        gate.open()
        await sees(pilot, "web has failed:", "✗ 1 failed")
        await until(pilot, lambda: app.terminal_title == "✗ web failed · shop")
        await pilot.press("2")
        await sees(pilot, "Next steps", "run `locald up web` to try again")
        await pilot.press("y")
        await until(pilot, lambda: app.clipboard)
    assert app.clipboard.startswith("shop:web ")
    assert "exited with code 3" in app.clipboard


async def test_it_finds_the_next_daemon_after_a_kill(machine: Machine) -> None:
    machine.write('[services.web]\ntype = "worker"\ncommand = "echo hello; exec sleep 1000"')
    machine.up()
    async with looking_at(machine).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "1 healthy", "│ hello")
        machine.kill_daemon()
        await sees(pilot, "daemon is not running, services keep running")
        machine.locald("server", "start")
        await until(pilot, lambda: "daemon is not running" not in screen(pilot))
        await sees(pilot, "1 healthy", "│ hello")


async def test_secrets_of_the_environment_are_masked(machine: Machine) -> None:
    machine.write('[services.web]\ntype = "worker"\ncommand = "sleep 1000"\nenv = { API_KEY = "hunter2" }')
    machine.up()
    async with looking_at(machine).run_test(size=(120, 40), notifications=True) as pilot:
        await sees(pilot, "1 healthy")
        await pilot.press("e")
        seen = await sees(pilot, "LOCALD_SERVICE=web", "API_KEY=")
        assert "hunter2" not in seen


async def test_a_project_that_was_never_up_is_started_from_here(machine: Machine) -> None:
    machine.write('[services.web]\ntype = "worker"\ncommand = "sleep 1000"')
    machine.locald("server", "start")
    async with looking_at(machine).run_test(size=SMALL, notifications=True) as pilot:
        await sees(pilot, "○ web")
        await pilot.press("s")
        await sees(pilot, "Start web?", "The project is not running yet.")
        await pilot.press("enter")
        await sees(pilot, "1 healthy")


# The command.


def test_without_a_terminal_it_says_what_to_use_instead(machine: Machine) -> None:
    machine.write('[services.web]\ntype = "worker"\ncommand = "sleep 1000"')
    done = machine.locald("monitor")
    assert done.returncode == 2
    assert "error: monitor needs a terminal" in done.stderr
    assert "hint: run `locald status` or `locald logs -f` instead" in done.stderr


def on_terminal(machine: Machine, *arguments: str, folder: Path | None = None) -> Terminal:
    env = {**machine.env, "TERM": "xterm-256color"}
    return Terminal([*COMMAND, "monitor", *arguments], folder or machine.folder, env)


COUNTED = """
import sys, threading

calls = 0

def count(frame, event, argument):
    global calls
    calls += event == "call"

threading.setprofile(count)
sys.setprofile(count)
"""
"""How many functions of Python are called: unlike seconds the same on a busy machine"""
LIBRARY = f"""{COUNTED}
import textual.app
print(calls)
"""
FIRST_FRAME = f"""{COUNTED}
from locald.cli.main import main
from locald.monitor.app import Monitor

def listen(self):
    open("spent", "w").write(str(calls))
    self.exit()

Monitor._listen = listen  # which it does when it has drawn its first frame
sys.argv = ["locald", "monitor"]
sys.exit(main())
"""


def test_the_first_frame_costs_little_more_than_the_library_that_draws_it(machine: Machine) -> None:
    """In calls of functions: its import takes 120,000, and the frame of one service as many again."""
    machine.write('[services.web]\ntype = "worker"\ncommand = "sleep 1000"')
    machine.up()
    imported = subprocess.run([sys.executable, "-c", LIBRARY], capture_output=True, text=True, check=True)
    env = {**machine.env, "TERM": "xterm-256color"}
    assert Terminal([sys.executable, "-c", FIRST_FRAME], machine.folder, env).end() == 0
    spent = int((machine.folder / "spent").read_text())
    assert spent <= 2.4 * int(imported.stdout)


def test_keys_are_read_from_the_first_frame_on(machine: Machine) -> None:
    """Also while the library that listens to the daemon is imported beside it."""
    machine.write('[services.web]\ntype = "worker"\ncommand = "sleep 1000"')
    machine.up()
    terminal = on_terminal(machine)
    terminal.until("process (fallback)")
    terminal.press(b"q")
    assert terminal.end() == 0


def test_without_a_daemon_it_starts_none_and_exits_3(machine: Machine) -> None:
    machine.write('[services.web]\ntype = "worker"\ncommand = "sleep 1000"')
    terminal = on_terminal(machine)
    assert terminal.end() == 3
    assert "daemon is not running" in terminal.screen


@pytest.mark.parametrize("key", [b"q", b"\x03"])
def test_it_leaves_the_terminal_as_it_was_and_services_running(machine: Machine, key: bytes) -> None:
    machine.write('[services.web]\ntype = "worker"\ncommand = "sleep 1000"')
    machine.up()
    terminal = on_terminal(machine)
    terminal.until("1 healthy")
    terminal.press(key)
    assert terminal.end() == 0
    assert "\x1b]2;● 1/1 · shop\x07" in terminal.screen
    assert "\x1b[23;2t" in terminal.screen
    assert machine.status()["web"]["health"] == "healthy"


def test_outside_of_a_project_all_projects_can_be_watched(machine: Machine, tmp_path: Path) -> None:
    machine.write('[services.web]\ntype = "worker"\ncommand = "sleep 1000"')
    machine.up()
    assert "no locald.toml found" in _shown(on_terminal(machine, folder=tmp_path), 2)
    terminal = on_terminal(machine, "--all", folder=tmp_path)
    terminal.until("shop:web")
    terminal.press(b"q")
    assert "all projects" in _shown(terminal, 0)


def _shown(terminal: Terminal, code: int) -> str:
    """All that was on the screen of a command that ends with this code."""
    assert terminal.end() == code
    return terminal.screen


# The first picture, which is there before Textual is.

TWO = """
    [services.web]
    type = "worker"
    command = "sleep 1000"
    [services.db]
    type = "worker"
    command = "sleep 1000"
"""
ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"
MOUSE = "\x1b[?1000h"
"""what Textual asks the terminal for first"""
STALLED = """
import importlib.abc, sys, time
from locald.cli.main import main

class Stall(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "textual":
            {then}

sys.meta_path.insert(0, Stall())
sys.argv = ["locald", "monitor"]
sys.exit(main())
"""


def stalled(machine: Machine, then: str, columns: int = 100) -> Terminal:
    """The command, to which something happens when it imports Textual."""
    machine.write(TWO)
    machine.up()
    env = {**machine.env, "TERM": "xterm-256color"}
    return Terminal([sys.executable, "-c", STALLED.format(then=then)], machine.folder, env, columns)


def test_the_services_are_on_the_screen_before_textual_is_imported(machine: Machine) -> None:
    terminal = stalled(machine, "time.sleep(1000)")
    seen = terminal.until(" quit ")
    assert seen.startswith(ENTER)
    assert " shop " in seen
    assert "web" in seen
    assert "db" in seen
    terminal.press(b"\x03")
    assert terminal.end() == 130
    assert terminal.screen.endswith(f"{LEAVE}\x1b[?25h")


def test_an_error_on_the_way_is_told_on_the_normal_screen(machine: Machine) -> None:
    terminal = stalled(machine, "raise ImportError('no such library')")
    assert terminal.end() == 3
    _, _, after = terminal.screen.partition(LEAVE)
    assert "error:" in after
    assert "no such library" in after
    assert "error:" not in terminal.screen.partition(LEAVE)[0]


def test_the_first_picture_is_taken_over_and_not_cleared(machine: Machine) -> None:
    machine.write(TWO)
    machine.up()
    terminal = on_terminal(machine)
    terminal.until(MOUSE)
    terminal.until("2 healthy")
    terminal.press(b"q")
    assert terminal.end() == 0
    assert terminal.screen.count(ENTER) == 1
    assert terminal.screen.count(LEAVE) == 1
    assert "web" in terminal.screen.partition(MOUSE)[0]


@pytest.mark.parametrize(("keys", "shown"), [(b"?", "Navigation"), (b"2", "Evidence (newest first)")])
def test_a_key_that_is_typed_at_once_counts(machine: Machine, keys: bytes, shown: str) -> None:
    machine.write(TWO)
    machine.up()
    terminal = on_terminal(machine)
    terminal.press(keys)
    terminal.until(shown)
    terminal.press(b"\x03")
    assert terminal.end() == 0


@pytest.mark.parametrize("key", [b"q", b"\r\x1b[Bq"])
def test_a_key_on_the_first_picture_counts(machine: Machine, key: bytes) -> None:
    machine.write(TWO)
    machine.up()
    terminal = on_terminal(machine)
    terminal.until(ENTER)
    terminal.press(key)
    assert terminal.end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("is_taken", [False, True])
def test_told_to_end_it_leaves_the_terminal_as_it_was(
    machine: Machine, number: signal.Signals, is_taken: bool
) -> None:
    terminal = stalled(machine, "pass" if is_taken else "time.sleep(1000)")
    terminal.until(MOUSE if is_taken else " quit ")
    terminal.process.send_signal(number)
    assert terminal.end() == 128 + number
    assert terminal.screen.count(ENTER) == terminal.screen.count(LEAVE) == 1
    assert terminal.screen.rfind("\x1b[?25h") > terminal.screen.rfind("\x1b[?25l")


def test_on_a_narrow_terminal_no_line_is_too_long(machine: Machine) -> None:
    drawn = machine.folder / "drawn"
    terminal = stalled(machine, f"open({str(drawn)!r}, 'w').close(); time.sleep(1000)", columns=20)
    terminal.until("\x1b[24;1H")
    wait_for(drawn.exists, "it is drawn")
    terminal.press(b"\x03")
    assert terminal.end() == 130
    picture = terminal.screen.partition(LEAVE)[0]
    rows = re.split(r"\x1b\[\d+;1H", picture)[1:]
    assert len(rows) == 24
    assert all(len(re.sub(r"\x1b\[[0-9;?]*[a-z]", "", row)) == 20 for row in rows)


@pytest.mark.parametrize("key", [b"q", b"\x03"])
def test_the_modes_of_the_terminal_are_as_before(machine: Machine, key: bytes) -> None:
    machine.write(TWO)
    machine.up()
    command = f"stty -g; {shlex.join([*COMMAND, 'monitor'])}; stty -g"
    terminal = Terminal(["sh", "-c", command], machine.folder, {**machine.env, "TERM": "xterm-256color"})
    terminal.until("2 healthy")
    terminal.press(key)
    assert terminal.end() == 0
    before, after = re.findall(r"(?:[0-9a-f]+:){10,}[0-9a-f]+", terminal.screen)
    assert before == after
