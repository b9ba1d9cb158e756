"""What engines say, and what they are told: translations only, on answers that real engines have given."""

from __future__ import annotations

import errno
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from locald.adapters.containers import create, refusals, translate
from locald.adapters.containers.create import Order
from locald.adapters.containers.engine import absent
from locald.adapters.containers.health import word
from locald.adapters.containers.progress import Progress
from locald.adapters.containers.published import pace
from locald.adapters.containers.streams import Demultiplexer
from locald.domain.lifecycle.messages import Exit
from locald.domain.project.names import Key, Run
from locald.domain.project.spec import Definition, ServiceSpec, Type
from locald.wire.engines import Address, Unusable, addresses

if TYPE_CHECKING:
    from pathlib import Path

RUN = Run(Key("shop", "db"), 3)
PLAIN = translate.Image((), entrypoint=False, path=("/bin",))


# Where an engine is.


def test_docker_host_goes_before_everything_else(tmp_path: Path) -> None:
    env = {"DOCKER_HOST": "unix:///run/x.sock", "DOCKER_CONTEXT": "far", "HOME": str(tmp_path)}
    assert addresses(env) == (Address("unix:///run/x.sock"),)
    assert addresses(env)[0].socket == "/run/x.sock"


def test_who_reaches_an_engine_by_tcp_is_not_told_to_start_one_here() -> None:
    refused = ConnectionRefusedError(errno.ECONNREFUSED, "refused")
    assert "systemctl start docker" in absent(Address("unix:///run/x.sock"), refused).hint
    told = absent(Address("tcp://far:2375"), refused)
    assert told.reason == "the Docker Engine is not running: tcp://far:2375: connection refused"
    assert told.hint == "check that an engine listens at tcp://far:2375, or set DOCKER_HOST to another one"


def test_docker_host_with_tls_has_its_certificates_with_it(tmp_path: Path) -> None:
    env = {"DOCKER_HOST": "tcp://far:2376", "DOCKER_TLS_VERIFY": "1", "HOME": str(tmp_path)}
    assert addresses(env) == (Address("tcp://far:2376", f"{tmp_path}/.docker"),)
    assert addresses({**env, "DOCKER_CERT_PATH": "/certs"}) == (Address("tcp://far:2376", "/certs"),)


