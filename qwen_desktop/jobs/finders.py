"""The workers that answer once and end: ``--worker devices`` lists what drivers list, ``--worker bandwidth`` measures
main memory, ``--worker cpuinfo`` asks py-cpuinfo.

Each finding is sent as soon as it is known, so that what was found before a crash is not lost with it.
"""

from __future__ import annotations

import functools
import logging
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from qwen_desktop.core.packed import pack
from qwen_desktop.hardware import wire
from qwen_desktop.process.serve import worker_pipes

if TYPE_CHECKING:
    from qwen_desktop.engine.llama import LlamaLibrary

log = logging.getLogger(__name__)


def main(kind: str) -> NoReturn:
    """Find out what belongs to this kind of worker, say it and end; also when the caller goes away before."""
    pipes = worker_pipes()
    pipes.start(lambda _payload: None)
    for find in _FINDERS[kind]:
        try:
            pipes.send(pack(find()))
        except Exception as error:  # what cannot be found out is not said; the next question is another matter
            log.warning("finder.failed kind=%s", type(error).__name__)
    pipes.end()


def _nvml() -> wire.Finding:
    from qwen_desktop.hardware.nvml import list_cards  # noqa: PLC0415 - after the pipes are safe from prints

    return wire.Listed("nvml", list_cards())


def _ggml() -> wire.Finding:
    from qwen_desktop.engine.devices import list_devices  # noqa: PLC0415 - as above

    return wire.Listed("ggml", list_devices(_library()))


def _built() -> wire.Finding:
    from qwen_desktop.engine.devices import list_backends  # noqa: PLC0415 - as above

    return wire.Built(*list_backends(_library()))


@functools.cache
def _library() -> LlamaLibrary:
    from qwen_desktop.engine.llama import LlamaLibrary  # noqa: PLC0415 - as above

    return LlamaLibrary(lambda line: print(line, file=sys.stderr))


def _bandwidth() -> wire.Finding:
    from qwen_desktop.hardware import bandwidth, cpu  # noqa: PLC0415 - as above

    return bandwidth.measure(cpu.places().usual)


def _cpuinfo() -> object:
    import cpuinfo  # noqa: PLC0415 - as above

    return cpuinfo.get_cpu_info()


#: NVIDIA's library before ggml's backends: of the two it is the one that does not crash.
_FINDERS: dict[str, tuple[Callable[[], object], ...]] = {
    "devices": (_nvml, _built, _ggml),
    "bandwidth": (_bandwidth,),
    "cpuinfo": (_cpuinfo,),
}
