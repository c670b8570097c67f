"""A run in a process of its own, for tests that kill it: source, type, target."""

from __future__ import annotations

import asyncio
import sys

from qwen_desktop.core.paths import find_paths
from qwen_desktop.core.quantizing import QuantizeRequest
from qwen_desktop.services.events import QuantizationChanged
from qwen_desktop.services.services import Services


async def main(source: str, kind: str, target: str) -> None:
    services = Services(find_paths(), history=False)
    services.bus.subscribe(QuantizationChanged, lambda event: print(event.run and event.run.stage, flush=True))
    await services.quantizing.start(QuantizeRequest(source, kind, target))
    await services.aclose()


asyncio.run(main(*sys.argv[1:]))
