"""Celery, which has no port: its process counts, but one that dies while it imports is soon not believed."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from whole.looking import is_healthy

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.house import House

TASKS = "from celery import Celery\napp = Celery('tasks', broker='memory://')\n"
DYING = f"import time\ntime.sleep(0.5)\n{TASKS}raise SystemExit('no module named shop')\n"


def celery(house: House, tasks: str) -> Path:
    if not shutil.which("celery", path=house.env["PATH"]):
        pytest.skip("no celery")
    house.write(
        """
[services.jobs]
type = "worker"
command = "exec celery -A tasks worker --concurrency 2 --loglevel info"
[services.next]
type = "worker"
command = "exec sleep 1000"
depends_on = ["jobs"]
"""
    )
    return house.file("tasks.py", tasks)


def test_a_celery_worker_is_healthy_by_its_process(house: House) -> None:
    celery(house, TASKS)
    done = house.locald("up", "--json", timeout=90)
    assert done.returncode == 0, done.stderr
    row = {each["name"]: each for each in json.loads(done.stdout)["services"]}["jobs"]
    assert is_healthy(row)
    assert row["source"] == "process"
    assert house.locald("down", timeout=60).returncode == 0


def test_a_celery_worker_that_dies_while_importing_is_not_believed_again_and_again(house: House) -> None:
    celery(house, DYING)
    house.locald("up", timeout=120)  # its first run may have lived for longer than it takes to believe it
    house.until("jobs", lambda row: row["state"] == "failed", 120)
    told = house.logs("jobs")
    assert sum(line.startswith("started") for line in told) == 6, told
    # Each run has to live 1.5 times as long as the longest before: nothing but its own past tells how long a
    # worker imports, and beside other work one run may take that much longer than all before it.
    assert sum(line.startswith("healthy") for line in told) <= 2, told
    assert house.locald("down", timeout=60).returncode == 0
