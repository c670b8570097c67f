"""The mark of tests that draw diagrams: without Pele, which the set-up fetches, they are skipped."""

from __future__ import annotations

import pytest

from qwen_desktop.core.paths import resources_folder

needs_pele = pytest.mark.skipif(
    not (resources_folder() / "diagrams" / "pele.js").is_file(),
    reason="Pele, which draws diagrams, is missing: `tools/dev.py setup` fetches it",
)
