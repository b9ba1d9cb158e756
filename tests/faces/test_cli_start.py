"""The daemon is started where a command needs it, once, whatever else happens at that moment."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keeping import files_of
from locald.client import daemon
from locald.client.http import Api, Unanswered, Unreachable
from locald.daemon.lock import Lock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from locald.wire.home import Home

FAKE = str(Path(__file__).with_name("fake_daemon.py"))


@pytest.fixture
def command(home: Home) -> Iterator[list[str]]:
    """Starts a small daemon that takes the lock as the real one does."""
    yield [sys.executable, FAKE, home.socket, home.lock]
    if api := daemon.find(home):
        pid = api.get("/v1/ping")["pid"]
        api.post("/v1/server/stop", {})
        assert daemon.wait_gone(pid, 10)


def test_a_daemon_that_is_not_there_is_started(home: Home, command: list[str]) -> None:
    api = daemon.start(home, command)

    assert api.get("/v1/ping")["pid"] != os.getpid()


def test_a_started_daemon_keeps_nothing_of_its_caller(
    home: Home, command: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/of/a/service")
    monkeypatch.setenv("LOCALD_RUN", "token")
    inherited, other = socket.socketpair()
    inherited.set_inheritable(True)

    status = daemon.start(home, command).get("/v1/status")
    pid = daemon.start(home).get("/v1/ping")["pid"]

    assert f"socket:[{os.fstat(inherited.fileno()).st_ino}]" not in files_of(pid)
    inherited.close()
    other.close()
    assert [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in (0, 1)] == ["/dev/null"] * 2
    assert status["folder"] == "/"
    assert not {"NOTIFY_SOCKET", "LOCALD_RUN"} & set(status["environment"])
    assert os.getsid(pid) != os.getsid(0)
    assert _parent(pid) != os.getpid()


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_many_shells_at_once_start_one_daemon(home: Home, command: list[str]) -> None:
    pids: list[int] = []
    threads = [
        threading.Thread(target=lambda: pids.append(daemon.start(home, command).get("/v1/ping")["pid"]))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)

    assert len(pids) == 4
    assert len(set(pids)) == 1


def test_a_daemon_that_is_starting_elsewhere_is_waited_for(home: Home, command: list[str]) -> None:
    """Somebody holds the lock and does not listen yet: no second one is started."""
    home.make()
    holder = (
        "import fcntl,sys,time; f=open(sys.argv[1],'a'); fcntl.flock(f,2); print('held',flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, home.lock],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        other.stdout.readline()
        assert daemon.holder_of(home.lock) == other.pid
        waiting = threading.Event()
        found: list[Api] = []
        starter = threading.Thread(
            target=lambda: found.append(daemon.start(home, command, on_wait=waiting.set))
        )
        starter.start()
        assert waiting.wait(10)
        assert found == []
        other.stdin.write("\n")
        other.stdin.flush()
        starter.join(20)

    assert len(found) == 1


def test_one_that_found_the_lock_held_waits_for_the_other_also_when_the_kernel_did_not_tell(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/proc/locks is told in pieces, and what is there all the time may be left out between two of them."""
    home.make()
    (tmp_path / "locks").touch()
    monkeypatch.setattr(daemon, "LOCKS", str(tmp_path / "locks"))
    starts = tmp_path / "starts"
    script = (
        "import socket, sys\nfrom locald.daemon.lock import Held, Lock\n"
        "lock, path, starts = sys.argv[1:]\n"
        "with open(starts, 'a') as file:\n    file.write('x')\nis_second = len(open(starts).read()) > 1\n"
        "try:\n    Lock(lock, path).__enter__()\n"
        "except Held as held:\n    print(f'error: {held}', file=sys.stderr)\n"
        "if is_second:\n"  # by now the other one listens
        "    listening = socket.socket(socket.AF_UNIX)\n    listening.bind(path)\n    listening.listen()\n"
        "    listening.accept()\n"
    )
    with Lock(home.lock, home.socket):
        daemon.start(home, [sys.executable, "-c", script, home.lock, home.socket, str(starts)])
    assert starts.read_text() == "xx"


