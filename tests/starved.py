"""How long this process had to wait for a processor: what a test that takes the time has to leave out.

On a busy machine it says nothing about what is tested."""

from __future__ import annotations

import os
from pathlib import Path


def starved() -> float:
    """Seconds in which one of its threads could have run and did not, until now; 0 where the kernel does not
    count that (proc_pid_schedstat(5): CONFIG_SCHED_INFO)."""
    waited = 0
    for thread in os.listdir("/proc/self/task"):
        try:
            waited += int(Path(f"/proc/self/task/{thread}/schedstat").read_text().split()[1])
        except OSError:  # it has ended, or nothing is counted
            pass
    return waited / 1e9
