"""Whether a container serves its port: truly, not as its published port pretends.

From within its network where we may enter that, else from outside (see `within` and `published`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from locald.adapters.containers.published import Published
from locald.adapters.containers.seen import Target, Telling, is_of_this_machine
from locald.adapters.containers.within import Within

if TYPE_CHECKING:
    from collections.abc import Callable

    from locald.domain.lifecycle.messages import Listens
    from locald.domain.project.names import Run

__all__ = ["Target", "is_of_this_machine", "listen"]


async def listen(
    run: Run,
    target: Target,
    post: Callable[[Listens], None],
    clock: Callable[[], float],
    *,
    again: bool,
) -> None:
    """Post `Listens` whenever something changes, until cancelled. `again`: an earlier daemon did so, too."""
    telling = Telling(run, post, clock, again=again)
    try:
        within = await Within.enter(target, telling, clock) if target.pid else None
    except OSError:  # not permitted here
        within = None
    if within is None:
        await Published(target, telling, clock).listen()
        return
    try:
        await within.listen()
    finally:
        within.close()
