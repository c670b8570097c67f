"""What the job worker does with formulas: LaTeX to outlines. What is no formula, takes too long or is too much has none
and is shown as its source."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from qwen_desktop.jobs.formulas.data import Formula

log = logging.getLogger(__name__)

#: Characters of a formula, and seconds of processor time for setting it.
LONGEST: Final = 5000
LIMIT_S: Final = 2.0
_LOCK = threading.Lock()


def render(sources: Sequence[tuple[str, dict[str, Any]]]) -> list[Any]:
    """The job "formula.render": each (LaTeX without dollars, {"display": whether it stands by itself}) as plain data
    (``data.from_builtins`` reads it), or None."""
    return [msgspec.to_builtins(formula(source, **options)) for source, options in sources]


def formula(source: str, *, display: bool = False) -> Formula | None:
    """One formula, None where it cannot be drawn. Never raises for what it says."""
    if len(source) > LONGEST or not source.strip():
        return None
    with _LOCK:  # the library has one state for all threads
        try:
            return _set(source, display)
        except Exception as error:  # what is written may be anything: it stays readable as its source
            log.info("formula.failed length=%d %s", len(source), type(error).__name__)
            return None


def _set(source: str, display: bool) -> Formula:
    from qwen_desktop.jobs.formulas.latex import prepare  # noqa: PLC0415 - these take long, and only the worker needs them
    from qwen_desktop.jobs.formulas.mathml import converted  # noqa: PLC0415
    from qwen_desktop.jobs.formulas.setting import outlined  # noqa: PLC0415

    prepared = prepare(source)
    return outlined(converted(prepared, display=display), prepared.tag, LIMIT_S)
