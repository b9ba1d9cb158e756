"""What services print is there when somebody asks: all of it, in order, whatever ended or was away."""

from __future__ import annotations

import json
import re
import select
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from locald.client.http import Api
from locald.faces.when import seconds_of
from whole import programs
from whole.machine import PATIENCE, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from whole.machine import Json, Machine
    from whole.puppet import Puppet

    Make = Callable[[str], Puppet]


@pytest.fixture
def web(machine: Machine, puppet: Make) -> Puppet:
    """A worker `web` that is up."""
    made = puppet("web")
    machine.write(f'[services.web]\ntype = "worker"\ncommand = {made.command}')
    machine.up()
    return made


class Following:
    """A `logs -f` that runs, read line by line."""

    def __init__(self, machine: Machine, *options: str) -> None:
        self.process = machine.begin("logs", "-f", *options)
        assert self.process.stdout
        self._lines = self.process.stdout

    def until(self, last: str) -> list[str]:
        """The lines up to this one; locald's own are left out."""
        found: list[str] = []
        while not found or found[-1] != last:
            line = self._lines.readline()
            assert line, f"the stream ended after {found}"
            found += [] if "locald: " in line else [line.rstrip("\n")]
        return found


@contextmanager
def following(machine: Machine, *options: str) -> Iterator[Following]:
    made = Following(machine, *options)
    yield made
    made.process.kill()
    made.process.communicate()


def entries(machine: Machine, *options: str) -> list[Json]:
    done = machine.locald("logs", "--json", *options)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


# History.


def test_logs_prints_the_last_hundred_lines_and_exits(machine: Machine, web: Puppet) -> None:
    web.run().say(*(f"line {number}" for number in range(150)))
    wait_for(lambda: machine.printed("web")[-1:] == ["line 149"], "all of it")
    done = machine.locald("logs", "web")
    assert done.stdout.splitlines() == [f"line {number}" for number in range(50, 150)]
    assert (done.returncode, done.stderr) == (0, "")


def test_n_chooses_how_many(machine: Machine, web: Puppet) -> None:
    web.run().say("one", "two", "three")
    wait_for(lambda: machine.printed("web")[-1:] == ["three"], "all of it")
    assert machine.locald("logs", "web", "-n", "2").stdout == "two\nthree\n"
    assert machine.locald("logs", "-n", "0").stdout == ""


def test_history_goes_back_over_runs(machine: Machine, web: Puppet) -> None:
    """A restart loses nothing, and the number of the run is told."""
    web.run().say("of the first")
    machine.locald("restart")
    web.run().say("of the second")
    wait_for(lambda: machine.printed("web")[-1:] == ["of the second"], "all of it")
    own = [(line["run"], line["line"]) for line in entries(machine) if line["stream"] != "locald"]
    assert own == [(1, "of the first"), (2, "of the second")]
    of_the_first = machine.locald("logs", "web", "--run", "1").stdout
    assert "of the first\n" in of_the_first
    assert "of the second" not in of_the_first
    assert machine.locald("logs", "web", "--run", "first").returncode == 2


def test_json_tells_when_who_and_on_which_stream(machine: Machine, web: Puppet) -> None:
    """Locald's own lines are marked as such."""
    run = web.run()
    run.say("out")
    run.do("print", "err\n", 2)
    wait_for(lambda: machine.printed("web")[-1:] == ["err"], "all of it")
    found = entries(machine, "web")
    for entry in found:
        assert list(entry) == ["at", "project", "instance", "service", "run", "stream", "level", "line"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["at"])
        assert (entry["project"], entry["service"], entry["run"]) == ("shop", "web", 1)
    told = [(entry["stream"], entry["line"]) for entry in found]
    assert told[-2:] == [("stdout", "out"), ("stderr", "err")]
    assert {stream for stream, _ in told[:-2]} == {"locald"}


def test_grep_sees_text_and_not_what_colours_it(machine: Machine, web: Puppet) -> None:
    web.run().say("\033[31mfatal\033[0m error", "a warning", "\033]0;title\afatal\033[1m error")
    wait_for(lambda: len(machine.printed("web")) == 3, "all of it")
    assert machine.locald("logs", "--grep", "^fatal err").stdout == "fatal error\nfatal error\n"
    assert machine.locald("logs", "--grep", "nothing").stdout == ""
    bad = machine.locald("logs", "--grep", "(")
    assert bad.returncode == 2
    assert "not a regular expression" in bad.stderr


