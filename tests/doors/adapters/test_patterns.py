"""A pattern matches what Python says it matches, and none can stop the rest of the daemon."""

from __future__ import annotations

import re
import threading
import time

import pytest

from locald.adapters.patterns import Pattern, TooSlow

SLOW = "(a|aa)+$"
LINE = "a" * 200 + "!"


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (r"listening on port \d+", "now listening on port 3000"),
        (r"{}", "the set {} is empty"),
        (r"took {d} ms", "took {d} ms"),
        (r"a{e}", "a{e}"),
        (r"\{e}", "{e}"),
        (r"a{1,2}b", "aab"),
        (r"a{,2}b", "aab"),
        (r"x{1,2", "x{1,2"),
        (r"[{}]e", "}e"),
        (r"\N{COLON} ready", "it is: ready"),
        (r"(?i)READY", "ready"),
        ("is ready", "it is ready"),
    ],
)
def test_what_python_finds_is_found(pattern: str, line: str) -> None:
    assert re.search(pattern, line)
    assert Pattern(pattern, 1).found_in(line)
    assert not Pattern(pattern, 1).found_in("nothing of the kind")


def test_what_python_does_not_read_is_refused() -> None:
    with pytest.raises(re.error):
        Pattern("(", 1)


def test_a_pattern_that_would_never_end_ends() -> None:
    with pytest.raises(TooSlow, match=r"against a line of 201 characters took longer than 50ms$"):
        Pattern(SLOW, 0.05).found_in(LINE)


def test_a_pattern_that_is_slow_in_every_line_ends_with_few_of_them() -> None:
    """Each line alone is within its limit."""
    pattern = Pattern(SLOW, 5, whole=0.1)
    lines = ["a" * 22 + "!"] * 1_000
    with pytest.raises(TooSlow, match=r"against all lines took longer than 100ms$"):
        list(filter(pattern.found_in, lines))


def test_a_sound_pattern_comes_to_the_end_of_any_history() -> None:
    """Empty lines, usual ones and long ones."""
    pattern = Pattern(r"took \d+ms|ERR[O]R", 1, whole=0.02)
    for line in ("", "a request of somebody took some ms", "no end of it " * 1_000):
        for _ in range(2_000_000 // (100 + len(line))):
            assert not pattern.found_in(line)


def test_plain_words_need_no_limit() -> None:
    """To keep one takes eight times as long as to find them, which is felt in a history of 200 MB."""
    assert not Pattern("needle", 1e-9).found_in("n" * 3_000_000)


def test_what_others_take_of_the_processor_makes_no_pattern_slow() -> None:
    """Nor for how long they let nobody else run: sorting, say, is one step of Python's."""
    many, until = list(range(1_000_000)), time.monotonic() + 2

    def take() -> None:
        while time.monotonic() < until:
            sum(many), sorted(many)

    others = [threading.Thread(target=take) for _ in range(3)]
    for other in others:
        other.start()
    pattern = Pattern("(a|aa)+$", 0.05)
    line = "a" * 20 + "!"
    while time.monotonic() < until:
        assert not pattern.found_in(line)
    for other in others:
        other.join()


def test_others_run_while_it_looks() -> None:
    """The time is the processor's: while others use it as well, it ends the sooner."""

    def look() -> None:
        with pytest.raises(TooSlow):
            Pattern(SLOW, 0.3).found_in(LINE)

    looking, turns = threading.Thread(target=look), 0
    looking.start()
    while looking.is_alive():
        time.sleep(0.01)
        turns += 1
    assert turns > 3
