"""A real worker on a machine of which it is told what others take: how many threads its answers compute with."""

from __future__ import annotations

import asyncio
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from qwen_desktop.engine.gate import Gate
from qwen_desktop.engine.llama import Flag
from qwen_desktop.engine.llama_context import AbortedError
from tests.integration.engine.conftest import Files, loaded
from tests.integration.engine.in_process import Steps
from tests.integration.engine.talk import ask

#: The worker, on four cores of which others take {taken} while the file {busy} is there; each evaluation writes how
#: many threads write and read. What was so for two tenths of a second counts, to be quick.
_PROGRAM = """
import time
from pathlib import Path
from qwen_desktop.hardware import cpu, cpu_use
taken, busy, told = {taken}, Path({busy!r}), Path({told!r})
last, used = time.monotonic(), 0.0

def read(allowed=None):
    global last, used
    now = time.monotonic()
    if busy.exists():
        used += taken * (now - last)
    last, own = now, time.process_time()
    return cpu_use.CpuUse(now, used + own, 0.0, 4 * now - used - own, own)

cpu_use.read = read
cpu_use.Watch._STEP_S = 0.1
cpu.places = lambda: cpu.Places(4, 4, 4, 4)
from qwen_desktop.engine import pace
from qwen_desktop.engine.bindings import api
pace._BEFORE_S = 0.2
decode = api.llama_decode

def noted(context, batch):
    with told.open("a") as file:
        print(api.llama_n_threads(context), api.llama_n_threads_batch(context), file=file)
    return decode(context, batch)

api.llama_decode = noted
from qwen_desktop.engine.worker import main
main()
"""


@pytest.mark.parametrize(("taken", "fewer"), [(2, 2), (4, 1)])
def test_an_answer_starts_with_the_threads_that_are_free(files: Files, tmp_path: Path, taken: int, fewer: int) -> None:
    busy, told = tmp_path / "busy", tmp_path / "told"
    program = _PROGRAM.format(taken=taken, busy=str(busy), told=str(told))

    async def run() -> None:
        async with loaded(files.small(), command=[sys.executable, "-c", program], context=600) as engine:
            for crowded in (False, True, False):
                busy.touch() if crowded else busy.unlink(missing_ok=True)
                await asyncio.sleep(0.5)  # it looks by itself, here ten times a second
                told.unlink(missing_ok=True)
                await engine.answer(ask("a b c d", max_tokens=4))
                wanted = fewer if crowded else 3
                lines = told.read_text().split("\n")[:-1]
                assert set(lines) == {f"{wanted} {wanted}"}

    asyncio.run(run())


def test_threads_that_were_asked_for_stay(files: Files, tmp_path: Path) -> None:
    busy, told = tmp_path / "busy", tmp_path / "told"
    busy.touch()
    program = _PROGRAM.format(taken=4, busy=str(busy), told=str(told))

    async def run() -> None:
        async with loaded(files.small(), command=[sys.executable, "-c", program], context=600, threads=2) as engine:
            await engine.answer(ask("a b c d", max_tokens=4))
            assert set(told.read_text().split("\n")[:-1]) == {"2 2"}

    asyncio.run(run())


def test_a_step_that_is_ended_for_its_own_good_is_repeated(files: Files) -> None:
    """Whenever that comes, the answer is the same."""
    request = ask("a b c d e f g h " * 12, max_tokens=8, lively=False)
    steps = Steps(files.slow(), size=600)
    context = steps.session.context
    evaluate, ended = context.evaluate, 0

    def counted(pieces: Any) -> tuple[int, ...]:
        nonlocal ended
        try:
            return evaluate(pieces)
        except AbortedError:
            ended += 1
            raise

    context.evaluate = counted  # type: ignore[method-assign]
    dice = random.Random(3)

    def interrupt() -> None:
        for _ in range(60):
            time.sleep(dice.uniform(0.0, 0.01))
            steps.gate.interrupt()

    try:
        expected, first = steps.ask(request), steps.ask(request)
        steps.run()
        context.sequences[0].forget()
        thread = threading.Thread(target=interrupt)
        thread.start()
        found = steps.ask(request)
        steps.run()
        thread.join()
        assert ended > 0
        assert expected.text == first.text == found.text != ""
        assert found.result is not None and found.result.stats.completion_tokens == 8
    finally:
        steps.close()


def test_only_steps_that_can_be_repeated_are_ended() -> None:
    gate = Gate(Flag())
    gate.interrupt()
    assert not gate.flag.is_set  # nothing is computed
    for repeats in (False, True):
        assert gate.open((), repeats=repeats)
        gate.interrupt()
        assert gate.flag.is_set is repeats
        gate.close()
    assert gate.open(())
    gate.interrupt()
    assert not gate.flag.is_set
