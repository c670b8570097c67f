"""Weights that are not numbers: a sentence instead of exclamation marks to the limit."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path

import gguf
import pytest

from qwen_desktop.core.errors import UserFacing
from tests.gguf_files import NEVER_ENDS
from tests.integration.engine.conftest import Engine, Files, WithEngine
from tests.integration.engine.talk import ask

Spoil = Callable[[Path], None]


def spoilt(name: str, value: float, *, one: bool = False) -> Spoil:
    """Write ``value`` over all numbers of a tensor, or over one."""

    def write(path: Path) -> None:
        reader = gguf.GGUFReader(path, "r+")
        tensor = next(tensor for tensor in reader.tensors if tensor.name == name)
        if one:
            tensor.data.flat[3] = value
        else:
            tensor.data[:] = value
        reader.data.flush()

    return write


@pytest.mark.parametrize(
    "spoil",
    [
        spoilt("output_norm.weight", math.nan),
        spoilt("blk.0.attn_norm.weight", math.inf),
        spoilt("output.weight", math.nan, one=True),  # one word only, but then comparing words means nothing
    ],
    ids=["all", "infinite", "one word"],
)
def test_it_stops_and_says_so(spoil: Spoil, files: Files, with_engine: WithEngine, tmp_path: Path) -> None:
    path = tmp_path / "spoilt.gguf"
    shutil.copy(files.get("float", vocab=600, tied=False, quant="f16", prefer=NEVER_ENDS), path)
    spoil(path)

    async def test(engine: Engine) -> None:
        for lively in (False, True):  # the worker goes on and says it again
            with pytest.raises(UserFacing, match="no longer numbers"):
                await engine.answer(ask("hello", lively=lively, max_tokens=50))
            assert not any(getattr(event, "text", "") for event in engine.events)

    with_engine(str(path), test)