def context(home: Path, name: str, host: str, *, current: bool) -> str:
    """Write a context as the docker command does; its digest."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    folder = home / ".docker" / "contexts" / "meta" / digest
    folder.mkdir(parents=True)
    meta = {"Name": name, "Metadata": {}, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}
    folder.joinpath("meta.json").write_text(json.dumps(meta))
    if current:
        (home / ".docker" / "config.json").write_text(json.dumps({"currentContext": name}))
    return digest


def test_the_context_that_is_in_use_counts(tmp_path: Path) -> None:
    context(tmp_path, "rootless", "unix:///run/user/7/docker.sock", current=True)
    context(tmp_path, "far", "tcp://far:2376", current=False)
    home = {"HOME": str(tmp_path)}
    assert addresses(home) == (Address("unix:///run/user/7/docker.sock"),)
    assert addresses({**home, "DOCKER_CONTEXT": "far"}) == (Address("tcp://far:2376"),)
    assert len(addresses({**home, "DOCKER_CONTEXT": "default"})) > 1
    assert addresses({"HOME": "/", "DOCKER_CONFIG": f"{tmp_path}/.docker"}) == addresses(home)


def test_a_context_may_have_certificates(tmp_path: Path) -> None:
    digest = context(tmp_path, "far", "tcp://far:2376", current=True)
    tls = tmp_path / ".docker" / "contexts" / "tls" / digest / "docker"
    tls.mkdir(parents=True)
    assert addresses({"HOME": str(tmp_path)}) == (Address("tcp://far:2376", str(tls)),)


@pytest.mark.parametrize("meta", ["{}", "[]", '{"Endpoints": []}', '{"Endpoints": {"docker": 1}}'])
def test_a_context_that_says_nothing_is_none(tmp_path: Path, meta: str) -> None:
    digest = context(tmp_path, "far", "tcp://far:2376", current=True)
    (tmp_path / ".docker" / "contexts" / "meta" / digest / "meta.json").write_text(meta)
    with pytest.raises(Unusable, match='no such docker context: "far"'):
        addresses({"HOME": str(tmp_path)})


def test_without_a_choice_the_usual_sockets_are_tried_in_turn(tmp_path: Path) -> None:
    found = [each.socket for each in addresses({"HOME": str(tmp_path), "XDG_RUNTIME_DIR": "/run/user/7"})]
    assert found[:2] == ["/var/run/docker.sock", "/run/user/7/docker.sock"]
    assert found[-2:] == ["/run/user/7/podman/podman.sock", "/run/podman/podman.sock"]


@pytest.mark.parametrize("config", ["", "{", "[]", '{"currentContext": 3}', '{"currentContext": ""}'])
def test_a_configuration_that_says_nothing_is_passed_over(tmp_path: Path, config: str) -> None:
    (tmp_path / ".docker").mkdir()
    (tmp_path / ".docker" / "config.json").write_text(config)
    assert len(addresses({"HOME": str(tmp_path)})) > 1


@pytest.mark.parametrize(
    "env",
    [
        {"DOCKER_CONTEXT": "nowhere"},
        {"DOCKER_HOST": "ssh://me@far"},
        {"DOCKER_HOST": "docker.sock"},
        {"DOCKER_HOST": "unix://"},
    ],
)
def test_a_choice_that_leads_nowhere_is_told_with_a_hint(tmp_path: Path, env: dict[str, str]) -> None:
    with pytest.raises(Unusable) as raised:
        addresses({"HOME": str(tmp_path), **env})
    assert raised.value.hint


# Versions.


@pytest.mark.parametrize(
    ("theirs", "oldest", "agreed"),
    [
        ("1.41", "1.12", "1.41"),
        ("1.45", "1.24", "1.44"),
        ("1.52", "1.44", "1.44"),
        ("1.60", "1.50", "1.50"),
        ("1.39", "1.12", None),
        ("", "", None),
    ],
)
def test_the_newest_version_that_both_speak_is_spoken(theirs: str, oldest: str, agreed: str | None) -> None:
    assert translate.agreed({"ApiVersion": theirs, "MinAPIVersion": oldest}) == agreed


@pytest.mark.parametrize(
    ("theirs", "agreed"), [("1.41", "1.41"), ("1.52", "1.44"), ("1.53", None), ("1.39", None), ("", None)]
)
def test_a_ping_tells_enough_of_engines_that_are_known(theirs: str, agreed: str | None) -> None:
    assert translate.agreed_by_ping(theirs) == agreed


# Moments.


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("2026-11-24T00:29:49.315739667Z", 1795480189315739667),
        ("2026-11-24T00:29:49Z", 1795480189000000000),
        ("2026-11-24T01:29:49.3+01:00", 1795480189300000000),
        ("0001-01-01T00:00:00Z", None),
        ("", None),
        ("yesterday", None),
    ],
)
def test_moments_are_exact_to_the_nanosecond(text: str, nanoseconds: int | None) -> None:
    assert translate.nanoseconds(text) == nanoseconds


# The state of a container.


def inspected(health: Any = None, **state: Any) -> dict[str, Any]:
    said = {
        "Status": "running",
        "Running": True,
        "Pid": 77,
        "ExitCode": 0,
        "OOMKilled": False,
        "StartedAt": "2026-11-24T00:00:10Z",
        "FinishedAt": "0001-01-01T00:00:00Z",
        **({} if health is None else {"Health": health}),
        **state,
    }
    return {"Id": "abc", "State": said, "Config": {"Healthcheck": {"Interval": 300_000_000}}}


def probe(second: int, code: int, output: str = "") -> dict[str, Any]:
    return {
        "Start": f"2026-11-24T00:00:{second - 1:02}Z",
        "End": f"2026-11-24T00:00:{second:02}Z",
        "ExitCode": code,
        "Output": output,
    }


def test_a_container_without_a_healthcheck_says_nothing_of_health() -> None:
    assert translate.state(inspected()).health is None
    assert translate.state(inspected({"Status": "none"})).health is None
    assert translate.state(inspected({"Status": ""})).health is None  # Podman


def test_a_verdict_from_before_this_start_is_none() -> None:
    """An engine says `unhealthy` until the first probe after a start."""
    health = translate.state(inspected({"Status": "unhealthy", "Log": [probe(5, 1), probe(9, 1)]})).health
    assert health
    assert health.probes == ()
    assert "HEALTHCHECK has not run yet" in word(health).detail


def test_a_verdict_after_this_start_counts() -> None:
    log = [probe(5, 1), probe(12, 1, "no\n"), probe(15, 1, "first\nstill no\n")]
    found = translate.state(inspected({"Status": "unhealthy", "FailingStreak": 2, "Log": log})).health
    assert found
    said = word(found)
    assert said[:2] == (
        False,
        "the image's HEALTHCHECK failed 2 times in a row: exit code 1, still no",
    )
    assert said.at == translate.moment("2026-11-24T00:00:15Z")


def test_a_healthy_container_with_a_probe_that_failed_is_healthy_still() -> None:
    found = translate.state(
        inspected({"Status": "healthy", "Log": [probe(15, -1, "exceeded timeout")]})
    ).health
    assert found
    assert word(found).ok
    assert "though its last HEALTHCHECK failed: no exit code, exceeded timeout" in word(found).detail


def test_an_unhealthy_container_with_a_probe_that_succeeded_has_not_failed_it() -> None:
    """An engine calls a container unhealthy as soon as it is paused, and asks it nothing from then on."""
    found = translate.state(inspected({"Status": "unhealthy", "Log": [probe(15, 0, "+PONG")]})).health
    assert found
    assert word(found)[:2] == (
        False,
        "the container is unhealthy, though its last HEALTHCHECK succeeded: exit code 0, +PONG",
    )


@pytest.mark.parametrize("status", ["exited", "dead", "removing"])
def test_what_has_ended_does_not_run_whatever_else_it_says(status: str) -> None:
    assert not translate.state(inspected(Status=status, Running=status == "removing")).running


@pytest.mark.parametrize(
    ("code", "out_of_memory", "exit_"),
    [
        (0, False, Exit(0)),
        (3, False, Exit(3)),
        (127, False, Exit(127)),
        (137, False, Exit(signal=9)),
        (143, False, Exit(signal=15)),
        (255, False, Exit(255)),
        (137, True, Exit(signal=9, reason="out of memory")),
        (0, True, Exit(0)),  # a child of it was killed, and it did not mind
    ],
)
def test_exit_codes_become_exits(code: int, out_of_memory: bool, exit_: Exit) -> None:
    state = translate.state(inspected(Status="exited", ExitCode=code, OOMKilled=out_of_memory))
    assert translate.ended(state, None) == exit_


def test_an_event_tells_how_it_ended_when_the_container_cannot() -> None:
    assert translate.ended(None, 137) == Exit(signal=9)
    assert translate.ended(None, None) == Exit()


# Events.


def test_a_paused_container_has_not_ended_whatever_an_engine_calls_running() -> None:
    docker = translate.state(inspected(Status="paused", Paused=True))
    podman = translate.state(inspected(Status="paused", Paused=True, Running=False))
    assert [(each.running, each.paused) for each in (docker, podman)] == [(True, True)] * 2
    assert not translate.state(inspected()).paused


def test_events_of_docker_and_of_podman() -> None:
    docker = {"Action": "health_status: healthy", "Actor": {"ID": "abc", "Attributes": {"name": "x"}}}
    assert translate.event(docker) == translate.Event("abc", "health_status")
    died = {"status": "die", "id": "abc", "Actor": {"ID": "abc", "Attributes": {"exitCode": "137"}}}
    assert translate.event(died) == translate.Event("abc", "die", 137)
    podman = {"Action": "died", "Actor": {"ID": "abc", "Attributes": {"containerExitCode": "3"}}}
    assert translate.event(podman) == translate.Event("abc", "died", 3)
    assert translate.event({"Type": "daemon"}) is None


# Images.


def test_what_an_image_says_of_itself() -> None:
    config = {
        "ExposedPorts": {"5432/tcp": {}, "53/udp": {}},
        "Env": ["PATH=/a:/b", "X=1=2"],
        "Entrypoint": ["run"],
    }
    assert translate.image({"Config": config}) == translate.Image((5432,), True, ("/a", "/b"))
    assert translate.image({"Config": {"ExposedPorts": None, "Env": None}}).ports == ()


# Pulls.


def test_a_pull_is_told_in_one_sentence() -> None:
    progress = Progress("postgres:16")
    assert progress.sentence == "fetching postgres:16"
    for said in (
        {"status": "Pulling from library/postgres", "id": "16"},
        {"status": "Pulling fs layer", "id": "a"},
        {"status": "Pulling fs layer", "id": "b"},
        {"status": "Already exists", "id": "c"},
        {"status": "Downloading", "id": "a", "progressDetail": {"current": 2_000_000, "total": 40_000_000}},
        {"status": "Downloading", "id": "b", "progressDetail": {"current": 8_000_000, "total": 8_000_000}},
        {"status": "Download complete", "id": "b"},
        {"status": "Extracting", "id": "b", "progressDetail": {"current": 1, "total": 8_000_000}},
    ):
        progress = progress.observe(said)
    assert progress.sentence == (
        "fetching postgres:16: 1 of 3 layers are there, 10MB of 48MB fetched, 1 being unpacked"
    )
    for layer in "ab":
        progress = progress.observe({"status": "Pull complete", "id": layer})
    assert progress.sentence == "fetching postgres:16: 3 of 3 layers are there, 48MB of 48MB fetched"


# Refusals: messages as engines from 20.10 to 28 word them.


@pytest.mark.parametrize(
    ("message", "found"),
    [
        (
            "pull access denied for x, repository does not exist or may require 'docker login'",
            "no such image",
        ),
        ("manifest for x:1 not found: manifest unknown: manifest unknown", "no such image: x:1"),
        ('Get "https://registry-1.docker.io/v2/": dial tcp: lookup r: no such host', "(no such host)"),
        ('Get "https://r/v2/": net/http: TLS handshake timeout', "cannot be reached"),
        ("toomanyrequests: You have reached your pull rate limit.", "rate limit of its registry"),
        ("write /var/lib/docker/x: no space left on device", "disk is full"),
        ("something that nobody has thought of", "something that nobody has thought of"),
    ],
)
def test_why_a_pull_failed(message: str, found: str) -> None:
    reason = refusals.pull("x:1", message)
    assert found in reason.reason
    assert reason.hint


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ('OCI runtime create failed: exec: "nope": executable file not found in $PATH: unknown', '"nope"'),
        ('runc create failed: exec: "/x": permission denied: unknown', "permission denied"),
        ("exec: stat /x: no such file or directory", "/x"),
        ('invalid mount config for type "bind": bind source path does not exist: /a b', "/a b in `volumes`"),
        ("could not find an available, non-overlapping IPv4 address pool", "no addresses left"),
        ("all predefined address pools have been fully subnetted", "no addresses left"),
        ("two\nlines", "two lines"),
    ],
)
def test_why_a_container_did_not_start(message: str, found: str) -> None:
    assert found in refusals.begin("x:1", message).reason


@pytest.mark.parametrize(
    "message",
    [
        "Bind for 127.0.0.1:21234 failed: port is already allocated",
        "failed to bind host port 127.0.0.1:21235/tcp: address already in use",
        "Error starting userland proxy: listen tcp4 127.0.0.1:21235: bind: address already in use",
    ],
)
def test_a_port_that_is_taken_is_known_by_any_of_its_wordings(message: str) -> None:
    assert refusals.is_port_taken(message)


def test_a_name_that_is_taken_names_its_holder() -> None:
    message = 'Conflict. The container name "/a" is already in use by container "00ff". You have to remove'
    assert refusals.name_holder(message) == "00ff"
    podman = 'container name "a" is already in use by 00ff. You have to remove that container'
    assert refusals.name_holder(podman) == "00ff"
    assert refusals.name_holder("No such image") is None


# What is ordered.


def order(port: int | None = 24001, env: dict[str, str] | None = None, **spec: Any) -> Order:
    service = ServiceSpec("db", type=Type.CONTAINER, image="postgres:16", **spec)
    definition = Definition(RUN.key, "/home/me/shop", service, port)
    return Order(definition, env or {}, {"SECRET": "of the shell"}, "/logs")


def test_a_container_is_labelled_named_and_published_on_loopback_only() -> None:
    body = create.body(RUN, order(container_port=5432), PLAIN, "mine")
    assert create.name(RUN.key) == "locald-shop-db"
    assert create.run_of(body["Labels"]) == RUN
    assert body["Labels"][create.OWNER] == "mine"
    host = body["HostConfig"]
    assert host["PortBindings"] == {"5432/tcp": [{"HostIp": "127.0.0.1", "HostPort": "24001"}]}
    assert host["NetworkMode"] == "locald-shop"
    assert host["ExtraHosts"] == ["host.docker.internal:host-gateway"]
    assert body["NetworkingConfig"]["EndpointsConfig"] == {"locald-shop": {"Aliases": ["db"]}}


def test_the_only_container_of_a_project_needs_no_network_of_its_own() -> None:
    body = create.body(RUN, replace(order(), is_alone=True), PLAIN, "mine")
    assert "NetworkMode" not in body["HostConfig"]
    assert "NetworkingConfig" not in body


def test_the_environment_is_that_of_the_order_and_port_is_the_one_inside() -> None:
    body = create.body(RUN, order(env={"A": "1", "PORT": "9"}, container_port=5432), PLAIN, "mine")
    assert sorted(body["Env"]) == ["A=1", "PORT=5432"]
    assert "SECRET" not in json.dumps(body)


def test_the_port_inside_is_the_files_or_the_only_one_of_the_image() -> None:
    one, two = translate.Image((80,), False, ()), translate.Image((80, 443), False, ())
    assert create.container_port(order().definition, one) == 80
    assert create.container_port(order().definition, two) is None
    assert create.container_port(order(container_port=81).definition, two) == 81
    assert create.body(RUN, order(), two, "mine")["HostConfig"]["PortBindings"] == {}


def test_the_image_keeps_its_own_command_unless_the_file_has_one() -> None:
    assert "Cmd" not in create.body(RUN, order(), PLAIN, "mine")
    assert create.body(RUN, order(command="a | b"), PLAIN, "mine")["Cmd"] == ["/bin/sh", "-c", "a | b"]
    assert create.body(RUN, order(command=("a", "b")), PLAIN, "mine")["Cmd"] == ["a", "b"]


def test_the_signal_and_the_grace_of_a_stop_are_the_services_own() -> None:
    body = create.body(RUN, order(stop_signal="SIGINT", stop_timeout=2.4), PLAIN, "mine")
    assert (body["StopSignal"], body["StopTimeout"]) == ("2", 2)


def test_volumes_are_relative_to_the_project_or_names() -> None:
    written = ("./data:/a", "../up:/b:ro", "/abs:/c", "kept:/d", "external:theirs:/t", "./se:/e:z,ro")
    host = create.body(RUN, order(volumes=written), PLAIN, "mine")["HostConfig"]
    assert host["Mounts"] == [
        {"Type": "bind", "Source": "/home/me/shop/data", "Target": "/a"},
        {"Type": "bind", "Source": "/home/me/up", "Target": "/b", "ReadOnly": True},
        {"Type": "bind", "Source": "/abs", "Target": "/c"},
        {"Type": "volume", "Source": "locald_shop_kept", "Target": "/d"},
        {"Type": "volume", "Source": "theirs", "Target": "/t"},
    ]
    assert host["Binds"] == ["/home/me/shop/se:/e:z,ro"]


def test_labels_that_are_not_ours_are_of_no_run() -> None:
    assert create.run_of({}) is None
    assert create.run_of({create.PROJECT: "a", create.SERVICE: "b", create.RUN: "x"}) is None


def test_a_program_is_looked_for_where_the_image_looks_and_only_when_the_file_names_it() -> None:
    image = translate.Image((), False, ("/a", "/b"))
    assert create.program(order().definition, image) is None
    assert create.program(order(command="x").definition, image) == "/bin/sh"
    assert create.program(order(command=("x",)).definition, image) == "x"
    assert create.program(order(command=("x",)).definition, translate.Image((), True, ())) is None
    assert create.places("x", image) == ["/a/x", "/b/x"]
    assert create.places("/c/x", image) == ["/c/x"]


# Streams.


def test_a_stream_of_two_may_be_cut_anywhere() -> None:
    data = b"\x01\0\0\0\0\0\0\x03out\x02\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\x03err"
    for size in range(1, len(data)):
        parts = Demultiplexer()
        pieces = (data[at : at + size] for at in range(0, len(data), size))
        assert [each for piece in pieces for each in parts.feed(piece)] == [
            (1, b"out"),
            (2, b""),
            (2, b"err"),
        ]


def test_the_longer_nothing_listens_the_rarer_it_is_looked_for() -> None:
    assert pace(0) <= 0.01 < pace(30) < pace(600) <= 0.5


# Volumes.


@pytest.mark.parametrize(
    ("project", "name"),
    [
        ("shop", "locald_shop_data"),
        ("shop@feat", "locald_shop.feat_data"),
        ("shop@_", "locald_shop.__data"),
    ],
)
def test_a_volume_is_called_after_its_project_and_instance(project: str, name: str) -> None:
    assert create.volume(project, "data") == name
    assert create.project_of(name) == project
    assert create.project_of(f"{name}_of_many_words") == project


@pytest.mark.parametrize("name", ["shop_data", "locald_data", "my_locald_shop_data"])
def test_any_other_volume_is_of_no_project(name: str) -> None:
    assert create.project_of(name) is None


def test_a_volume_of_another_driver_has_no_size() -> None:
    used = [{"Name": "a", "UsageData": {"Size": 12, "RefCount": 1}}, {"Name": "b", "UsageData": {"Size": -1}}]
    assert translate.sizes({"Volumes": [*used, {"Name": "c"}]}) == [("a", 12), ("b", None), ("c", None)]
    assert translate.sizes({"Volumes": None}) == []
