"""What of a message can be clicked or reached with Tab, found by its key without a search."""

from __future__ import annotations

from functools import cached_property

from qwen_desktop.ui.chat.blocks import Target


class Targets(tuple[Target, ...]):
    """The targets of one layout, in reading order. Another layout has others: they are not changed."""

    @cached_property
    def _by_key(self) -> dict[str, int]:
        return {target.key: number for number, target in enumerate(self)}

    def place(self, key: str) -> int | None:
        """Which one has this key."""
        return self._by_key.get(key)

    def named(self, key: str) -> Target | None:
        """The one with this key."""
        number = self._by_key.get(key)
        return None if number is None else self[number]
