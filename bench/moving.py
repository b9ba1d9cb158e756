"""How long it takes to come from other tools, and to go to others."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from bench.instance import Instance
from bench.table import Measure

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICES = 60
TIMES = 15
FORMATS = ("compose", "systemd", "kubernetes")
LOST = 4
"""the exit code of an export that cannot say everything"""


def measure() -> list[Measure]:
    """`locald init` from a compose file of 60 services, and `locald export` of what that is"""
    program = sys.executable.replace("/python", "/locald")
    with Instance() as instance, tempfile.TemporaryDirectory() as folder:
        Path(folder, "compose.yaml").write_text("".join(_compose()))
        written = subprocess.run(
            [program, "init", "--print"],
            cwd=folder,
            env=instance.environment,
            check=True,
            capture_output=True,
        )
        instance.folder.joinpath("locald.toml").write_bytes(written.stdout)
        commands = {
            "nothing": ([sys.executable, "-c", "pass"], folder),
            "init": ([program, "init", "--print"], folder),
            **{name: ([program, "export", name], str(instance.folder)) for name in FORMATS},
        }
        took: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(TIMES):
            for name, (command, where) in commands.items():  # in turn, so that a busy moment is shared
                took[name].append(_seconds(command, where, instance))
    nothing = median(took["nothing"])
    return [
        Measure("`locald init` of 60 services", 1000 * median(took["init"]), "ms", 300),
        *(
            Measure(f"`locald export {name}` of 60 services", 1000 * median(took[name]), "ms", 200)
            for name in FORMATS
        ),
        Measure("`python3 -c pass`", 1000 * nothing, "ms"),
    ]


def _compose() -> Iterator[str]:
    yield "name: sixty\nservices:\n"
    for number in range(SERVICES):
        yield f"  s{number}:\n    image: shop/s{number}:1\n    restart: unless-stopped\n"
        yield f'    ports: ["{9000 + number}:{8000 + number}"]\n'
        yield '    environment: { A: "1", B: "${HOME:-x}" }\n    healthcheck:\n      interval: 5s\n'
        yield f'      test: ["CMD", "curl", "-f", "http://localhost:{8000 + number}/"]\n'
        if number % 5:
            yield f"    depends_on: {{ s{number - 1}: {{ condition: service_healthy }} }}\n"


def _seconds(command: list[str], where: str, instance: Instance) -> float:
    began = time.perf_counter()
    done = subprocess.run(command, cwd=where, env=instance.environment, check=False, capture_output=True)
    took = time.perf_counter() - began
    if done.returncode not in (0, LOST):
        raise RuntimeError(done.stderr.decode())
    return took
