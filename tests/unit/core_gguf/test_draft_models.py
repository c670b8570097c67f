"""Which models may guess for which: only where each token means the same to both."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.gguf import GgufHeader, read_header
from qwen_desktop.core.gguf.draft_models import check_pair, may_pay
from tests import gguf_files

TOKENS, TYPES = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type"


def header(folder: Path, name: str, **how: Any) -> GgufHeader:
    return read_header(gguf_files.write(folder / f"{name}.gguf", **{"vocab": 600, "tied": False, **how}))


@pytest.fixture
def model(tmp_path: Path) -> GgufHeader:
    return header(tmp_path, "model", layers=3)


def listed(found: GgufHeader, **metadata: Any) -> GgufHeader:
    """With other entries, "" for none; ``tokens`` and ``token_type`` as short lists."""
    short = {f"tokenizer.ggml.{name}": value for name, value in metadata.items()}
    arrays = {key: value for key, value in found.arrays.items() if key not in short}
    kept = {key: value for key, value in {**found.metadata, **short}.items() if value != ""}
    return structs.replace(found, metadata=kept, arrays=arrays)


def words(found: GgufHeader) -> tuple[list[str], list[int]]:
    from qwen_desktop.core.gguf import draft_models  # noqa: PLC0415 - how it reads them

    return [word.decode() for word in draft_models._words_of(found)], draft_models._types_of(found)


def fits(one: GgufHeader, other: GgufHeader) -> bool:
    try:
        check_pair(one, other)
    except UserFacing as error:
        assert Path(other.path).name in str(error) and one.name in str(error)
        return False
    return True


def test_the_same_vocabulary_fits_whatever_the_weights(model: GgufHeader, tmp_path: Path) -> None:
    assert fits(model, header(tmp_path, "draft", layers=1, width=32, quant="f16", seed=9))
    assert fits(model, model)
    assert not fits(header(tmp_path, "small", layers=1), model)  # the other way round


@pytest.mark.parametrize(
    "change",
    [
        {"model": "llama"}, {"model": ""}, {"pre": "llama-bpe"}, {"pre": ""}, {"eos_token_id": 7},
        {"add_bos_token": True}, {"add_eos_token": True},
    ],
)  # fmt: skip
def test_another_way_of_making_tokens_does_not_fit(model: GgufHeader, tmp_path: Path, change: dict[str, Any]) -> None:
    draft = header(tmp_path, "draft", layers=1)
    changed = listed(draft, **change)
    assert fits(model, changed) is (changed.metadata == draft.metadata)
    assert fits(listed(model, **change), changed) is (change != {"model": ""})


def test_what_no_text_begins_with_may_be_any_token(model: GgufHeader, tmp_path: Path) -> None:
    """Converters leave it out, or say in words what is so anyway."""
    draft = header(tmp_path, "draft", layers=1)
    assert fits(listed(model, bos_token_id=7), listed(draft, bos_token_id="", add_bos_token=False))
    begins = {"add_bos_token": True, "bos_token_id": 7}
    assert fits(listed(model, **begins), listed(draft, **begins))
    assert not fits(listed(model, **begins), listed(draft, **{**begins, "bos_token_id": 8}))


def test_each_word_counts(model: GgufHeader, tmp_path: Path) -> None:
    """Also those behind which a vocabulary of another kind stands, and the first five, which llama.cpp passes over."""
    draft, dice = header(tmp_path, "draft", layers=1), random.Random(1)
    texts, kinds = words(draft)
    assert len(texts) == len(kinds) == 600 and fits(model, listed(draft, tokens=texts, token_type=kinds))
    for place in (0, 4, 5, 599, *dice.sample(range(600), 5)):
        other = [*texts]
        other[place] += "x"
        assert not fits(model, listed(draft, tokens=other))
        assert not fits(listed(model, tokens=other), draft)
    swapped = [*texts]
    swapped[300], swapped[301] = swapped[301], swapped[300]
    assert not fits(model, listed(draft, tokens=swapped))


@pytest.mark.parametrize(
    ("more", "kind", "good"),
    [(1, 5, True), (128, 5, True), (129, 5, False), (1, 1, False), (1, 3, False), (0, 5, True)],
)
def test_what_only_one_has_is_padding(model: GgufHeader, tmp_path: Path, more: int, kind: int, *, good: bool) -> None:
    draft = header(tmp_path, "draft", layers=1)
    texts, kinds = words(draft)
    longer = {"tokens": [*texts, *(f"[PAD{n}]" for n in range(more))], "token_type": [*kinds, *[kind] * more]}
    assert fits(listed(model, **longer), draft) is good
    assert fits(model, listed(draft, **longer)) is good
    assert not fits(listed(model, **{**longer, "token_type": [*kinds]}), draft) or not more


def test_models_that_cannot_take_back_what_was_wrong_do_not_fit(model: GgufHeader, tmp_path: Path) -> None:
    draft = header(tmp_path, "draft", layers=1)
    for key, value, good in (("ssm.state_size", 16, False), ("attention.sliding_window", 64, False),
                             ("attention.sliding_window", 0, True)):  # fmt: skip
        for one, other in ((model, draft), (draft, model)):
            changed = structs.replace(other, metadata={**other.metadata, f"qwen3.{key}": value}, parameters=1)
            assert fits(structs.replace(one, parameters=2), changed) is good
            assert fits(structs.replace(changed, parameters=2), structs.replace(one, parameters=1)) is good


def test_a_file_that_lies_or_is_gone_fits_nothing(model: GgufHeader, tmp_path: Path) -> None:
    full = header(tmp_path, "draft", layers=1, vocab=gguf_files.FULL_VOCABULARY)
    assert TOKENS in full.arrays and fits(full, full)
    place = full.arrays[TOKENS]
    lies: list[dict[str, int]] = [
        {"type": 4}, {"offset": full.data_offset + 8}, {"offset": place.offset + 3}, {"count": place.count * 50},
    ]  # fmt: skip
    for lie in lies:
        wrong = structs.replace(place, **lie)
        assert not fits(full, structs.replace(full, arrays={**full.arrays, TOKENS: wrong}))
    lost = structs.replace(full, path=str(tmp_path / "gone.gguf"))
    assert not fits(full, lost)
    assert not fits(model, full)


def test_only_much_smaller_ones_are_offered_to_large_ones(model: GgufHeader) -> None:
    def pays(large: float, small: float) -> bool:
        one, other = (structs.replace(model, parameters=int(billions * 1e9)) for billions in (large, small))
        return may_pay(one, other)

    assert pays(8.19, 0.6) and pays(32, 0.75) and pays(8.0, 1.0)
    assert not pays(4.0, 0.1) and not pays(8.19, 1.7) and not pays(7.99, 0.1) and not pays(8.19, 0)
