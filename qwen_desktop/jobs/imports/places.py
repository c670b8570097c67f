"""Where LM Studio and Jan keep their conversations, so that nobody has to look for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from qwen_desktop.core.exchange import ImportPlace
from qwen_desktop.hub.other_apps import Surroundings, jan_homes, lm_studio_homes
from qwen_desktop.jobs.imports import jan, lm_studio


def places(around: Surroundings) -> list[ImportPlace]:
    """The folders that hold some, of each program the first one."""
    found: list[ImportPlace] = []
    for home in lm_studio_homes(around):
        folder = home / "conversations"
        if count := lm_studio.count(folder):
            found.append(ImportPlace(lm_studio.ENGINE, str(folder), count))
            break
    for home in jan_homes(around):
        if count := jan.count(home):
            found.append(ImportPlace(jan.ENGINE, str(home), count))
            break
    return found


def find(*, home: str, environ: Mapping[str, str], system: str) -> list[dict[str, Any]]:
    """The job ``history.import_places``: ``ImportPlace`` of each, as plain data."""
    return [msgspec.to_builtins(place) for place in places(Surroundings(Path(home), environ, system))]
