"""`export` on the command line: files, losses, exit codes, and what the daemon has learned."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from locald.domain.values.toml import value
from whole.machine import wait_for
from whole.systemd_box import Box, is_possible

if TYPE_CHECKING:
    from whole.machine import Machine

SERVER = f'[services.web]\ncommand = "exec {sys.executable} -m http.server $PORT --bind 127.0.0.1"\n'
SERVES = """
import http.server, time
time.sleep(0.5)  # so that whoever did not wait for it would be earlier
open("order", "a").write("serving\\n")
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Page).serve_forever()
"""
EXACT = (
    '[services.db]\nimage = "postgres:16"\ncontainer_port = 5432\nport = 5433\nrestart = "no"\n'
    'health_check = { type = "none" }\n'
)


def test_what_is_exact_is_printed_with_exit_code_0(machine: Machine) -> None:
    machine.write(EXACT)
    done = machine.locald("export", "compose")
    assert (done.returncode, done.stderr) == (0, "")
    assert yaml.safe_load(done.stdout)["services"]["db"]["ports"] == ["127.0.0.1:5433:5432"]
    assert list(machine.home.iterdir()) == [], "nothing is started for it"


def test_losses_are_told_and_change_the_exit_code(machine: Machine) -> None:
    machine.write(f"{SERVER}port = 18099\n")
    done = machine.locald("export", "systemd")
    assert done.returncode == 4
    assert "lost: web: restart: 100ms before each one: the delay does not grow" in done.stderr
    assert "# shop-web.service\n[Unit]\n" in done.stdout
    assert machine.locald("export", "systemd", "--lossy").returncode == 0
    document = json.loads(machine.locald("export", "systemd", "--json").stdout)
    assert sorted(document["files"]) == ["shop-web.service", "shop.target"]
    assert document["losses"][0].keys() == {"service", "key", "because"}


def test_what_the_daemon_has_learned_is_used(machine: Machine) -> None:
    machine.write(SERVER)
    refused = machine.locald("export", "systemd")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "its port is not known" in refused.stderr

    port = machine.up()["web"]["port"]
    done = machine.locald("export", "systemd")

    assert done.returncode == 4
    assert f'Environment="PORT={port}"' in done.stdout
    assert "lost: web: health_check: was not in the file: it was healthy by tcp" in done.stderr


def test_a_folder_is_filled_whole_or_not_at_all_and_nothing_in_it_is_overwritten(machine: Machine) -> None:
    machine.write(f"{SERVER}port = 18099\n")
    out = machine.folder / "units"
    assert machine.locald("export", "compose", "-o", str(out)).returncode == 2
    assert not out.exists()

    assert machine.locald("export", "systemd", "-o", str(out)).returncode == 4
    assert sorted(path.name for path in out.iterdir()) == ["shop-web.service", "shop.target"]
    assert {path.stat().st_mode & 0o777 for path in out.iterdir()} == {0o600}

    (out / "shop.target").unlink()
    (out / "shop-web.service").write_text("mine")
    again = machine.locald("export", "systemd", "-o", str(out))
    assert (again.returncode, "shop-web.service: already exists" in again.stderr) == (2, True)
    assert [(path.name, path.read_text()) for path in out.iterdir()] == [("shop-web.service", "mine")]
    assert machine.locald("export", "systemd", "-o", str(out), "--force").returncode == 4
    assert "[Service]" in (out / "shop-web.service").read_text()


def test_a_file_in_place_of_a_folder_is_told_and_stays(machine: Machine) -> None:
    machine.write(EXACT)
    before = (machine.folder / "locald.toml").read_text()
    for options in ((), ("--force",)):
        done = machine.locald("export", "compose", "-o", "locald.toml", *options)
        assert (done.returncode, done.stderr.splitlines()) == (
            2,
            ["error: locald.toml: is a file", "hint: name a folder with -o"],
        )
    assert (machine.folder / "locald.toml").read_text() == before


def test_a_wrong_image_or_format_is_refused(machine: Machine) -> None:
    machine.write(SERVER)
    for options in (("--image", "web"), ("--image", "web=Not An Image"), ("--image", "other=x")):
        done = machine.locald("export", "compose", *options)
        assert (done.returncode, done.stdout) == (2, ""), options
    assert machine.locald("export", "nomad").returncode == 2


@pytest.mark.skipif(not is_possible(), reason="needs root, and a systemd to start")
def test_a_real_systemd_starts_the_units_in_order_restarts_and_stops_them(machine: Machine) -> None:
    odd = "é \t'\"% $HOME \\ x"
    machine.file("server.py", f"import os\nopen('odd', 'w').write(os.environ['ODD'])\n{SERVES}")
    python = os.path.realpath(
        sys.executable
    )  # a virtual environment may be in /tmp, which is another one there
    machine.write(
        f'[services.web]\ncommand = ["{python}", "server.py"]\nport = 18432\nenv = {{ ODD = {value(odd)} }}\n'
        'depends_on = ["seed"]\nhealth_check = { type = "http", status = [200] }\n'
        '[services.seed]\ntype = "task"\ncommand = "echo first > order"\n'
        '[services.job]\ntype = "worker"\ndepends_on = ["web"]\n'
        'command = "echo last >> order; exec sleep 9999"\n'
    )
    units = machine.folder / "units"
    assert machine.locald("export", "systemd", "--lossy", "-o", str(units)).returncode == 0
    box = Box(units, machine.folder)
    try:
        box.systemctl("start", "shop.target")
        assert box.state("shop-seed.service", "ActiveState", "SubState") == ["active", "exited"]
        assert box.state("shop-web.service", "ActiveState", "SubState") == ["active", "running"]
        box.until("shop-job.service", "SubState", "running")
        assert (machine.folder / "order").read_text() == "first\nserving\nlast\n"
        assert (machine.folder / "odd").read_text() == odd
        box.systemctl("kill", "-s", "KILL", "shop-job.service")
        box.until("shop-job.service", "NRestarts", "1")
        web, job = (box.state(f"shop-{name}.service", "MainPID") for name in ("web", "job"))
        box.systemctl("kill", "-s", "KILL", "shop-web.service")
        wait_for(lambda: box.state("shop-web.service", "MainPID") not in (web, ["0"]), "it is started again")
        wait_for(lambda: box.state("shop-job.service", "MainPID") not in (job, ["0"]), "so is what needs it")
        box.systemctl("stop", "shop.target")
        for name in ("web", "job", "seed"):
            box.until(f"shop-{name}.service", "ActiveState", "inactive")
    finally:
        box.close()
