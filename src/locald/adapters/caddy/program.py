"""Which Caddy there is: the one that was installed with locald, else one on the PATH, if it is new enough."""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys

from msgspec import Struct

LEAST = (2, 8)
"""the oldest that is told nothing it does not know"""
BREAKS_OFF = (2, 11, 5)
"""the first that ends what stood still for a minute, and can be told not to"""
WITHIN = 10.0
"""seconds to say its version"""
INSTALL = "pip install 'locald[proxy]'"


class Caddy(Struct, frozen=True):
    path: str
    version: str


class NoCaddy(Struct, frozen=True):
    """`reason`: one sentence."""

    reason: str
    hint: str = f"run `{INSTALL}`"


def find(path: str = os.environ.get("PATH", "")) -> Caddy | NoCaddy:
    """Starts the one that is there to ask for its version: call it in a thread."""
    from shutil import which  # a daemon starts without it

    beside = os.path.join(os.path.dirname(sys.executable), "caddy")
    found = beside if os.access(beside, os.X_OK) else which("caddy", path=path)
    if found is None:
        return NoCaddy("Caddy is not installed")
    version = _version(found, os.stat(found).st_mtime_ns)
    if version is None:
        return NoCaddy(f"{found} does not tell its version")
    if _numbers(version) < LEAST:
        least = ".".join(map(str, LEAST))
        return NoCaddy(f"{found} is Caddy {version}, the proxy needs {least} or newer")
    return Caddy(found, version)


def breaks_off(version: str) -> bool:
    """Whether it ends what stands still, unless it is told otherwise. `version`: as of `Caddy`."""
    return _numbers(version) >= BREAKS_OFF


@functools.cache
def _version(program: str, _: int) -> str | None:
    """Of a program as it is since that time."""
    try:
        done = subprocess.run(
            [program, "version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=WITHIN,
            check=False,
            cwd="/",
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.match(rb"v?(\d+\.\d+\.\d+)", done.stdout.strip())
    return found[1].decode() if found else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))
