"""Which watched files of a service have changed, while it is waited for quiet, and what is known of them."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

LONGEST = 30.0
"""seconds, or ten times the debounce if that is more, after which a change that goes on and on counts"""


class Changes(Struct, frozen=True):
    """Of one service. `paths`, `count`: the change that is waited out, from `first_at` to `last_at`."""

    paths: tuple[str, ...] = ()
    count: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    suspects: tuple[str, ...] = ()
    """files that changed at once after each of the last `rounds` starts"""
    rounds: int = 0
    left_out: tuple[str, ...] = ()
    """what the service writes itself at each start"""
    trouble: str = ""
    """why not all is watched; or empty"""
    hint: str = ""

    @property
    def told(self) -> str:
        """`src/api.py changed`, `src/api.py and 3 more changed`."""
        first, more = next(iter(self.paths), "a file"), self.count - 1
        return f"{first} and {more} more changed" if more > 0 else f"{first} changed"

    def due(self, debounce: float) -> float | None:
        """When it has been quiet for long enough; None where nothing has changed."""
        if not self.count:
            return None
        return min(self.last_at + debounce, self.first_at + max(LONGEST, 10 * debounce))


def forgotten(changes: Changes) -> Changes:
    """The change has been acted on."""
    return replace(changes, paths=(), count=0)
