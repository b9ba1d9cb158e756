"""What a daemon does before it is imported: it begins its keeper, unless there is one already.

Nearly every daemon is started for services. A keeper that comes too early does no harm: of two in one folder
one stays, and one that no daemon talks to ends soon.
"""

from __future__ import annotations

import os

from locald.daemon import limits
from locald.domain.values.problem import Refused
from locald.keeper import launch
from locald.wire.home import Home


def begin_keeper() -> launch.Begun | None:
    """None where one may be there, or none can be begun: then whoever needs one finds out why."""
    try:
        home = Home.find()
        home.make()
        if os.path.exists(home.keeper):
            return None
        limits.raise_limits()
        return launch.begin(home.run, home.keeper_log)
    except (Refused, launch.CannotStart, OSError):
        return None
