#!/bin/sh
# A command of systemd that fails tells the service that called it: it sends ERRNO= to NOTIFY_SOCKET.
#
# Seen with: systemd 252.39-1~deb12u2 (Debian 12).
# Expected:  no message. Neither systemctl(1), busctl(1) nor sd_notify(3) says that these commands send one,
#            and nobody started them as a service.
# Seen:      systemctl --user is-active x        ERRNO=123 (ENOMEDIUM: there is no user bus)
#            busctl --address=unix:path=/none    ERRNO=2   (ENOENT: there is no such bus)
#            systemctl --version                 nothing   (it succeeds)
# Needs apt-get with the packages of Debian 12, and Python 3. Exits with 1 if anything else is seen.

version=252.39-1~deb12u2
folder=$(mktemp -d) || exit 2
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 2
apt-get -q download "systemd=$version" "libsystemd-shared=$version" >log 2>&1 || { cat log; exit 2; }
for package in *.deb; do
    dpkg-deb -x "$package" root || exit 2
done

LD_LIBRARY_PATH=$(dirname "$(find "$PWD/root" -name 'libsystemd-shared*.so')") || exit 2
export LD_LIBRARY_PATH
python3 - "$PWD" <<'END'
"""Binds a plain datagram socket, runs each command with it in NOTIFY_SOCKET, and prints what arrives."""

import os
import socket
import subprocess
import sys
from pathlib import Path

folder = Path(sys.argv[1])
expected = {
    "systemctl --user is-active x": [b"ERRNO=123"],
    "busctl --address=unix:path=/none list": [b"ERRNO=2"],
    "systemctl --version": [],
}


def heard(command: str) -> list[bytes]:
    address = str(folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.setblocking(False)
        program, *arguments = command.split()
        [path] = [found for found in folder.rglob(program) if found.parent.name == "bin"]
        environment = {"NOTIFY_SOCKET": address, "LD_LIBRARY_PATH": os.environ["LD_LIBRARY_PATH"]}
        subprocess.run([path, *arguments], env=environment, capture_output=True, check=False)
        os.unlink(address)
        return messages(listener)


def messages(listener: socket.socket) -> list[bytes]:
    """What lies in the socket: the command has ended, so nothing more can come."""
    found = []
    while True:
        try:
            found.append(listener.recv(4096))
        except BlockingIOError:
            return found


seen = {command: heard(command) for command in expected}
for command, found in seen.items():
    print(f"{command:40}", b" ".join(found).decode() or "nothing")
sys.exit(seen != expected)
END