def test_a_pattern_that_would_never_end_is_refused_and_stops_nobody(machine: Machine, web: Puppet) -> None:
    web.run().say("a" * 200 + "!")
    wait_for(lambda: machine.printed("web"), "the line")
    for arguments in (("logs",), ("logs", "-f"), ("logs", "web", "--json")):
        done = machine.locald(*arguments, "--grep", "(a|aa)+$")
        assert done.returncode == 2
        assert "matching /(a|aa)+$/ against a line of 201 characters took longer than 250ms" in done.stderr
    assert machine.status()["web"]["state"] == "running"


def test_a_pattern_that_turns_out_to_be_slow_ends_the_following(machine: Machine, web: Puppet) -> None:
    run = web.run()
    run.say("first aa")
    with following(machine, "web", "--grep", "(a|aa)+$") as logs:
        logs.until("first aa")
        run.say("a" * 200 + "!")
        assert logs.process.wait(PATIENCE) == 2


def test_since_leaves_out_what_is_older(machine: Machine, web: Puppet) -> None:
    run = web.run()
    run.say("old")
    wait_for(lambda: machine.printed("web") == ["old"], "the first")
    wait_for(lambda: machine.locald("logs", "--since", "300ms").stdout == "", "it has become old")

    def tells_the_new_only() -> bool:
        run.say("new")  # each time: on a busy machine the one before may be old by now
        return set(machine.locald("logs", "--since", "300ms").stdout.split()) == {"new"}

    wait_for(tells_the_new_only, "the new one is young")
    assert machine.locald("logs", "--since", "1h", "--grep", "old|new").stdout.startswith("old\nnew\n")


def test_lines_of_several_services_are_in_the_order_of_time_with_their_names(
    machine: Machine, puppet: Make
) -> None:
    a, b = puppet("a"), puppet("bb")
    machine.write(
        f'[services]\na = {{ type = "worker", command = {a.command} }}\n'
        f'bb = {{ type = "worker", command = {b.command} }}\n'
    )
    machine.up()
    runs = a.run(), b.run()
    for number in range(4):
        runs[number % 2].say(f"line {number}")
        wait_for(lambda: f"line {number}\n" in machine.locald("logs").stdout, "its line")  # noqa: B023
    said = machine.locald("logs", "--grep", "^line").stdout.splitlines()
    assert said == ["a  | line 0", "bb | line 1", "a  | line 2", "bb | line 3"]
    assert machine.printed("bb") == ["line 1", "line 3"]


def test_a_service_that_never_ran_has_no_history(machine: Machine, web: Puppet) -> None:
    text = (machine.folder / "locald.toml").read_text()
    (machine.folder / "locald.toml").write_text(f'{text}\n[services.other]\ncommand = "x"\n')
    machine.locald("up", "web")
    done = machine.locald("logs", "other")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# Nothing is lost, and order holds.


@pytest.mark.parametrize("tty", ["true", "false"])
def test_nothing_that_is_printed_right_before_an_exit_is_lost(machine: Machine, tty: str) -> None:
    """More than a pipe or a terminal holds, and a last line without an end."""
    code = "os.write(1, b''.join(b'%d\\n' % n for n in range(20000)) + b'the end'); os._exit(0)"
    machine.write(f'[services.web]\ntype = "task"\ntty = {tty}\ncommand = {programs.command(code)}')
    machine.up()
    assert machine.printed("web", "-n", "30000") == [*(str(number) for number in range(20000)), "the end"]


def test_last_words_without_a_newline_come_before_what_is_said_of_the_exit(machine: Machine) -> None:
    code = "os.write(1, b'bye'); os.write(2, b'no space'); os._exit(3)"
    machine.write(f'[services.web]\ntype = "task"\ncommand = {programs.command(code)}')
    assert "web | no space" in machine.locald("up").stderr
    wait_for(lambda: "exited with code 3" in machine.locald("logs").stdout, "what is said of the exit")
    found = entries(machine)
    assert {entry["line"] for entry in found[1:-1]} == {"bye", "no space"}
    assert found[-1]["line"] == "exited with code 3"
    assert [entry["at"] for entry in found] == sorted(entry["at"] for entry in found)


