"""The shell that asks: what its services inherit from it, for they are not children of this shell.

The daemon starts services long after this command has ended, perhaps again tomorrow; so everything that
a child would have inherited is sent along: the environment, the umask, the limits.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def caller() -> dict[str, Any]:
    """The `caller` of a request. Limits are pairs (soft, hard) by name without RLIMIT_; -1 is infinity."""
    return {"env": dict(os.environ), "umask": _umask(), "limits": _limits()}


def _umask() -> int:
    """A process can read its umask only by setting it; nothing else runs here that could notice."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _limits() -> dict[str, list[int]]:
    import resource

    names = [name for name in dir(resource) if name.startswith("RLIMIT_")]
    numbers = {
        getattr(resource, name): name for name in sorted(names, reverse=True)
    }  # aliases: the first name
    return {
        name.removeprefix("RLIMIT_").lower(): list(resource.getrlimit(number))
        for number, name in numbers.items()
    }