def test_a_lock_on_a_file_of_the_same_number_elsewhere_is_not_the_daemons(
    home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Files of two file systems may have the same inode number, and the kernel tells little else."""
    home.make()
    Path(home.lock).touch()
    inode = os.stat(home.lock).st_ino
    locks = tmp_path / "locks"
    locks.write_text(f"1: FLOCK  ADVISORY  WRITE {os.getpid()} 00:7f:{inode} 0 EOF\n")
    monkeypatch.setattr(daemon, "LOCKS", str(locks))

    assert daemon.holder_of(home.lock) is None
    with open(home.lock):
        assert daemon.holder_of(home.lock) == os.getpid()


@pytest.mark.parametrize(
    ("says", "reason", "hint"),
    [
        (
            "error: state.json is of a newer version\nhint: upgrade",
            "state.json is of a newer version",
            "upgrade",
        ),
        ("Traceback (most recent call last):\n  File x\nKeyError: 'x'", "KeyError: 'x'", "doctor"),
        ("", "gave no reason", "doctor"),
    ],
)
def test_a_start_that_fails_says_why_at_once(home: Home, says: str, reason: str, hint: str) -> None:
    failing = [sys.executable, "-c", "import sys; sys.stderr.write(sys.argv[1]); sys.exit(1)", says]

    with pytest.raises(Unreachable) as raised:
        daemon.start(home, failing)

    assert reason in raised.value.problem.what
    assert hint in raised.value.problem.hint


def test_a_start_that_fails_with_the_lock_in_hand_is_not_tried_again(home: Home, tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    script = (
        "import fcntl, sys, time; open(sys.argv[2], 'a').write('x')\n"
        "f = open(sys.argv[1], 'a'); fcntl.flock(f, 2); time.sleep(0.2); sys.exit('error: no room')"
    )

    with pytest.raises(Unreachable, match="no room"):
        daemon.start(home, [sys.executable, "-c", script, home.lock, str(starts)])

    assert starts.read_text() == "x"


def test_a_program_that_cannot_be_run_is_named(home: Home) -> None:
    with pytest.raises(Unreachable, match="/no/python: No such file"):
        daemon.start(home, ["/no/python"])


def test_reading_starts_it_only_when_there_is_something_to_restore(home: Home, command: list[str]) -> None:
    with pytest.raises(Unreachable):
        daemon.look(home)

    api = daemon.start(home, command)

    assert daemon.look(home).path == api.path


def test_folders_are_the_owners_alone(home: Home) -> None:
    os.makedirs(home.run, mode=0o755)

    home.make()

    assert [os.stat(each).st_mode & 0o777 for each in (home.run, home.state, home.logs)] == [0o700] * 3


def test_the_answer_of_a_daemon_is_complete_or_an_error(home: Home) -> None:
    """Also a long one, and one whose pieces come at odd places."""
    home.make()
    text = json.dumps({"long": "ü" * 200_000}).encode()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(home.socket)
        listener.listen()

        def answer() -> None:
            for cut in (len(text), len(text) - 1):
                connection, _ = listener.accept()
                connection.recv(1000)
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r" % len(text))
                connection.sendall(b"\n" + text[:cut])
                connection.close()

        server = threading.Thread(target=answer)
        server.start()
        assert Api(home.socket).get("/")["long"] == "ü" * 200_000
        with pytest.raises(Unreachable, match="exited before"):
            Api(home.socket).get("/")
        server.join(5)


def test_who_has_gone_since_it_was_found_counts_as_one_that_ended_before_it_had_answered(home: Home) -> None:
    """So the command is carried out once more, with the daemon that was started in its place."""
    home.make()
    with pytest.raises(Unanswered):
        Api(home.socket).get("/v1/status")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(home.socket)
    with pytest.raises(Unanswered, match="cannot reach the daemon: Connection refused"):
        Api(home.socket).get("/v1/status")
