"""What an engine was asked to make is there, also when nobody reads its answer any more. So who is called off
in the middle waits for that answer first, and then knows what to remove.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from locald.adapters.containers.engine import EngineAbsent

if TYPE_CHECKING:
    from collections.abc import Coroutine

ENDS_WITHIN = 10.0
"""seconds that who is called off waits for the engine"""

T = TypeVar("T")


async def making(work: Coroutine[Any, Any, T]) -> T:
    """Do this work to its end. Raises what it raises; EngineAbsent when it was called off and does not end:
    then nobody knows what was made."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait((task,), timeout=ENDS_WITHIN)
        if not task.done():
            raise EngineAbsent("the engine does not say whether it was made") from None
        if not task.cancelled():
            task.exception()  # nobody is there any more to be told
        raise
    finally:
        task.cancel()
