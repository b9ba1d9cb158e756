"""Out of a project, into what runs elsewhere: one plan, and a writer for each format.

    ProjectSpec ─┐
    what was     ├─► plan ── compose, systemd, kubernetes ──► files by name, losses
    learned here ┘

Writers are pure. A loss is a meaning that the written files do not have: it stands as a comment beside the
line that it is about, and in the report.
"""
