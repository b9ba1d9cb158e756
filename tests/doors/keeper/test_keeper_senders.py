"""With READY=1 and STOPPING=1 the daemon is told who stands between their sender and the main process, and of
the end of each."""

from __future__ import annotations

import os
import socket
import subprocess
from typing import TYPE_CHECKING

from keeping import NOTIFY, files_of, once, own_house, python, wait_files
from locald.keeper.runs.senders import MOST
from locald.linux.listening import listening_tcp, listening_unix, listens, sockets

if TYPE_CHECKING:
    from pathlib import Path

    from keeping import Daemon, Keeping

WEB = "shop:web#1"
THEN = NOTIFY.format("b'READY=1'") + ";{}"


def test_the_main_process_has_nobody_above_it(daemon: Daemon) -> None:
    daemon.start(WEB, python(THEN.format("import time;time.sleep(1000)")))
    assert daemon.wait("notified", WEB)["line"] == []


def test_a_child_is_told_with_its_end_after_its_last_word(daemon: Daemon, keeping: Keeping) -> None:
    end = keeping.gate("end")
    code = THEN.format(f"open({str(end)!r}).readline();s.send(b'STOPPING=1')")
    daemon.start(WEB, ["sh", "-c", '"$@"; exec sleep 1000', "-", *python(code)])
    ready = daemon.wait("notified", WEB)
    assert [(pid, listens) for pid, _, listens in ready["line"]] == [(ready["pid"], False)]
    end.write()
    daemon.wait("ended", WEB, pid=ready["pid"])
    stopping = daemon.wait("notified", WEB)
    assert stopping["line"] == ready["line"]
    assert daemon.of(WEB) == ["spawned", "notified", "notified", "ended"]


def test_those_between_are_told_too(daemon: Daemon, keeping: Keeping) -> None:
    go, end = keeping.gate("go"), keeping.gate("end")
    code = THEN.format(f"open({str(go)!r}).readline()")
    between = f'"$@"; read _ < {end}; exit 0'
    script = 'sh -c "$0" - "$@"; exec sleep 1000'
    leader = daemon.start(WEB, ["sh", "-c", script, between, *python(code)])["pid"]
    line = daemon.wait("notified", WEB)["line"]
    assert len(line) == 2
    assert line[1][1] == "sh"
    assert leader not in [pid for pid, _, _ in line]
    go.write()
    daemon.wait("ended", WEB, pid=line[0][0])
    end.write()
    daemon.wait("ended", WEB, pid=line[1][0])


def test_a_child_that_listens_is_told_to(daemon: Daemon, tmp_path: Path) -> None:
    listen = f"l=socket.socket(1);l.bind({str(tmp_path / 'l')!r});l.listen();"
    code = "import socket;" + listen + THEN.format("import time;time.sleep(1000)")
    daemon.start(WEB, ["sh", "-c", '"$@"; exit 0', "-", *python(code)])
    assert [listens for _, _, listens in daemon.wait("notified", WEB)["line"]] == [True]


def test_the_end_of_one_is_told_to_the_next_daemon(daemon: Daemon, keeping: Keeping) -> None:
    end = keeping.gate("end")
    code = THEN.format(f"open({str(end)!r}).readline()")
    daemon.start(WEB, ["sh", "-c", '"$@"; exec sleep 1000', "-", *python(code)])
    pid = daemon.wait("notified", WEB)["pid"]
    end.write()
    daemon.wait("ended", WEB, pid=pid)
    daemon.close()
    assert keeping.daemon().of(WEB) == ["spawned", "notified", "ended"]


@once
@own_house
def test_senders_without_end_cost_a_bounded_number_of_descriptors(daemon: Daemon, keeping: Keeping) -> None:
    code = (
        "import os,socket,time\n"
        "s=socket.socket(1,2);s.connect(os.environ['NOTIFY_SOCKET'])\n"
        f"for n in range({MOST + 20}):\n"
        " if os.fork()==0: s.send(b'READY=1'); time.sleep(1000)\n"
        "s.send(b'STATUS=all')\n"
        "time.sleep(1000)"
    )
    daemon.start(WEB, python(code))
    before = len(files_of(keeping.pid))
    for _ in range(MOST + 20):
        daemon.wait("notified", WEB)
    daemon.fence()
    wait_files(keeping.pid, before + MOST + 2)
    daemon.send(do="kill", run=WEB)
    daemon.wait("gone", WEB)
    daemon.fence()
    wait_files(keeping.pid, before)


# Who listens.


def test_a_process_listens_on_tcp_or_on_a_unix_socket_or_not(tmp_path: Path) -> None:
    for listen, expected in (
        ("l=socket.create_server(('127.0.0.1',0))", True),
        ("l=socket.create_server(('::1',0),family=socket.AF_INET6)", True),
        (f"l=socket.socket(1);l.bind({str(tmp_path / 'l')!r});l.listen()", True),
        ("l=socket.socket(2);l.bind(('127.0.0.1',0))", False),
        ("l=socket.socketpair()", False),
        ("pass", False),
    ):
        code = f"import socket;{listen};print(flush=True);input()"
        with subprocess.Popen(python(code), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            assert listens(process.pid) is expected, listen
            process.kill()


def test_of_a_process_with_many_descriptors_the_first_are_looked_at() -> None:
    """The keeper asks, and its loop waits for the answer."""
    code = (
        "import os,resource,socket;resource.setrlimit(resource.RLIMIT_NOFILE,(8000,8000))\n"
        "l=socket.create_server(('127.0.0.1',0));kept=[os.dup(0) for _ in range(7000)]\n"
        "print(flush=True);input()"
    )
    with subprocess.Popen(python(code), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert listens(process.pid)
        assert len(sockets(process.pid)) == 1
        process.kill()


def test_nobody_listens_who_is_not_there() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    assert not listens(process.pid)


def test_tables_that_make_no_sense_name_nobody() -> None:
    assert listening_tcp(b"") == listening_unix(b"head\nx\n\xff\xff y z zz q r s\n") == set()


def test_what_the_kernel_shows_is_understood() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        inode = os.readlink(f"/proc/self/fd/{listener.fileno()}")[8:-1].encode()
        with open("/proc/self/net/tcp", "rb") as table:
            assert inode in listening_tcp(table.read())
