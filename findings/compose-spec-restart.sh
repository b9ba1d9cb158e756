#!/bin/sh
# compose-spec refuses `restart: on-failure:3`, which the Compose specification allows.
#
# Seen with: compose-spec 0.2.1 (PyPI) on Python 3.11, Linux.
# Expected:  both files are read: the specification has `on-failure[:max-retries]`.
# Seen:      on-failure      read
#            on-failure:3    ValueError: unknown variant `on-failure:3`
# Needs Python 3.9 or later. Exits with 1 if anything else is seen.

folder=$(mktemp -d) || exit 2
trap 'rm -rf "$folder"' EXIT
cd "$folder" || exit 2
python3 -m venv venv || exit 2
venv/bin/pip install -q --disable-pip-version-check compose-spec==0.2.1 || exit 2
venv/bin/python - <<'END'
"""Reads the same file with two policies."""

import sys

from compose_spec import PyCompose


def outcome(policy: str) -> str:
    try:
        PyCompose.from_yaml(f"services: {{ web: {{ image: nginx, restart: '{policy}' }} }}")
    except ValueError as error:
        return f"ValueError: {str(error).partition(': ')[2].partition(',')[0]}"
    return "read"


seen = {policy: outcome(policy) for policy in ("on-failure", "on-failure:3")}
for policy, found in seen.items():
    print(f"{policy:15}", found)
sys.exit(list(seen.values()) != ["read", "ValueError: unknown variant `on-failure:3`"])
END
