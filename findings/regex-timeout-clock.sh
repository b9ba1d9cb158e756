#!/bin/sh
# The timeout of regex counts the processor time of the whole process, not the time that passes.
#
# Seen with: regex 2026.11.15 (PyPI) on Python 3.11, Linux.
# Expected:  timeout=0.5 ends an operation that has taken half a second, and no other. The package's own
#            description has an example whose replacement function sleeps: there, it raises TimeoutError.
# Seen:      a replacement that sleeps, 1 s in all, timeout=0.5              done
#            a replacement that computes, 1 s in all, timeout=0.5            TimeoutError
#            a search, with three times the time that it needs               done
#            the same search beside 8 threads that sleep                     done
#            the same search beside 8 threads that hash without the GIL      TimeoutError
# The clock is clock(3): on Linux that is the processor time of all threads, on Windows the time that passes.
# Needs Python 3.9 or later. Exits with 1 if anything else is seen.

folder=$(mktemp -d) || exit 2
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 2
python3 -m venv venv || exit 2
venv/bin/pip install -q --disable-pip-version-check regex==2026.11.15 || exit 2
venv/bin/python - <<'END'
"""Runs the same operation while the process is idle, while it sleeps and while other threads compute."""

import hashlib
import sys
import threading
import time
from collections.abc import Callable

import regex

PATTERN = regex.compile(r"\b[a-z]+ (?=[a-z]+ [a-z]+\b)")
TEXT = "one two three four " * 150_000
BUFFER = bytes(8_000_000)


def outcome(operation: Callable[[], object]) -> str:
    try:
        operation()
    except TimeoutError:
        return "TimeoutError"
    return "done"


def replaced(work: Callable[[], None]) -> str:
    def replacement(match: regex.Match) -> str:
        work()
        return "x"

    return outcome(lambda: regex.sub("[a-z]", replacement, "abcde", timeout=0.5))


def compute() -> None:
    until = time.thread_time() + 0.2
    while time.thread_time() < until:
        pass


def needed() -> float:
    """The processor time of one search alone, in seconds."""
    before = time.thread_time()
    PATTERN.findall(TEXT)
    return time.thread_time() - before


def searched(timeout: float) -> str:
    return outcome(lambda: PATTERN.findall(TEXT, timeout=timeout))


def beside(work: Callable[[threading.Event], None], timeout: float) -> str:
    stop = threading.Event()
    threads = [threading.Thread(target=work, args=[stop]) for _ in range(8)]
    for thread in threads:
        thread.start()
    try:
        return searched(timeout)
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def digest(stop: threading.Event) -> None:
    while not stop.is_set():
        hashlib.sha256(BUFFER)


limit = 3 * max(needed() for _ in range(3))
seen = {
    "a replacement that sleeps": replaced(lambda: time.sleep(0.2)),
    "a replacement that computes": replaced(compute),
    "a search alone": searched(limit),
    "a search beside threads that sleep": beside(lambda stop: stop.wait(), limit),
    "a search beside threads that hash": beside(digest, limit),
}
for operation, found in seen.items():
    print(f"{operation:36}", found)
sys.exit(list(seen.values()) != ["done", "TimeoutError", "done", "done", "TimeoutError"])
END
