"""What a running PostgreSQL says of itself in its data folder, as `pg_ctl -w` reads it.

With `trust`, whoever asks PostgreSQL over its port either logs in or leaves a line in its log. The file
`postmaster.pid` in the folder that the server works in says the same without either; its eighth line is
`starting`, `ready`, `standby` (connections are refused) or `stopping`. Where it cannot be read, the port is
asked.
"""

from __future__ import annotations

import asyncio

from locald.linux import procfs

READY, STARTING = "ready", "starting"
_STATE = 7
_MOST = 4096


async def state(pid: int) -> str:
    """The server's own word for its state; empty where nothing can be known of it."""
    return await asyncio.to_thread(_read, pid)


def _read(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cwd/postmaster.pid", encoding="utf-8", errors="replace") as file:
            lines = file.read(_MOST).splitlines()
    except OSError:
        return ""
    if not lines or lines[0].strip() != str(procfs.inner_pid(pid)):
        return ""
    if len(lines) <= _STATE:  # it listens already, and writes this line a moment later
        return STARTING
    return lines[_STATE].strip() if lines[_STATE].strip().isalpha() else ""
