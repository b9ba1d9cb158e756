"""What a run prints is in its capture: all of it, in order, each stream for itself, whoever is away."""

from __future__ import annotations

import base64
import hashlib
import os
import resource
import signal
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from keeping import grouped, once, python, sh, wait_dead
from locald.capture import frames
from locald.keeper.loop import Loop
from locald.keeper.runs.output import MOST_UNWRITTEN, Output

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from keeping import Daemon, Keeping

WEB = "shop:web#1"


@contextmanager
def full_disk(pid: int) -> Iterator[None]:
    """Nothing that the process writes to a file succeeds."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def run(daemon: Daemon, argv: list[str], **changed: object) -> None:
    daemon.spawn(WEB, argv, **changed)
    daemon.wait("gone", WEB)


@once
def test_by_default_both_streams_are_terminals_of_80_by_24(daemon: Daemon) -> None:
    code = "import os; print(os.isatty(1), os.isatty(2), *os.get_terminal_size(1), *os.get_terminal_size(2))"
    run(daemon, python(code))
    assert daemon.printed() == b"True True 80 24 80 24\n"


@once
def test_without_tty_both_are_pipes(daemon: Daemon) -> None:
    run(daemon, python("import os; print(os.isatty(1), os.isatty(2))"), tty=False)
    assert daemon.printed() == b"False False\n"


@once
@pytest.mark.parametrize("tty", [True, False])
def test_bytes_come_as_they_were_written_and_streams_stay_apart(daemon: Daemon, tty: bool) -> None:
    run(daemon, sh(r"printf 'a\nb\r\n\001\377\t'; printf 'c\nd' >&2"), tty=tty)
    assert daemon.printed(frames.STDOUT) == b"a\nb\r\n\x01\xff\t"
    assert daemon.printed(frames.STDERR) == b"c\nd"


@once
def test_on_a_terminal_a_line_is_captured_when_it_is_written(daemon: Daemon, keeping: Keeping) -> None:
    """The program does not flush: it would keep the line to itself if this were a pipe."""
    end = keeping.gate("end")
    daemon.spawn(WEB, python(f"print('listening'); open({str(end)!r}).readline()"))
    daemon.send(do="tail", run=WEB, on=True)
    while daemon.printed() != b"listening\n":
        daemon.wait("output", WEB)
    end.write()
    daemon.wait("gone", WEB)


@pytest.mark.parametrize("tty", [True, False])
def test_the_last_words_are_captured_before_the_exit_is_told(daemon: Daemon, tty: bool) -> None:
    code = "import os,sys; os.write(1, b'x' * 9000 + b'last out'); os.write(2, b'last err'); os._exit(7)"
    daemon.spawn(WEB, python(code), tty=tty)
    assert daemon.wait("exited", WEB)["code"] == 7
    assert daemon.printed(frames.STDOUT).endswith(b"last out")
    assert daemon.printed(frames.STDERR) == b"last err"
    daemon.wait("gone", WEB)


@once
def test_the_last_words_are_captured_also_where_exits_are_seen_first(
    daemon: Daemon, keeping: Keeping
) -> None:
    """The keeper stood still, and what it hears of first is that another run has ended."""
    other_ends, ends = keeping.gate("other"), keeping.gate("ends")
    other = daemon.start("shop:db#1", sh(f"read _ < {other_ends}"), tty=False)["pid"]
    leader = daemon.start(WEB, sh(f"read _ < {ends}; echo last words; exit 7"), tty=False)["pid"]
    os.kill(keeping.pid, signal.SIGSTOP)
    try:
        for gate, pid in ((other_ends, other), (ends, leader)):
            gate.write()
            wait_dead([pid])
    finally:
        os.kill(keeping.pid, signal.SIGCONT)
    assert daemon.wait("exited", WEB)["code"] == 7
    assert daemon.printed() == b"last words\n"
    for run_ in (WEB, "shop:db#1"):
        daemon.wait("gone", run_)


@once
@pytest.mark.parametrize("tty", [True, False])
def test_much_output_is_captured_whole_and_in_order(daemon: Daemon, tty: bool) -> None:
    code = "import sys\nfor n in range(50_000): sys.stdout.write(f'line {n} of many\\n')"
    run(daemon, python(code), tty=tty)
    expected = b"".join(b"line %d of many\n" % number for number in range(50_000))
    assert hashlib.sha256(daemon.printed()).digest() == hashlib.sha256(expected).digest()


@once
def test_what_a_background_process_prints_after_the_leaders_exit_is_captured(
    daemon: Daemon, keeping: Keeping
) -> None:
    end = keeping.gate("end")
    daemon.spawn(WEB, sh(f"(read _ < {end}; echo late; echo late >&2) & echo early"))
    daemon.wait("exited", WEB)
    end.write()
    daemon.wait("gone", WEB)
    assert daemon.printed(frames.STDOUT) == b"early\nlate\n"
    assert daemon.printed(frames.STDERR) == b"late\n"


@once
def test_a_run_that_closes_its_output_lives_on(daemon: Daemon, keeping: Keeping) -> None:
    end = keeping.gate("end")
    daemon.start(WEB, sh(f"echo before; exec >&- 2>&-; read _ < {end}; exit 6"))
    end.write()
    assert daemon.wait("exited", WEB)["code"] == 6
    daemon.wait("gone", WEB)
    assert daemon.printed() == b"before\n"


@once
@pytest.mark.parametrize(("said", "marks"), [("unended", 1), ("ended\\n", 0), ("ended\\n, then not", 1)])
def test_where_a_stream_ends_within_a_line_the_capture_says_so(
    daemon: Daemon, keeping: Keeping, said: str, marks: int
) -> None:
    """While the run lives on: who reads need not wait for its end to know that the line is over."""
    end = keeping.gate("end")
    daemon.spawn(WEB, sh(f"printf '{said}'; exec >&-; echo closed >&2; read _ < {end}"), tty=False)
    daemon.send(do="tail", run=WEB, on=True)
    while not (daemon.printed(frames.STDERR) and len(marks_of(daemon)) == marks):
        daemon.wait("output", WEB)
    end.write()
    daemon.wait("gone", WEB)
    assert len(marks_of(daemon)) == marks


def marks_of(daemon: Daemon) -> list[bytes]:
    return [data for _, stream, data in daemon.frames() if stream == frames.STDOUT and not data]


@once
def test_output_is_captured_while_no_daemon_is_there(daemon: Daemon, keeping: Keeping) -> None:
    end = keeping.gate("end")
    daemon.start(WEB, sh(f"read _ < {end}; echo meanwhile"))
    daemon.close()
    end.write()
    again = keeping.daemon()
    if "gone" not in again.of(WEB):
        again.wait("gone", WEB)
    assert again.printed() == b"meanwhile\n"


@once
def test_a_service_that_prints_without_end_delays_no_other(daemon: Daemon) -> None:
    daemon.start(WEB, ["yes"], log_size=1_000_000)
    daemon.spawn("shop:api#1", ["true"])
    daemon.wait("gone", "shop:api#1")
    daemon.send(do="kill", run=WEB)
    daemon.wait("gone", WEB)


@once
def test_history_stays_within_its_size(daemon: Daemon) -> None:
    run(
        daemon,
        python("print('x' * 99 + '\\n', end='')\nfor n in range(30_000): print('y' * 99)"),
        log_size=1_000_000,
    )
    sizes = {path.name: path.stat().st_size for path in daemon.logs.iterdir()}
    assert 800_000 < sum(sizes.values()) <= 1_000_000
    assert daemon.printed().endswith(b"y" * 99 + b"\n")


@once
def test_output_is_hinted_at_only_while_it_is_tailed(daemon: Daemon, keeping: Keeping) -> None:
    go, there = keeping.gate("go"), keeping.gate("there")
    daemon.start(WEB, sh(f"while read word < {go}; do echo $word; echo > {there}; done"))

    def say(word: str) -> None:
        go.write(word)
        there.read()

    say("unheard")
    daemon.fence()
    assert "output" not in daemon.of(WEB)
    daemon.send(do="tail", run=WEB, on=True)
    daemon.wait("output", WEB)  # what there was before, and it says so at once
    say("heard")
    while b"heard" not in daemon.printed().split():
        daemon.wait("output", WEB)
    daemon.send(do="tail", run=WEB, on=False)
    daemon.send(do="note", run=WEB, line="not tailed any more")
    daemon.send(do="signal", run=WEB, signal=9)
    daemon.wait("gone", WEB)
    assert daemon.events[-1]["event"] == "gone"


@once
def test_many_frames_are_one_hint_for_a_daemon_that_does_not_look(daemon: Daemon, keeping: Keeping) -> None:
    there = keeping.gate("there")
    daemon.spawn(
        WEB, sh(f"read _ < {there}; n=0; while [ $n -lt 5000 ]; do echo $n; n=$((n+1)); done; echo > {there}")
    )
    daemon.send(do="tail", run=WEB, on=True)
    daemon.wait("spawned", WEB)
    there.write()
    daemon.wait("gone", WEB)
    assert 1 <= daemon.of(WEB).count("output") <= 1 + len(daemon.frames())


@once
def test_a_note_is_in_the_capture_also_after_the_end(daemon: Daemon) -> None:
    daemon.start(WEB, sh("echo hello"))
    daemon.wait("gone", WEB)
    daemon.send(do="note", run=WEB, line="exited with code 0 – ü")
    daemon.send(do="forget", run=WEB)
    daemon.send(do="note", run=WEB, line="too late")
    assert daemon.wait("error")["run"] == WEB
    assert daemon.printed() == b"hello\n"
    assert daemon.printed(frames.LOCALD).decode().splitlines()[1:] == ["exited with code 0 – ü"]


@once
def test_that_it_was_started_stands_before_its_first_words(daemon: Daemon) -> None:
    run(daemon, sh("echo at once"))
    (_, *first), (_, *second) = daemon.frames()
    assert first == [frames.LOCALD, f"started: pid {daemon.wait('spawned', WEB)['pid']}, run 1\n".encode()]
    assert second == [frames.STDOUT, b"at once\n"]


@once
def test_times_in_the_capture_are_on_the_clock_of_the_events(daemon: Daemon) -> None:
    run(daemon, ["echo", "hello"])
    spawned, gone = daemon.wait("spawned", WEB), next(e for e in daemon.events if e["event"] == "gone")
    first, last = (at for at, _, _ in daemon.frames())
    assert spawned["at"] - 1 < first <= last <= gone["at"]


@once
def test_a_run_that_is_over_is_hinted_at_when_it_is_tailed(daemon: Daemon) -> None:
    """Who asks too late to hear of it hears that there is something."""
    run(daemon, ["echo", "hello"])
    daemon.send(do="tail", run=WEB, on=True)
    daemon.wait("output", WEB)
    daemon.send(do="tail", run=WEB, on=False)
    daemon.fence()
    assert daemon.of(WEB)[-1] == "output"


@once
def test_a_full_disk_stops_nothing_and_what_was_lost_is_told(daemon: Daemon, keeping: Keeping) -> None:
    """No file of the keeper may grow: neither captures nor notes nor its log."""
    go, there = keeping.gate("go"), keeping.gate("there")
    daemon.start(WEB, sh(f"while read word < {go}; do echo $word; echo > {there}; done"))

    def say(word: str) -> None:
        go.write(word)
        there.read()
        daemon.send(do="note", run=WEB, line=word)
        daemon.fence()

    say("before")
    with full_disk(keeping.pid):
        say("during")
        daemon.spawn("shop:api#1", sh("echo lost; exit 3"))
        assert daemon.wait("exited", "shop:api#1")["code"] == 3
        daemon.wait("gone", "shop:api#1")
    say("after")
    printed = daemon.printed(frames.LOCALD).decode()
    assert printed.partition("\n")[2].startswith("before\n")
    assert "during" not in printed
    assert "bytes of output lost here: File too large\n" in printed
    assert printed.endswith("after\n")


@once
@pytest.mark.parametrize("tailed", ["before", "after"])
def test_what_no_disk_has_taken_is_told_to_who_tails_the_run(
    daemon: Daemon, keeping: Keeping, tailed: str
) -> None:
    """The line that a check waits for may be just that one. Lines of locald's own are not."""
    go, there = keeping.gate("go"), keeping.gate("there")
    daemon.start(WEB, sh(f"read _ < {go}; printf 'open for '; echo business; echo > {there}; read _ < {go}"))
    daemon.send(do="tail", run=WEB, on=tailed == "before")
    daemon.fence()
    with full_disk(keeping.pid):
        daemon.send(do="note", run=WEB, line="a note")
        go.write()
        there.read()
        daemon.send(do="tail", run=WEB, on=True)
        told = b""
        while not told.endswith(b"open for business\n"):
            told += base64.b64decode(daemon.wait("output", WEB).get("unwritten", ""))
    assert b"note" not in told


