"""What a file is judged by beside its own text: the folder, the shell, and what can be run on this machine.

The domain touches no disk. Who asks for a review hands in how to look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct


class Around(Struct, frozen=True):
    """What a file is judged by beside its own text."""

    directory: str
    """absolute path of the project's folder"""
    shell: Mapping[str, str]
    read: Callable[[str], bytes | None]
    """what a file in that folder holds, None when there is none; raises Refused when it cannot be read"""
    is_folder: Callable[[str], bool]
    finds_program: Callable[[str], object]
    """something true for an absolute path, or a name on PATH, that can be run"""
