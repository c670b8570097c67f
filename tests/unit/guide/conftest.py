"""The recipe of the guide is no package: put its folder on the path for these tests."""

from __future__ import annotations

import sys
from pathlib import Path

GUIDE = Path(__file__).resolve().parents[3] / "resources" / "guide"
sys.path.insert(0, str(GUIDE))
