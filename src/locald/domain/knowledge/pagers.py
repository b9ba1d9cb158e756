"""Programs that show a long text page by page, and how they are told not to.

A pager would wait for ever for somebody to press a key; the user's own choice goes over these.
"""

from __future__ import annotations

PAGERS = {"PAGER": "cat", "GIT_PAGER": "cat", "SYSTEMD_PAGER": "cat", "AWS_PAGER": ""}
"""the variables that name a pager, with the values under which none waits"""
