"""Where things are. Everything that is downloaded or built goes under target/, never into the tree."""

from __future__ import annotations

import os
from pathlib import Path

REPO = Path(__file__).resolve().parents[3]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", REPO / "target")).resolve()
CLIENTS = REPO / "tests" / "clients"
CACHE = TARGET / "clients"
REAL_DATA = REPO.parent / "shared" / "data"
