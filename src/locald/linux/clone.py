"""A fork whose child is born in a cgroup, which Python has no word for.

A process that writes itself into `cgroup.procs` waits until every processor has taken notice, 10 ms and more
where nobody did so lately; one that is born there does not wait.

The child has left C's `fork` out, which would have told the C library and Python of it: it is to do little,
and to make by `os.fork` whatever is to do more. No other thread may run.

Source: clone(2), clone3 with CLONE_INTO_CGROUP; since Linux 5.7.
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct

TYPE_CHECKING = False  # type checkers take it for `typing`'s, whose import costs the keeper 2 MB
if TYPE_CHECKING:
    from collections.abc import Callable

_LIBC = ctypes.PyDLL(None, use_errno=True)  # it keeps the interpreter's lock, which the child needs to have
_CLONE3 = 435
"""on every architecture that has it, but one: there it is no call at all"""
_INTO_CGROUP = 0x200000000
_ARGUMENTS = struct.Struct("11Q")
"""struct clone_args: flags first, then the signal of its end as the fifth, the cgroup as the last"""


def born_in(folder: str, fork: Callable[[Callable[[], int]], int]) -> tuple[int, str | None]:
    """(what `fork` returns, the cgroup if the child still has to enter it). Raises OSError."""
    try:
        return fork(lambda: fork_into(folder)), None
    except OSError:
        return fork(os.fork), folder


def fork_into(folder: str) -> int:
    """As `os.fork`, the child being a member of this cgroup. Raises OSError: ENOSYS and EPERM where the
    kernel, or who watches over its calls, knows nothing of it; then nothing was forked."""
    group = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        words = _ARGUMENTS.pack(_INTO_CGROUP, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, group)
        pid: int = _LIBC.syscall(ctypes.c_long(_CLONE3), words, ctypes.c_size_t(len(words)))
        if pid < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(group)
    return pid
