"""A swarm of two private Docker Engines, each in a network namespace of its own, linked by a bridge.

What a swarm makes of links and namespaces goes with the namespaces of its nodes. Their kernel may have no
ipvs: no virtual IP, no ingress.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from engine import warden
from engine.session import PrivateDocker, cannot, no_private_engine

if TYPE_CHECKING:
    from collections.abc import Iterator


class Swarm:
    """`manager` takes orders; `worker` only runs what it is given."""

    def __init__(self) -> None:
        """Raises Unable."""
        self.manager = PrivateDocker("node")
        try:
            self.worker = PrivateDocker("node", self.manager.slot)
            self._join()
        except BaseException:
            self.close()
            raise

    def _join(self) -> None:
        first, second = self.manager, self.worker
        about = {"ListenAddr": f"{first.address}:2377", "AdvertiseAddr": first.address}
        first.api.post("/swarm/init", about)
        # A node that is down is noticed after three of these, not after fifteen seconds.
        swarm = first.api.get("/swarm")
        swarm["Spec"]["Dispatcher"] = {"HeartbeatPeriod": 1_000_000_000}
        first.api.post("/swarm/update", swarm["Spec"], version=str(swarm["Version"]["Index"]))
        joining: dict[str, Any] = {
            "ListenAddr": f"{second.address}:2377",
            "AdvertiseAddr": second.address,
            "RemoteAddrs": [f"{first.address}:2377"],
            "JoinToken": swarm["JoinTokens"]["Worker"],
        }
        second.api.post("/swarm/join", joining)

    @property
    def api(self) -> Any:
        return self.manager.api

    def node_of(self, docker: PrivateDocker) -> str:
        return str(docker.api.get("/info")["Swarm"]["NodeID"])

    def services(self, project: str) -> list[str]:
        """The names of the services of a project that are there."""
        label = f'{{"label":["locald.project={project}"]}}'
        return [each["Spec"]["Name"] for each in self.api.get("/services", filters=label)]

    def networks(self, project: str) -> list[str]:
        return list(self.api.networks_labelled(f"locald.project={project}"))

    def tasks(self, service: str) -> list[Any]:
        """Those of a service, the newest first."""
        found = self.api.get("/tasks", filters=f'{{"service":["{service}"]}}')
        return sorted(found, key=lambda each: str(each["CreatedAt"]), reverse=True)

    def only_on(self, docker: PrivateDocker) -> None:
        """New tasks are given to this node."""
        for node in self.api.get("/nodes"):
            spec = node["Spec"] | {"Availability": "pause"}
            if node["ID"] == self.node_of(docker):
                spec["Availability"] = "active"
            self.api.post(f"/nodes/{node['ID']}/update", spec, version=str(node["Version"]["Index"]))

    def close(self) -> None:
        if hasattr(self, "worker"):
            self.worker.close()
        self.manager.close()


@pytest.fixture(scope="session")
def swarm() -> Iterator[Swarm]:
    if why := no_private_engine():
        cannot(why)
    try:
        made = Swarm()
    except warden.Unable as unable:
        cannot(str(unable))
    yield made
    made.close()
