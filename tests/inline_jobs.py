"""The job table called in this process: for tests that need a job's work and not its process."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from qwen_desktop.core.errors import error_of, problem_of
from qwen_desktop.jobs.table import JOBS


class InlineJobs:
    """Stands in for ``jobs.client.JobWorker``. Blocks while a job runs; failures come as they do from the worker."""

    async def call(
        self,
        name: str,
        params: Mapping[str, Any],
        *,
        progress: Callable[..., None] | None = None,
        channel: object | None = None,
    ) -> Any:
        """Run the job ``name``."""
        module, _, function = JOBS[name].partition(":")
        work = getattr(importlib.import_module(module), function)
        given = dict(params)
        if "report" in inspect.signature(work).parameters:
            given["report"] = progress or (lambda done, total, **detail: None)
        try:
            return work(**given)
        except Exception as error:
            raise error_of(problem_of(error)) from error
