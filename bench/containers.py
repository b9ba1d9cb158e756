"""Containers: how soon locald knows what the engine knows, and `up` against doing the same by hand.

The engine is that of DOCKER_HOST, else a private one of the tests, where there can be one (root, Debian's
docker.io). Without either, nothing is measured.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.instance import ROOT, Instance
from bench.lag import CUT, epoch
from bench.table import Measure

sys.path.insert(0, str(ROOT / "tests"))

from engine import images, warden
from engine.api import Api

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGE = f"{images.PREFIX}/prompt:1"
CHANGES = (
    "EXPOSE 8080",
    "HEALTHCHECK --interval=300ms --timeout=5s CMD wget -q -O /dev/null http://127.0.0.1:8080/",
    'CMD ["httpd","-f","-p","8080","-h","/www"]',
)
"""healthy with its first probe, so that chance does not decide which one it is"""
TURNS = 15
STARTS = 5
LOOKS_EVERY = 0.1
"""seconds between two looks of somebody who waits by hand"""
GOAL = 20.0
"""milliseconds"""


def measure() -> list[Measure]:
    """from the engine's own `healthy` to locald's, and `up` over `docker run` with an inspect every 100 ms"""
    try:
        with _engine() as host:
            api = Api(host)
            images.make_all(api)
            images.make(api, IMAGE, ("ENV PATH=/bin", *CHANGES), images.root_filesystem())
            return [*_lag(host), *_up(host)]
    except warden.Unable as unable:
        print(f"not measured: {unable}", file=sys.stderr)
        return []


@contextlib.contextmanager
def _engine() -> Iterator[str]:
    """The address of an engine. Raises Unable."""
    if host := os.environ.get("DOCKER_HOST"):
        yield host
        return
    if why := warden.missing():
        raise warden.Unable(why)
    command = [sys.executable, str(ROOT / "tests" / "engine" / "warden.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdin
        said = json.loads(process.stdout.readline())
        if "error" in said:
            raise warden.Unable(said["error"])
        yield said["host"]
        process.stdin.close()


# The lag.


def _lag(host: str) -> list[Measure]:
    """A container whose health is switched off and on: each time it comes back counts."""
    with Instance(DOCKER_HOST=host) as instance:
        instance.project({"db": {"image": images.name("flip")}})
        instance.up()
        lags = sorted(_turn(instance, Api(host)) for _ in range(TURNS))
    return [
        Measure(f"lag of a HEALTHCHECK, median of {TURNS}", median(lags), "ms", GOAL),
        Measure("lag of a HEALTHCHECK, the worst", lags[-1], "ms"),
    ]


def _turn(instance: Instance, api: Api) -> float:
    """Milliseconds from the engine's event to the moment since which locald calls it healthy."""
    container = instance.rows()[0]["container"]
    _inside(api, container, "rm /tmp/ok")
    _until(instance, "unhealthy")
    _inside(api, container, "touch /tmp/ok")
    known = epoch(_until(instance, "healthy")["since"])
    return 1000 * (known - _last_healthy(api, container)) + CUT


def _inside(api: Api, container: str, command: str) -> None:
    made = api.post(f"/containers/{container}/exec", {"Cmd": ["sh", "-c", command]})
    api.post(f"/exec/{made['Id']}/start", {"Detach": True})


def _until(instance: Instance, health: str) -> dict[str, Any]:
    while (row := instance.rows()[0])["health"] != health:
        time.sleep(0.05)
    return row


def _last_healthy(api: Api, container: str) -> float:
    """When the engine last said that it is healthy, by its own clock."""
    filters = json.dumps({"container": [container], "event": ["health_status"]})
    now = time.time()
    query = f"/events?since={now - 60:.9f}&until={now:.9f}&filters={filters}"
    _, answer = api.send("GET", query.replace('"', "%22").replace(" ", ""), None, "")
    events = [json.loads(line) for line in answer.splitlines()]
    moments = [int(event["timeNano"]) for event in events if event["Action"].endswith(": healthy")]
    return max(moments) / 1e9


# Up.


def _up(host: str) -> list[Measure]:
    """In turns, so that both meet the same machine."""
    if not shutil.which("docker"):
        print("not measured: there is no docker command to compare with", file=sys.stderr)
        return []
    ours, theirs = [], []
    with Instance(DOCKER_HOST=host) as instance:
        instance.project({"db": {"image": IMAGE}})
        for _ in range(STARTS):
            ours.append(instance.up())
            instance.locald("down")
            theirs.append(_by_hand(host))
    ratio = median(ours) / median(theirs)
    return [
        Measure("`locald up` of a container over `docker run` and looking", ratio, "x", 1.0),
        Measure("`locald up` of a container", median(ours), "s"),
        Measure("`docker run`, and `docker inspect` every 100 ms", median(theirs), "s"),
    ]


def _by_hand(host: str) -> float:
    """Seconds until somebody with the docker command knows that it is healthy."""
    began = time.perf_counter()
    container = _docker(host, "run", "-d", "--init", "-p", "127.0.0.1::8080", IMAGE)
    while _docker(host, "inspect", "-f", "{{.State.Health.Status}}", container) != "healthy":
        time.sleep(LOOKS_EVERY)
    took = time.perf_counter() - began
    _docker(host, "rm", "-f", container)
    return took


def _docker(host: str, *words: str) -> str:
    environment = {**os.environ, "DOCKER_HOST": host}
    done = subprocess.run(["docker", *words], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()
