"""Daemons come and go, hang and babble; the keeper keeps, and tells the next one all that happened."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from keeping import (
    PATIENCE,
    Daemon,
    Keeping,
    children_of,
    connect_quietly,
    files_of,
    notify,
    once,
    own_house,
    python,
    sh,
    tree_of,
    wait_dead,
    wait_until,
)
from locald.client.daemon import holder_of
from locald.keeper import launch
from locald.keeper.runs import reserve
from locald.keeper.wire import server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from keeping import Event

WEB = "shop:web#1"


def without_replayed(events: list[Event], run: str) -> list[Event]:
    return [
        {name: fact for name, fact in event.items() if name != "replayed"}
        for event in events
        if event.get("run") == run
    ]


# The next daemon.


@once
def test_a_new_daemon_hears_of_each_run_all_that_happened_in_order(daemon: Daemon, keeping: Keeping) -> None:
    daemon.spawn(WEB, ["sh", "-c", '"$@"; exit 3', "-", *notify("READY=1\nSTATUS=up")])
    daemon.spawn("shop:api#1", ["no-such-program"])
    daemon.spawn("shop:db#4", ["sleep", "1000"])
    daemon.wait("gone", WEB)
    daemon.wait("refused", "shop:api#1")
    daemon.wait("spawned", "shop:db#4")
    daemon.close()
    again = keeping.daemon()
    for run in (WEB, "shop:api#1", "shop:db#4"):
        assert without_replayed(again.events, run) == without_replayed(daemon.events, run)
    assert all(event.get("replayed") for event in again.events if "run" in event)
    assert [event["event"] for event in again.events][0 :: len(again.events) - 1] == ["hello", "replayed"]


def test_what_happens_while_no_daemon_is_there_is_replayed(daemon: Daemon, keeping: Keeping) -> None:
    gate = keeping.gate("gate")
    pid = daemon.start(WEB, ["sh", "-c", f'read _ < {gate}; "$@"; exit 3', "-", *notify("READY=1")])["pid"]
    daemon.close()
    gate.write()
    wait_dead([pid])
    again = keeping.daemon()
    again.wait("gone", WEB)
    told = [kind for kind in again.of(WEB) if kind != "ended"]  # of the sender, if it was seen alive
    assert told == ["spawned", "notified", "exited", "gone"]


@once
def test_the_clock_is_the_same_for_every_daemon(daemon: Daemon, keeping: Keeping) -> None:
    daemon.start(WEB, ["sleep", "1000"])
    again = keeping.daemon()
    first, second = (each.events[0] for each in (daemon, again))
    assert (first["epoch"], first["pid"]) == (second["epoch"], second["pid"])
    assert first["at"] <= second["at"]


@once
def test_a_forgotten_run_is_replayed_no_more(daemon: Daemon, keeping: Keeping) -> None:
    daemon.start(WEB, ["true"])
    daemon.send(do="forget", run=WEB)
    daemon.wait_for(lambda event: event["event"] in ("error", "gone"), "answer")
    daemon.start("shop:web#2", ["true"])
    daemon.wait("gone", "shop:web#2")
    daemon.send(do="forget", run="shop:web#2")
    daemon.fence()
    assert "shop:web#2" not in [event.get("run") for event in keeping.daemon().events]


@once
def test_a_new_daemon_takes_the_place_of_the_old_one(daemon: Daemon, keeping: Keeping) -> None:
    again = keeping.daemon()
    daemon.until_closed()
    again.start(WEB, ["true"])


@once
def test_who_only_connects_disturbs_nobody(daemon: Daemon, keeping: Keeping) -> None:
    guests = [connect_quietly(keeping.run) for _ in range(40)]
    daemon.start(WEB, ["true"])
    for guest in guests:
        guest.close()
    daemon.start("shop:web#2", ["true"])


@once
def test_who_has_not_said_hello_can_ask_for_nothing(daemon: Daemon, keeping: Keeping) -> None:
    guest = Daemon(keeping.run, daemon.logs)
    guest.spawn(WEB, ["true"])
    assert guest.wait("error")["text"] == "say hello first"
    guest.close()
    assert children_of(keeping.pid) == []


@once
def test_a_later_protocol_is_answered_with_ours(daemon: Daemon, keeping: Keeping) -> None:
    later = Daemon(keeping.run, daemon.logs)
    later.send(do="hello", protocol=7, more={"to": "come"})
    assert later.wait("hello")["protocol"] == 1
    later.close()


# One that misbehaves.


MALFORMED = [
    b"",
    b"nonsense",
    b"[]",
    b"{}",
    b"\xff\xfe",
    b"[" * 100_000,
    b'{"do": 5}',
    b'{"do": "dance"}',
    b'{"do": "dance", "run": "shop:web#1"}',
    b'{"do": "spawn"}',
    b'{"do": "spawn", "run": "shop:web"}',
    b'{"do": "spawn", "run": "../../etc#1"}',
    b'{"do": "spawn", "run": "shop:web#1"}',
    b'{"do": "signal", "run": "shop:web#1"}',
    b'{"do": "signal", "run": "shop:web#1", "signal": 0}',
    b'{"do": "signal", "run": "shop:web#1", "signal": 1000}',
    b'{"do": "signal", "run": "nobody", "signal": 9}',
    b'{"do": "note", "run": "shop:web#1"}',
    b'{"do": "tail", "run": "shop:web#1", "on": 1}',
    b'{"do": "forget", "run": "shop:web#1"}',
    b'{"do": "hello"}',
]


@once
def test_a_malformed_request_is_answered_with_an_error_and_nothing_happens(daemon: Daemon) -> None:
    pid = daemon.start(WEB, ["sleep", "1000"])["pid"]
    for line in MALFORMED:
        daemon.socket.sendall(line + b"\n")
        assert daemon.wait_for(lambda event: event["event"] in ("error", "refused"), repr(line[:60]))["text"]
    daemon.fence()
    assert daemon.of(WEB)[0] == "spawned"
    assert not {"exited", "gone", "stuck"} & set(daemon.of(WEB))
    os.kill(pid, 0)


@once
def test_an_error_says_which_request_it_is_about(daemon: Daemon) -> None:
    """Who waits for the end of a spawn would wait for ever for one that was refused."""
    daemon.start(WEB, ["sleep", "1000"])
    daemon.spawn(WEB, ["true"])
    error = daemon.wait("error")
    assert (error["do"], error["run"], error["text"]) == ("spawn", WEB, "the run already exists")
    daemon.send(do="forget", run=WEB)
    error = daemon.wait("error")
    assert (error["do"], error["run"], error["text"]) == ("forget", WEB, "the run has not ended")


@once
def test_requests_may_come_in_any_pieces(daemon: Daemon) -> None:
    request = json.dumps({"do": "tail", "run": "nobody", "on": True}).encode() + b"\n"
    for byte in request:
        daemon.socket.sendall(bytes([byte]))
    assert daemon.wait("error")["text"] == "no such run"
    daemon.socket.sendall(request * 100)
    for _ in range(100):
        daemon.wait("error")


@once
def test_a_line_without_end_costs_the_connection_only(daemon: Daemon, keeping: Keeping) -> None:
    daemon.start(WEB, ["sleep", "1000"])
    with pytest.raises(OSError, match=r"reset|Broken"):
        daemon.socket.sendall(b"x" * 40_000_000)
    assert keeping.daemon().of(WEB) == ["spawned"]


@once
def test_a_daemon_that_does_not_read_is_told_the_last_word_when_it_does(
    daemon: Daemon, keeping: Keeping
) -> None:
    done = keeping.gate("done")
    script = (
        "import os,socket\n"
        "s = socket.socket(1, 2); s.connect(os.environ['NOTIFY_SOCKET'])\n"
        "for n in range(1000): s.send(b'STATUS=%d ' % n + b'x' * 3000)\n"
        f"open({str(done)!r}, 'w').write('done\\n')"
    )
    daemon.spawn(WEB, python(script))
    assert done.read() == "done"
    daemon.wait("gone", WEB)
    last = [event for event in daemon.events if event["event"] == "notified"][-1]
    assert base64.b64decode(last["data"]).startswith(b"STATUS=999 ")


@once
def test_a_daemon_that_does_not_read_its_answers_is_dropped_and_delays_nobody(
    daemon: Daemon, keeping: Keeping
) -> None:
    daemon.start(WEB, ["sleep", "1000"])
    asked = json.dumps({"do": "x" * 100_000, "run": WEB}).encode() + b"\n"
    with pytest.raises(OSError, match=r"reset|Broken"):
        daemon.socket.sendall(asked * 1000)
    assert keeping.daemon().of(WEB) == ["spawned"]


@once
def test_a_daemon_that_dies_in_the_middle_harms_nobody(daemon: Daemon, keeping: Keeping) -> None:
    spawned = daemon.start(WEB, ["sleep", "1000"])
    daemon.socket.sendall(b'{"do": "kill", "ru')
    daemon.close()
    again = keeping.daemon()
    assert again.of(WEB) == ["spawned"]
    assert tree_of(spawned).pids() == [spawned["pid"]]


# Coming and going.


def test_signals_do_not_end_a_keeper_that_holds_runs(daemon: Daemon, keeping: Keeping) -> None:
    spawned = daemon.start(WEB, ["sleep", "1000"])
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(keeping.pid, number)
        if "reaper" in spawned["tree"]:
            os.kill(spawned["tree"]["reaper"], number)
    daemon.start("shop:web#2", ["true"])
    daemon.wait("gone", "shop:web#2")
    assert daemon.of(WEB) == ["spawned"]


@once
def test_a_signal_ends_an_idle_keeper(daemon: Daemon, keeping: Keeping) -> None:
    os.kill(keeping.pid, signal.SIGTERM)
    daemon.until_closed()
    wait_dead([keeping.pid])
    assert sorted(os.listdir(keeping.run)) == ["keeper.lock", "n", "runs"]


@once
def test_quit_ends_it_as_soon_as_nothing_is_held(daemon: Daemon, keeping: Keeping) -> None:
    daemon.start(WEB, ["sleep", "1000"])
    daemon.send(do="quit")
    daemon.send(do="kill", run=WEB)
    daemon.wait("gone", WEB)
    daemon.send(do="forget", run=WEB)
    daemon.until_closed()
    wait_dead([keeping.pid])


@once
def test_without_daemon_and_runs_it_ends_by_itself(daemon: Daemon, keeping: Keeping) -> None:
    daemon.close()
    wait_dead([keeping.pid])
    assert not os.path.exists(os.path.join(keeping.run, "keeper.sock"))


@own_house
@once
def test_of_several_started_at_once_one_stays(keeping: Keeping) -> None:
    threads = [threading.Thread(target=keeping.start) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    daemon = keeping.daemon()
    pid = daemon.events[0]["pid"]
    keeping.start()
    assert keeping.daemon().events[0]["pid"] == pid


@own_house
@once
def test_a_keeper_inherits_nothing(daemon: Daemon, keeping: Keeping) -> None:
    """Not the environment, not the folder, not the session, no descriptor but its log. Some it holds back."""
    process = f"/proc/{keeping.pid}"
    with open(f"{process}/environ", "rb") as file:
        assert {entry.split(b"=")[0] for entry in file.read().split(b"\0")} <= {
            b"",
            b"LOCALD_TREE",
            b"LD_LIBRARY_PATH",
        }
    assert os.readlink(f"{process}/cwd") == "/"
    assert os.getsid(keeping.pid) not in (os.getsid(0), keeping.pid)
    assert [os.readlink(f"{process}/fd/{number}") for number in range(3)] == [
        "/dev/null",
        str(keeping.log),
        str(keeping.log),
    ]
    expected = [
        "/dev/null",
        str(keeping.log),
        str(keeping.log),
        os.path.join(keeping.run, "keeper.lock"),
        *["/dev/null"] * reserve.SIZE,
        f"/proc/{keeping.pid}/mountinfo",
    ]
    wait_until(
        lambda: [name for name in files_of(keeping.pid) if name.startswith("/")] == expected,
        "other files are open",
    )


@once
def test_a_stale_socket_of_a_dead_keeper_is_no_obstacle(daemon: Daemon, keeping: Keeping) -> None:
    first = keeping.pid
    keeping.kill()
    assert os.path.exists(os.path.join(keeping.run, "keeper.sock"))
    keeping.daemon().start(WEB, ["true"])
    assert keeping.pid != first


def test_a_folder_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(launch.CannotStart, match="file"):
        launch.start(str(tmp_path / "file"), str(tmp_path / "log"))


def test_of_many_who_only_connect_the_oldest_goes(daemon: Daemon, keeping: Keeping) -> None:
    with ExitStack() as all_of_them:
        guests = [
            all_of_them.enter_context(launch.connect(keeping.run)) for _ in range(server.MOST_GUESTS + 1)
        ]
        guests[0].settimeout(PATIENCE)
        assert guests[0].recv(1) == b""
        daemon.send(do="hello", protocol=1)
        daemon.wait("hello")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
@own_house
def test_another_user_who_reaches_the_socket_is_not_heard(daemon: Daemon, keeping: Keeping) -> None:
    """Where somebody has opened the folders to everybody."""
    path = os.path.join(keeping.run, "keeper.sock")
    for each, mode in ((os.path.dirname(keeping.run), 0o755), (keeping.run, 0o755), (path, 0o777)):
        os.chmod(each, mode)
    code = (
        "import os, socket, sys; os.setuid(65534); "
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); "
        's.sendall(b\'{"do": "hello", "protocol": 1}\\n\'); s.settimeout(20); sys.exit(bool(s.recv(1)))'
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 or "Broken pipe" in done.stderr or "reset" in done.stderr, done.stderr


HASTY = (
    "import sys; from locald.keeper import keeper, main; keeper.ALONE = 0.0; "
    "main.main(sys.argv[1], int(sys.argv[2]))"
)
"""a keeper that leaves at once when nobody needs it"""


@contextmanager
def hasty(tmp_path: Path, *before: str) -> Iterator[str]:
    """Its folder, when it listens. `before`: a program that starts it."""
    run = tempfile.mkdtemp(prefix="ld")
    listen, tell = os.pipe()
    command = [*before, sys.executable, "-c", HASTY, run, str(tell)]
    with subprocess.Popen(command, pass_fds=(tell,), stderr=subprocess.DEVNULL):
        os.close(tell)
        with os.fdopen(listen) as said:
            assert said.readline() == "ready\n"
            yield run
    shutil.rmtree(run, ignore_errors=True)


def test_who_started_it_may_take_any_time_to_say_hello(tmp_path: Path) -> None:
    """A daemon on a busy machine is still being imported when its keeper is there."""
    with hasty(tmp_path) as run:
        launch.connect(run).close()  # so its loop has gone round
        launch.connect(run).close()
        daemon = Daemon(run, tmp_path)
        pid = daemon.hello()["pid"]
        daemon.close()
        wait_dead([pid])  # and then it waits no more


def test_a_keeper_whose_starter_has_ended_without_a_word_ends_too(tmp_path: Path) -> None:
    go = tmp_path / "go"
    os.mkfifo(go)
    with hasty(tmp_path, "sh", "-c", f'"$@"; read _ < {go}', "sh") as run:
        pid = holder_of(os.path.join(run, "keeper.lock"))
        assert pid
        go.write_text("\n")
        wait_dead([pid])


@own_house
def test_it_is_small(daemon: Daemon, keeping: Keeping) -> None:
    """At most 15 MB, with a few dozen runs too."""
    for number in range(1, 31):
        daemon.start(f"shop:web#{number}", sh("echo hello; exec sleep 1000"))
    with open(f"/proc/{keeping.pid}/status") as status:
        resident = next(line for line in status if line.startswith("VmRSS"))
    assert int(resident.split()[1]) < 15 * 1024
