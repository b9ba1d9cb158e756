"""When locald itself is looked after: tell a notify-aware supervisor (systemd, or locald) how it is.

Source: sd_notify(3).
"""

from __future__ import annotations

import os
import socket


def tell(message: str) -> None:
    """Send one datagram to `NOTIFY_SOCKET`, if there is one. A supervisor that is gone is nobody's fault."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            sender.sendto(message.encode(), address)
    except OSError:
        pass
