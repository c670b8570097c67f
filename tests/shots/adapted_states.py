"""Answers that were made with adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import structs

from qwen_desktop.core.engine import UsedAdapter
from tests.shots import words
from tests.shots.chat_states import read
from tests.shots.seeds import MADE, Chat, assistant, user
from tests.shots.table import state

if TYPE_CHECKING:
    from tests.shots.stage import Stage


@state("chat-adapted")
async def adapted(stage: Stage) -> None:
    one = UsedAdapter("/adapters/letters.gguf", 0.8, "a1", "Formal letters")
    two = UsedAdapter("/adapters/verse.gguf", -0.25, "a2", "Verse in the manner of the nineteenth century, rank 64")
    idle = UsedAdapter("/adapters/checks.gguf", 1.0, "a3", "Answer checks", idle=True)
    said = (
        user("Why is the sky blue?"), assistant(words.SKY, provenance=structs.replace(MADE, adapters=(one, two))),
        user("And red?"), assistant("Red comes last.", provenance=structs.replace(MADE, adapters=(idle,))),
    )  # fmt: skip
    await read(stage, Chat("adapted", "Adapters", said=said))
