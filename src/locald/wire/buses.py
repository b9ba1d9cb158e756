"""Where a user's own systemd takes orders: a bus, found as `systemctl --user` finds it.

What counts is the environment of the user who ran `up`, never the daemon's. Nothing is asked here.

Sources: sd_booted(3), pam_systemd(8), the D-Bus specification.
"""

from __future__ import annotations

import os

from locald.wire.engines import Unusable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

BOOTED = "/run/systemd/system"
"""is there where systemd runs the machine"""
HERE = "run `locald up --on local` to run it without systemd"
LINGER = "log in as this user, or run `loginctl enable-linger` to have one without a login"


def bus(env: Mapping[str, str]) -> str:
    """The address of this user's bus. Raises Unusable."""
    if not os.path.isdir(BOOTED):
        raise Unusable("systemd does not run this machine", HERE)
    folders = [env.get("XDG_RUNTIME_DIR", ""), f"/run/user/{os.getuid()}"]
    sockets = [f"{folder}/bus" for folder in folders if folder.startswith("/")]
    for socket in sockets:
        if os.path.exists(socket):
            return f"unix:path={socket}"
    if told := env.get("DBUS_SESSION_BUS_ADDRESS"):
        return told
    raise Unusable(f"this user has no systemd of its own: no such file: {sockets[0]}", LINGER)
