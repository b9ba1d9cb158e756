"""What a service says of itself by sd_notify, from its own datagram to `status` and `why`."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from whole.looking import at, details, hints, is_healthy, is_in, is_there, is_unhealthy, seconds_until_ready
from whole.machine import Gate, is_alive, kill, wait_for
from whole.programs import PRELUDE, STAY, command, saying

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from whole.machine import Machine

needs_systemd_notify = pytest.mark.skipif(
    shutil.which("systemd-notify") is None, reason="this machine has no systemd-notify"
)


def web(rest: str) -> str:
    return f"[services.web]\n{rest}"


class Speaker:
    """A service that sends what the test tells it, a datagram for each line, from its own process."""

    def __init__(self, folder: Path, first: str = "") -> None:
        self._pipe = folder / "says"
        os.mkfifo(self._pipe)
        self.command = command(
            f"{first}\nwith open({str(self._pipe)!r}) as pipe:\n"
            "    for line in pipe: notify(line.strip().replace(' & ', '\\n'))\nstay()"
        )

    @contextmanager
    def speaking(self) -> Iterator[Speaker]:
        with self._pipe.open("w", buffering=1) as self._file:
            yield self

    def say(self, text: str) -> None:
        """Send one datagram; its assignments are joined by ` & `."""
        self._file.write(f"{text}\n")


@pytest.fixture
def speaker(machine: Machine) -> Speaker:
    return Speaker(machine.folder)


# Readiness.


def test_ready_makes_a_service_healthy_whatever_its_port_does(machine: Machine) -> None:
    machine.write(web(f"command = {saying('READY=1')}"))
    row = machine.up()["web"]
    assert (row["health"], row["source"], row["fallback"]) == ("healthy", "notify", False)
    assert row["because"].startswith(f"pid {row['pid']} (")
    assert row["because"].endswith("sent READY=1")


def test_what_waits_for_ready_is_told_the_address_that_is_listened_on(machine: Machine) -> None:
    serve = command("kept = listen(address='::1'); notify('READY=1'); stay()  # NOTIFY_SOCKET: is waited for")
    machine.write(
        f"""
