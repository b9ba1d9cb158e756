"""`python -m locald` is the `locald` command."""

from __future__ import annotations

import sys

from locald.cli.main import main

sys.exit(main())
