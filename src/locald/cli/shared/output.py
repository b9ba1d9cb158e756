"""What a service printed last, for those who explain how it is."""

from __future__ import annotations

import json

from locald.client.http import Denied, Ended, Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from locald.client.http import Api


def last_entries(api: Api, service: list[tuple[str, str]], count: int) -> list[dict[str, Any]]:
    """The last lines of the latest run, as `logs --json` has them, without escape sequences: what earlier
    runs said is no reason for what is so now. `service`: the fields of a query. None when they cannot be had.
    """
    found: list[dict[str, Any]] = []
    try:
        lines = api.lines("/v1/logs", [*service, ("n", str(count)), ("follow", "0"), ("plain", "1")])
        while True:
            found.append(json.loads(lines.next()))
    except (Ended, Denied, Unreachable, ValueError):
        return [entry for entry in found if entry.get("run") == found[-1].get("run")]