@once
def test_no_more_is_held_of_it_than_has_its_place(daemon: Daemon, keeping: Keeping) -> None:
    with full_disk(keeping.pid):
        daemon.start(WEB, sh("head -c 300000 /dev/zero | tr '\\0' 'x'; echo last"))
        daemon.wait("gone", WEB)
        daemon.send(do="tail", run=WEB, on=True)
        told = base64.b64decode(daemon.wait("output", WEB)["unwritten"])
    assert told.endswith(b"xlast\n")
    assert len(told) == MOST_UNWRITTEN


def test_what_no_disk_takes_does_not_pile_up() -> None:
    """Nor where nobody asks for it."""
    order: Any = SimpleNamespace(logs="/proc/nowhere", number=1, log_size=1 << 20)
    output = Output(Loop(), order, lambda _: None, lambda _: None)
    for end in (theirs := output.open(tty=False)):
        for _ in range(3):
            os.write(end, b"x" * 50_000)
            output.drain()
    assert len(output.unwritten) == MOST_UNWRITTEN
    for end in theirs:
        os.close(end)
    output.close()


@once
def test_a_log_folder_that_cannot_be_written_stops_no_service(daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    daemon.spawn(WEB, sh("echo hello; exit 3"), logs=str(tmp_path / "file" / "web"))
    assert daemon.wait("exited", WEB)["code"] == 3
    daemon.wait("gone", WEB)


@grouped
def test_a_terminal_opened_by_name_hangs_up_nobody_when_the_keeper_dies(keeping: Keeping) -> None:
    """`echo > /dev/stderr` opens it; with a controlling terminal the service would get SIGHUP."""
    told = keeping.gate("told")
    trap = f"trap 'echo hangup > {told}' HUP; trap 'echo term > {told}; exit' TERM"
    wait = "while :; do sleep 1000 & wait; done"
    keeping.daemon().start(WEB, sh(f"{trap}; echo > /dev/stderr; echo $$ > {told}; {wait}"))
    pid = int(told.read())
    keeping.kill()
    os.kill(pid, 15)
    assert told.read() == "term"
