"""A command in the foreground: it has this terminal, gets our signals, and its end is ours.

While it runs we only wait for signals, synchronously: nothing interrupts our own code. What a terminal
sends (Ctrl-C) reaches the command by itself, for it is in the same process group; what somebody sends
to us alone is passed on. The kernel tells the two apart by `si_code` (sigaction(2)).
"""

from __future__ import annotations

import os
import signal
import sys

from locald.domain.values.problem import Problem, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

NOT_FOUND, NOT_EXECUTABLE = 127, 126
"""What a shell returns for a command that it could not run"""
SI_KERNEL = 0x80
FORWARDED = {signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2}


def given(command: list[str], ours: str, example: str) -> list[str]:
    """The command without the `--` before it. Refused when `ours`, a command of locald, is given none."""
    command = command[1:] if command[:1] == ["--"] else command
    if not command:
        raise Refused(Problem(f"{ours} needs a command", hint=f"for example `{example}`"))
    return command


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    workdir: str | None = None,
    look: Callable[[], float | None] | None = None,
    after: Callable[[], None] | None = None,
) -> int:
    """Run the command to its end. Returns its exit code, 128 + the number after a signal.

    `look` is called now and then meanwhile, and says after how many seconds it wants to look again (None:
    never). `after` is called at the end, when no signal can interrupt it yet.
    """
    sys.stdout.flush()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {*FORWARDED, signal.SIGCHLD})
    try:
        pid = os.fork()
        if pid == 0:
            _become(command, environment, workdir, before)
        code = _wait(pid, look)
        if after:
            after()
        return code
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _wait(pid: int, look: Callable[[], float | None] | None) -> int:
    while True:
        again = look() if look else None
        if again is None:
            look = None
            told: signal.struct_siginfo | None = signal.sigwaitinfo({*FORWARDED, signal.SIGCHLD})
        else:
            told = signal.sigtimedwait({*FORWARDED, signal.SIGCHLD}, again)
        if told is None:
            continue
        if told.si_signo != signal.SIGCHLD:
            _pass_on(pid, told)
        elif (code := _ended(pid)) is not None:
            return code


def _pass_on(pid: int, told: signal.struct_siginfo) -> None:
    """The child is not reaped before it has ended, so its pid is still its own."""
    if told.si_code != SI_KERNEL:
        os.kill(pid, told.si_signo)


def _ended(pid: int) -> int | None:
    """The exit code if it was this child that ended; others that ended are reaped by the way."""
    while True:
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return None
        if ended == 0:
            return None
        if ended == pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _become(
    command: Sequence[str],
    environment: Mapping[str, str],
    workdir: str | None,
    mask: set[int | signal.Signals],
) -> None:
    code = NOT_EXECUTABLE
    try:
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python, not by the person
            signal.signal(ignored, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if workdir is not None:
            os.chdir(workdir)
        os.execvpe(command[0], list(command), dict(environment))
    except OSError as error:
        code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
        what = workdir if workdir is not None and error.filename == workdir else command[0]
        os.write(2, f"error: {what}: {error.strerror}\n".encode(errors="replace"))
    finally:
        os._exit(code)
