"""A service that becomes ready in a given way, a given time after its program began, and notes when.

    service.py notify|tcp|log|http SECONDS [FILE]

The moment goes into FILE (seconds since the epoch): just before READY=1 is sent or the line printed, just
after the port is open. Started by `python -I -S`, so that little but the given time passes.
"""

import os
import socket
import sys
import time


def began() -> float:
    """When this program was begun, which may be long after its process was made: what it has had of a
    processor so far is the start of its interpreter."""
    return time.time() - time.process_time()


def note(at: float) -> None:
    if len(sys.argv) > 3:
        with open(sys.argv[3], "w") as file:
            file.write(repr(at))


def listen() -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(os.environ["PORT"])))
    listener.listen()
    return listener


def serve(listener: socket.socket) -> None:
    """Answers whatever comes as HTTP; who sends nothing gets nothing."""
    while True:
        connection, _ = listener.accept()
        connection.settimeout(1)
        try:
            if connection.recv(4096):
                connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")
        except OSError:
            pass
        connection.close()


how, seconds = sys.argv[1], float(sys.argv[2])
time.sleep(max(began() + seconds - time.time(), 0))
listener = listen()
at = time.time()
if how == "notify":
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"READY=1", os.environ["NOTIFY_" + "SOCKET"])
elif how == "log":
    print("the service is ready", flush=True)
note(at)
serve(listener)
