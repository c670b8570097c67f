"""What is kept of chats that models have read, in the settings: none yet, some, the disk full, switched off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwen_desktop.services.prompt_cache import GB, Kept
from qwen_desktop.ui.settings.prompt_cache import PromptCacheCard
from tests.shots.settings_states import page
from tests.shots.table import State, state

if TYPE_CHECKING:
    from tests.shots.stage import Stage

_KEPT = {
    "empty": Kept(budget_bytes=4 * GB),
    "some": Kept(1_312_000_000, 7, 4 * GB),
    "nearly-full": Kept(3_970_000_000, 31, 4 * GB),
    "disk-full": Kept(212_000_000, 2, 0, full=True),
    "off": Kept(),
    "unusable": Kept(usable=False),
}


def _state(kept: Kept, chosen: int | None) -> State:
    async def draw(stage: Stage) -> None:
        shown = await page(stage, "storage", storage__prompt_cache_gb=chosen)
        await stage.rest()
        shown.sections["storage"].findChild(PromptCacheCard).tell(kept)
        await stage.still()

    return draw


for _name, _kept in _KEPT.items():
    state(f"settings-kept-{_name}")(_state(_kept, 0 if _name == "off" else None))
