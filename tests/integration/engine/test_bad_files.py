"""Files that cannot be used, or misbehave: one sentence with what to do, and the engine goes on."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from qwen_desktop.core.engine import LoadRequest
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.process.spawn import worker_command
from tests import gguf_files, gguf_raw

from .conftest import Engine, Files, WithEngine
from .talk import ask, system


def _refusal(path: str) -> str:
    async def test() -> str:
        engine = LocalWorkerEngine(worker_command("engine"))
        try:
            with pytest.raises(UserFacing) as caught:
                async for _ in engine.load(LoadRequest(path)):
                    pass
            assert engine.info is None
            return caught.value.problem.sentence()
        finally:
            await engine.aclose()

    return asyncio.run(test())


def test_files_that_are_no_models(files: Files, tmp_path: Path) -> None:
    text = tmp_path / "letter.gguf"
    text.write_text("Dear model," * 100)
    assert "letter.gguf is a text, not a GGUF model file." in _refusal(str(text))
    whole = Path(files.small()).read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    assert "the download is not complete. Download it again." in _refusal(str(cut))
    assert "is a folder" in _refusal(str(tmp_path))
    assert "does not exist" in _refusal(str(tmp_path / "none.gguf"))


def test_files_that_answer_nothing_and_impossible_ones_never_reach_the_engine(tmp_path: Path) -> None:
    """llama.cpp would end its process for a layer too many, and load an embedding model as if it could chat."""
    for changes, words in (
        ({"llama.block_count": (1 << 32) - 1}, "its block_count is 4,294,967,295, which is impossible"),
        ({"llama.block_count": 513}, "its block_count is 513, which is impossible"),
        ({"llama.expert_count": 2000, "llama.expert_used_count": 2}, "its expert_count is 2,000"),
        ({"llama.pooling_type": 3}, "is an embedding model"),
        ({"general.architecture": "clip"}, "no model by itself"),
    ):
        assert words in _refusal(str(gguf_raw.model(tmp_path / "odd.gguf", changes)))


def test_an_unknown_architecture_names_it(tmp_path: Path) -> None:
    path = gguf_files.write(tmp_path / "future.gguf", vocab=600, architecture="qwen99")
    sentence = _refusal(str(path))
    assert "qwen99" in sentence and "llama.cpp does not know" in sentence and "choose another file" in sentence


def test_a_file_with_missing_tensors_is_refused(tmp_path: Path) -> None:
    path = gguf_files.write(tmp_path / "odd.gguf", vocab=600, architecture="llama")  # llama has no such biases
    data = path.read_bytes().replace(b"blk.1.ffn_down.weight", b"blk.1.ffn_xown.weight")
    path.write_bytes(data)
    sentence = _refusal(str(path))
    assert "llama.cpp cannot load odd.gguf" in sentence and "blk.1.ffn_down.weight" in sentence


def test_a_bad_file_leaves_the_engine_usable(files: Files, tmp_path: Path) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"GGUF" + os.urandom(500))

    async def test() -> None:
        engine = LocalWorkerEngine(worker_command("engine"))
        with pytest.raises(UserFacing):
            async for _ in engine.load(LoadRequest(str(bad))):
                pass
        async for _ in engine.load(LoadRequest(files.small())):
            pass
        assert (await Engine(engine).answer(ask("x", lively=False, max_tokens=2))).stats.completion_tokens == 2
        await engine.aclose()

    asyncio.run(test())


def test_a_file_without_template_chats_in_chatml(files: Files, with_engine: WithEngine) -> None:
    async def test(engine: Engine) -> None:
        info = engine.engine.info
        assert info is not None and info.local is not None
        assert info.local.template_source == "fallback" and info.capabilities.thinking == ()
        assert (await engine.answer(ask("x", lively=False, max_tokens=4))).stats.completion_tokens == 4

    with_engine(files.get("plain", vocab=600, tied=False, prefer=gguf_files.NEVER_ENDS, template=None), test)


def test_a_template_that_raises_is_told_and_survived(files: Files, with_engine: WithEngine) -> None:
    template = (
        "{% if 'picture' in messages[-1].content %}{{ raise_exception('Pictures are not supported!') }}{% endif %}"
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    )

    async def test(engine: Engine) -> None:
        with pytest.raises(UserFacing) as caught:
            await engine.answer(ask(system("be kind"), "a picture, please"))
        assert "Pictures are not supported" in caught.value.problem.sentence()
        assert (await engine.answer(ask("hello", lively=False, max_tokens=2))).stats.completion_tokens == 2

    with_engine(files.get("raises", vocab=600, tied=False, prefer=gguf_files.NEVER_ENDS, template=template), test)


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}",
        "{{ 'x' * 10000000000 }}",
        "{% set n = namespace(t='xxxxxxxx') %}{% for i in range(60) %}{% set n.t = n.t ~ n.t %}{% endfor %}{{ n.t }}",
    ],
    ids=["loops", "recursion", "multiplication", "doubling"],
)
def test_a_template_without_an_end_is_ended(files: Files, with_engine: WithEngine, template: str) -> None:
    # Only for one message: one that never ends is refused when it is loaded.
    template = (
        "{% if messages[-1].content == 'hello' %}" + template + "{% endif %}{{ messages | join(attribute='content') }}"
    )

    async def test(engine: Engine) -> None:
        began = time.monotonic()
        with pytest.raises(UserFacing) as caught:
            await engine.answer(ask("hello"))
        assert time.monotonic() - began < 15
        assert "does not come to an end" in caught.value.problem.sentence()
        began = time.monotonic()
        with pytest.raises(UserFacing):
            await engine.answer(ask("hello"))
        assert time.monotonic() - began < 15  # the first one does not run on

    with_engine(
        files.get(
            f"endless-{abs(hash(template))}", vocab=600, tied=False, prefer=gguf_files.NEVER_ENDS, template=template
        ),
        test,
    )


def test_a_template_with_an_error_is_refused_at_loading(files: Files) -> None:
    sentence = _refusal(
        files.get("syntax", vocab=600, tied=False, prefer=gguf_files.NEVER_ENDS, template="{% if x %}{{ unclosed")
    )
    assert "The chat template of this model has an error in line 1." in sentence
