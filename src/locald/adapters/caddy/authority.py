"""The certificates that Caddy keeps: that of its authority, which a person may trust, and those it issued.

A file that was damaged would keep Caddy from starting. What was made while the clock was ahead is not valid
yet, which Caddy does not look at. So certificates are read before it starts. What cannot be used is moved
aside, and Caddy makes it again. A new authority has to be trusted again, which is said. What is too old Caddy
renews.
"""

from __future__ import annotations

import os
import ssl
from functools import partial
from pathlib import Path

ROOT = "pki/authorities/local/root.crt"
_AUTHORITY = "pki/authorities/local"
_ISSUED = "certificates/local"
TOLERATED = 60.0
"""seconds by which a clock may be set back, which Caddy allows for as well"""


def root(storage: str) -> str:
    """The path of the authority's certificate."""
    return os.path.join(storage, ROOT)


def set_aside(storage: str, mark: str, now: float) -> list[str]:
    """Move aside what is damaged, or not valid yet; returns sentences. `mark`: goes into the new names.
    `now`: epoch seconds. Blocks; raises OSError."""
    authority = Path(storage, _AUTHORITY)
    made = [authority / "root.crt", authority / "intermediate.crt"]
    wrong = "was damaged" if not _is_sound(made[0], authority / "root.key") else ""
    if wrong or any(map(partial(_is_of_later, now=now), made)):
        kept = _moved(authority, mark)
        _forget_issued(storage, mark)
        wrong = wrong or "was made while the clock was ahead"
        return [f"the certificate authority {wrong} and is replaced, the old one is kept in {kept}"]
    told = []
    if not _is_sound(authority / "intermediate.crt", authority / "intermediate.key"):
        for name in ("intermediate.crt", "intermediate.key"):
            _moved(authority / name, mark)
        told = [
            f"an intermediate certificate was damaged and is replaced, the old one is kept in {authority}"
        ]
    issued = [*Path(storage, _ISSUED).glob("*/*.crt")]
    if not all(_is_sound(each, each.with_suffix(".key")) for each in issued):
        kept = _forget_issued(storage, mark)
        told.append(f"issued certificates were damaged and are replaced, the old ones are kept in {kept}")
    elif any(each.stat().st_mtime > now + TOLERATED for each in issued):
        kept = _forget_issued(storage, mark)
        told.append(f"issued certificates are of later than now and are replaced, the old ones are in {kept}")
    return told


def _is_sound(certificate: Path, key: Path) -> bool:
    """Both are there and belong together, or neither is there."""
    if not (certificate.exists() or key.exists()):
        return True
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError):
        return False
    return True


def _is_of_later(certificate: Path, now: float) -> bool:
    """One of an authority that is not valid yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(certificate)
    except (OSError, ssl.SSLError):
        return False
    began = [str(each["notBefore"]) for each in context.get_ca_certs()]
    return any(ssl.cert_time_to_seconds(each) > now + TOLERATED for each in began)


def _forget_issued(storage: str, mark: str) -> Path | None:
    folder = Path(storage, _ISSUED)
    return _moved(folder, mark) if folder.exists() else None


def _moved(path: Path, mark: str) -> Path | None:
    """Its new place; None where it was not there."""
    there = path.with_name(f"{path.name}.damaged-{mark}")
    return path.rename(there) if path.exists() else None
