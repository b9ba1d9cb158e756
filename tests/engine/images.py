"""The images of the tests, made from a static busybox without a registry. Each shows one kind of service.

`plain`      nothing but programs
`http`       HTTP on 8080, says nothing about its health
`healthy`    HTTP on 8080; its HEALTHCHECK succeeds after about a second
`unhealthy`  listens at once; its HEALTHCHECK always fails, and says why
`flip`       its HEALTHCHECK follows the file /tmp/ok
`late`       TCP on 5000, opened a second after the start, or as soon as /tmp/open is there
`crasher`    ends with code 3 after 300 ms
`store`      counts in /data/visits, on 6379; its HEALTHCHECK asks it
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.api import Api

BUSYBOX = "/bin/busybox"
PREFIX = "locald-test"

BARE = f"{PREFIX}/bare:1"
OF_THIS_MACHINE = ("redis",)
"""the names of images with a program that may be missing here: see `make_of`"""
_HTTPD = '["httpd","-f","-p","8080","-h","/www"]'
IMAGES: dict[str, tuple[str, ...]] = {
    "plain": ('CMD ["sh"]',),
    "http": ("EXPOSE 8080", f"CMD {_HTTPD}"),
    "healthy": (
        "EXPOSE 8080",
        "HEALTHCHECK --interval=300ms --timeout=5s --retries=10 CMD wget -q -O /dev/null http://127.0.0.1:8080/",
        'CMD ["sh","-c","sleep 0.7; exec httpd -f -p 8080 -h /www"]',
    ),
    "unhealthy": (
        "EXPOSE 8080",
        'HEALTHCHECK --interval=300ms --timeout=5s --retries=2 CMD echo "no store to be reached"; exit 1',
        f"CMD {_HTTPD}",
    ),
    "flip": (
        "HEALTHCHECK --interval=200ms --timeout=5s --retries=1 CMD test -f /tmp/ok",
        'CMD ["sh","-c","touch /tmp/ok; exec sleep 1000000"]',
    ),
    "late": (
        "EXPOSE 5000",
        'CMD ["sh","-c","echo booting; sleep 1; echo listening; exec nc -ll -p 5000 -e echo hi"]',
    ),
    "store": (
        "EXPOSE 6379",
        "HEALTHCHECK --interval=300ms --timeout=5s CMD echo PING | nc 127.0.0.1 6379 | grep PONG",
        'CMD ["nc","-ll","-p","6379","-e","store"]',
    ),
    "crasher": ('CMD ["sh","-c","echo about to crash >&2; sleep 0.3; exit 3"]',),
}

_STORE = """#!/bin/sh
while read -r word; do
    case $word in
    PING*) echo +PONG; exit ;;
    visits*)
        count=$(($(cat /data/visits 2>/dev/null || echo 0) + 1))
        echo "$count" | tee /data/visits | sed "s/.*/:&/" ;;
    esac
done
"""
"""as much of Redis as is needed: PING, and INCR of one key"""


def name(short: str) -> str:
    return f"{PREFIX}/{short}:1"


def make_all(api: Api) -> None:
    """Make every image that the engine does not have. A layer is the same for all."""
    there = {tag for image in api.get("/images/json") for tag in image["RepoTags"] or ()}
    wanted = {short: changes for short, changes in IMAGES.items() if name(short) not in there}
    layer = root_filesystem() if wanted else b""
    for short, changes in wanted.items():
        make(api, name(short), ("ENV PATH=/bin", *changes), layer)


def make_bare(api: Api) -> None:
    """An image without a shell, or anything else."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        _add(tar, "etc", tarfile.DIRTYPE, mode=0o755)
    make(api, BARE, (), out.getvalue())


def make(api: Api, image: str, changes: tuple[str, ...], layer: bytes) -> None:
    repository, _, tag = image.rpartition(":")
    query = [("fromSrc", "-"), ("repo", repository), ("tag", tag), *(("changes", each) for each in changes)]
    status, answer = api.send("POST", f"/images/create?{urlencode(query)}", layer, "application/x-tar")
    assert status == 200, answer
    assert b'"error"' not in answer, answer


def make_of(api: Api, short: str, program: str, changes: tuple[str, ...]) -> str:
    """An image with a program of this machine and the libraries that it needs. Its name."""
    listed = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
    files = [program, *(word for word in listed.split() if word.startswith("/"))]
    make(api, name(short), ("ENV PATH=/bin", *changes), root_filesystem(files))
    return name(short)


def remove_all(api: Api) -> None:
    for image in [*map(name, IMAGES), BARE, *map(name, OF_THIS_MACHINE)]:
        api.send("DELETE", f"/images/{image}?force=1", None, "")


def root_filesystem(files: Iterable[str] = ()) -> bytes:
    """A tar of the smallest system that there can be, and of some files of this machine."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for folder in ("bin", "etc", "proc", "sys", "dev", "tmp", "www", "data"):
            _add(tar, folder, tarfile.DIRTYPE, mode=0o1777 if folder == "tmp" else 0o755)
        with open(BUSYBOX, "rb") as program:
            _add(tar, "bin/busybox", data=program.read(), mode=0o755)
        for applet in subprocess.run(
            [BUSYBOX, "--list"], capture_output=True, text=True, check=True
        ).stdout.split():
            if applet != "busybox":
                _add(tar, f"bin/{applet}", tarfile.SYMTYPE, target="busybox")
        _add(tar, "bin/store", data=_STORE.encode(), mode=0o755)
        _add(tar, "etc/passwd", data=b"root:x:0:0:root:/:/bin/sh\n")
        _add(tar, "etc/group", data=b"root:x:0:\n")
        for path in files:
            _add(tar, path.lstrip("/"), data=Path(path).read_bytes(), mode=0o755)
        _add(tar, "www/index.html", data=b"hello from a test image\n")
    return out.getvalue()


def _add(
    tar: tarfile.TarFile,
    path: str,
    kind: bytes = tarfile.REGTYPE,
    data: bytes = b"",
    mode: int = 0o644,
    target: str = "",
) -> None:
    entry = tarfile.TarInfo(path)
    entry.type, entry.mode, entry.size, entry.linkname = kind, mode, len(data), target
    tar.addfile(entry, io.BytesIO(data))


def is_static(program: str = BUSYBOX) -> bool:
    """Whether it runs where there are no libraries: an ELF file without an interpreter."""
    with open(program, "rb") as file:
        head = file.read(4096)
    size, count = int.from_bytes(head[54:56], "little"), int.from_bytes(head[56:58], "little")
    start = int.from_bytes(head[32:40], "little")
    kinds = (int.from_bytes(head[at : at + 4], "little") for at in range(start, start + size * count, size))
    return head[:5] == b"\x7fELF\x02" and 3 not in kinds  # 3: PT_INTERP
