"""``qwen-desktop models list``, ``import``, ``options``, ``verify`` and ``remove``: the models on this computer.

The JSON object of ``list --json``: ``folder`` (where ours lie) and ``models``, each with

- ``id`` (what ``verify`` and ``remove`` take), ``path`` of the first file, ``files``, ``mmproj``, ``name``, ``quant``,
  ``size_bytes``, ``repo``, ``architecture``, ``parameters``, ``context_train``, ``licence``
- ``origin`` (downloaded, imported, lm_studio, ollama, jan, gpt4all, huggingface_cache, file) and ``owned`` (lies in our
  folder; else it is linked where another program keeps it)
- ``last_used``, ``added``, ``verified_at``: seconds of the epoch, 0 for never; ``sha256`` of the first file or ""
- ``problem``: null, or a sentence that says why it cannot be used now
- ``template_fault``: null or a sentence; ``template_repaired``
- ``kind``: chat, embedding (for ``qwen-desktop embed``) or reranker
- ``alias``: the name that commands know it by too, "" for none; ``options``: ``context``, ``threads``, ``gpu_layers``,
  ``flash_attention``, ``kv_type``, ``streams`` (chats in memory), ``experts_on_cpu`` and ``draft_model`` (the path of
  the small model that guesses for it, "auto" or "off") that it is loaded with, each null where the settings decide
- ``made_from``: what it was made from by ``models quantize``, or ""; ``quality``: null, or what was measured then

``options --json`` prints ``id``, ``name``, ``alias`` and ``options`` of one model, and ``draft_models``: the paths of
installed ones that may guess for it.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from msgspec import structs

from qwen_desktop.cli.console import Console, harmless
from qwen_desktop.cli.interrupt import asked
from qwen_desktop.cli.one_run import CommandRun
from qwen_desktop.core.amounts import size
from qwen_desktop.core.errors import AppError
from qwen_desktop.core.model_ref import LoadOptions
from qwen_desktop.core.models import InstalledModel
from qwen_desktop.core.quality import verdict
from qwen_desktop.core.settings import setting
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text, fill, shown
from qwen_desktop.services.draft_models import AUTO, OFF
from qwen_desktop.services.events import Notified

_FROM = {
    "downloaded": QT_TRANSLATE_NOOP("library", "downloaded"),
    "imported": QT_TRANSLATE_NOOP("library", "imported"),
    "lm_studio": "LM Studio",
    "ollama": "Ollama",
    "jan": "Jan",
    "gpt4all": "GPT4All",
    "huggingface_cache": QT_TRANSLATE_NOOP("library", "Hugging Face cache"),
    "file": QT_TRANSLATE_NOOP("library", "linked file"),
}


async def list_models(run: CommandRun) -> int:
    """Print what is installed and linked. Always returns 0."""
    async with run.services() as services:
        library = services.library
        models = await library.scan()
        folder = library.folder
    console = run.console
    if run.as_json:
        console.object({"folder": str(folder), "models": [_plain(model) for model in models]})
        return 0
    if not models:
        console.line(QT_TRANSLATE_NOOP("library", "No models are installed."))
        console.note(
            QT_TRANSLATE_NOOP(
                "library", "qwen-desktop models recommend says which suits this computer, models pull gets it."
            )
        )
        return 0
    _print(models, console)
    return 0


async def import_models(
    run: CommandRun, *, files: Sequence[Path] = (), copy: bool = False, from_apps: bool = False
) -> int:
    """Add files, the models inside folders and, with ``from_apps``, what other programs hold; linked, or copied into
    the models folder. Returns 1 when nothing was asked for or found. Raises ``AppError``."""
    console = run.console
    if not files and not from_apps:
        console.warn(
            QT_TRANSLATE_NOOP("library", "Name a file or a folder, or look into other programs with --from-apps.")
        )
        return 1
    async with run.services() as services:
        library = services.library
        services.bus.subscribe(Notified, lambda e: console.warn(" ".join(map(str, filter(None, (e.text, e.hint))))))
        await library.scan()
        wanted = [str(path) for path in files]
        if from_apps:
            console.progress(QT_TRANSLATE_NOOP("library", "Looking into other programs …"))
            found = await library.find_importable()
            for candidate in found:
                if candidate.problem is not None:
                    console.warn(candidate.problem.sentence())
            wanted += [c.path for c in found if not c.known and c.problem is None]
        if not wanted:
            console.line(QT_TRANSLATE_NOOP("library", "Nothing new was found."))
            return 1
        added = await library.import_files(wanted, copy=copy, progress=_progress(console))
    _print(added, console)
    return 0 if added else 1


async def options(
    run: CommandRun, name: str, *, wanted: LoadOptions | None = None, alias: str | None = None, reset: bool = False
) -> int:
    """Print how a model is loaded and what it is called, after what was asked to be changed: with ``reset`` all its
    options are forgotten first; ``alias`` "" takes its alias away. Raises ``AppError``; then nothing is changed."""
    async with run.services() as services:
        library = services.library
        await library.scan()
        model = library.named(name)
        asked = {key: value for key, value in structs.asdict(wanted or LoadOptions()).items() if value is not None}
        draft = asked.get("draft_model")
        if draft not in (None, OFF, AUTO):
            asked["draft_model"] = library.named(draft).path
            await services.draft_models.check(model.path, asked["draft_model"])
        if asked or reset or alias is not None:
            before = LoadOptions() if reset else model.options
            await library.set_options(model.id, structs.replace(before, **asked), alias=alias)
        model = library.find(model.id) or model
        offered = await services.draft_models.offered(model.path)
    console = run.console
    if run.as_json:
        plain = structs.asdict(model.options)
        drafts = [each.path for each in offered]
        console.object(
            {"id": model.id, "name": model.name, "alias": model.alias, "options": plain, "draft_models": drafts}
        )
        return 0
    console.line(harmless(f"{model.name} {model.quant}".strip()))
    settings = QT_TRANSLATE_NOOP("library", "as the settings say")
    for key, value in structs.asdict(model.options).items():
        console.line(f"  {setting(f'engine.{key}').info.title:30}{settings if value is None else harmless(str(value))}")
    if offered:
        names = ", ".join(harmless(f"{each.name} {each.quant}".strip()) for each in offered)
        console.line(f"  {QT_TRANSLATE_NOOP('library', 'Could guess for it'):30}{names}")
    console.line(f"  {QT_TRANSLATE_NOOP('library', 'Alias'):30}{harmless(model.alias) or '-'}")
    return 0


async def verify(run: CommandRun, name: str) -> int:
    """Read a model again and compare it with its hashes. Returns 1 when it is damaged, or undamaged but nothing that
    can be used. Raises ``AppError``."""
    console = run.console
    async with run.services() as services:
        library = services.library
        await library.scan()
        model = library.named(name)
        good = await library.verify(model.id, _progress(console))
        now = library.find(model.id)
    if not good:
        console.warn(now.problem.sentence() if now is not None and now.problem is not None else model.name)
        return 1
    known = model.sha256 or model.verified_at
    template = (
        QT_TRANSLATE_NOOP("library", "{name} is undamaged.")
        if known
        else QT_TRANSLATE_NOOP(
            "library", "{name} can be read. Nobody knew its hash; now it is noted for the next time."
        )
    )
    console.line(fill(template, {"name": harmless(model.name)}))
    if now is not None and now.problem is not None:
        console.warn(now.problem.sentence())
        return 1
    return 0


async def remove(run: CommandRun, name: str, *, yes: bool = False) -> int:
    """Move a model's files to the bin; of a linked one only the link is forgotten. Asks first unless ``yes``; where
    there is no bin, ``yes`` means for good. Returns 1 when it was not removed. Raises ``AppError``."""
    console = run.console
    async with run.services() as services:
        library = services.library
        await library.scan()
        model = library.named(name)
        no_bin = await library.why_no_bin(model.id)
        if not yes and not _agreed(_question(model, no_bin), console):
            return 1
        try:
            await library.delete(model.id, permanent=no_bin is not None)
        except AppError as error:
            if error.problem.action != "delete_permanently":
                raise
            if not yes and not _agreed(error.problem.sentence(), console):
                return 1
            await library.delete(model.id, permanent=True)
    console.line(fill(QT_TRANSLATE_NOOP("library", "{name} is removed."), {"name": harmless(model.name)}))
    return 0


def _progress(console: Console) -> Any:
    def report(done: int, total: int) -> None:
        if total:
            template = QT_TRANSLATE_NOOP("library", "{percent} % of {size}")
            console.progress(fill(template, {"percent": int(100 * done / total), "size": size(total)}))

    return report


def _question(model: InstalledModel, no_bin: Text | None) -> str:
    if no_bin is not None:
        template = f"{no_bin} {QT_TRANSLATE_NOOP('library', 'Delete {name} ({size}) for good?')}"
    elif not model.owned:
        template = QT_TRANSLATE_NOOP("library", "Remove {name} from the list? Its file stays where it is.")
    else:
        template = QT_TRANSLATE_NOOP("library", "Move {name} ({size}) to the bin?")
    return fill(template, {"name": model.name, "size": size(model.size_bytes)})


def _agreed(question: str, console: Console) -> bool:
    """Ask on the terminal. Without one nobody can agree, and --yes is named."""
    agreed = asked(question, console)
    if agreed is None:
        console.warn(f"{question} {QT_TRANSLATE_NOOP('library', 'Nobody can answer here; --yes agrees.')}")
    return bool(agreed)


def _print(models: Iterable[InstalledModel], console: Console) -> None:
    for model in models:
        console.line(shown(_line(model), 2000))
        for remark in _remarks(model):
            console.line(f"    {harmless(remark)}")


def _line(model: InstalledModel) -> str:
    used = time.strftime("%Y-%m-%d", time.localtime(model.last_used)) if model.last_used else "-"
    where = _FROM.get(model.origin, model.origin)
    return f"{model.name}  {model.quant or '-'}  {size(model.size_bytes)}  {where}  {used}  {model.id}"


def _remarks(model: InstalledModel) -> list[str]:
    remarks = [model.problem.sentence()] if model.problem is not None else []
    if model.template_fault is not None and not model.template_repaired:
        remarks.append(str(model.template_fault))
    if model.kind == "embedding":
        remarks.append(QT_TRANSLATE_NOOP("library", "For embeddings: qwen-desktop embed --model"))
    elif not model.chats:
        remarks.append(QT_TRANSLATE_NOOP("library", "For reranking, not to chat"))
    if model.alias:
        remarks.append(fill(QT_TRANSLATE_NOOP("library", "Alias: {name}"), {"name": model.alias}))
    if model.made_from:
        template = QT_TRANSLATE_NOOP("library", "Made from {name}")
        said = f". {verdict(model.quality)}" if model.quality is not None else ""
        remarks.append(fill(template, {"name": model.made_from}) + said)
    options = [
        (setting(f"engine.{k}").info.title, v) for k, v in structs.asdict(model.options).items() if v is not None
    ]
    if options:
        told = ", ".join(f"{title} {harmless(str(value))}" for title, value in options)
        remarks.append(fill(QT_TRANSLATE_NOOP("library", "Loaded with: {options}"), {"options": told}))
    return remarks


def _plain(model: InstalledModel) -> dict[str, Any]:
    names = (
        "id", "path", "files", "mmproj", "name", "quant", "size_bytes", "repo", "architecture", "parameters",
        "context_train", "licence", "origin", "owned", "last_used", "added", "verified_at", "sha256",
        "template_repaired", "alias", "kind", "made_from",
    )  # fmt: skip
    plain = {name: getattr(model, name) for name in names}
    plain["options"] = structs.asdict(model.options)
    plain["quality"] = structs.asdict(model.quality) if model.quality is not None else None
    plain["problem"] = model.problem.sentence() if model.problem is not None else None
    plain["template_fault"] = str(model.template_fault) if model.template_fault is not None else None
    return plain
