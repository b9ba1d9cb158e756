"""The certificates that Caddy keeps: that of its authority, which a person may trust, and those it issued.

A file that was damaged would keep Caddy from starting. So certificates are read before it starts; what cannot
be used is moved aside, and Caddy makes it again. A new authority has to be trusted again: this is said.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path

ROOT = "pki/authorities/local/root.crt"
_AUTHORITY = "pki/authorities/local"
_ISSUED = "certificates/local"


def root(storage: str) -> str:
    """The path of the authority's certificate."""
    return os.path.join(storage, ROOT)


def set_aside(storage: str, mark: str) -> list[str]:
    """Move what is damaged aside; returns sentences. `mark`: goes into the new names. Blocks; raises
    OSError."""
    authority = Path(storage, _AUTHORITY)
    if not _is_sound(authority / "root.crt", authority / "root.key"):
        kept = _moved(authority, mark)
        _forget_issued(storage, mark)
        return [f"the certificate authority was damaged and is replaced, the old one is kept in {kept}"]
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


def _forget_issued(storage: str, mark: str) -> Path | None:
    folder = Path(storage, _ISSUED)
    return _moved(folder, mark) if folder.exists() else None


def _moved(path: Path, mark: str) -> Path | None:
    """Its new place; None where it was not there."""
    there = path.with_name(f"{path.name}.damaged-{mark}")
    return path.rename(there) if path.exists() else None
