"""The jobs: name -> "module:function", imported when first called.

Adding a job: add a row. The function takes keyword arguments of plain data (what msgpack carries) and returns plain
data; an ``AppError`` it raises arrives at the caller as such. A parameter ``report`` (a function of ``done`` and
``total``), where the function has one, sends progress and raises ``Cancelled`` once the caller has gone away.
"""

from __future__ import annotations

JOBS: dict[str, str] = {
    "gguf.header": "qwen_desktop.core.gguf:as_dict",
    "markdown.render": "qwen_desktop.jobs.markdown:render_job",
}
