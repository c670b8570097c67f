"""Why answers are slow on this computer, for ``doctor``: the chosen model as it would be loaded, without loading it.

The object of ``--json``:

- ``verdict``, ``where``: a sentence each; ``slow``: something can be said against the speed
- ``expected_tokens_per_s``: of an answer, null while unknown
- ``causes``: what explains most first, each with ``id``, ``layer`` (driver, build, card, settings, memory, disk, power,
  programs, limits, processor, model, context, thinking), ``what``, ``do``, and ``gain``: how many times as fast answers
  would be without it
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from qwen_desktop.core.fit import FileFit, fit
from qwen_desktop.core.gguf import GgufHeader, read_header
from qwen_desktop.core.memory import Use
from qwen_desktop.core.model_ref import LoadOptions, merged
from qwen_desktop.core.paths import Paths
from qwen_desktop.core.profile import profile_of, profiled
from qwen_desktop.core.shape import shape_of
from qwen_desktop.core.slow_facts import Facts
from qwen_desktop.core.slowness import Diagnosis, diagnose
from qwen_desktop.hardware import moment
from qwen_desktop.hardware.probe import probe
from qwen_desktop.services.machines import kept_facts
from qwen_desktop.services.slowness import foretold
from qwen_desktop.store.settings_file import SettingsFile

log = logging.getLogger(__name__)

#: What goes on is watched for so long, in seconds.
_WATCH_S = 0.8


def look(paths: Paths) -> Diagnosis:
    """The answer; nothing is written. Some seconds where the computer has never been looked at."""
    settings = SettingsFile(paths.settings_file).load().settings
    folder = settings.downloads.folder or str(paths.models)
    machine, _ = probe(folder, kept_facts(paths))
    before = moment.look()
    time.sleep(_WATCH_S)
    facts = Facts(machine=machine, moment=moment.between(before, moment.look()))
    chosen = settings.engine.model
    path = chosen or str(paths.guide_file)
    header = _header(path)
    if header is not None:
        # Of the settings only the threads concern the guide.
        asked = merged(settings.engine if chosen else LoadOptions(threads=settings.engine.threads))
        use = Use(**profiled(asked, profile_of(machine, settings.engine.profile if chosen else "usual")))
        shape = shape_of(header)
        verdict = fit(shape, use, machine)
        judged = FileFit(
            reference=path,
            name=header.name,
            quant=header.quant,
            shape=shape,
            fit=verdict,
            asked=verdict.memory,
            context=verdict.asked,
            use=use,
            size_bytes=header.size_bytes,
        )
        info = foretold(judged, path, machine, guide=not chosen)
        facts = replace(facts, info=info, shape=shape, asked=LoadOptions(**asked))
    return diagnose(facts)


def _header(path: str) -> GgufHeader | None:
    try:
        return read_header(Path(path))
    except Exception as error:  # what is wrong with the file is another row of the doctor's
        log.info("doctor.speed kind=%s", type(error).__name__)
        return None


def as_object(found: Diagnosis) -> dict[str, Any]:
    """The object of ``--json``."""
    return {
        "verdict": str(found.verdict),
        "where": None if found.where is None else str(found.where),
        "slow": found.slow,
        "expected_tokens_per_s": None if found.expected is None else round(found.expected, 1),
        "causes": [
            {
                "id": cause.id,
                "layer": str(cause.layer),
                "what": str(cause.what),
                "do": str(cause.remedy.text),
                "gain": round(cause.gain, 2),
            }
            for cause in found.causes
        ],
    }
