"""LoRA adapters: on and off exactly, several at once, switched in place; what was read with others is never used."""

from __future__ import annotations

import random
import shutil
from array import array
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import pytest
from msgspec import structs

from qwen_desktop.core.engine import Adapter, GenerateRequest
from qwen_desktop.core.errors import AppError, UserFacing
from qwen_desktop.core.gguf import read_header
from qwen_desktop.core.gguf.adapters import check_fits, read_adapter
from qwen_desktop.engine import adapters, generation, pages
from qwen_desktop.engine.adapters import Key
from qwen_desktop.engine.bindings import api
from qwen_desktop.engine.llama_context import Context, Piece
from tests import adapter_files, gguf_files, gguf_shapes

from .conftest import Files, WithEngine
from .in_process import Call, Steps, context, logits, model
from .talk import ask, assistant, user

PROMPT = [300 + index for index in range(40)]


@pytest.fixture(scope="session")
def lora(files: Files) -> dict[str, str]:
    """Adapters for the small model, by name."""
    made = {}
    for seed, name in enumerate(("one", "two", "three")):
        made[name] = adapter_files.write(
            files.folder / f"{name}.lora", files.small(), seed=seed, name=f"Adapter {name}"
        )
    return made


@pytest.fixture
def made(files: Files) -> Iterator[Context]:
    held = context(files.small(), streams=2)
    yield held
    held.close()


def key_of(held: Context, *asked: Adapter) -> Key:
    use = held.model.adapters.use(asked)
    use.release()
    return use.key(PROMPT)


def read(held: Context, key: Key = (), prompt: list[int] = PROMPT) -> bytes:
    """The logits after a prompt that is read anew with these adapters."""
    sequence = held.sequences[0]
    sequence.forget()
    assert sequence.reuse(prompt, key) == 0
    held.read(sequence, prompt)
    return logits(held)


def apart(one: bytes, other: bytes) -> float:
    return float(np.abs(np.array(array("f", one)) - np.array(array("f", other))).max())


def test_off_and_zero_are_exactly_the_model_itself(made: Context, lora: dict[str, str]) -> None:
    plain = read(made)
    one = key_of(made, Adapter(lora["one"]))
    changed = read(made, one)
    assert apart(plain, changed) > 0.1
    assert read(made) == plain
    assert key_of(made, Adapter(lora["one"], 0.0)) == ()
    assert read(made, one) == changed
    half = read(made, key_of(made, Adapter(lora["one"], 0.5)))
    assert half not in (plain, changed)


def test_several_count_together_in_any_order(files: Files, lora: dict[str, str]) -> None:
    """A change to the output alone is linear: the effects of two add up."""
    named = [
        adapter_files.write(files.folder / f"out{seed}.lora", files.small(), seed=seed, changes=("output.weight",))
        for seed in (5, 6)
    ]
    held = context(files.small())
    try:
        plain, first, second, both, turned = (
            np.array(array("f", read(held, key_of(held, *(Adapter(named[each], scale) for each, scale in chosen)))))
            for chosen in ((), ((0, 1.0),), ((1, -0.5),), ((0, 1.0), (1, -0.5)), ((1, -0.5), (0, 1.0)))
        )
        assert np.abs((first - plain) + (second - plain) - (both - plain)).max() < 1e-3
        assert np.abs(both - first).max() > 0.05 < np.abs(both - second).max()
        assert (both == turned).all()
    finally:
        held.close()


def test_each_file_is_loaded_once_until_it_changes(made: Context, lora: dict[str, str], tmp_path: Path) -> None:
    own = made.model.adapters
    path = tmp_path / "own.gguf"
    shutil.copy(lora["one"], path)
    first = key_of(made, Adapter(str(path)))
    assert first == key_of(made, Adapter(lora["one"]))  # the same bytes
    pointers = {name: each.pointer for name, each in own._loaded.items()}
    key_of(made, Adapter(str(path)))
    assert own._loaded[first[0][0]].pointer is pointers[first[0][0]]
    shutil.copy(lora["two"], path)
    assert key_of(made, Adapter(str(path))) == key_of(made, Adapter(lora["two"])) != first


