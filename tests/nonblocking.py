"""Tests in which a call that blocks the event loop is an error.

`/proc` is excepted: the kernel makes its files up while they are read, so nothing waits for a disk or for
anybody else, and a thread would cost more than the read. So is what only the keeper calls, which has no
event loop. What a test itself does does not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from blockbuster import BlockBuster, blockbuster_ctx

if TYPE_CHECKING:
    from collections.abc import Iterator

_EXCEPTED = {
    "locald/linux/procfs.py": {"read", "_read_all", "all_pids", "children", "_tells_children"},
    "locald/linux/socket_owners.py": {"sockets"},
    "locald/linux/cgroup.py": {"pids", "has"},
    "locald/capture/writer.py": {"write", "close"},
}


@pytest.fixture
def blocking_raises() -> Iterator[BlockBuster]:
    with blockbuster_ctx("locald") as blockbuster:
        for function in blockbuster.functions.values():
            for file, names in _EXCEPTED.items():
                function.can_block_in(file, names)
        yield blockbuster
