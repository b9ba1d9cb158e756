"""Where dekit comes from: PyPI, in one version, into a folder of the user's cache."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

DEKIT = "dekit-cli==0.10.3"


def dekit() -> Path | None:
    """Its program, installed if need be; None where it cannot be, which is said."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "locald-bench"
    program = cache / DEKIT.replace("==", "-") / "bin" / "dekit"
    if not program.exists():
        print(f"installing {DEKIT} into {program.parent.parent}", file=sys.stderr)
        venv.create(program.parent.parent, with_pip=True)
        command = [str(program.with_name("python")), "-m", "pip", "install", "--quiet", DEKIT]
        if subprocess.run(command, check=False).returncode:
            print(f"{DEKIT} cannot be installed: it does not race", file=sys.stderr)
            return None
    return program
