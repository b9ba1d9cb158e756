"""`--image SERVICE=REF`, once for each process that is to run in a container elsewhere."""

from __future__ import annotations

from locald.domain.project import image_names
from locald.domain.values.problem import Problem, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def images(given: Sequence[str]) -> dict[str, str]:
    """The images by service. Raises Refused."""
    found: dict[str, str] = {}
    for each in given:
        service, _, image = each.partition("=")
        if not service or not image_names.is_image_name(image):
            raise Refused(Problem(f'"{each}" is not SERVICE=REF', "--image", "write it like web=shop/web:1"))
        found[service] = image
    return found
