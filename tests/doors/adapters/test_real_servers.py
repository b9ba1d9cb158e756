"""Each known server, the real one: it says yes in its protocol, and our questions leave no trace in its log.

What a server writes is looked at when it has ended, so nothing has to be waited for. A server that this
machine does not have is left out; `./test --install` brings most of them.
"""

from __future__ import annotations

import asyncio
import glob
import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from children import free_port
from locald.adapters import questions
from locald.adapters.questions import Answer, Place
from locald.domain.knowledge.protocols import PROTOCOLS, Meaning
from nonblocking import blocking_raises

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

__all__ = ["blocking_raises"]

pytestmark = pytest.mark.usefixtures("blocking_raises")

PATIENCE = 60.0
"""seconds until a server says yes: RabbitMQ and Java take their time"""
FOLDERS = ("/usr/sbin", "/sbin", "/usr/lib/rabbitmq/bin", *sorted(glob.glob("/usr/lib/postgresql/*/bin")))
NOBODY = 65534


@dataclass(frozen=True)
class Real:
    """`command`: with {port}, {folder} and two more ports, {other} and {epmd}. `trace`: what our questions
    must not leave in the log; empty where it is not seen."""

    protocol: str
    command: str
    trace: str = ""
    files: tuple[tuple[str, str], ...] = ()
    before: str = ""
    """run first, in the same way"""
    after: str = ""
    """run when it has ended, for what it leaves behind"""
    needs: tuple[str, ...] = ()
    """files that have to be there too"""


ZOO = """tickTime=2000
dataDir={folder}/z
clientPort={port}
clientPortAddress=127.0.0.1
admin.enableServer=false
"""
UNBOUND = """server:
    interface: 127.0.0.1
    port: {port}
    username: ""
    chroot: ""
    directory: "{folder}"
    pidfile: "{folder}/pid"
    use-syslog: no
    auto-trust-anchor-file: ""
remote-control:
    control-enable: no
"""
NAMED = """options {{ directory "{folder}"; listen-on port {port} {{ 127.0.0.1; }}; listen-on-v6 {{ none; }};
recursion no; pid-file "{folder}/pid"; session-keyfile none; }}; controls {{ }};"""
SLAPD = """include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_mdb
database mdb
suffix dc=x
directory {folder}
"""
POSTGRES = "postgres -D {folder}/data -h 127.0.0.1 -p {port} -k {folder}"
FATAL = "FATAL(?!:  the database system is starting up)|ERROR|locald|invalid"

SERVERS = {
    "postgres-trust": Real("postgres", POSTGRES, FATAL, before="initdb -D {folder}/data -A trust --no-sync"),
    "postgres-scram": Real(
        "postgres",
        POSTGRES,
        FATAL,
        files=(("word", "secret\n"),),
        before="initdb -D {folder}/data -A scram-sha-256 --pwfile={folder}/word --no-sync",
    ),
    "mariadbd": Real(
        "mysql",
        "mariadbd --no-defaults --datadir={folder}/data --port={port} --bind-address=127.0.0.1 "
        "--socket={folder}/s",
        "Aborted",
        before="mariadb-install-db --no-defaults --datadir={folder}/data "
        "--auth-root-authentication-method=normal",
    ),
    "redis": Real("redis", "redis-server --port {port} --save '' --loglevel verbose", "SECURITY|rror"),
    "memcached": Real("memcached", "memcached -l 127.0.0.1 -p {port} -vv", "rror"),
    "beanstalkd": Real("beanstalk", "beanstalkd -l 127.0.0.1 -p {port}", "."),
    "nats": Real("nats", "nats-server -a 127.0.0.1 -p {port}", r"\[ERR\]|\[WRN\]"),
    "mosquitto": Real("mqtt", "mosquitto -p {port} -v", "closed its connection|rror"),
    "slapd": Real(
        "ldap",
        "slapd -d stats -f {folder}/conf -h ldap://127.0.0.1:{port}/",
        "connection lost",
        files=(("conf", SLAPD),),
        needs=("/etc/ldap/schema/core.schema",),
    ),
    "named": Real("dns", "named -g -c {folder}/conf", "client @", files=(("conf", NAMED),)),
    "unbound": Real("dns", "unbound -d -c {folder}/conf", "rror", files=(("conf", UNBOUND),)),
    "dnsmasq": Real(
        "dns",
        "dnsmasq --keep-in-foreground --log-facility=- -p {port} --listen-address=127.0.0.1 "
        "--bind-interfaces --no-resolv --conf-file=/dev/null --user= --pid-file={folder}/pid",
        "rror|127.0.0.1",
    ),
    "aiosmtpd": Real("smtp", "aiosmtpd -n -l 127.0.0.1:{port}", "rror"),
    "zookeeper": Real(
        "zookeeper",
        "java -cp /usr/share/java/* org.apache.zookeeper.server.quorum.QuorumPeerMain {folder}/zoo.cfg",
        files=(("zoo.cfg", ZOO),),
        needs=("/usr/share/java/zookeeper.jar",),
    ),
    "rabbitmq": Real(
        "amqp",
        "env RABBITMQ_NODENAME=n{port}@localhost RABBITMQ_MNESIA_BASE={folder} RABBITMQ_LOG_BASE={folder} "
        "RABBITMQ_CONFIG_FILE={folder}/r.conf RABBITMQ_DIST_PORT={other} ERL_EPMD_PORT={epmd} "
        "ERL_EPMD_ADDRESS=127.0.0.1 RABBITMQ_ENABLED_PLUGINS_FILE={folder}/none HOME={folder} "
        "rabbitmq-server",
        "handshake_timeout|bad_",
        after="env ERL_EPMD_PORT={epmd} epmd -kill",
        files=(("r.conf", "listeners.tcp.1 = 127.0.0.1:{port}\nlog.console = true\n"),),
        needs=("/usr/lib/rabbitmq/bin/rabbitmq-server",),
    ),
}