def test_of_progress_the_last_state_is_printed(machine: Machine) -> None:
    """Of a bar, of a spinner that moves up, and of a list that is drawn again; the history has all of it."""
    drawn = r"""
for n in range(0, 101, 10): os.write(1, b'\r%d%%' % n)
os.write(1, b'\n- wait\n')
for sign in b'|/-': os.write(1, b'\x1b[1A\x1b[2K' + bytes([sign]) + b' wait\n')
os.write(1, b'\x1b[1A\x1b[2Kbuilt\none\ntwo\n\x1b[2A\x1b[2KONE\n\x1b[2KTWO\n')
"""
    machine.write(f'[services.web]\ntype = "task"\ncommand = {programs.command(drawn)}')
    machine.up()
    assert machine.printed("web") == ["100%", "built", "ONE", "TWO"]
    assert machine.printed("web", "-n", "3") == ["ONE", "TWO"], "and the exit"
    assert machine.printed("web", "--grep", "wait") == []


def test_lines_until_a_moment_are_printed(machine: Machine) -> None:
    machine.write('[services.web]\ntype = "task"\ncommand = "echo early; sleep 0.1; echo late"')
    machine.up()
    assert machine.printed("web", "--until", "1ms") == ["early", "late"]
    assert machine.printed("web", "--until", "1h") == []
    early = next(entry["at"] for entry in entries(machine) if entry["line"] == "early")
    query = [("project", "shop"), ("until", str((seconds_of(early) or 0) + 0.002))]
    told = Api(str(machine.home / "run" / "locald.sock")).get("/v1/lines", query)["lines"]
    assert [line["line"] for line in told if line["stream"] == "stdout"] == ["early"]
    refused = machine.locald("logs", "web", "-f", "--until", "1s")
    assert refused.returncode == 2
    assert "--until ends before now" in refused.stderr


def test_streams_stay_apart_and_each_is_in_order(machine: Machine) -> None:
    code = "for n in range(3000): os.write(1 + n % 2, b'%d\\n' % n)"
    machine.write(f'[services.web]\ntype = "task"\ncommand = {programs.command(code)}')
    machine.up()
    found = entries(machine, "-n", "10000")
    for stream, parity in (("stdout", 0), ("stderr", 1)):
        lines = [int(entry["line"]) for entry in found if entry["stream"] == stream]
        assert lines == list(range(parity, 3000, 2))
    assert [entry["at"] for entry in found] == sorted(entry["at"] for entry in found)


def test_output_appears_when_it_is_written_although_the_program_would_buffer(machine: Machine) -> None:
    """Because it has a terminal: Python keeps what it prints into a pipe to itself."""
    code = "print('at once'); import time; time.sleep(9999)"
    command = json.dumps([sys.executable, "-c", code])
    machine.write(f'[services.web]\ntype = "worker"\ncommand = {command}')
    machine.up()
    wait_for(lambda: machine.printed("web") == ["at once"], "the line")


# Following.


def test_following_goes_on_with_new_lines_after_the_history(machine: Machine, web: Puppet) -> None:
    run = web.run()
    run.say("before")
    wait_for(lambda: machine.printed("web") == ["before"], "the first")
    with following(machine, "web") as logs:
        logs.until("before")
        run.say("after", "and after")
        assert logs.until("and after") == ["after", "and after"]


def test_following_without_history_begins_with_what_is_new(machine: Machine, web: Puppet) -> None:
    run = web.run()
    run.say("before")
    wait_for(lambda: machine.printed("web") == ["before"], "the first")
    with following(machine, "web", "-n", "0", "--json") as logs:
        said = iter(range(1, 1000))
        first = None
        while first is None:  # it may take a moment until it follows; what is said until then is not new
            run.say(f"after {next(said)}")
            first = next(iter(read_soon(logs)), None)
    assert json.loads(first)["line"].startswith("after ")


def read_soon(logs: Following) -> list[str]:
    """A line, if one comes before long."""
    assert logs.process.stdout
    ready = select.select([logs.process.stdout], [], [], 0.2)[0]
    return [logs.process.stdout.readline()] if ready else []


def test_following_goes_on_across_runs_and_restarts_of_the_daemon(machine: Machine, web: Puppet) -> None:
    """Each line once, in order."""
    run = web.run()
    run.say("1")
    with following(machine, "web", "--grep", "^[0-9]+$") as logs:
        assert logs.until("1") == ["1"]
        run.do("exit", 1)
        run = web.run()
        run.say("2", "3")
        assert logs.until("3") == ["2", "3"]
        machine.kill_daemon()
        run.say("4")
        machine.locald("status")
        run.say("5")
        assert logs.until("5") == ["4", "5"]
        machine.locald("restart")
        run = web.run()
        run.say("6")
        assert logs.until("6") == ["6"]


