"""What conversations with adapters have evaluated comes back from the disk with the same adapters only."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from qwen_desktop.core.engine import Adapter
from qwen_desktop.engine.prompt_cache.files import Folder
from tests import adapter_files

from .conftest import Files
from .in_process import model
from .talk import ask, assistant, user
from .test_prompt_cache import Talks


def test_what_is_read_before_an_activated_adapter_counts_comes_back_and_is_written_once(
    files: Files, tmp_path: Path
) -> None:
    """The place of its invocation moves with each turn; what stands before is the same with it and without."""
    path = files.small()
    words = model(path).tokenize("<|im_start|>assistant", special=True, begin=False)
    chosen = Adapter(adapter_files.write(tmp_path / "a.gguf", path, invocation=words))
    talks = Talks(path, tmp_path / "kept", ends=True, streams=1, size=1500, chunk=32)
    held = [user("one two three " * 30)]
    sizes: list[int] = []
    try:
        for turn in range(3):
            adapters = (chosen,) if turn < 2 else ()
            request = ask(*held, cache_key="talk", keep=True, max_tokens=4, lively=False, adapters=adapters)
            text, _, restored = talks.answer(request)
            assert restored > 300 or not turn
            held += [assistant(text or "-"), user(f"four {turn}")]
            sizes.append(Folder(tmp_path / "kept").size()[0])
        assert sizes[2] < 1.6 * sizes[0]
    finally:
        talks.close()


@pytest.mark.parametrize("seed", range(1))
def test_after_each_turns_restart_nothing_of_other_adapters_is_used(files: Files, tmp_path: Path, seed: int) -> None:
    """A conversation whose adapters change, one of them an activated one, against a run that keeps nothing."""
    dice = random.Random(seed)
    path = files.small()
    words = model(path).tokenize("<|im_start|>assistant", special=True, begin=False)
    one, two = (Adapter(adapter_files.write(tmp_path / f"{n}.gguf", path, seed=n)) for n in (1, 2))
    activated = Adapter(adapter_files.write(tmp_path / "3.gguf", path, seed=3, invocation=words))
    ends = Talks(path, tmp_path / "ends", ends=True, streams=1, size=1500, chunk=32)
    held: list[Any] = []
    restored = 0
    try:
        for turn in range(10):
            held.append(user(" ".join(dice.choices(("one", "two", "three"), k=60))))
            chosen = dice.choice(((), (one,), (one,), (two,), (activated,), (one, two)))
            request = ask(*held, cache_key="talk", keep=True, max_tokens=4, lively=False, adapters=chosen)
            text, _, came = ends.answer(request)
            fresh = Talks(path, tmp_path / f"fresh{turn}", ends=True, streams=1, size=1500, chunk=32)
            assert fresh.answer(request)[0] == text
            restored += came
            held.append(assistant(text or "-"))
        assert restored > 60
    finally:
        ends.close()
