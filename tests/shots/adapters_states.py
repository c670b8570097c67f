"""Adapters: in a chat's panel, in its header, and with an assistant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qwen_desktop.core.assistants import Assistant
from qwen_desktop.core.engine import Adapter
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.gguf import Kind, NotChat
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.services.adapters import About, AdapterFacts, Adapters
from tests.shots import seeds
from tests.shots.assistants_states import choose, page
from tests.shots.chat_states import ask, finished, read
from tests.shots.table import state

if TYPE_CHECKING:
    from tests.shots.stage import Stage

_SHAPE = UserFacing(
    Text(
        "adapter.shape",
        QT_TRANSLATE_NOOP(
            "gguf",
            "{file} was made for a model of another size: its {tensor} has {wanted}, that of {model} has {found}.",
        ),
        {
            "file": "qwen3-8b-legal-r64.gguf", "tensor": "blk.0.attn_q.weight", "wanted": "4096 × 4096",
            "model": "Qwen3 4B", "found": "2560 × 4096",
        },
    ),
    Text("adapter.shape.hint", QT_TRANSLATE_NOOP("gguf", "Choose an adapter that was made for this model.")),
)  # fmt: skip
_MISSING = UserFacing(
    Text(
        "adapter.missing",
        QT_TRANSLATE_NOOP("adapters", "The adapter {file} is not on this computer, or not where it was."),
        {"file": "house-style-2026.gguf"},
    ),
    Text("adapter.missing.hint", QT_TRANSLATE_NOOP("adapters", "Choose its file again, or remove it.")),
)
_LONG = "Übersetzungsstil für technische Betriebsanleitungen in einfacher Sprache, dritte Fassung"
_KNOWN = {
    "/a/pirate.gguf": About(AdapterFacts("Pirate", "qwen3", "Qwen3 4B", 16)),
    "/a/formal.gguf": About(AdapterFacts("Formal letters", "qwen3", "", 8)),
    "/a/long.gguf": About(AdapterFacts(_LONG, "qwen3", "Qwen3 4B Instruct 2507 Multilingual Preview", 128, alora=True)),
    "/a/qwen3-8b-legal-r64.gguf": About(AdapterFacts("Legal", "qwen3", "Qwen3 8B", 64), _SHAPE.problem),
    "/a/house-style-2026.gguf": About(None, _MISSING.problem),
}
TWO = (Adapter("/a/pirate.gguf"), Adapter("/a/formal.gguf", 0.6))


class _Known(Adapters):
    async def look(self, path: str) -> AdapterFacts:
        return _KNOWN[path].facts or AdapterFacts(path, "qwen3")

    async def about(self, path: str, model: str) -> About:
        return _KNOWN[path]


async def _panel(stage: Stage, *adapters: Adapter, **settings: Any) -> Any:
    await read(stage, seeds.SHORT, **settings)
    stage.services.adapters = _Known()
    await stage.services.history.set_adapters(stage.window.chat.current, adapters)
    stage.command("chat.adapters")
    await stage.rest()
    return stage.window.chat.pane.instructions


@state("adapters-none")
async def none(stage: Stage) -> None:
    await _panel(stage)


@state("adapters-two")
async def two(stage: Stage) -> None:
    await _panel(stage, *TWO)


@state("adapters-broken")
async def broken(stage: Stage) -> None:
    await _panel(stage, TWO[0], Adapter("/a/qwen3-8b-legal-r64.gguf"), Adapter("/a/house-style-2026.gguf", 1.2))


@state("adapters-long")
async def long(stage: Stage) -> None:
    await _panel(stage, Adapter("/a/long.gguf", 1.35), Adapter("/a/formal.gguf", 0.0))


@state("adapters-refused")
async def refused(stage: Stage) -> None:
    shown = await _panel(stage, *TWO)
    field = shown.adapters.rows[0].field
    field.setText("9")
    field.editingFinished.emit()
    shown.adapters.add(TWO[1].path)


@state("adapters-large-text")
async def large_text(stage: Stage) -> None:
    await _panel(stage, TWO[0], Adapter("/a/house-style-2026.gguf", 1.2), appearance__text_size=200)


@state("adapters-opened-as-model")
async def opened_as_model(stage: Stage) -> None:
    async def refuse(path: str) -> None:
        raise NotChat(Path(path), Kind.ADAPTER)

    await read(stage, seeds.SHORT)
    stage.services.models.open_file = refuse
    stage.window.chat.open_model("/a/pirate.gguf")
    await stage.rest()


@state("adapters-removed")
async def removed(stage: Stage) -> None:
    shown = await _panel(stage, *TWO)
    shown.adapters.rows[0].remove.click()


@state("adapters-header-temporary")
async def header(stage: Stage) -> None:
    await stage.open()
    stage.services.adapters = _Known()
    stage.command("chat.temporary")
    await stage.rest()
    await stage.services.history.set_adapters(stage.window.chat.current, TWO)
    await ask(stage, "Which present would surprise Ada?")
    await finished(stage)


@state("adapters-assistant")
async def assistant(stage: Stage) -> None:
    shown = await page(stage, Assistant("", "Captain", "Answers as one at sea.", "map", "blue", "Ahoy.", adapters=TWO))
    stage.services.adapters = _Known()
    choose(shown, "Captain")
    await stage.rest()
    area = shown.editor.area
    area.ensureWidgetVisible(shown.editor.content.adapters)
