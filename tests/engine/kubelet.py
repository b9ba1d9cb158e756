"""A kubelet for tests: runs the commands of pods as processes of this machine, in one node of its own.

It does what `up --on kubernetes` sees of a kubelet: environments from Secrets, startup and readiness probes,
restarts, exit codes, signals with their grace, and the output of containers with that of the ones before. It
does nothing else: no image is fetched (one of a registry `nowhere.invalid` is said to be missing), nothing is
isolated, names of services lead nowhere. See tests/engine/cluster.sh.

    kubelet.py KUBECONFIG FOLDER    # FOLDER: for a certificate
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal
import ssl
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import yaml
from aiohttp import web

Json = dict[str, Any]
NODE = "node1"
PATCH = {"Content-Type": "application/strategic-merge-patch+json"}
BACK_OFF = 1.0
"""seconds before a container is started again, where a kubelet waits ten and more"""


def stamp(*, fine: bool = False) -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ" if fine else "%Y-%m-%dT%H:%M:%SZ")


class Api:
    def __init__(self, config: str) -> None:
        with open(config) as file:
            said = yaml.safe_load(file)
        self._server = said["clusters"][0]["cluster"]["server"]
        headers = {"Authorization": f"Bearer {said['users'][0]['user']['token']}"}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=False, limit=0),
            headers=headers,
            timeout=aiohttp.ClientTimeout(),
        )

    async def call(self, method: str, path: str, body: Json | None = None, **more: Any) -> Json | None:
        """None where there is no such thing, or it has changed meanwhile."""
        async with self._session.request(method, self._server + path, json=body, **more) as answer:
            if answer.status in (404, 409):
                return None
            if answer.status >= 400:
                print(method, path, await answer.text(), file=sys.stderr)
                return None
            found: Json = await answer.json()
            return found

    async def watch(self, path: str) -> Any:
        async with self._session.get(self._server + path, headers={}) as answer:
            async for line in answer.content:
                yield json.loads(line)


@dataclass
class Printed:
    """What one container printed: lines with their times."""

    lines: list[tuple[str, bytes]] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    is_over: bool = False

    def tell(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()


class Running:
    """One pod."""

    def __init__(self, api: Api, pod: Json) -> None:
        self._api, self._pod = api, pod
        about = pod["metadata"]
        self.path = f"/api/v1/namespaces/{about['namespace']}/pods/{about['name']}"
        self._namespace = about["namespace"]
        self._spec = pod["spec"]["containers"][0]
        self.printed: list[Printed] = []
        self._process: asyncio.subprocess.Process | None = None
        self._end: asyncio.Task[None] | None = None
        self._told_to_end = asyncio.Event()
        self._last: Json = {}
        self._is_ready = False
        self._state: Json = {"waiting": {"reason": "ContainerCreating"}}

    def kill(self) -> None:
        if self._process:
            _signal(self._process, signal.SIGKILL)

    def end(self, grace: float) -> None:
        """Told again with less grace, it ends sooner."""
        self._told_to_end.set()
        if self._end:
            self._end.cancel()
        self._end = asyncio.get_running_loop().create_task(self._stop(grace))

    async def _stop(self, grace: float) -> None:
        process = self._process
        if process and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), grace)
            _signal(process, signal.SIGKILL)

    async def live(self) -> None:
        phase = "Pending"
        while not self._told_to_end.is_set():
            if "nowhere.invalid" in self._spec["image"]:
                message = f'Back-off pulling image "{self._spec["image"]}"'
                self._state = {"waiting": {"reason": "ImagePullBackOff", "message": message}}
                await self._tell("Pending")
                await asyncio.sleep(0.2)
                continue
            code = await self._run()
            policy = self._pod["spec"]["restartPolicy"]
            phase = "Succeeded" if code == 0 else "Failed"
            if policy == "Never" or self._told_to_end.is_set():
                break
            self._last = self._state
            self._state = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 1s"}}
            await self._tell("Running")
            await asyncio.sleep(BACK_OFF)
        await self._tell(phase)
        await self._told_to_end.wait()
        assert self._end
        with contextlib.suppress(asyncio.CancelledError):
            await self._end
        await self._api.call("DELETE", self.path, {"gracePeriodSeconds": 0})

    async def _run(self) -> int:
        printed = Printed()
        self.printed.append(printed)
        self._process = process = await asyncio.create_subprocess_exec(
            *[word.replace("$$(", "$(") for word in self._spec.get("args", ["sleep", "1000000"])],
            env={"PATH": os.environ["PATH"], **await self._env()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        _with_its_first(process)
        started = stamp()
        self._state = {"running": {"startedAt": started}}
        self._is_ready = "readinessProbe" not in self._spec
        await self._tell("Running")
        loop = asyncio.get_running_loop()
        probing = None if self._is_ready else loop.create_task(self._probe())
        assert process.stdout
        async for line in process.stdout:
            printed.lines.append((stamp(fine=True), line))
            printed.tell()
        code = await process.wait()
        code = 128 - code if code < 0 else code
        if probing:
            probing.cancel()
        printed.is_over = True
        printed.tell()
        reason = "Completed" if code == 0 else "Error"
        times = {"startedAt": started, "finishedAt": stamp()}
        self._state = {"terminated": {"exitCode": code, "reason": reason, **times}}
        self._is_ready = False
        await self._tell("Running")
        return code

    async def _env(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for each in self._spec.get("envFrom", []):
            name = each["secretRef"]["name"]
            secret = await self._api.call("GET", f"/api/v1/namespaces/{self._namespace}/secrets/{name}")
            data = (secret or {}).get("data") or {}
            found |= {key: base64.b64decode(value).decode() for key, value in data.items()}
        return found

    async def _probe(self) -> None:
        probe, failures = self._spec["startupProbe"], 0
        while True:
            ok, said = await _asked(probe)
            failures = 0 if ok else failures + 1
            if ok:
                probe = self._spec["readinessProbe"]
            elif said:
                await self._warn(said)
            ready = ok or (self._is_ready and failures < probe["failureThreshold"])
            if ready is not self._is_ready:
                self._is_ready = ready
                await self._tell("Running")
            await asyncio.sleep(probe["periodSeconds"] if ok else 0.2)

    async def _warn(self, said: str) -> None:
        about = self._pod["metadata"]
        names = {"kind": "Pod", "name": about["name"], "namespace": self._namespace, "uid": about["uid"]}
        event = {
            "metadata": {"generateName": "probe-", "namespace": self._namespace},
            "involvedObject": names,
            "type": "Warning",
            "reason": "Unhealthy",
            "message": f"Readiness probe failed: {said}",
            "lastTimestamp": stamp(),
        }
        await self._api.call("POST", f"/api/v1/namespaces/{self._namespace}/events", event)

    async def _tell(self, phase: str) -> None:
        ready = {"type": "Ready", "status": str(self._is_ready), "lastTransitionTime": stamp()}
        ready |= {} if self._is_ready else {"reason": "ContainersNotReady", "message": "not ready yet"}
        container = {
            "name": self._spec["name"],
            "image": self._spec["image"],
            "imageID": "",
            "containerID": f"test://{self._pod['metadata']['uid']}-{len(self.printed)}",
            "restartCount": max(0, len(self.printed) - 1),
            "ready": self._is_ready,
            "state": {"running": None, "waiting": None, "terminated": None, **self._state},
            "lastState": self._last,
        }
        status = {"phase": phase, "conditions": [ready], "containerStatuses": [container]}
        await self._api.call("PATCH", f"{self.path}/status", {"status": status}, headers=PATCH)


def _with_its_first(process: asyncio.subprocess.Process) -> None:
    """Have all processes of a container end with its first."""
    loop = asyncio.get_running_loop()
    try:
        first = os.pidfd_open(process.pid)
    except ProcessLookupError:  # it has ended already
        _signal(process, signal.SIGKILL)
        return

    def ended() -> None:
        loop.remove_reader(first)
        os.close(first)
        _signal(process, signal.SIGKILL)

    loop.add_reader(first, ended)


def _signal(process: asyncio.subprocess.Process, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)


async def _asked(probe: Json) -> tuple[bool, str]:
    if "exec" in probe:
        process = await asyncio.create_subprocess_exec(
            *probe["exec"]["command"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        said, _ = await process.communicate()
        return process.returncode == 0, said.decode().strip() or f"exit code {process.returncode}"
    about = probe.get("httpGet") or probe["tcpSocket"]
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", about["port"])
    except OSError as error:
        return False, str(error)
    with contextlib.closing(writer):
        if "tcpSocket" in probe:
            return True, ""
        writer.write(f"GET {about['path']} HTTP/1.0\r\n\r\n".encode())
        line = (await reader.readline()).decode().split()
        status = int(line[1]) if len(line) > 1 else 0
        return 200 <= status < 400, f"HTTP probe failed with statuscode: {status}"


class Kubelet:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._pods: dict[str, Running] = {}

    def kill(self) -> None:
        """End what runs of all pods."""
        for pod in self._pods.values():
            pod.kill()

    async def join(self, port: int) -> None:
        node = {"metadata": {"name": NODE, "labels": {"kubernetes.io/hostname": NODE}}}
        await self._api.call("POST", "/api/v1/nodes", node)
        has = {"cpu": "32", "memory": "256Gi", "pods": "110"}
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "for tests"}
        status = {
            "capacity": has,
            "allocatable": has,
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
        }
        while True:
            ready |= {"lastHeartbeatTime": stamp(), "lastTransitionTime": stamp()}
            now = {"status": {**status, "conditions": [ready]}}
            await self._api.call("PATCH", f"/api/v1/nodes/{NODE}/status", now, headers=PATCH)
            await asyncio.sleep(10)

    async def follow(self) -> None:
        path = f"/api/v1/pods?watch=1&fieldSelector=spec.nodeName%3D{NODE}"
        async with asyncio.TaskGroup() as group:
            while True:
                async for event in self._api.watch(path):
                    pod = event["object"]
                    about = pod.get("metadata", {})
                    uid = about.get("uid")
                    if event["type"] not in ("ADDED", "MODIFIED") or uid is None:
                        continue
                    if uid not in self._pods:
                        self._pods[uid] = Running(self._api, pod)
                        group.create_task(self._pods[uid].live())
                    if about.get("deletionTimestamp"):
                        self._pods[uid].end(about.get("deletionGracePeriodSeconds") or 0)

    async def logs(self, request: web.Request) -> web.StreamResponse:
        names = request.match_info
        path = f"/api/v1/namespaces/{names['namespace']}/pods/{names['pod']}"
        running = [each for each in self._pods.values() if each.path == path]
        printed = running[-1].printed if running else []
        place = -2 if request.query.get("previous") else -1
        if len(printed) < -place:
            raise web.HTTPBadRequest(text="the container is waiting to start")
        answer = web.StreamResponse()
        await answer.prepare(request)
        found, since, at = printed[place], request.query.get("sinceTime", "")[:19], 0
        while True:
            changed = found.changed
            for moment, line in found.lines[at:]:
                if moment[:19] >= since:
                    await answer.write(moment.encode() + b" " + line)
            at = len(found.lines)
            if found.is_over or not request.query.get("follow"):
                break
            await changed.wait()
        await answer.write_eof()
        return answer


def _certificate(folder: str) -> ssl.SSLContext:
    key, certificate = os.path.join(folder, "kubelet.key"), os.path.join(folder, "kubelet.crt")
    made = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={NODE}")
    subprocess.run((*made, "-keyout", key, "-out", certificate), check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    return tls


async def main(config: str, tls: ssl.SSLContext) -> None:
    kubelet = Kubelet(Api(config))
    app = web.Application()
    app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", kubelet.logs)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    told_to_end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told_to_end.set)
    async with asyncio.TaskGroup() as group:
        working = [group.create_task(kubelet.join(port)), group.create_task(kubelet.follow())]
        await told_to_end.wait()
        kubelet.kill()
        for each in working:
            each.cancel()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], _certificate(sys.argv[2])))