def test_those_that_nobody_uses_are_freed_and_the_others_stay(files: Files, tmp_path: Path) -> None:
    """Also while one of them is switched on in a context, which must not compute with freed memory."""
    held = context(files.small())
    own = held.model.adapters
    try:
        plain = read(held)
        paths = [adapter_files.write(tmp_path / f"{n}.gguf", files.small(), seed=n + 50, rank=2) for n in range(24)]
        kept = own.use([Adapter(paths[0])])
        wanted = read(held, kept.key(PROMPT))
        for path in paths[1:]:
            key = key_of(held, Adapter(path))
            read(held, key)
        assert len(own._loaded) < 24
        assert read(held, kept.key(PROMPT)) == wanted
        kept.release()
        assert read(held) == plain
        for path in paths[1:3]:  # again, from the file
            assert read(held, key_of(held, Adapter(path))) != plain
        with pytest.raises(LookupError):
            read(held, (("0" * 64, 1.0),))
    finally:
        held.close()


def test_what_is_evaluated_together_has_the_same_adapters(made: Context, lora: dict[str, str]) -> None:
    first, second = made.sequences
    first.reuse(PROMPT, key_of(made, Adapter(lora["one"])))
    second.reuse(PROMPT, key_of(made, Adapter(lora["two"])))
    with pytest.raises(ValueError, match="adapters"):
        made.evaluate((Piece(first, PROMPT[:4]), Piece(second, PROMPT[:4])))
    first.reuse(PROMPT, (("from", 3.0), *key_of(made, Adapter(lora["one"]))))
    with pytest.raises(ValueError, match="adapters"):
        made.evaluate((Piece(first, PROMPT[:4]),))
    assert not first.tokens and not second.tokens


@pytest.mark.parametrize("seed", range(200))
def test_what_is_shared_is_what_was_evaluated_alike(seed: int) -> None:
    """The arithmetic of keys against a list with the adapters of each token."""
    dice = random.Random(seed)

    def some() -> Key:
        own = tuple(sorted({(dice.choice("ab"), dice.choice((0.5, 1.0)))}))
        return dice.choice(((), own, (("from", float(dice.randrange(1, 9))), *own)))

    held, wanted = some(), some()
    one, other = ([adapters.at(key, place) for key in (held, wanted) for place in range(12)][part : part + 12]
                  for part in (0, 12))  # fmt: skip
    common = next((place for place in range(12) if one[place] != other[place]), 12)
    told = min(12, adapters.shared(held, wanted))
    assert told == common or (told < common and held != wanted)
    assert all(one[place] == other[place] for place in range(told))
    for place in range(12):
        alike = min(12 - place, adapters.alike(held, place))
        assert alike > 0 and len(set(one[place : place + alike])) == 1


# Conversations -------------------------------------------------------------------------------------------------------


def chosen(lora: dict[str, str], *names: str, scale: float = 1.0) -> tuple[Adapter, ...]:
    return tuple(Adapter(lora[name], scale) for name in names)


def alone(path: str, request: GenerateRequest) -> tuple[str, Call]:
    """What a fresh engine answers."""
    steps = Steps(path, size=400, chunk=32)
    try:
        call = steps.ask(request)
        steps.run()
        assert call.result is not None, call.error
        return call.text, call
    finally:
        steps.close()


class Chosen:
    """What each answer chose its tokens from, by its request."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.found: dict[int, list[tuple[int, bytes]]] = {}
        choose = generation.Generation._choose

        def watched(made: generation.Generation, held: Context, row: int) -> None:
            values, before = logits(held, row), len(made.tokens)
            choose(made, held, row)
            if len(made.tokens) > before:
                self.found.setdefault(id(made.request), []).append((made.tokens[-1], values))

        patch.setattr(generation.Generation, "_choose", watched)

    def take(self, request: GenerateRequest) -> list[tuple[int, bytes]]:
        return self.found.pop(id(request))


def furthest(one: list[tuple[int, bytes]], other: list[tuple[int, bytes]]) -> float:
    """How far apart two answers' logits are, as long as they say the same."""
    most = 0.0
    for (token, values), (same, others) in zip(one, other, strict=False):
        most = max(most, apart(values, others))
        if token != same:
            break
    return most


