"""Progress of anything that takes long, in the units of the work."""

from __future__ import annotations

from msgspec import Struct


class Progress(Struct, frozen=True):
    """``done`` of ``total`` ``unit`` ("bytes", "tokens", "items"); ``total`` 0 means unknown."""

    done: int
    total: int
    unit: str = "bytes"
    seconds_left: float | None = None

    @property
    def fraction(self) -> float:
        """0..1, 0 when the total is unknown."""
        return min(1.0, self.done / self.total) if self.total > 0 else 0.0
