"""The names of Linux's signals, and their numbers.

A table of our own, since the numbers are part of what a file means and not of the machine that reads
it. Source: signal(7), the numbers of x86 and ARM; the real-time signals as the C library counts them.
"""

from __future__ import annotations

STANDARD: dict[str, int] = {
    "SIGHUP": 1,
    "SIGINT": 2,
    "SIGQUIT": 3,
    "SIGILL": 4,
    "SIGTRAP": 5,
    "SIGABRT": 6,
    "SIGBUS": 7,
    "SIGFPE": 8,
    "SIGKILL": 9,
    "SIGUSR1": 10,
    "SIGSEGV": 11,
    "SIGUSR2": 12,
    "SIGPIPE": 13,
    "SIGALRM": 14,
    "SIGTERM": 15,
    "SIGSTKFLT": 16,
    "SIGCHLD": 17,
    "SIGCONT": 18,
    "SIGSTOP": 19,
    "SIGTSTP": 20,
    "SIGTTIN": 21,
    "SIGTTOU": 22,
    "SIGURG": 23,
    "SIGXCPU": 24,
    "SIGXFSZ": 25,
    "SIGVTALRM": 26,
    "SIGPROF": 27,
    "SIGWINCH": 28,
    "SIGIO": 29,
    "SIGPWR": 30,
    "SIGSYS": 31,
}

REAL_TIME = r"RT(MIN(\+([1-9]|1[0-5]))?|MAX(-([1-9]|1[0-4]))?)"
"""the names of the real-time signals, without SIG, as a regular expression"""

NUMBERS: dict[str, int] = STANDARD | {
    "SIGRTMIN": 34,
    **{f"SIGRTMIN+{step}": 34 + step for step in range(1, 16)},
    **{f"SIGRTMAX-{step}": 64 - step for step in range(14, 0, -1)},
    "SIGRTMAX": 64,
}

_NAMES = {number: name for name, number in reversed(NUMBERS.items())}


def canonical(name: str) -> str | None:
    """`SIGTERM` for `SIGTERM` and `TERM`; None for what is no signal."""
    full = name if name.startswith("SIG") else f"SIG{name}"
    return full if full in NUMBERS else None


def name(number: int) -> str:
    """`SIGTERM` for 15, `signal 99` for what has no name."""
    return _NAMES.get(number, f"signal {number}")
