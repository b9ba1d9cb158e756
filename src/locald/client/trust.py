"""Who trusts the proxy's certificate authority: the system's store, and those of Chromium and Firefox.

A store is changed only when somebody asks for it, and says what was done. The certificate is known in each by
its own fingerprint, so that those of two homes do not meet, and taking one back leaves the other.

Sources: update-ca-certificates(8), update-ca-trust(8), certutil(1) of NSS.
"""

from __future__ import annotations

import os
import shutil
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SYSTEM = (
    ("/usr/local/share/ca-certificates", ("update-ca-certificates",)),
    ("/etc/pki/ca-trust/source/anchors", ("update-ca-trust", "extract")),
    ("/etc/ca-certificates/trust-source/anchors", ("trust", "extract-compat")),
)
"""Where a system takes certificates from, and the program that tells everybody else"""
BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
"""What programs read"""
SBIN = "/usr/sbin:/sbin"
CERTUTIL = "apt-get install libnss3-tools"


class Outcome:
    """What became of one store: `done`, `same` (nothing to do) or `failed`; one sentence, and what to do."""

    __slots__ = ("hint", "level", "told")

    def __init__(self, level: str, told: str, hint: str = "") -> None:
        self.level = level
        self.told = told
        self.hint = hint


class Certificate:
    """That of an authority. Raises OSError, ValueError for what is none."""

    def __init__(self, path: str) -> None:
        import hashlib
        import ssl

        self.path = path
        with open(path, encoding="ascii") as file:
            self.text = file.read()
        digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.text)).hexdigest()
        self.name = f"locald-{digest[:12]}"
        """in every store"""

    @property
    def body(self) -> str:
        return "".join(self.text.split("-----")[2].split())


def is_trusted(certificate: Certificate, bundles: Sequence[str] = BUNDLES) -> bool:
    """Whether programs that ask the system trust it."""
    for path in bundles:
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                if certificate.body in "".join(file.read().split()):
                    return True
        except OSError:
            continue
    return False


def trust(certificate: Certificate, home: str) -> Iterator[Outcome]:
    """Put it into every store that there is. `home`: whose browsers."""
    yield _into_system(certificate)
    yield from (_into_browser(certificate, folder) for folder in _browsers(home, make=True))


def untrust(certificate: Certificate, home: str) -> Iterator[Outcome]:
    """Take it out of every store that has it."""
    yield _out_of_system(certificate)
    yield from (_out_of_browser(certificate, folder) for folder in _browsers(home))


# The system.


def _system() -> tuple[str, Sequence[str]] | None:
    path = f"{os.environ.get('PATH', '')}:{SBIN}"
    for folder, command in SYSTEM:
        if os.path.isdir(folder) and (program := shutil.which(command[0], path=path)):
            return folder, (program, *command[1:])
    return None


def _into_system(certificate: Certificate) -> Outcome:
    found = _system()
    if found is None:
        return Outcome("failed", "this system's store is not known", f"add {certificate.path} to it yourself")
    if is_trusted(certificate):
        return Outcome("same", "the system trusts it already")
    folder, command = found
    there = os.path.join(folder, f"{certificate.name}.crt")
    put = ["install", "-m", "644", certificate.path, there]
    return _as_root([put, command], f"added it to the system as {there}")


def _out_of_system(certificate: Certificate) -> Outcome:
    found = _system()
    there = found and os.path.join(found[0], f"{certificate.name}.crt")
    if found is None or there is None or not os.path.exists(there):
        return Outcome("same", "the system does not have it")
    return _as_root([["rm", there], found[1]], f"removed it from the system ({there})")


def _as_root(commands: Sequence[Sequence[str]], done: str) -> Outcome:
    """By sudo, which asks on the terminal, where somebody sits at one."""
    import shlex

    line = " && ".join(shlex.join(command) for command in commands)
    by: list[str] = []
    if os.geteuid() != 0:
        if not (shutil.which("sudo") and sys.stdin.isatty()):
            return Outcome("failed", "only root can change the system's store", f"run `sudo sh -c {line!r}`")
        by = ["sudo"]
    for command in commands:
        if trouble := _run([*by, *command]):
            return Outcome("failed", f"the system's store could not be changed: {trouble}", f"run `{line}`")
    return Outcome("done", done)


# Browsers: Chromium has one store, Firefox one in each profile.


def _browsers(home: str, *, make: bool = False) -> Iterator[str]:
    own = os.path.join(home, ".pki", "nssdb")
    if make or os.path.isdir(own):
        yield own
    for profiles in (".mozilla/firefox", "snap/firefox/common/.mozilla/firefox"):
        folder = os.path.join(home, profiles)
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            if os.path.exists(os.path.join(folder, name, "cert9.db")):
                yield os.path.join(folder, name)


def _into_browser(certificate: Certificate, folder: str) -> Outcome:
    if not shutil.which("certutil"):
        hint = f"run `{CERTUTIL}`, then `locald proxy trust` again"
        return Outcome("failed", f"certutil is needed to change {folder}", hint)
    if not os.path.exists(os.path.join(folder, "cert9.db")):
        os.makedirs(folder, 0o700, exist_ok=True)
        _certutil(folder, "-N", "--empty-password")
    if not _certutil(folder, "-L", "-n", certificate.name):
        return Outcome("same", f"{folder} has it already")
    trouble = _certutil(folder, "-A", "-t", "C,,", "-n", certificate.name, "-i", certificate.path)
    if trouble:
        return Outcome("failed", f"{folder} could not be changed: {trouble}", "close the browser, try again")
    return Outcome("done", f"added it to {folder}")


def _out_of_browser(certificate: Certificate, folder: str) -> Outcome:
    if not shutil.which("certutil"):
        return Outcome("failed", f"certutil is needed to change {folder}", f"run `{CERTUTIL}`")
    if _certutil(folder, "-L", "-n", certificate.name):
        return Outcome("same", f"{folder} does not have it")
    if trouble := _certutil(folder, "-D", "-n", certificate.name):
        return Outcome("failed", f"{folder} could not be changed: {trouble}", "close the browser, try again")
    return Outcome("done", f"removed it from {folder}")


def _certutil(folder: str, *arguments: str) -> str:
    return _run(["certutil", "-d", f"sql:{folder}", *arguments])


def _run(command: Sequence[str]) -> str:
    """What went wrong, or nothing."""
    import subprocess

    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    except OSError as error:
        return f"{command[0]}: {error.strerror}"
    lines = done.stdout.decode(errors="replace").strip().splitlines()
    return "" if done.returncode == 0 else lines[-1] if lines else f"{command[0]} failed"
