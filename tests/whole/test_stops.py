"""The end of services, when somebody wants it: in order, within the grace, and with nothing left."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING

import pytest

from whole.looking import is_healthy, is_in, is_there
from whole.machine import Events, Gate, is_alive, wait_for
from whole.programs import PRELUDE, SERVE, command, serve_after

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from whole.machine import Machine
    from whole.puppet import Puppet

    Make = Callable[[str], Puppet]


def web(rest: str) -> str:
    return f"[services.web]\n{rest}"


def told_when_it_ends(path: Path, name: str, *, before: str = "pass") -> str:
    """A server that writes its name when it is told to stop, and again when it ends."""
    return command(
        f"def end(*_):\n    append({str(path)!r}, 'told {name}')\n    {before}\n"
        f"    append({str(path)!r}, 'ended {name}')\n    os._exit(0)\n"
        "signal.signal(signal.SIGTERM, end); kept = listen(); stay()"
    )


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def alive(path: Path) -> list[int]:
    """The processes whose ids the file holds, as far as they live."""
    return [pid for pid in map(int, lines(path)) if is_alive(pid)]


# Stop.


def test_who_honours_the_signal_is_stopped_within_a_second(machine: Machine) -> None:
    machine.write(web(f"command = {SERVE}"))
    pid = machine.up()["web"]["pid"]
    begun = time.monotonic()
    done = machine.locald("stop")
    assert time.monotonic() - begun < 3  # the command's own start included
    assert done.returncode == 0
    assert done.stderr == "stopped web\n"
    assert not is_alive(pid)
    row = machine.status()["web"]
    assert (row["state"], row["health"], row["pid"], row["because"]) == (
        "stopped",
        "unknown",
        None,
        "stopped by user",
    )


def test_who_ignores_the_signal_is_stopping_until_the_grace_is_over_and_then_gone(machine: Machine) -> None:
    machine.write(web(f'stop_timeout = "2s"\ncommand = {command("ignore_term(); kept = listen(); stay()")}'))
    pid = machine.up()["web"]["pid"]
    begun = time.monotonic()
    with machine.begin("stop") as stop:
        row = machine.until("web", is_in("stopping"))
        assert (row["health"], row["pid"], row["because"]) == (
            "unhealthy",
            pid,
            "stopping, requested by user",
        )
        assert stop.wait(30) == 0
    assert 2 <= time.monotonic() - begun < 6
    assert not is_alive(pid)
    row = machine.status()["web"]
    assert (row["state"], row["exit_code"]) == ("stopped", 128 + signal.SIGKILL)


@pytest.mark.parametrize("signal_", ["honoured", "ignored"])
def test_no_process_of_the_service_is_left_wherever_it_went(machine: Machine, signal_: str) -> None:
    """Background children, one in another session, one that forked twice, one without its environment."""
    pids = machine.folder / "pids"
    ignore = "ignore_term(); " if signal_ == "ignored" else ""
    child = machine.file("child.py", f"{PRELUDE}\n{ignore}append(sys.argv[1], os.getpid()); stay()")
    run = f"{sys.executable} -S -E {child} {pids}"
    machine.file(
        "wrapper.sh",
        f"{run} &\nsetsid {run} &\n(setsid sh -c '{run} &' &)\nsetsid env -i {run} &\n"
        f"exec {sys.executable} -S -E leader.py\n",
    )
    machine.file("leader.py", f"{PRELUDE}\n{ignore}kept = listen(); stay()")
    machine.write(web('stop_timeout = "300ms"\ncommand = "sh wrapper.sh"'))
    machine.up()
    wait_for(lambda: len(alive(pids)) == 4, "four children")
    assert machine.locald("stop").returncode == 0
    assert alive(pids) == []


def test_a_process_that_was_stopped_goes_on_to_hear_the_stop_signal(machine: Machine, puppet: Make) -> None:
    """With its grace it would be killed only after ten minutes."""
    web_ = puppet("web")
    machine.write(f'[services.web]\ntype = "worker"\nstop_timeout = "10m"\ncommand = {web_.command}')
    machine.up()
    os.kill(web_.run().pid, signal.SIGSTOP)
    assert machine.locald("stop").returncode == 0
    assert machine.status()["web"]["exit_code"] == 128 + signal.SIGTERM


def test_the_stop_signal_goes_to_every_process_of_the_service(machine: Machine) -> None:
    told, ready = machine.folder / "told", machine.folder / "ready"
    code = (
        "def end(number, _):\n"
        f"    append({str(told)!r}, signal.Signals(number).name)\n    os._exit(0)\n"
        "for number in (signal.SIGTERM, signal.SIGINT): signal.signal(number, end)\n"
        f"append({str(ready)!r}, os.getpid())\n"
    )
    machine.file("child.py", f"{PRELUDE}\n{code}stay()")
    leader = command(
        f"os.spawnlp(os.P_NOWAIT, 'setsid', 'setsid', {sys.executable!r}, 'child.py')\n{code}stay()"
    )
    machine.write(web(f'type = "worker"\nstop_signal = "SIGINT"\ncommand = {leader}'))
    machine.up()
    wait_for(lambda: len(lines(ready)) == 2, "both to be ready")
    assert machine.locald("stop").returncode == 0
    assert lines(told) == ["SIGINT", "SIGINT"]


def test_what_is_always_restarted_stays_stopped_when_it_is_stopped(machine: Machine) -> None:
    starts = machine.folder / "starts"
    code = f"append({str(starts)!r}, 'x'); kept = listen(); stay()"
    machine.write(web(f'restart = "always"\ncommand = {command(code)}'))
    machine.up()
    machine.locald("stop")
    with pytest.raises(AssertionError):
        machine.until("web", lambda row: row["state"] != "stopped", patience=0.5)
    assert lines(starts) == ["x"]
    assert machine.locald("wait").returncode == 1


def test_a_service_can_be_stopped_while_it_starts_waits_or_is_due_again(machine: Machine) -> None:
    gate, starts = Gate(machine.folder), machine.folder / "starts"
    crash = command(f"append({str(starts)!r}, 'x'); sys.exit(1)")
    machine.write(
        f"[services.starting]\ncommand = {serve_after(gate.path)}\n"
        f'[services.waiting]\ncommand = {SERVE}\ndepends_on = ["starting"]\n'
        f"[services.due]\nmax_restarts = 1000\ncommand = {crash}\n"
    )
    machine.locald("up", "-d")
    machine.until_all(
        lambda rows: (
            is_there(rows["starting"])
            and rows["waiting"]["state"] == "waiting"
            and rows["due"]["restarts"] >= 3
            and rows["due"]["state"] == "backoff"
        )
    )
    assert machine.locald("stop").returncode == 0
    rows = machine.status()
    assert {row["state"] for row in rows.values()} == {"stopped"}
    assert [row["pid"] for row in rows.values()] == [None, None, None]
    count = len(lines(starts))
    with pytest.raises(AssertionError):
        machine.until_all(lambda rows: any(row["state"] != "stopped" for row in rows.values()), patience=1)
    assert len(lines(starts)) == count


def test_what_is_stopped_starts_again_with_up(machine: Machine) -> None:
    machine.write(web(f"command = {SERVE}"))
    before = machine.up()["web"]
    machine.locald("stop")
    row = machine.up()["web"]
    assert (row["health"], row["run"], row["port"]) == ("healthy", 2, before["port"])


def test_to_stop_what_does_not_run_is_done_already(machine: Machine) -> None:
    machine.write(web(f"command = {SERVE}"))
    done = machine.locald("stop")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "nothing is running\n")
    assert not (machine.home / "run" / "locald.sock").exists()
    machine.locald("up")
    machine.locald("stop")
    assert machine.locald("stop").returncode == 0
    assert machine.locald("down").returncode == 0
    assert machine.locald("down").returncode == 0


def test_a_name_that_is_no_service_is_refused_with_the_near_match(machine: Machine) -> None:
    machine.write(f"[services.backend]\ncommand = {SERVE}")
    before = machine.up()["backend"]
    for verb in ("stop", "restart", "wait", "up"):
        done = machine.locald(verb, "bakcend")
        assert done.returncode == 2
        assert 'did you mean "backend"?' in done.stderr
    assert machine.status()["backend"]["pid"] == before["pid"]


# Order.


def diamond(path: Path, *, before: dict[str, str]) -> str:
    """A <- C, D <- B."""
    needs = {"a": [], "c": ["a"], "d": ["a"], "b": ["c", "d"]}
    return "".join(
        f"[services.{name}]\ndepends_on = {on}\n"
        f"command = {told_when_it_ends(path, name, before=before.get(name, 'pass'))}\n"
        for name, on in needs.items()
    )


def test_down_ends_dependents_first_and_independent_ones_together(machine: Machine) -> None:
    """C and D end only after both were told to."""
    path = machine.folder / "ends"
    met = f"while len([1 for line in open({str(path)!r}) if line[:4] == 'told']) < 3: time.sleep(0.005)"
    machine.write(diamond(path, before={"c": met, "d": met}))
    machine.up()
    assert machine.locald("down").returncode == 0
    said = lines(path)
    assert said[:2] == ["told b", "ended b"]
    assert sorted(said[2:4]) == ["told c", "told d"]
    assert sorted(said[4:6]) == ["ended c", "ended d"]
    assert said[6:] == ["told a", "ended a"]


def test_down_says_after_two_seconds_what_it_waits_for(machine: Machine) -> None:
    gate = Gate(machine.folder)
    machine.write(
        diamond(machine.folder / "ends", before={"c": f"gate({str(gate.path)!r})"})
        + f"[services.quick]\ncommand = {SERVE}"
    )
    machine.up()
    with machine.begin("down") as down:
        assert down.stderr
        begun = time.monotonic()
        waiting = down.stderr.readline()
        assert 1.5 < time.monotonic() - begun < 8
        assert "waiting for" in waiting
        said = waiting if " c: " in waiting else down.stderr.readline()
        assert "waiting for c: stopping, requested by user" in said
        gate.open()
        assert down.wait(30) == 0
        assert "quick" not in said


def test_a_quick_end_needs_no_words_on_what_is_waited_for(machine: Machine) -> None:
    machine.write(diamond(machine.folder / "ends", before={}))
    machine.up()
    done = machine.locald("down")
    assert done.stderr == "shop is down\n"


def test_stop_of_one_ends_what_depends_on_it_first(machine: Machine) -> None:
    path = machine.folder / "ends"
    machine.write(diamond(path, before={}))
    before = machine.up()
    assert machine.locald("stop", "c").returncode == 0
    assert lines(path) == ["told b", "ended b", "told c", "ended c"]
    rows = machine.status()
    assert {name: row["state"] for name, row in rows.items()} == {
        "a": "running",
        "b": "blocked",
        "c": "stopped",
        "d": "running",
    }
    assert [rows[name]["pid"] == before[name]["pid"] for name in "ad"] == [True, True]


def test_down_forgets_the_project(machine: Machine) -> None:
    machine.write(web(f"command = {SERVE}"))
    machine.up()
    assert machine.locald("down").returncode == 0
    assert machine.status("--all") == {}
    row = machine.status()["web"]
    assert (row["state"], row["run"], row["restarts"]) == ("stopped", 0, 0)
    assert machine.up()["web"]["run"] == 1


def test_stop_outlives_the_command_that_asked_for_it(machine: Machine) -> None:
    """Ctrl-C in `stop` leaves the stopping going on."""
    gate = Gate(machine.folder)
    machine.write(diamond(machine.folder / "ends", before={"c": f"gate({str(gate.path)!r})"}))
    machine.up()
    with machine.begin("stop") as stop:
        machine.until("c", is_in("stopping"))
        stop.send_signal(signal.SIGINT)
        assert stop.wait(30) == 130
    gate.open()
    machine.until_all(lambda rows: {row["state"] for row in rows.values()} == {"stopped"})


def test_what_is_asked_for_again_while_it_stops_starts_anew(machine: Machine) -> None:
    """And `stop` returns: what it was to end has ended."""
    gate, ends = Gate(machine.folder), machine.folder / "ends"
    once = f"os.path.exists('again') or gate({str(gate.path)!r})"
    machine.write(web(f"command = {told_when_it_ends(ends, 'web', before=once)}"))
    before = machine.up()["web"]
    with machine.begin("stop") as stop:
        machine.until("web", is_in("stopping"))
        machine.locald("up", "-d")
        gate.open()
        _, said = stop.communicate(timeout=30)
    assert (stop.returncode, said) == (0, "running again: web\n")
    (machine.folder / "again").touch()
    row = machine.until("web", is_healthy)
    assert row["run"] == 2
    assert lines(ends) == ["told web", "ended web"]
    assert not is_alive(before["pid"])


def test_who_waits_for_news_does_not_hold_up_the_end_of_the_daemon(machine: Machine) -> None:
    machine.write(web(f"command = {SERVE}"))
    machine.up()
    pid = machine.daemon_pid()
    with machine.begin("logs", "-f") as logs, Events(machine.home / "run" / "locald.sock"):
        begun = time.monotonic()
        os.kill(pid, signal.SIGTERM)
        wait_for(lambda: not is_alive(pid), "the end of the daemon")
        assert time.monotonic() - begun < 2.5
        wait_for(lambda: machine.locald("ping").returncode == 0, "the next daemon, which the reader starts")
        logs.send_signal(signal.SIGINT)


def test_a_reader_who_has_gone_before_the_answer_is_no_fault(machine: Machine) -> None:
    """The machine's own end looks for complaints in the daemon's log."""
    machine.write(web(f"command = {SERVE}"))
    machine.up()
    for path in ("/v1/events", "/v1/logs?project=shop&follow=1", "/v1/status"):
        for _ in range(20):
            with socket.socket(socket.AF_UNIX) as reader:
                reader.connect(str(machine.home / "run" / "locald.sock"))
                reader.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    assert machine.status()["web"]["health"] == "healthy"
    assert "Traceback" not in (machine.home / "logs" / "daemon.log").read_text()
