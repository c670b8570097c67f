"""The jobs: name -> "module:function", imported when first called.

Adding a job: add a row. The function takes keyword arguments of plain data (what msgpack carries) and returns plain
data; an ``AppError`` it raises arrives at the caller as such. A parameter ``report`` (a function of ``done``,
``total`` and, as keywords, anything else worth saying), where the function has one, sends progress, returns what the
caller has told meanwhile (``client.Channel``), and raises ``Cancelled`` once the caller has gone away.
"""

from __future__ import annotations

#: Instant ones that must not wait behind others: they run where calls are read, in the order of the calls.
AT_ONCE = frozenset({"hub.switch"})

JOBS: dict[str, str] = {
    "diagram.render": "qwen_desktop.jobs.diagrams:render",
    "document.passages": "qwen_desktop.jobs.documents.passages:pick",
    "document.read": "qwen_desktop.jobs.documents.reading:read",
    "hardware.probe": "qwen_desktop.hardware.probe:as_job",
    "gguf.adapter": "qwen_desktop.jobs.adapters:look",
    "gguf.adapter_fits": "qwen_desktop.jobs.adapters:fits",
    "gguf.draft_model": "qwen_desktop.jobs.draft_models:look",
    "gguf.header": "qwen_desktop.hub.importers:header",
    "history.copy": "qwen_desktop.jobs.exports.job:copied",
    "history.export": "qwen_desktop.jobs.exports.job:export",
    "history.import_places": "qwen_desktop.jobs.imports.places:find",
    "history.import": "qwen_desktop.jobs.imports.job:import_file",
    "hub.header": "qwen_desktop.hub.remote_header:as_job",
    "hub.lookup": "qwen_desktop.hub.catalog_jobs:lookup",
    "hub.merge": "qwen_desktop.hub.catalog_jobs:merge",
    "hub.refresh": "qwen_desktop.hub.catalog_jobs:refresh",
    "hub.switch": "qwen_desktop.hub.switch:turn",
    "library.copy": "qwen_desktop.hub.copying:copy_in",
    "library.delete": "qwen_desktop.hub.deleting:delete_model",
    "library.find_importable": "qwen_desktop.hub.importers:find",
    "library.hash": "qwen_desktop.hub.copying:hash_files",
    "library.inspect": "qwen_desktop.hub.importers:inspect",
    "library.move": "qwen_desktop.hub.moving:move",
    "library.move_finish": "qwen_desktop.hub.moving:finish",
    "library.move_undo": "qwen_desktop.hub.moving:undo",
    "library.scan": "qwen_desktop.hub.installed:scan",
    "hub.download": "qwen_desktop.hub.download.job:fetch",
    "hub.download_discard": "qwen_desktop.hub.download.job:discard",
    "hub.download_state": "qwen_desktop.hub.download.job:state",
    "formula.render": "qwen_desktop.jobs.formulas.rendering:render",
    "markdown.grow": "qwen_desktop.jobs.markdown.growing:grow_job",
    "markdown.plain": "qwen_desktop.jobs.markdown.rendering:plain",
    "markdown.render": "qwen_desktop.jobs.markdown.rendering:render",
    "quantize.finish": "qwen_desktop.jobs.quantizing:finish",
    "template.check": "qwen_desktop.jobs.template_doctor:check_file",
    "template.repair": "qwen_desktop.jobs.template_doctor:repair",
}

#: Those that touch neither files nor networks, and so never wait for anything outside.
COMPUTES = frozenset(
    name for name in JOBS if name.startswith(("diagram.", "document.passages", "formula.", "markdown."))
)

#: Seconds after which nobody waits any more for one that only reads files: their drive does not answer. Several times
#: what the slowest drive takes. (Network requests have limits of their own; what copies or moves may take hours.)
DEADLINES_S: dict[str, float] = {
    "document.read": 120,  # it ends itself before that (core.documents.Limits)
    "gguf.adapter": 120,
    "gguf.adapter_fits": 30,
    "gguf.draft_model": 60,
    "gguf.header": 30,
    "history.import_places": 30,
    "library.inspect": 180,
    "library.scan": 180,
    "template.check": 120,
    "template.repair": 120,
}