[services.web]
command = {serve}
[services.next]
type = "task"
command = "echo $WEB"
env = {{ WEB = "${{services.web.url}}" }}
depends_on = ["web"]
"""
    )
    row = machine.up()["web"]
    assert (row["source"], row["address"]) == ("notify", f"[::1]:{row['port']}")
    assert machine.printed("next") == [f"http://[::1]:{row['port']}/"]


def test_who_has_spoken_at_all_is_not_believed_for_an_open_port_alone(machine: Machine) -> None:
    gate = Gate(machine.folder)
    code = f"kept = listen(); gate({str(gate.path)!r}); notify('READY=1'); stay()"
    machine.write(web(f"command = {saying('STATUS=loading 3 of 7', then=code)}"))
    machine.locald("up", "-d")
    machine.until("web", is_there)
    wait_for(lambda: "accepts connections" in details(machine.why("web")), "the port to be seen")
    row = machine.status()["web"]
    assert row["health"] == "starting"
    assert "loading 3 of 7" in row["because"]
    gate.open()
    assert machine.until("web", is_healthy)["source"] == "notify"


def test_who_once_said_ready_is_waited_for_in_later_runs_until_its_command_changes(machine: Machine) -> None:
    """Also over `down`, and when READY=1 never comes the start timeout decides, and `why` says so."""
    silent = machine.folder / "silent"
    code = f"kept = listen(); os.path.exists({str(silent)!r}) or notify('READY=1'); stay()"
    text = web(f'start_timeout = "3s"\ncommand = {command(code)}')
    machine.write(text)
    wait_for(lambda: machine.up()["web"]["source"] == "notify", "READY=1 to be heard")
    machine.locald("down")
    silent.touch()
    up = machine.locald("up")
    assert up.returncode == 1
    assert "READY=1" in up.stderr
    why = machine.why("web")
    assert "waiting for READY=1, which an earlier run sent" in why["because"]
    assert "accepts connections" in details(why)
    assert "READY=1" in hints(why)
    machine.write(text.replace("kept = listen();", "kept = listen(); changed = True;"))
    row = machine.up()["web"]
    assert (row["health"], row["source"]) == ("healthy", "tcp")


def test_ready_and_an_exit_right_after_it_are_both_heard(machine: Machine) -> None:
    machine.write(web(f'restart = "no"\ncommand = {saying("READY=1", then="sys.exit(0)")}'))
    machine.locald("up", "-d")
    row = machine.until("web", is_in("stopped", "failed"))
    assert (row["state"], row["exit_code"]) == ("stopped", 0)
    assert row["ready_at"] is not None
    assert "sent READY=1" in details(machine.why("web"))


@pytest.mark.parametrize("text", ["READY=10", "XREADY=1", "READY=1 ", "READY=0"])
def test_only_the_exact_token_counts(machine: Machine, text: str) -> None:
    machine.write(web(f'type = "worker"\ncommand = {saying(text, "STATUS=that was it")}'))
    machine.locald("up", "-d")
    row = machine.until("web", lambda row: "that was it" in row["because"])
    assert row["health"] == "starting"


@needs_systemd_notify
def test_systemd_notify_in_a_shell_script_works_and_does_not_hang(machine: Machine) -> None:
    """It waits until its socket has been read, five seconds at most, and fails then."""
    machine.write(
        web('command = "systemd-notify --ready --status=ready-to-serve && touch returned; exec sleep 1000"')
    )
    row = machine.up()["web"]
    assert (row["health"], row["source"]) == ("healthy", "notify")
    assert "ready-to-serve" in row["because"]
    wait_for((machine.folder / "returned").exists, "its success")


@needs_systemd_notify
def test_systemd_notify_as_the_only_process_of_a_task_is_believed(machine: Machine) -> None:
    """Of root it shows its parent's pid, which is locald's own."""
    machine.write(web('type = "task"\ncommand = ["systemd-notify", "--ready"]'))
    assert machine.up()["web"]["state"] == "completed"
    why = machine.why("web")
    assert "sent READY=1" in details(why)
    assert "ignored" not in details(why)


NAMED = """
import ctypes, json
ctypes.CDLL(None).prctl(15, b"a\\x1b[31m\\x07b\\r\\nc", 0, 0, 0)  # PR_SET_NAME
"""


def test_a_program_that_calls_itself_something_that_steers_is_shown_as_text(machine: Machine) -> None:
    code = NAMED + "notify('READY=1'); kept = listen(); stay()"
    machine.write(web(f"command = {command(code)}"))
    row = machine.up()["web"]
    assert row["because"] == f"pid {row['pid']} (a b  c) sent READY=1"
    why = machine.why("web")
    assert all(each.isprintable() for each in (why["because"], *details(why).splitlines()))
    log = machine.logs("web")
    assert [line for line in log if "(a b  c) sent READY=1" in line], "on one line"
    assert all(line.isprintable() for line in log)


# What it says besides.


def test_status_is_shown_beside_health_and_an_empty_one_clears_it(machine: Machine, speaker: Speaker) -> None:
    machine.write(web(f"command = {speaker.command}"))
    machine.locald("up", "-d")
    with speaker.speaking():
        speaker.say("READY=1")
        before = machine.until("web", is_healthy)
        speaker.say("STATUS=3 clients,\tall\x1b[31mhappy")
        row = machine.until("web", lambda row: "status:" in row["because"])
        assert row["because"].endswith("(status: 3 clients, allhappy)")
        assert (row["health"], row["since"]) == ("healthy", before["since"])
        speaker.say("STATUS=")
        row = machine.until("web", lambda row: "status" not in row["because"])
        assert row["because"] == before["because"]


def test_a_reload_keeps_health(machine: Machine, speaker: Speaker) -> None:
    machine.write(web(f"command = {speaker.command}"))
    machine.locald("up", "-d")
    with speaker.speaking():
        speaker.say("READY=1")
        machine.until("web", is_healthy)
        speaker.say("RELOADING=1 & MONOTONIC_USEC=1")
        row = machine.until("web", lambda row: "(reloading)" in row["because"])
        assert row["health"] == "healthy"
        speaker.say("READY=1")
        row = machine.until("web", lambda row: "(reloading)" not in row["because"])
        assert row["health"] == "healthy"


def test_stopping_ends_health_at_once_and_for_good(machine: Machine, speaker: Speaker) -> None:
    machine.write(web(f'restart = "always"\ncommand = {speaker.command}'))
    machine.locald("up", "-d")
    with speaker.speaking():
        speaker.say("READY=1")
        pid = machine.until("web", is_healthy)["pid"]
        speaker.say("STOPPING=1")
        row = machine.until("web", is_unhealthy)
        assert (row["state"], row["source"], row["pid"]) == ("stopping", "notify", pid)
        assert "the service sent STOPPING=1" in row["because"]
        speaker.say("READY=1 & STATUS=never mind")
        row = machine.until("web", lambda row: "never mind" in row["because"])
        assert row["health"] == "unhealthy"
    kill(pid)
    machine.until("web", lambda row: row["run"] == 2)


def test_who_says_stopping_and_stays_is_killed_after_the_grace(machine: Machine) -> None:
    stays = saying("READY=1", "STOPPING=1", then="ignore_term(); stay()")
    machine.write(web(f'stop_timeout = "500ms"\nrestart = "no"\ncommand = {stays}'))
    machine.locald("up", "-d")
    row = machine.until("web", is_in("failed", "stopped"))
    assert row["exit_code"] == 128 + signal.SIGKILL


def test_ready_does_not_make_healthy_what_is_being_stopped(machine: Machine) -> None:
    heard = Gate(machine.folder)
    code = (
        f"def end(*_): notify('READY=1'); gate({str(heard.path)!r}); os._exit(0)\n"
        "signal.signal(signal.SIGTERM, end); print('waiting'); stay()"
    )
    machine.write(web(f"command = {command(code)}"))
    machine.locald("up", "-d")
    wait_for(lambda: "waiting" in machine.logs("web"), "the program")
    with machine.begin("stop") as stop:
        wait_for(lambda: "READY=1" in details(machine.why("web")), "READY=1 to be heard")
        row = machine.status()["web"]
        assert (row["state"], row["health"]) == ("stopping", "unhealthy")
        heard.open()
        assert stop.wait(30) == 0
    assert machine.status()["web"]["ready_at"] is None


def test_a_reason_that_the_service_gives_is_shown_when_it_fails(machine: Machine) -> None:
    code = saying("STATUS=cannot read the disk & ERRNO=5".replace(" & ", "\n"), then="sys.exit(1)")
    machine.write(web(f'restart = "no"\ncommand = {code}'))
    up = machine.locald("up")
    assert up.returncode == 1
    assert "exited with code 1" in up.stderr
    assert "errno 5" in up.stderr


def test_more_time_can_be_asked_for_to_start(machine: Machine) -> None:
    """Half a second is not enough, and is enough with what the service asks for."""
    gate = Gate(machine.folder)
    code = f"gate({str(gate.path)!r}); notify('READY=1'); stay()"
    asks = saying("EXTEND_TIMEOUT_USEC=20000000", then=code)
    machine.write(web(f'start_timeout = "1s"\ncommand = {asks}'))
    machine.locald("up", "-d")
    row = machine.until("web", lambda row: "extended by the service until" in row["because"])
    with pytest.raises(AssertionError):
        machine.until("web", lambda row: row["state"] != "starting", patience=1.2)
    gate.open()
    assert machine.until("web", is_healthy)["pid"] == row["pid"]


def test_more_time_can_be_asked_for_to_stop(machine: Machine) -> None:
    gate = Gate(machine.folder)
    code = (
        "def end(*_):\n    notify('EXTEND_TIMEOUT_USEC=20000000')\n"
        f"    gate({str(gate.path)!r}); os._exit(0)\n"
        "signal.signal(signal.SIGTERM, end); notify('READY=1'); stay()"
    )
    machine.write(web(f'stop_timeout = "500ms"\ncommand = {command(code)}'))
    machine.up()
    with machine.begin("stop") as stop:
        machine.until("web", is_in("stopping"))
        with pytest.raises(AssertionError):
            machine.until("web", is_in("stopped"), patience=1)
        gate.open()
        assert stop.wait(30) == 0
    assert machine.status()["web"]["exit_code"] == 0


# The watchdog.


def test_who_keeps_its_watchdog_promise_stays_healthy_and_who_breaks_it_is_restarted(
    machine: Machine,
) -> None:
    quiet = machine.folder / "quiet"
    code = (
        "mine = os.environ['WATCHDOG_PID'] == str(os.getpid())\n"
        "append('seen', f'{os.environ[\"WATCHDOG_USEC\"]} {mine}'); notify('READY=1')\n"
        f"while not os.path.exists({str(quiet)!r}): notify('WATCHDOG=1'); time.sleep(0.05)\n"
        "stay()"
    )
    machine.write(web(f'watchdog = "600ms"\ncommand = {command(code)}'))
    before = machine.up()["web"]
    with pytest.raises(AssertionError):
        machine.until("web", lambda row: not is_healthy(row), patience=1.5)
    quiet.touch()
    row = machine.until("web", is_unhealthy)
    assert "sent no WATCHDOG=1 within 600ms" in row["because"]
    quiet.unlink()
    row = machine.until("web", lambda row: row["run"] == 2 and is_healthy(row))
    assert row["restarts"] == 1
    assert not is_alive(before["pid"])
    assert (machine.folder / "seen").read_text().splitlines() == ["600000 True"] * 2


def test_without_a_watchdog_none_is_promised(machine: Machine) -> None:
    code = "append('seen', str([name for name in os.environ if name.startswith('WATCHDOG')]))"
    machine.write(web(f"command = {command(f'{code}; kept = listen(); stay()')}"))
    assert machine.locald("up", env={"WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"}).returncode == 0
    assert (machine.folder / "seen").read_text() == "[]\n"


def test_a_service_may_set_its_watchdog_and_let_it_expire_at_once(machine: Machine, speaker: Speaker) -> None:
    machine.write(web(f'restart = "no"\ncommand = {speaker.command}'))
    machine.locald("up", "-d")
    with speaker.speaking():
        speaker.say("READY=1 & WATCHDOG_USEC=60000000")
        machine.until("web", is_healthy)
        speaker.say("WATCHDOG=trigger")
        row = machine.until("web", is_in("failed"))
    assert "WATCHDOG=trigger" in row["because"]


# The main process.


def names_itself(machine: Machine, then: str) -> str:
    """Python that starts a server which says that it is the main process, in a session of its own."""
    says = "notify(f'MAINPID={os.getpid()}\\nREADY=1')"
    machine.file("server.py", f"{PRELUDE}\nappend('pids', os.getpid()); {says}; {then}")
    return f"os.spawnlp(os.P_NOWAIT, 'setsid', 'setsid', {sys.executable!r}, 'server.py')"


def test_the_process_that_mainpid_names_is_the_one_that_is_watched(machine: Machine) -> None:
    """The launcher ends, the service does not; when the named process ends, the run has ended."""
    leave = Gate(machine.folder)
    start = names_itself(machine, "stay()")
    machine.write(web(f"command = {command(f'{start}; gate({str(leave.path)!r})')}"))
    row = machine.up()["web"]
    main = int((machine.folder / "pids").read_text())
    assert (row["pid"], row["source"]) == (main, "notify")
    leave.open()
    with pytest.raises(AssertionError):
        machine.until("web", lambda row: row["pid"] != main, patience=0.7)
    os.kill(main, signal.SIGUSR1)
    row = machine.until("web", lambda row: row["run"] == 2)
    assert row["restarts"] == 1
    assert f"killed by {signal.SIGUSR1.name}" in "\n".join(machine.logs("web"))


def test_the_main_process_s_exit_code_is_the_run_s_and_the_launcher_is_ended(machine: Machine) -> None:
    gate = Gate(machine.folder)
    start = names_itself(machine, f"gate({str(gate.path)!r}); sys.exit(9)")
    code = f"append('launcher', os.getpid()); {start}; stay()"
    machine.write(web(f'restart = "no"\ncommand = {command(code)}'))
    machine.up()
    gate.open()
    row = machine.until("web", is_in("failed"))
    assert (row["exit_code"], row["because"]) == (9, "exited with code 9")
    assert not is_alive(int((machine.folder / "launcher").read_text()))


def test_the_next_daemon_knows_the_main_process_too(machine: Machine) -> None:
    start = names_itself(machine, "stay()")
    machine.write(web(f'restart = "no"\ncommand = {command(f"{start}; stay()")}'))
    main = machine.up()["web"]["pid"]
    machine.kill_daemon()
    machine.locald("status")
    row = machine.until("web", lambda row: row["pid"] == main)  # at first it tells what was saved last
    assert row["run"] == 1
    os.kill(main, signal.SIGUSR1)
    assert machine.until("web", is_in("failed"))["exit_code"] == 128 + signal.SIGUSR1


def test_a_mainpid_outside_of_the_service_changes_nothing(machine: Machine) -> None:
    machine.write(web(f"command = {saying(f'MAINPID={os.getpid()}', 'MAINPID=1', 'READY=1')}"))
    row = machine.up()["web"]
    assert row["pid"] not in (1, os.getpid())
    assert is_alive(row["pid"])
    machine.locald("stop")
    assert not is_alive(row["pid"])


# Who may speak.


def test_senders_that_were_turned_away_are_in_the_evidence_and_change_nothing(machine: Machine) -> None:
    path = machine.folder / "socket"
    code = f"append({str(path)!r}, os.environ['NOTIFY_SOCKET']); notify('READY=1'); stay()"
    machine.write(web(f"command = {command(code)}"))
    before = machine.up()["web"]
    speak = f"{PRELUDE}\nnotify('STOPPING=1', sys.argv[1]); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", speak, path.read_text().strip()], stdin=subprocess.PIPE
    ) as stranger:
        ignored = f"STOPPING=1 from pid {stranger.pid}"
        wait_for(lambda: ignored in details(machine.why("web")), "the stranger's word")
        assert stranger.stdin
        stranger.stdin.close()
        stranger.wait(30)
    evidence = [each for each in machine.why("web")["evidence"] if ignored in each["detail"]]
    assert [(each["source"], each["ok"]) for each in evidence] == [("notify", False)]
    assert evidence[0]["detail"].startswith(f"ignored {ignored}")
    assert evidence[0]["detail"].endswith("a process outside the service")
    assert at(evidence[0]["at"]) >= at(before["ready_at"])
    row = machine.status()["web"]
    assert (row["health"], row["because"]) == ("healthy", before["because"])


def test_one_service_cannot_speak_for_another(machine: Machine) -> None:
    path = machine.folder / "socket"
    tells = command(f"append({str(path)!r}, os.environ['NOTIFY_SOCKET']); stay()")
    speaks = command(f"notify('READY=1', open({str(path)!r}).read().strip()); stay()")
    machine.write(
        web(f"command = {tells}")
        + f'\n[services.liar]\ncommand = {speaks}\ntype = "worker"\ndepends_on = {{ web = "started" }}'
    )
    machine.locald("up", "web", "-d")
    wait_for(lambda: path.exists() and path.read_text().endswith("\n"), "the path of the socket")
    machine.locald("up", "-d")
    liar = machine.until("liar", is_there)
    wait_for(lambda: f"READY=1 from pid {liar['pid']}" in details(machine.why("web")), "the lie")
    assert machine.status()["web"]["health"] == "starting"


def test_the_socket_is_locald_s_own_whatever_the_user_sets(machine: Machine) -> None:
    """Neither `env` nor the shell; and each run has a socket of its own."""
    code = "append('seen', os.environ['NOTIFY_SOCKET']); notify('READY=1'); stay()"
    machine.write(web(f'env = {{ NOTIFY_SOCKET = "/run/mine" }}\ncommand = {command(code)}'))
    up = machine.locald("up", env={"NOTIFY_SOCKET": "/run/the-shell-s"})
    assert up.returncode == 0
    assert "NOTIFY_SOCKET is set by locald; value ignored" in up.stderr
    machine.locald("restart")
    first, second = (machine.folder / "seen").read_text().split()
    assert first != second
    assert first.startswith(str(machine.home))
    assert len(first) < 108


def test_what_runs_without_a_word_needs_no_socket(machine: Machine) -> None:
    """Silence blocks nobody."""
    machine.write(web(f'type = "worker"\ncommand = {STAY}'))
    assert machine.up()["web"]["source"] == "process"


# Who can notify is given a moment.

SPEAKS = "os.environ['NOTIFY_SOCKET']"


def test_a_port_that_opens_before_ready_is_not_believed_at_the_first_start(machine: Machine) -> None:
    """PostgreSQL, named and others answer with errors in between."""
    code = f"kept = listen(); time.sleep(0.3); notify('READY=1', {SPEAKS}); stay()"
    machine.write(f"[services.web]\ncommand = {command(code)}\n")
    row = machine.up()["web"]
    assert (row["health"], row["source"]) == ("healthy", "notify")
    seen = [each for each in machine.why("web")["evidence"] if each["source"] == "tcp" and each["ok"]]
    assert seen
    assert seen[-1]["at"] < row["ready_at"]


def test_a_program_that_could_speak_and_does_not_is_waited_for_once(machine: Machine) -> None:
    code = f"mine = {SPEAKS}; kept = listen(); stay()"
    machine.write(f"[services.web]\ncommand = {command(code)}\n")
    first = machine.up()["web"]
    assert (first["health"], first["source"]) == ("healthy", "tcp")
    assert seconds_until_ready(first) >= 1
    assert machine.locald("restart").returncode == 0
    assert seconds_until_ready(machine.status()["web"]) < 1
    machine.kill_daemon()
    assert machine.locald("restart").returncode == 0, "it is remembered by the next daemon too"
    assert seconds_until_ready(machine.status()["web"]) < 1


def test_a_failing_tool_of_systemd_in_the_start_script_promises_nothing(machine: Machine) -> None:
    """`systemctl is-active x; exec server`: the tool sends ERRNO= by itself."""
    says = command(f"notify('ERRNO=112', {SPEAKS})")
    serves = command("kept = listen(); stay()")
    script = machine.file(
        "start.py", f"import subprocess\nsubprocess.run({says})\nsubprocess.run({serves})\n"
    )
    machine.write(f"[services.web]\ncommand = [{sys.executable!r}, {str(script)!r}]\n")
    assert machine.up()["web"]["source"] == "tcp"
