"""What the volumes of projects take on disk, as their engines measure them.

A project's are those that are called after it (`create.volume`), and those without a name of the containers
that it has now. An engine measures by walking through every file, for as long as that takes. So who asks says
how long to wait, and is told of an engine that is not there, or not ready by then.

Source: docs.docker.com/reference/api/engine (SystemDataUsage, ContainerList).
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from locald.adapters.containers import create
from locald.adapters.containers.engine import EngineAbsent, NoEngine, Refusal, first, where
from locald.adapters.containers.translate import Volumes, labels_of, sizes
from locald.domain.values.amounts import length
from locald.wire.engines import Address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from locald.adapters.containers.engine import Engine

NAMELESS = re.compile(r"[0-9a-f]{64}")
"""what an engine calls a volume to which nobody has given a name"""


class _Measured(Struct, frozen=True):
    address: Address | None = None
    sizes: Counter[str] = field(default_factory=Counter)
    trouble: str = ""
    is_there: bool = True
    """there is an engine, even if it does not answer"""


async def volumes(
    shells: Mapping[str, Mapping[str, str]], own: Mapping[str, str], owner: str, within: float
) -> Volumes:
    """`shells`: by project that has volumes, the environment of the shell that ran `up`, which says where its
    engine is; `own`: that for all other projects. `owner`: whose containers are ours. `within`: seconds."""
    places = {project: await _where(shell) for project, shell in {**shells, "": own}.items()}
    asked = list(dict.fromkeys(places.values()))
    answers = await asyncio.gather(*(_measured(each, owner, within) for each in asked))
    by_place = dict(zip(asked, answers, strict=True))
    found = Volumes()
    for answer in {each.address: each for each in answers if each.address}.values():
        found.sizes.update(answer.sizes)
    for project in shells:
        if trouble := by_place[places[project]].trouble:
            found.unknown[project] = trouble
    elsewhere = by_place[places[""]]
    found.unknown_elsewhere = elsewhere.trouble if elsewhere.is_there else ""
    return found


async def _where(shell: Mapping[str, str]) -> tuple[Address, ...] | str:
    """Where to look, or why that cannot be said."""
    try:
        return await where(shell)
    except EngineAbsent as absent:
        return absent.reason


async def _measured(place: tuple[Address, ...] | str, owner: str, within: float) -> _Measured:
    if isinstance(place, str):
        return _Measured(trouble=place)
    try:
        async with asyncio.timeout(within):
            engine = await first(place)
            try:
                sizes, trouble = await _sizes(engine, owner, within)
                return _Measured(engine.address, sizes, trouble)
            finally:
                await engine.close()
    except TimeoutError:
        return _Measured(trouble=f"the engine did not measure its volumes within {length(within)}")
    except NoEngine as absent:
        return _Measured(trouble=absent.reason, is_there=False)
    except EngineAbsent as absent:
        return _Measured(trouble=absent.reason)
    except Refusal as refusal:
        return _Measured(trouble=f"the engine does not measure its volumes: {refusal.message}")


async def _sizes(engine: Engine, owner: str, within: float) -> tuple[Counter[str], str]:
    """Bytes by project, and which volume the engine cannot measure. Raises EngineAbsent, Refusal."""
    ours = {"all": "1", "filters": json.dumps({"label": [f"{create.OWNER}={owner}"]})}
    used = _nameless(await engine.get(("containers", "json"), ours))
    found, trouble = Counter[str](), ""
    told = await engine.get(("system", "df"), {"type": "volume"}, timeout=within)
    for name, size in sizes(told or {}):
        if not (project := create.project_of(name) or used.get(name)):
            continue
        if size is None:
            trouble = f"the engine cannot measure the volume {name}"
        else:
            found[project] += size
    return found, trouble


def _nameless(containers: list[dict[str, Any]]) -> dict[str, str]:
    """The volumes without a name of these containers, and whose each is."""
    return {
        mount["Name"]: labels_of(each).get(create.PROJECT, "")
        for each in containers
        for mount in each.get("Mounts") or []
        if mount.get("Type") == "volume" and NAMELESS.fullmatch(mount.get("Name", ""))
    }
