"""Trust in the proxy's authority, in a store of NSS of the test's own."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from locald.client import trust
from locald.client.trust import Certificate, Outcome, is_trusted

if TYPE_CHECKING:
    from pathlib import Path

NOTHING = Outcome("same", "")


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    path, key = tmp_path / "root.crt", tmp_path / "root.key"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    make += ["-subj", "/CN=locald", "-keyout", str(key), "-out", str(path)]
    subprocess.run(make, check=True, capture_output=True)
    return Certificate(str(path))


def certutil(folder: Path, *arguments: str) -> str:
    command = ["certutil", "-d", f"sql:{folder}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(not shutil.which("certutil"), reason="needs certutil")
def test_chromium_and_every_profile_of_firefox_trust_it_and_no_longer(
    certificate: Certificate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust, "_into_system", lambda _: NOTHING)
    monkeypatch.setattr(trust, "_out_of_system", lambda _: NOTHING)
    profile = tmp_path / ".mozilla" / "firefox" / "abc.default"
    profile.mkdir(parents=True)
    certutil(profile, "-N", "--empty-password")
    stores = (tmp_path / ".pki" / "nssdb", profile)

    told = list(trust.trust(certificate, str(tmp_path)))[1:]
    assert [each.level for each in told] == ["done", "done"]
    for store in stores:
        assert certificate.name in certutil(store, "-L")
    assert [each.level for each in trust.trust(certificate, str(tmp_path))][1:] == ["same", "same"]

    assert [each.level for each in trust.untrust(certificate, str(tmp_path))][1:] == ["done", "done"]
    for store in stores:
        assert certificate.name not in certutil(store, "-L")
    assert [each.level for each in trust.untrust(certificate, str(tmp_path))][1:] == ["same", "same"]


def test_the_system_takes_it_by_its_own_program(
    certificate: Certificate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    anchors, bundle, program = tmp_path / "anchors", tmp_path / "bundle.crt", tmp_path / "update"
    anchors.mkdir()
    bundle.write_text("")
    program.write_text(f"#!/bin/sh\ncat {anchors}/*.crt > {bundle} 2>/dev/null || : > {bundle}\n")
    program.chmod(0o755)
    monkeypatch.setattr(trust, "SYSTEM", ((str(anchors), (str(program),)),))
    monkeypatch.setattr(trust, "BUNDLES", (str(bundle),))
    monkeypatch.setattr("os.geteuid", lambda: 0)

    assert not is_trusted(certificate, (str(bundle),))
    assert trust._into_system(certificate).level == "done"
    assert is_trusted(certificate, (str(bundle),))
    assert [each.name for each in anchors.iterdir()] == [f"{certificate.name}.crt"]
    assert trust._out_of_system(certificate).level == "done"
    assert not is_trusted(certificate, (str(bundle),))


def test_who_is_not_root_is_told_what_root_would_do(
    certificate: Certificate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust, "SYSTEM", ((str(tmp_path), ("true",)),))
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None if name == "sudo" else name)
    told = trust._into_system(certificate)
    assert told.level == "failed"
    assert f"install -m 644 {certificate.path}" in told.hint
