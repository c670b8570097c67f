"""The job worker's memory is limited: what asks for more gets a sentence, and the worker lives on."""

from __future__ import annotations

import asyncio
import ctypes
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from qwen_desktop.core.errors import Environment
from qwen_desktop.jobs.client import JobWorker
from qwen_desktop.process import memory_limit

#: A worker with jobs that take far more than is allowed, in one piece and in many.
_GREEDY = """
import subprocess, sys, types
module = types.ModuleType("greedy_jobs")
def piece(size):
    return len(bytearray(size))
def layers(count):
    return len([0] * count)
def pieces():
    held = []
    while True:
        held.append(bytearray(64 << 20))
def child():
    ask = (
        "from qwen_desktop.process import memory_limit; from resource import RLIMIT_AS, getrlimit\\n"
        "before = getrlimit(RLIMIT_AS)[0]; memory_limit.lift(); after = getrlimit(RLIMIT_AS)[0]\\n"
        "print(before != after, after)"
    )
    return subprocess.run([sys.executable, "-c", ask], capture_output=True, encoding="ascii").stdout
module.piece, module.layers, module.pieces, module.child = piece, layers, pieces, child
sys.modules["greedy_jobs"] = module
from qwen_desktop.jobs import table, worker
from qwen_desktop.process import memory_limit
memory_limit.ALLOWANCE = 1 << 30
memory_limit.limit.__defaults__ = (1 << 30,)
for name in ("piece", "layers", "pieces", "child"):
    table.JOBS[name] = f"greedy_jobs:{name}"
worker.main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not always hold a process to its limit")
def test_a_job_that_takes_too_much_fails_alone() -> None:
    import resource  # noqa: PLC0415 - not on Windows

    before = resource.getrlimit(resource.RLIMIT_AS)[0]

    async def main() -> None:
        jobs = JobWorker([sys.executable, "-c", _GREEDY])
        assert await jobs.call("piece", {"size": 50 << 20}) == 50 << 20
        pid = jobs.pid
        for name, params in (("piece", {"size": 8 << 30}), ("layers", {"count": (1 << 32) - 1}), ("pieces", {})):
            with pytest.raises(Environment, match="There is not enough memory for this"):
                await jobs.call(name, params)
        assert await jobs.call("piece", {"size": 50 << 20}) == 50 << 20  # what they took is given back
        assert jobs.pid == pid
        assert await jobs.call("child", {}) == f"True {before}\n"
        await jobs.aclose()

    asyncio.run(main())
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == before


#: A worker in which one job renders a chat template that takes its time, and another takes much of what is allowed.
_TEMPLATE = """
import sys, types
module = types.ModuleType("template_jobs")
def render(report):
    from qwen_desktop.core.engine import ThinkingMode
    from qwen_desktop.engine.templates import Template
    template = Template("{{ messages[0].content.begin() }}" + "{% for i in range(90000) %}{% endfor %}" * 8)
    class Content(str):
        def begin(self):
            report(1, 1)
            return ""
    return template.render([{"role": "user", "content": Content("x")}], ThinkingMode.AUTO)
def piece(size):
    return len(bytearray(size))
module.render, module.piece = render, piece
sys.modules["template_jobs"] = module
from qwen_desktop.jobs import table, worker
for name in ("render", "piece"):
    table.JOBS[name] = f"template_jobs:{name}"
worker.main()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="macOS does not always hold a process to its limit")
def test_a_job_that_renders_a_template_takes_no_memory_from_the_others() -> None:
    async def main() -> None:
        jobs = JobWorker([sys.executable, "-c", _TEMPLATE])
        begun = asyncio.Event()
        rendering = asyncio.ensure_future(jobs.call("render", {}, progress=lambda *_: begun.set()))
        await begun.wait()
        assert await jobs.call("piece", {"size": 1536 << 20}) == 1536 << 20
        await asyncio.gather(rendering, return_exceptions=True)
        await jobs.aclose()

    asyncio.run(main())


@pytest.mark.skipif(sys.platform == "win32", reason="asks the real system there")
def test_what_windows_is_asked_for() -> None:
    seen: dict[str, Any] = {}

    def function(name: str, answer: Any) -> Any:
        def call(*arguments: Any) -> Any:
            seen[name] = arguments
            if name == "SetInformationJobObject":
                seen["limits"] = memory_limit.JobLimits.from_buffer_copy(arguments[2]._obj)
            return answer

        return call

    def kernel(**answers: Any) -> SimpleNamespace:
        usual = {"CreateJobObjectW": 77, "SetInformationJobObject": 1, "GetCurrentProcess": -1}
        usual |= {"AssignProcessToJobObject": 1, **answers}
        return SimpleNamespace(**{name: function(name, answer) for name, answer in usual.items()})

    assert memory_limit.limit_windows(kernel(), 5 << 30)
    limits = seen["limits"]
    assert limits.ProcessMemoryLimit == 5 << 30
    assert limits.BasicLimitInformation.LimitFlags == 0x100 | 0x1000  # the process's memory; children leave the job
    assert seen["SetInformationJobObject"][0] == 77 and seen["SetInformationJobObject"][1] == 9
    assert seen["AssignProcessToJobObject"] == (77, -1)
    if ctypes.sizeof(ctypes.c_void_p) == 8:
        assert ctypes.sizeof(memory_limit.JobLimits) == seen["SetInformationJobObject"][3] == 144
    for refused in ("CreateJobObjectW", "SetInformationJobObject", "AssignProcessToJobObject"):
        assert not memory_limit.limit_windows(kernel(**{refused: 0}), 5 << 30)


@pytest.mark.skipif(sys.platform != "win32", reason="a job object of Windows")
def test_windows_holds_a_process_to_it() -> None:  # pragma: no cover
    import subprocess  # noqa: PLC0415

    ask = (
        "from qwen_desktop.process import memory_limit as m\n"
        "assert m.limit(256 << 20)\n"
        "try:\n    bytearray(1 << 30)\nexcept MemoryError:\n    print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, encoding="ascii", check=True)
    assert done.stdout.strip() == "refused"