def test_following_ends_when_everything_is_stopped(machine: Machine, web: Puppet) -> None:
    run = web.run()
    run.say("hello")
    with following(machine, "web") as logs:
        logs.until("hello")
        assert machine.locald("server", "stop").returncode == 0
        _, err = logs.process.communicate(timeout=PATIENCE)
    assert logs.process.returncode == 0
    assert "daemon stopped" in err


def test_ctrl_c_ends_following(machine: Machine, web: Puppet) -> None:
    web.run().say("hello")
    with following(machine, "web") as logs:
        logs.until("hello")
        logs.process.send_signal(signal.SIGINT)
        _, err = logs.process.communicate(timeout=PATIENCE)
    assert (logs.process.returncode, err) == (130, "")


def test_a_reader_that_has_enough_is_no_error(machine: Machine, web: Puppet) -> None:
    web.run().say(*(f"line {number}" for number in range(20000)))
    wait_for(lambda: machine.printed("web")[-1:] == ["line 19999"], "all of it")
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"{sys.executable} -m locald logs -n 20000 | head -n 1"],
        cwd=machine.folder,
        env=machine.env,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "line 0\n", "")


def test_what_is_printed_while_the_daemon_is_away_is_kept(machine: Machine, web: Puppet) -> None:
    """Also of a run that ends meanwhile."""
    run = web.run()
    run.say("before")
    machine.kill_daemon()
    run.say(*(f"away {number}" for number in range(50)))
    run.do("exit", 1)
    machine.locald("status")
    expected = ["before", *(f"away {number}" for number in range(50))]
    wait_for(lambda: machine.printed("web") == expected, "all of it")


def test_down_forgets_the_history(machine: Machine, web: Puppet) -> None:
    web.run().say("hello")
    history = machine.home / "logs" / "shop" / "web"
    assert history.is_dir()
    machine.locald("down")
    wait_for(lambda: not history.exists(), "the history is gone")
    machine.up()
    web.run().say("again")
    wait_for(lambda: machine.printed("web") == ["again"], "the new history")


def test_who_follows_and_who_asks_afterwards_see_the_same_lines(machine: Machine, web: Puppet) -> None:
    """Of many runs that print much and end at once."""
    run = web.run()
    run.say("n start")
    with following(machine, "web", "--grep", "^n") as logs:
        logs.until("n start")
        for number in range(3):
            run.say(*(f"n {number}.{each}" for each in range(300)))
            run.do("exit", 1)
            run = web.run()
        run.say("n end")
        seen = logs.until("n end")
    assert ["n start", *seen] == machine.printed("web", "-n", "10000")
    assert len(seen) == 901


def test_lines_of_a_level_and_their_times(machine: Machine, web: Puppet) -> None:
    web.run().say("INFO starts", "WARN slow", "plain", "ERROR broken", "DEBUG seen")

    assert machine.locald("logs", "--level", "warn").stdout.splitlines() == ["WARN slow", "ERROR broken"]
    timed = machine.locald("logs", "--level", "error", "-t", "-n", "5").stdout
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z ERROR broken\n", timed)
    assert machine.locald("logs", "--level", "loud").returncode == 2


def test_who_asks_with_a_cursor_gets_what_came_after_it(machine: Machine, web: Puppet) -> None:
    run = web.run()
    run.say("one")
    first = lines_of(machine, "n=1")
    run.say("two")
    machine.locald("server", "restart")
    run.say("three")

    found = lines_of(machine, f"n=10&cursor={first['cursor']}")

    assert [line["line"] for line in first["lines"]] == ["one"]
    assert [line["line"] for line in found["lines"]] == ["two", "three"]
    assert (first["truncated"], found["truncated"]) == (True, False)
    assert "10000 at most" in lines_of(machine, "n=1000000")["problems"][0]["what"]
    assert "cursor" in lines_of(machine, "cursor=rubbish")["problems"][0]["what"]


def lines_of(machine: Machine, query: str) -> Json:
    """What the API answers about lines of the project."""
    url = f"http://locald/v1/lines?project=shop&{query}"
    done = subprocess.run(
        ["curl", "-sS", "--unix-socket", machine.home / "run" / "locald.sock", url],
        capture_output=True,
        check=True,
        timeout=PATIENCE,
    )
    found: Json = json.loads(done.stdout)
    return found
