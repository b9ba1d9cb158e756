"""Names of images, by the grammar that registries and engines share.

    [HOST[:PORT]/]PATH[:TAG][@DIGEST]      registry.example:5000/team/app:1.2@sha256:…

The first part is a host when it has a dot, a port or brackets; everything in a path is in lower case. Whether
there is such an image only an engine can tell.

Source: github.com/distribution/reference (the grammar in its package comment), and its `normalize.go` for
what makes a host.
"""

from __future__ import annotations

import re

from locald.domain.project import labels

_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
_PORT = "(:[0-9]+)"
_HOST = rf"({_LABEL}(\.{_LABEL})+{_PORT}?|{_LABEL}{_PORT}|\[[0-9A-Fa-f:]+\]{_PORT}?)"
_PART = "[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*"
_TAG = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_ALGORITHM = "[A-Za-z][A-Za-z0-9]*([-_+.][A-Za-z][A-Za-z0-9]*)*"
_DIGEST = f"{_ALGORITHM}:[0-9A-Fa-f]{{32,}}"

PATTERN = f"^({_HOST}/)?{_PART}(/{_PART})*(:{_TAG})?(@{_DIGEST})?{labels.END}"
LONGEST = 512
"""characters"""

LIKE = 'like "postgres:16" or "registry.example:5000/team/app:1.2"'


def is_image_name(text: str) -> bool:
    return len(text) <= LONGEST and re.search(PATTERN, text) is not None


def near(text: str) -> str:
    """The name that was probably meant by a text that is none: in lower case, without what browsers and
    other tools write around it. May be empty."""
    bare = re.sub(r"^\w+://", "", text.strip()).rstrip("/:")
    path, tag = _without_tag(bare)
    return next((name for name in (bare, path.lower() + tag) if is_image_name(name)), "")


def remedy(text: str) -> str:
    """What to write in place of a text that is no name of an image."""
    if "$" in text:
        return "write the name as it is: no variables are replaced in it"
    return f'did you mean "{meant}"?' if (meant := near(text)) else LIKE


def registry(name: str) -> str:
    """The host of its registry, as it is written; empty where none is, which means Docker Hub."""
    host, slash, _ = name.partition("/")
    is_host = "." in host or ":" in host or host.startswith("[") or host == "localhost"
    return host if slash and is_host and host != "docker.io" else ""


def repository_and_tag(name: str) -> tuple[str, str]:
    """An image's name as an engine wants to be asked for it: repository, and tag or digest.

    Without a tag it is `latest`; an engine that is asked for none would fetch them all.
    """
    named, _, digest = name.partition("@")
    repository, tag = _without_tag(named)
    return repository, digest or tag[1:] or "latest"


def _without_tag(name: str) -> tuple[str, str]:
    """The name, and the tag with its colon; a colon before the last slash is a port's."""
    folder, slash, last = name.rpartition("/")
    path, colon, tag = last.partition(":")
    return f"{folder}{slash}{path}", f"{colon}{tag}"
