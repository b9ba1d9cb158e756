"""Celery, which has no port: its process counts, but one that dies while it imports is soon not believed."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from whole.looking import is_healthy
from whole.machine import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from zoo.house import House

TASKS = "from celery import Celery\napp = Celery('tasks', broker='memory://')\n"
DYING = f"import time\ntime.sleep(0.5)\n{TASKS}raise SystemExit('no module named shop')\n"


WORKING = f"""
import time
from celery.signals import worker_ready
{TASKS}
@app.task
def work():
    print('begun', flush=True)
    time.sleep(3)
    open('done', 'w').close()
worker_ready.connect(lambda **_: work.delay(), weak=False)
"""


def celery(house: House, tasks: str, more: str = "") -> Path:
    if not shutil.which("celery", path=house.env["PATH"]):
        pytest.skip("no celery")
    house.write(
        f"""
[services.jobs]
{more}
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


@pytest.mark.parametrize(("more", "is_done"), [('kill_mode = "mixed"', True), ("", False)])
def test_a_celery_worker_finishes_its_work_when_its_main_process_alone_is_told(
    house: House, more: str, is_done: bool
) -> None:
    """Its warm shutdown. The processes of its pool would die of the signal, and the work with them."""
    tasks = celery(house, WORKING, more)
    assert house.locald("up", "--json", timeout=90).returncode == 0
    wait_for(lambda: any("begun" in line for line in house.logs("jobs")), "the work")
    assert house.locald("stop", "jobs", timeout=60).returncode == 0
    assert tasks.with_name("done").exists() is is_done
    assert house.locald("down", timeout=60).returncode == 0