@pytest.mark.parametrize(("seed", "border"), [(0, 0), (1, 0), (2, 80), (3, 0)])
def test_no_answer_uses_what_was_read_with_other_adapters(
    files: Files, lora: dict[str, str], monkeypatch: pytest.MonkeyPatch, seed: int, border: int
) -> None:
    """Conversations whose adapters change from answer to answer, beside one another, against fresh engines. What was
    remembered is also looked at itself: a token is never there under adapters that it was not evaluated with."""
    dice = random.Random(seed)
    path = files.hybrid() if seed == 3 else files.small()
    if seed == 3:
        changes = ("attn_qkv.weight", "attn_q.weight", "ssm_out.weight", "ffn_down.weight")
        lora = {
            name: adapter_files.write(
                files.folder / f"{name}.hybrid.lora", path, seed=seed, changes=changes, strength=1
            )
            for seed, name in enumerate(("one", "two"))
        }
    evaluate = Context.evaluate

    def watched(held: Context, pieces: list[Piece]) -> tuple[int, ...]:
        rows = evaluate(held, pieces)
        on = held.model.adapters._on.get(held, ())
        for piece in pieces:
            first = len(piece.sequence.tokens) - len(piece.tokens)
            assert all(adapters.at(piece.sequence.adapters, first + at) == on for at in range(len(piece.tokens)))
        return rows

    monkeypatch.setattr(Context, "evaluate", watched)
    chose = Chosen(monkeypatch)
    steps = Steps(path, streams=3, cells=5000, border=border, size=400, chunk=32)
    asked: list[tuple[GenerateRequest, Call]] = []
    options = [(), chosen(lora, "one"), chosen(lora, "two"), chosen(lora, "one", scale=0.5), chosen(lora, "two", "one")]
    try:
        for number in range(14):
            words = f"{'shared beginning ' * 6} {dice.randrange(3)} {number % 5}"
            request = ask(
                words, lively=False, max_tokens=6, adapters=dice.choice(options), cache_key=f"c{dice.randrange(3)}",
                batch=dice.choice(("", "", "b")),
            )  # fmt: skip
            asked.append((request, steps.ask(request)))
            for _ in range(dice.randrange(6)):
                steps.scheduler.step()
            if dice.random() < 0.2:
                steps.session.idle()
        steps.run()
    finally:
        steps.close()
    for request, call in asked:
        assert call.result is not None, call.error
        told = chose.take(request)
        _, fresh = alone(path, request)
        assert fresh.result is not None and call.result.adapters == fresh.result.adapters
        assert furthest(told, chose.take(request)) < 0.3  # what was read with others is apart by 2 and more


def test_switching_back_and_forth_gives_what_fresh_engines_give(files: Files, lora: dict[str, str]) -> None:
    """One conversation at a time, in the same steps: token for token."""
    steps = Steps(files.small(), streams=1, size=400, chunk=32)
    try:
        for names in ((), ("one",), (), ("two", "one"), ("one",), ()):
            request = ask(
                "Tell me something.", lively=False, max_tokens=12, adapters=chosen(lora, *names), cache_key="c"
            )
            call = steps.ask(request)
            steps.run()
            assert call.text == alone(files.small(), request)[0]
    finally:
        steps.close()


def test_a_conversation_with_the_same_adapters_goes_on_from_what_was_read(files: Files, lora: dict[str, str]) -> None:
    steps = Steps(files.small(), streams=2, size=400, chunk=32)
    try:
        first = steps.answer(ask("word " * 20, max_tokens=4, adapters=chosen(lora, "one"), cache_key="c"))
        more = ("word " * 20, assistant("so"), "more")
        kept = steps.answer(ask(*more, max_tokens=4, adapters=chosen(lora, "one"), cache_key="c"))
        other = steps.answer(ask(*more, max_tokens=4, adapters=chosen(lora, "one", scale=0.5), cache_key="c"))
        assert first.stats.cached_tokens == 0
        assert kept.stats.cached_tokens > 60
        assert other.stats.cached_tokens == 0
    finally:
        steps.close()