@dataclass
class Running:
    place: Place
    process: subprocess.Popen[bytes]
    output: Path

    def log(self) -> str:
        """All that the server has written until its end."""
        end(self.process)
        return self.output.read_text(errors="replace")


def end(process: subprocess.Popen[bytes]) -> None:
    """End the server with all that it has started, and wait until nothing of it is left."""
    deadline = time.monotonic() + 20
    try:
        os.killpg(process.pid, signal.SIGTERM)
        while True:
            process.poll()
            os.killpg(process.pid, 0 if time.monotonic() < deadline else signal.SIGKILL)
            time.sleep(0.01)
    except ProcessLookupError:
        process.wait()


def as_command(line: str, real: Real) -> Callable[..., subprocess.Popen[bytes]]:
    """Started as nobody where we are root, as most of these refuse to be root."""
    user: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
    words = [word.strip("'") for word in line.split(" ")]
    environment = {"PATH": ":".join((os.environ["PATH"], *FOLDERS)), "LC_ALL": "C"}
    program = next(word for word in words if word != "env" and "=" not in word)
    if not shutil.which(program, path=environment["PATH"]) or not all(map(os.path.exists, real.needs)):
        pytest.skip(f"no {program}")
    words[0] = shutil.which(words[0], path=environment["PATH"]) or words[0]
    return lambda **more: subprocess.Popen(
        words, env=environment, stdin=subprocess.DEVNULL, start_new_session=True, **user, **more
    )


@asynccontextmanager
async def running(real: Real, short: Path) -> AsyncIterator[Running]:
    port = free_port()
    values = {"port": port, "folder": short, "other": free_port(), "epmd": free_port()}
    for name, text in real.files:
        (short / name).write_text(text.format(**values))
    start = as_command(real.command.format(**values), real)
    await beside(real.before.format(**values), real, short)
    output = short / "output"
    with output.open("wb") as log:
        process = start(stdout=log, stderr=log, cwd=short)
    try:
        yield Running(Place(("127.0.0.1",), port, "it", process.pid), process, output)
    finally:
        await asyncio.to_thread(end, process)
        await beside(real.after.format(**values), real, short)


async def beside(line: str, real: Real, folder: Path) -> None:
    """Run what prepares a server, or ends what it leaves."""
    if line:
        nothing = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        run = as_command(line, real)(**nothing, cwd=folder)
        assert await asyncio.to_thread(run.wait, PATIENCE) == 0, line


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder that nobody may use too: not in pytest's own, which every pytest closes to others."""
    with TemporaryDirectory(prefix="ldreal", dir="/tmp") as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


async def until_yes(server: Running, protocol: str) -> list[Answer]:
    """Every different answer, up to the first yes."""
    answers: list[Answer] = []
    deadline = time.monotonic() + PATIENCE
    while not answers or answers[-1].meaning is not Meaning.READY:
        answer = await questions.put(PROTOCOLS[protocol], server.place, 2)
        if answer not in answers:
            answers.append(answer)
        assert server.process.poll() is None, server.log()
        assert time.monotonic() < deadline, (answers, server.log())
        assert answer.meaning is not Meaning.OTHER, answer
        await asyncio.sleep(0.01)
    return answers


@pytest.mark.parametrize("name", SERVERS)
async def test_a_real_server_says_yes_and_keeps_no_trace_of_the_questions(name: str, short: Path) -> None:
    real = SERVERS[name]
    async with running(real, short) as server:
        left_a_line = (await until_yes(server, real.protocol))[-1].left_a_line
        for _ in range(3):
            answer = await questions.put(PROTOCOLS[real.protocol], server.place, 2, again=left_a_line)
            assert answer.meaning is Meaning.READY
        log = await asyncio.to_thread(server.log)
    assert not real.trace or not re.search(real.trace, log), log


@pytest.mark.parametrize("name", SERVERS)
async def test_a_real_server_that_is_asked_in_another_protocol_never_says_yes(name: str, short: Path) -> None:
    real = SERVERS[name]
    async with running(real, short) as server:
        await until_yes(server, real.protocol)
        for other in PROTOCOLS.values():
            if other.name != real.protocol:
                answer = await questions.put(other, server.place._replace(pid=None), 0.2)
                assert answer.meaning is not Meaning.READY, (other.name, answer)
        again = await questions.put(PROTOCOLS[real.protocol], server.place, 2)
        assert again.meaning is Meaning.READY
