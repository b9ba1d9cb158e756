"""How a process ended that is not our child: what its pidfd and its zombie still tell.

Only a parent can wait for a process, but there are two more places that know. A zombie that nobody has
reaped yet shows its status in `/proc/PID/stat`; one that was reaped shows it through its pidfd
(Linux 6.15). Between the two a status is known nearly always; None means that nobody can tell.

Source: proc(5), linux/pidfd.h (`PIDFD_GET_INFO`).
"""

from __future__ import annotations

import fcntl
import signal
import struct

from locald.linux import procfs

_INFO = struct.Struct("=QQ3I8Ii")  # mask, cgroup, pid, tgid, ppid, eight ids, exit status
_GET_INFO = (3 << 30) | (_INFO.size << 16) | (0xFF << 8) | 11
_EXIT = 1 << 3


def exit_status(pidfd: int, pid: int) -> int | None:
    """The wait status (see waitpid(2)) of a process whose pidfd says that it has ended, or None."""
    zombie = procfs.stat(pid)
    if zombie is not None and not zombie.alive and still(pidfd):
        return zombie.exit_status
    return _reaped_status(pidfd)


def _reaped_status(pidfd: int) -> int | None:
    asked = _INFO.pack(_EXIT, *[0] * 12, 0)
    try:
        told = _INFO.unpack(fcntl.ioctl(pidfd, _GET_INFO, asked))
    except OSError:  # an older kernel
        return None
    return int(told[-1]) if told[0] & _EXIT else None


def still(pidfd: int) -> bool:
    """Whether the pid still means this process: alive or a zombie, its number not yet free for another."""
    try:
        signal.pidfd_send_signal(pidfd, 0)
    except ProcessLookupError:
        return False
    except OSError:  # not ours to signal, but there
        return True
    return True
