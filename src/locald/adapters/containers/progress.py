"""How far a pull is: the engine's many small messages about layers, folded into one sentence.

A layer is announced, fetched, checked and unpacked. The sizes of those that are being fetched are known, of
the others not, so what is shown is a count of layers and the bytes of those that have begun.

Source: docs.docker.com/reference/api/engine (ImageCreate); the words in `status` are those that real engines
send.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from locald.domain.values.amounts import size

_DONE = ("Pull complete", "Already exists")
_UNPACKED = ("Extracting",)
_FETCHED = ("Download complete", "Verifying Checksum")
_FETCHING = ("Downloading",)
_ANNOUNCED = ("Pulling fs layer", "Waiting")


class Layer(Struct, frozen=True):
    stage: str = "announced"
    """`announced`, `fetching`, `fetched`, `unpacking`, `done`"""
    current: int = 0
    total: int = 0
    """bytes; 0 while unknown"""


class Progress(Struct, frozen=True):
    """What is known of the pull of `image`."""

    image: str
    layers: Mapping[str, Layer] = field(default_factory=dict)

    def observe(self, said: Mapping[str, Any]) -> Progress:
        """Fold one message of the engine in."""
        name, status = str(said.get("id", "")), str(said.get("status", ""))
        stage = _stage(status)
        if not name or stage is None:
            return self
        return replace(self, layers={**self.layers, name: _layer(self.layers.get(name), stage, said)})

    @property
    def sentence(self) -> str:
        """`fetching postgres:16: 3 of 8 layers are there, 45 of 120 MB`"""
        if not self.layers:
            return f"fetching {self.image}"
        done = self._count("done")
        parts = [f"{done} of {len(self.layers)} layers are there"]
        if total := sum(layer.total for layer in self.layers.values()):
            current = sum(layer.current for layer in self.layers.values())
            parts.append(f"{size(current)} of {size(total)} fetched")
        if unpacking := self._count("unpacking"):
            parts.append(f"{unpacking} being unpacked")
        return f"fetching {self.image}: {', '.join(parts)}"

    def _count(self, stage: str) -> int:
        return sum(layer.stage == stage for layer in self.layers.values())


def _stage(status: str) -> str | None:
    for stage, words in {
        "done": _DONE,
        "unpacking": _UNPACKED,
        "fetched": _FETCHED,
        "fetching": _FETCHING,
        "announced": _ANNOUNCED,
    }.items():
        if status in words:
            return stage
    return None


def _layer(known: Layer | None, stage: str, said: Mapping[str, Any]) -> Layer:
    layer = known or Layer()
    detail = said.get("progressDetail") or {}
    if stage == "fetching":
        return Layer(stage, int(detail.get("current") or 0), int(detail.get("total") or layer.total))
    return replace(layer, stage=stage, current=layer.total)
