"""Models that only embed or rerank, among those that are installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import structs

from tests.shots.models_states import page
from tests.shots.still import NOW
from tests.shots.table import state
from tests.ui.models import scripted

if TYPE_CHECKING:
    from tests.shots.stage import Stage


async def _page(stage: Stage) -> Any:
    first, second, *rest = scripted.installed(NOW)
    told = [
        structs.replace(first, name="Qwen3 Embedding 0.6B", quant="Q8_0", kind="embedding"),
        structs.replace(second, name="Qwen3 Reranker 0.6B", quant="Q8_0", kind="reranker"),
    ]

    def ready(app: Any) -> None:
        app.library.items = [*told, *rest]

    shown = await page(stage, prepare=ready)
    bar = shown.verticalScrollBar()
    title = shown.installed_title
    bar.setValue(title.mapTo(shown.widget(), title.rect().topLeft()).y() - 16)
    return shown


@state("models-embedding")
async def embedding(stage: Stage) -> None:
    await _page(stage)


@state("models-embedding-details")
async def embedding_details(stage: Stage) -> None:
    shown = await _page(stage)
    shown.installed_details(shown.installed.list.row(0).row)
