"""Where the small real model of the tests lies (see ``tools/dev_model.py``; ``make setup`` fetches it once).

Use: ``from tests.smollm2 import model_path``. A missing model fails the test: it never passes by not running.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_TOOLS = Path(__file__).resolve().parent.parent / "tools"


def model_path() -> Path:
    """The GGUF file of SmolLM2-135M-Instruct. Raises ``FileNotFoundError`` with the command that fetches it."""
    if importlib.util.find_spec("dev_model") is None:
        sys.path.append(str(_TOOLS))
    import dev_model  # noqa: PLC0415 - its folder is on the path only now

    found = dev_model.find()
    if found is None:
        raise FileNotFoundError("The test model is missing: run `make setup` (python3 tools/dev.py setup).")
    return found