def test_idle_time_reads_with_the_conversations_adapters(files: Files, lora: dict[str, str]) -> None:
    steps = Steps(files.small(), streams=1, size=400, chunk=32)
    try:
        told = ask("Hm?", lively=False, max_tokens=8, adapters=chosen(lora, "one"), cache_key="c")
        steps.answer(told)
        (sequence,) = steps.session.context.sequences
        steps.session.idle()
        assert [name for name, _ in sequence.adapters] and sequence.adapters == key_of(
            steps.session.context, *chosen(lora, "one")
        )
    finally:
        steps.close()


def test_an_answer_is_made_again_with_its_adapters_and_differences_are_told(
    files: Files, lora: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "own.gguf"
    shutil.copy(lora["one"], path)
    steps = Steps(files.small(), size=400, chunk=32)
    try:
        request = ask("Say it.", max_tokens=9, adapters=(Adapter(str(path), 0.7),))
        first = steps.ask(request)
        steps.run()
        assert first.result is not None and first.result.recipe is not None
        assert [(each.name, each.scale) for each in first.result.recipe.adapters] == [("Adapter one", 0.7)]
        again = steps.ask(ask("Say it.", again=first.result.recipe))
        steps.run()
        assert again.result is not None and again.text == first.text and not again.result.differs
        shutil.copy(lora["two"], path)
        other = steps.answer(ask("Say it.", again=first.result.recipe))
        assert [text.code for text in other.differs] == ["again.adapters"]
        path.unlink()
        with pytest.raises(UserFacing, match=r"own\.gguf"):
            steps.answer(ask("Say it.", again=first.result.recipe))
    finally:
        steps.close()


# Activated adapters --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def activated(files: Files) -> str:
    """Activated by the words that every answer begins with: "<|im_start|>assistant"."""
    words = model(files.small()).tokenize("<|im_start|>assistant", special=True, begin=False)
    return adapter_files.write(files.folder / "alora.lora", files.small(), seed=9, invocation=words, name="Activated")


def test_what_comes_before_the_invocation_is_read_without_and_shared(files: Files, activated: str) -> None:
    steps = Steps(files.small(), streams=1, size=400, chunk=32)
    try:
        plain = steps.answer(ask("word " * 30, max_tokens=3, cache_key="c"))
        with_it = ask("word " * 30, lively=False, max_tokens=5, cache_key="c", adapters=(Adapter(activated),))
        shared = steps.answer(with_it)
        (sequence,) = steps.session.context.sequences
        assert plain.stats.prompt_tokens > 60
        start = adapters.begins(sequence.adapters)
        assert shared.stats.cached_tokens == start > 60  # up to its invocation
        back = steps.answer(ask("word " * 30, max_tokens=3, cache_key="c"))
        assert back.stats.cached_tokens == start
        assert [each.idle for each in shared.adapters] == [False]
    finally:
        steps.close()


def test_an_activated_adapter_reads_as_by_hand(files: Files, activated: str) -> None:
    """Switched on at the last place of its invocation, nowhere before."""
    held = context(files.small(), chunk=32)
    try:
        use = held.model.adapters.use([Adapter(activated)])
        words = list(use.words)
        prompt = [*PROMPT, *words, *PROMPT[:7], *words, 310, 311]
        key = use.key(prompt)
        start = len(prompt) - 2 - len(words)
        assert adapters.begins(key) == start
        got = read(held, key, prompt)
        (sequence,) = held.sequences
        sequence.forget()
        sequence.reuse(prompt, ())
        held.evaluate((Piece(sequence, prompt[:32], 0),))
        held.evaluate((Piece(sequence, prompt[32:start], 0),))
        sequence.adapters = adapters.at(key, start)
        for at in range(start, len(prompt) - 1, 32):
            held.evaluate((Piece(sequence, prompt[at : min(at + 32, len(prompt) - 1)], 0),))
        held.evaluate((Piece(sequence, prompt[-1:]),))
        assert logits(held) == got
        use.release()
    finally:
        held.close()


def test_without_its_invocation_it_changes_nothing_and_that_is_said(files: Files, tmp_path: Path) -> None:
    path = adapter_files.write(tmp_path / "a.gguf", files.small(), invocation=(599, 598, 597))
    steps = Steps(files.small(), size=400, chunk=32)
    try:
        plain = steps.ask(ask("Say it.", max_tokens=9))
        idle = steps.ask(ask("Say it.", max_tokens=9, adapters=(Adapter(path),)))
        steps.run()
        assert idle.result is not None and plain.text == idle.text
        assert [each.idle for each in idle.result.adapters] == [True]
    finally:
        steps.close()


def test_conversations_with_an_activated_adapter_answer_as_fresh_engines_do(files: Files, activated: str) -> None:
    """Several turns, with idle time between them, each against a fresh engine's logits rule."""
    steps = Steps(files.small(), streams=1, size=400, chunk=32)
    try:
        said = [user("word " * 20)]
        for turn in range(3):
            request = ask(*said, lively=False, max_tokens=4, cache_key="c", adapters=(Adapter(activated),))
            call = steps.ask(request)
            steps.run()
            assert call.result is not None
            (sequence,) = steps.session.context.sequences
            assert adapters.begins(sequence.adapters) < call.result.stats.prompt_tokens
            if turn:
                assert call.result.stats.cached_tokens > 30
            said += [assistant(call.text or "so"), user(f"more {turn}")]
            steps.session.idle()
    finally:
        steps.close()


# Refusals ------------------------------------------------------------------------------------------------------------


def refusal(files: Files, *asked: Adapter | str) -> str:
    held = model(files.small())
    with pytest.raises(UserFacing) as caught:
        held.adapters.use([each if isinstance(each, Adapter) else Adapter(each) for each in asked])
    return str(caught.value.problem.what.code)


def test_what_no_adapter_can_be_is_a_sentence_before_llama_cpp_gets_it(
    files: Files, lora: dict[str, str], activated: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "llama_adapter_lora_init", None)

    def write(**how: object) -> str:
        return adapter_files.write(tmp_path / "bad.gguf", files.small(), **how)  # type: ignore[arg-type]

    cut = tmp_path / "cut.gguf"
    cut.write_bytes(Path(lora["one"]).read_bytes()[:-40])
    text = tmp_path / "text.gguf"
    text.write_text("Hello")
    other = gguf_files.write(tmp_path / "wide.gguf", vocab=600, width=128, tied=False)
    deep = gguf_files.write(tmp_path / "deep.gguf", vocab=600, layers=3, tied=False)

    assert refusal(files, str(tmp_path / "none.gguf")) == "file.missing"
    assert refusal(files, "nul\0") == "gguf.name"
    assert refusal(files, str(tmp_path)) == "gguf.folder"
    assert refusal(files, str(text)) == "gguf.text"
    assert refusal(files, str(cut)) == "gguf.truncated"
    assert refusal(files, files.small()) == "adapter.none"
    assert refusal(files, write(kind="ia3")) == "adapter.kind"
    assert refusal(files, write(general=None)) == "gguf.damaged"
    assert refusal(files, write(architecture="qwen2")) == "adapter.architecture"
    assert refusal(files, write(alter=lambda tensors: tensors[1:])) == "adapter.unpaired"
    assert refusal(files, write(alter=lambda _tensors: [("x_norm.weight", np.ones(4, np.float32))])) == "adapter.empty"
    assert refusal(files, write(alter=lambda tensors: [*tensors, ("odd", tensors[0][1])])) == "gguf.damaged"
    assert refusal(files, adapter_files.write(tmp_path / "w.gguf", other)) == "adapter.shape"
    assert refusal(files, adapter_files.write(tmp_path / "d.gguf", deep)) == "adapter.tensor"
    assert (
        refusal(files, write(alter=lambda tensors: [(n, v[None].repeat(3, 0)) for n, v in tensors])) == "adapter.shape"
    )
    assert refusal(files, write(alter=lambda tensors: [(n, v[:3] if "_a" in n[-2:] else v) for n, v in tensors])) == (
        "adapter.rank"
    )
    assert refusal(files, write(rank=600)) == "adapter.rank"
    assert refusal(files, write(rank=32, quant=gguf.GGMLQuantizationType.Q4_0)) == "adapter.type"
    assert refusal(files, write(alpha=float("nan"))) == "gguf.damaged"
    assert (
        refusal(files, write(alpha=None, more=lambda to: to.add_float64("adapter.lora.alpha", 1.0))) == "gguf.damaged"
    )
    assert refusal(files, write(invocation=(600,))) == "adapter.invocation"
    for scale in (float("nan"), float("inf"), 8.1, -9.0):
        assert refusal(files, Adapter(lora["one"], scale)) == "adapter.scale"
    assert refusal(files, *[lora["one"]] * 9) == "adapter.many"


def test_no_memory_and_what_llama_cpp_refuses_are_sentences(
    files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = adapter_files.write(tmp_path / "a.gguf", files.small(), seed=77)
    own = model(files.small()).adapters
    with monkeypatch.context() as patch, pytest.raises(AppError) as caught:
        patch.setattr(pages, "can_have", lambda _size: False)
        own.use([Adapter(path)])
    assert caught.value.problem.what.code == "adapter.memory"
    with monkeypatch.context() as patch:
        patch.setattr(api, "llama_adapter_lora_init", lambda *_told: None)
        assert refusal(files, path) == "adapter.refused"
    own.use([Adapter(path)]).release()


def test_weights_with_scales_of_their_own_are_not_changed(files: Files, lora: dict[str, str]) -> None:
    """llama.cpp ends the process over them."""
    header = read_header(files.small())
    nvfp4 = tuple(structs.replace(each, type=40) if "ffn_down" in each.name else each for each in header.tensors)
    with pytest.raises(UserFacing) as caught:
        check_fits(read_adapter(lora["one"]), structs.replace(header, tensors=nvfp4))
    assert caught.value.problem.what.code == "adapter.nvfp4"
    check_fits(read_adapter(lora["one"]), header)


def test_what_does_not_go_together_is_a_sentence(files: Files, lora: dict[str, str], activated: str) -> None:
    assert refusal(files, lora["one"], lora["one"]) == "adapter.twice"
    assert refusal(files, lora["one"], activated) == "adapter.activated"
    use = model(files.small()).adapters.use([Adapter(lora["one"], 0.0), Adapter(activated)])
    use.release()


def test_the_table_of_tokens_only_where_it_does_not_write_as_well(files: Files, tmp_path: Path) -> None:
    """llama.cpp multiplies the output with it, the other way round, and ends the process."""
    tied = files.get("qwen3-tied", vocab=600)
    path = adapter_files.write(tmp_path / "t.gguf", tied, changes=("token_embd.weight",))
    with pytest.raises(UserFacing) as caught:
        model(tied).adapters.use([Adapter(path)])
    assert caught.value.problem.what.code == "adapter.tied"
    whole = adapter_files.write(
        tmp_path / "u.gguf", files.small(), changes=("token_embd.weight", "output.weight"), seed=3
    )
    held = context(files.small())
    try:
        assert read(held, key_of(held, Adapter(whole))) != read(held)
    finally:
        held.close()


def test_more_than_a_hybrids_graph_has_room_for_is_refused(files: Files, tmp_path: Path) -> None:
    matrices = ("attn_qkv.weight", "attn_gate.weight", "ssm_alpha.weight", "ssm_beta.weight", "ssm_out.weight",
                "attn_q.weight", "attn_k.weight", "attn_v.weight", "attn_output.weight", "ffn_gate.weight",
                "ffn_up.weight", "ffn_down.weight", "output.weight")  # fmt: skip
    made = [
        Adapter(adapter_files.write(tmp_path / f"{n}.gguf", files.hybrid(), changes=matrices, seed=n, rank=2))
        for n in range(8)
    ]
    with pytest.raises(UserFacing) as caught:
        model(files.hybrid()).adapters.use(made)
    assert caught.value.problem.what.code == "adapter.room"
    held = context(files.hybrid(), chunk=32)
    try:
        use = held.model.adapters.use(made[:5])
        assert read(held, use.key(PROMPT)) != read(held)
        use.release()
    finally:
        held.close()


@pytest.mark.parametrize("quant", [gguf.GGMLQuantizationType.F16, gguf.GGMLQuantizationType.Q8_0])
def test_precisions_that_converters_write_are_used(made: Context, files: Files, tmp_path: Path, quant: int) -> None:
    kind = gguf.GGMLQuantizationType(quant)
    path = adapter_files.write(tmp_path / "q.gguf", files.small(), rank=32, quant=kind)
    assert read(made, key_of(made, Adapter(path))) != read(made)


def test_experts_are_changed_each(files: Files, tmp_path: Path) -> None:
    moe = files.folder / "moe.gguf"
    experts = ("ffn_gate_exps.weight", "ffn_up_exps.weight", "ffn_down_exps.weight")
    shape = {"experts": 4, "experts_used": 2, "expert_hidden": 64, "vocab": 600}
    gguf_shapes.write(moe, gguf_shapes.Plan("qwen3moe", 2, 128, 4, 2, 32, 256, **shape), weights=True)
    path = adapter_files.write(tmp_path / "m.gguf", moe, changes=(*experts, "attn_q.weight"))
    flat = adapter_files.write(
        tmp_path / "f.gguf", moe, changes=experts, alter=lambda tensors: [(n, v[0]) for n, v in tensors]
    )
    held = context(str(moe))
    try:
        assert read(held, key_of(held, Adapter(path))) != read(held)
        with pytest.raises(UserFacing) as caught:
            key_of(held, Adapter(flat))
        assert caught.value.problem.what.code == "adapter.shape"
    finally:
        held.close()


def test_random_changes_to_a_file_are_refused_or_computed_with(
    files: Files, lora: dict[str, str], tmp_path: Path
) -> None:
    """Whatever stands in the header: a sentence, or an adapter that the model computes with."""
    dice = random.Random(4)
    good = Path(lora["one"]).read_bytes()
    head = good.index(b"blk.1.ffn_down.weight.lora_b") + 80
    held = context(files.small())
    used = 0
    try:
        for number in range(250):
            data = bytearray(good)
            for _ in range(dice.choice((1, 1, 2, 6))):
                place = dice.randrange(head)
                data[place] = dice.choice(
                    (0, 1, 2, 6, 12, 255, dice.randrange(256), data[place] ^ 1 << dice.randrange(8))
                )
            path = tmp_path / f"{number % 3}.gguf"
            path.write_bytes(data[: dice.choice((len(data), len(data), dice.randrange(len(data))))])
            try:
                key = key_of(held, Adapter(str(path)))
            except UserFacing as refused:
                assert refused.problem.what.code.split(".")[0] in ("gguf", "adapter")
                continue
            used += 1
            read(held, key, PROMPT[:3])
        assert used > 5
    finally:
        held.close()


def test_the_worker_answers_with_adapters(files: Files, lora: dict[str, str], with_engine: WithEngine) -> None:
    async def test(engine: object) -> None:
        request = ask("Say it.", lively=False, max_tokens=8)
        with_it = ask("Say it.", lively=False, max_tokens=8, adapters=chosen(lora, "one"))
        plain = await engine.answer(request)  # type: ignore[attr-defined]
        changed = await engine.answer(with_it)  # type: ignore[attr-defined]
        again = await engine.answer(request)  # type: ignore[attr-defined]
        assert plain.text == again.text != changed.text
        assert [each.name for each in changed.adapters] == ["Adapter one"]
        with pytest.raises(UserFacing):
            await engine.answer(ask("Hm", adapters=(Adapter(files.small()),)))  # type: ignore[attr-defined]
        assert (await engine.answer(with_it)).text == changed.text  # type: ignore[attr-defined]

    with_engine(files.small(), test, context=512, threads=1)
