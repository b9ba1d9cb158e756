"""The way to a cluster: `kubectl proxy`, which serves its API at a Unix socket of ours.

A KUBECONFIG may want certificates, tokens that are renewed, or a program that logs its user in. kubectl knows
all of that, and is there where somebody has a cluster. Its socket is in a folder that only this user can
enter, for who speaks to it speaks as the user does. When we end, however that happens, it ends too.

Source: kubernetes.io/docs/reference/kubectl/generated/kubectl_proxy.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from typing import TYPE_CHECKING

from msgspec import Struct

from locald.adapters.containers.engine import EngineAbsent
from locald.adapters.containers.refusals import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

ANSWERS_WITHIN = 15.0
"""seconds for kubectl to begin: a program that logs in may ask somebody else"""
ENDS_WITHIN = 5.0
MUCH = 1 << 16
"""bytes of what kubectl may say of an error"""
INSTALL = "install kubectl (https://kubernetes.io/docs/tasks/tools)"
CONTEXTS = "run `kubectl config get-contexts` to list them, then add --context NAME"
_WITH_US = """\
folder=$1; shift; exec 3<&0
"$@" </dev/null 3<&- &
program=$!
{ read -r _ <&3; kill $program; } 2>/dev/null &
reader=$!
exec 3<&-
wait $program; code=$?
kill $reader 2>/dev/null
rm -rf "$folder"
exit $code
"""
"""runs a program until it ends, or standard input does; then the folder is removed"""


class Place(Struct, frozen=True, eq=False):
    """One cluster as one user. `env`: with which kubectl is run, and what that runs to log in; two places are
    the same when the same files are read."""

    context: str
    env: dict[str, str]

    def __str__(self) -> str:
        return f"the context {self.context}"

    @property
    def _read(self) -> tuple[str, str, str]:
        return self.context, self.env.get("KUBECONFIG", ""), self.env.get("HOME", "")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place) and self._read == other._read

    def __hash__(self) -> int:
        return hash(self._read)


async def current_context(env: Mapping[str, str]) -> str:
    """Raises EngineAbsent."""
    asked = await _run(env, "config", "current-context")
    stdout, stderr = await asked.communicate()
    if found := stdout.decode(errors="replace").strip():
        return found
    raise EngineAbsent(_told(stderr) or "no context is set in your KUBECONFIG", CONTEXTS)


async def _run(env: Mapping[str, str], *arguments: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    try:
        return await asyncio.create_subprocess_exec(
            program(env),
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            env=dict(env),
        )
    except OSError as error:
        raise EngineAbsent(f"kubectl cannot be run: {error.strerror}", INSTALL) from None


def program(env: Mapping[str, str]) -> str:
    """The path of kubectl, as this shell would find it. Raises EngineAbsent."""
    found = shutil.which("kubectl", path=env.get("PATH", os.defpath))
    if found is None:
        raise EngineAbsent("no kubectl on the PATH", INSTALL)
    return found


def _told(stderr: bytes) -> str:
    """The last line of what kubectl says, without the word that begins it."""
    lines = stderr.decode(errors="replace").strip().splitlines()
    return shown(lines[-1].removeprefix("error: ").removeprefix("Error: ")) if lines else ""


class Proxy:
    """`socket`: where the API is. Close it."""

    def __init__(self, folder: str, process: asyncio.subprocess.Process) -> None:
        self._folder, self._process = folder, process
        self.socket = _socket(folder)

    @classmethod
    async def begin(cls, place: Place) -> Proxy:
        """Raises EngineAbsent where kubectl does not know the context, or cannot log in."""
        context, kubectl = place.context, program(place.env)
        folder = await asyncio.to_thread(tempfile.mkdtemp, prefix="locald-kubectl-")
        asked = (kubectl, "proxy", f"--context={context}", f"--unix-socket={_socket(folder)}")
        pipe = asyncio.subprocess.PIPE
        with await asyncio.to_thread(tempfile.TemporaryFile) as errors:
            process = await asyncio.create_subprocess_exec(
                *("/bin/sh", "-c", _WITH_US, "sh", folder, *asked),
                stdin=pipe,
                stdout=pipe,
                stderr=errors,
                env=place.env,
            )
            proxy = cls(folder, process)
            try:
                if not await proxy._serves(context):
                    told = _told(os.pread(errors.fileno(), MUCH, 0))
                    raise EngineAbsent(told or "kubectl proxy ended", CONTEXTS)
            except BaseException:
                await proxy.close()
                raise
        return proxy

    @property
    def has_ended(self) -> bool:
        return self._process.returncode is not None

    async def _serves(self, context: str) -> bool:
        """Whether it says so, rather than end. Raises EngineAbsent."""
        assert self._process.stdout
        try:
            async with asyncio.timeout(ANSWERS_WITHIN):
                return bool(await self._process.stdout.readline())
        except TimeoutError:
            raise EngineAbsent(f"kubectl does not begin to serve the context {context}") from None

    async def close(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        try:
            async with asyncio.timeout(ENDS_WITHIN):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)


def _socket(folder: str) -> str:
    return os.path.join(folder, "api")
