"""The daemon's own limits: not those that the shell which happened to start it has set for itself.

A service takes several open files, and the usual 1,024 are few. Of the others as much is taken back as a
process may: a soft limit, on the time of the processor say, would end the daemon one day.
"""

from __future__ import annotations

import resource

MOST = 1 << 16


TAKEN_BACK = (resource.RLIMIT_CPU, resource.RLIMIT_FSIZE, resource.RLIMIT_AS, resource.RLIMIT_DATA)


def raise_limits() -> None:
    """The keeper, which the daemon starts, inherits them; services get those of their own caller."""
    _raise_open_files()
    for each in TAKEN_BACK:
        _, hard = resource.getrlimit(each)
        resource.setrlimit(each, (hard, hard))


def _raise_open_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
