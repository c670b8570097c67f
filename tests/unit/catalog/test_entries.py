"""Every entry of the catalogue, held against the facts and against sums made here from its architecture."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import make_catalog
import pytest
from catalog_files import file_names, sizes_of
from catalog_shapes import Layers

from qwen_desktop.core.engine import Sampling
from qwen_desktop.core.gguf import GgufHeader
from qwen_desktop.core.memory import kv_bytes_per_token
from qwen_desktop.core.models import Catalog, CatalogModel, Purpose
from qwen_desktop.core.quants import bits
from qwen_desktop.engine.sampling_defaults import defaults
from qwen_desktop.hub.names import is_model, is_repo, quant_of, quants_of, safe_path

Facts = dict[str, dict[str, Any]]

#: The published states of one sequence, in bytes.
PUBLISHED_STATES = {
    "qwen3.5-0.8b": 20_201_472,
    "qwen3.5-2b": 20_201_472,
    "qwen3.5-4b": 52_690_944,
    "qwen3.5-9b": 52_690_944,
    "qwen3.5-35b-a3b": 65_863_680,
}
OPEN = {"Apache-2.0"}
LICENCES = OPEN | {
    "Qwen Licence",
    "Qwen Research Licence",
    "Qwen Community Licence 1.0",
    "Tongyi Qianwen Licence",
    "Tongyi Qianwen Research Licence",
}


def test_the_file_is_exactly_what_the_script_makes() -> None:
    assert make_catalog.main(["--check"]) == 0


def test_a_changed_file_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    copy = tmp_path / "catalog.json"
    copy.write_text(make_catalog.TARGET.read_text(encoding="utf-8").replace("Q4_K_M", "Q4_K_S", 1), encoding="utf-8")
    monkeypatch.setattr(make_catalog, "TARGET", copy)
    assert make_catalog.main(["--check"]) == 1


def test_every_fact_has_an_entry_or_a_reason(shipped: Catalog, facts: Facts) -> None:
    rules = tomllib.loads(make_catalog.FAMILIES.read_text(encoding="utf-8"))
    left_out = {name.lower(): why for name, why in rules["left_out"].items()}
    assert {m.id for m in shipped.models} | set(left_out) == set(facts)
    assert all(why.endswith(".") for why in left_out.values())


def test_names_tell_models_apart(shipped: Catalog) -> None:
    for values in ([m.id for m in shipped.models], [m.name for m in shipped.models], [m.repo for m in shipped.models]):
        assert len(set(values)) == len(values)


def test_every_family_of_the_series_is_there(shipped: Catalog) -> None:
    families = {m.family for m in shipped.models}
    wanted = "Qwen1.5 Qwen2 Qwen2.5 Qwen2.5-Coder Qwen2.5-Math Qwen2.5-VL Qwen2-Audio QwQ Qwen3 Qwen3-Coder Qwen3-VL"
    assert families >= {*wanted.split(), "Qwen3-Next", "Qwen3-Omni", "Qwen3.5", "Qwen3.6", "Qwen3.8"}
    qwen3 = {m.id for m in shipped.models if m.family == "Qwen3"}
    assert {"qwen3-4b-instruct-2507", "qwen3-30b-a3b-thinking-2507", "qwen3-235b-a22b", "qwen3-32b"} <= qwen3


# Files ---------------------------------------------------------------------------------------------------------------


def test_the_pattern_gives_the_published_files(model: CatalogModel, facts: Facts) -> None:
    offered = {f.path for q in model.quants for f in q.files}
    for example in facts[model.id]["example_files"] or []:
        if example == example.lower() and model.file_pattern != model.file_pattern.lower():
            continue  # a file of another publisher, named in lower case
        quant = quant_of(example)
        part = re.search(r"-of-(\d{5})\.gguf$", example)
        assert example in file_names(model.file_pattern, quant, int(part[1]) if part else 1)
        if any(q.name == quant for q in model.quants):
            assert example in offered


def test_files_are_those_of_their_quant_and_safe(model: CatalogModel) -> None:
    assert is_repo(model.repo)
    for quant in model.quants:
        assert bits(quant.name) is not None
        assert quant.files
        for file in quant.files:
            assert safe_path(file.path)
            assert is_model(file.path)
            assert quant_of(file.path) == quant.name
    for file in model.mmproj:
        assert safe_path(file.path)
        assert "mmproj" in file.path
        assert not is_model(file.path)
    # What a hub that lists just these files would offer is what the catalogue offers.
    listed = quants_of([f for q in model.quants for f in q.files])
    assert {q.name for q in listed} == {q.name for q in model.quants}
    for quant in listed:
        assert quant.files == next(q.files for q in model.quants if q.name == quant.name)


def test_sizes_are_the_published_ones(model: CatalogModel, facts: Facts) -> None:
    sizes = facts[model.id]["sizes"] or {}
    for quant in model.quants:
        published = sizes.get(quant.name)
        if isinstance(published, int):
            assert quant.size_bytes == published
            assert not quant.inferred
        parts = sizes.get(f"{quant.name}_parts")
        if parts:
            assert [f.size_bytes for f in quant.files] == parts
            assert sum(parts) == quant.size_bytes
        assert quant.size_bytes


def test_one_quant_is_recommended(model: CatalogModel) -> None:
    recommended = [q for q in model.quants if q.recommended]
    assert len(recommended) == 1
    steps = [q.step for q in model.quants if q.step]
    assert len(set(steps)) == len(steps)
    chosen = recommended[0]
    names = {q.name for q in model.quants}
    if model.parameters <= 2_000_000_000 and "Q8_0" in names:
        assert chosen.name == "Q8_0"
    elif "Q4_K_M" in names and model.family != "Qwen2-Audio":
        assert chosen.name == "Q4_K_M"
    sizes = [q.size_bytes or 0 for step in ("small", "balanced", "large") for q in model.quants if q.step == step]
    assert sizes == sorted(sizes)


# Memory --------------------------------------------------------------------------------------------------------------


def test_the_kv_cache_of_a_token(model: CatalogModel, facts: Facts) -> None:
    shape, own = model.shape, facts[model.id]
    layers = shape.layers // 4 if shape.state_bytes else shape.layers
    assert shape.attention_layers == layers == (own["kv_layers"] or layers)
    by_hand = 2 * 2 * layers * int(shape.kv_heads) * shape.key_length  # keys and values in F16
    assert kv_bytes_per_token(shape) == by_hand
    if own["kv_bytes_per_token_f16"] is not None:
        assert by_hand == own["kv_bytes_per_token_f16"]


def test_the_state_of_a_hybrid(model: CatalogModel, facts: Facts) -> None:
    shape = model.shape
    published = PUBLISHED_STATES.get(model.id) or facts[model.id]["recurrent_state_bytes_per_sequence"] or 0
    assert shape.state_bytes == published


def test_the_parameters_follow_from_the_layers(model: CatalogModel, facts: Facts) -> None:
    """The layers' sum is the stated count within 2 %; cards of models that see count their encoder and, from Qwen3.5
    on, the layer that predicts a second token, which are not in the file."""
    rules = tomllib.loads(make_catalog.FAMILIES.read_text(encoding="utf-8"))
    own = next(o for f in rules["family"] for o in f["model"] if o["name"].lower() == model.id)
    stated = str(own.get("parameters") or facts[model.id]["params_total"] or "")
    exact = re.search(r"\((\d{9,})\)", stated)
    rounded = re.match(r"(\d+(?:\.(\d+))?)B", stated)
    assert by_hand(model) == pytest.approx(model.parameters - own.get("parameters_extra", 0), rel=0.003)
    if rounded is None:
        return
    step = 10 ** -len(rounded[2] or "") * 1e9
    count = int(exact[1]) if exact else float(rounded[1]) * 1e9
    beside = own.get("vision", 0) + (second_token(model) if exact else 0)
    tolerance = max(0.02 * count, 0 if exact else step / 2)
    assert min(abs(model.parameters + beside - count), abs(model.parameters - count)) <= tolerance
    if exact:
        assert model.parameters + beside == pytest.approx(count, rel=0.001)


def by_hand(model: CatalogModel) -> float:
    """The parameters from the shape alone, norms and biases left out."""
    s = model.shape
    tied = s.output_bytes == 0
    queries, keys = s.heads * s.key_length, s.kv_heads * s.key_length
    gate = 2 if s.state_bytes else 1
    attention = s.hidden * (queries * gate + 2 * keys + queries)
    inner = s.recurrent_channels - 2 * 16 * 128
    linear = s.hidden * (s.recurrent_channels + 2 * inner) if s.state_bytes else 0
    expert = 3 * s.hidden * s.expert_feed_forward
    forward = s.experts * (expert + s.hidden) + 3 * s.hidden * s.shared_feed_forward
    if not s.experts:
        forward = 3 * s.hidden * s.feed_forward
    recurrent = s.layers - s.attention_layers
    matrices = s.vocab * s.hidden * (1 if tied else 2)
    return matrices + s.attention_layers * attention + recurrent * linear + s.layers * forward


def second_token(model: CatalogModel) -> float:
    """One more layer with full attention, and the projection of two hidden vectors to one."""
    s = model.shape
    if not s.architecture.startswith("qwen35"):
        return 0
    queries, keys = s.heads * s.key_length, s.kv_heads * s.key_length
    forward = 3 * s.hidden * (s.feed_forward if not s.experts else s.experts * s.expert_feed_forward)
    return s.hidden * (3 * queries + 2 * keys) + forward + 2 * s.hidden * s.hidden


def test_active_parameters_and_bytes(model: CatalogModel, facts: Facts) -> None:
    shape = model.shape
    assert 0 < shape.active_bytes <= shape.weights_bytes
    assert shape.weights_bytes == (model.recommended_quant or model.quants[0]).size_bytes
    if not shape.experts:
        assert shape.active_parameters == shape.parameters
        return
    stated = re.match(r"(\d+(?:\.\d+)?)B", facts[model.id]["params_active"] or "")
    assert stated is not None
    assert shape.active_parameters == pytest.approx(float(stated[1]) * 1e9, rel=0.31)  # the cards round "3B" freely
    assert shape.active_bytes < shape.weights_bytes / 2


def test_estimated_sizes_agree_with_published_ones(facts: Facts) -> None:
    """The estimate from bits a weight, before it is adjusted to a known size; from below where rows are no multiple of
    256 (llama.cpp takes larger types for them)."""
    rules = tomllib.loads(make_catalog.FAMILIES.read_text(encoding="utf-8"))
    compared = 0
    for family in rules["family"]:
        for own in family["model"]:
            entry = make_catalog.joined(facts[own["name"].lower()], family, own, rules)
            layers = Layers(entry)
            even = layers.feed_forward % 256 == 0 and layers.hidden % 256 == 0
            for quant, size in sizes_of(entry).known.items():
                estimate = layers.estimate(quant, untied_file=entry["untied_file"])
                assert estimate is not None
                assert (0.94 if even else 0.8) * size < estimate < 1.01 * size, (own["name"], quant)
                compared += 1
    assert compared > 75


# Words and promises --------------------------------------------------------------------------------------------------


def test_what_is_only_inferred_says_so(model: CatalogModel, facts: Facts) -> None:
    own = facts[model.id]
    if "context_native" in own["inferred_fields"]:
        assert "context_train" in model.inferred
    if "license" in own["inferred_fields"] or not own["license"]:
        assert "licence" in model.inferred
    if not own["sampling"] and model.sampling:
        assert "sampling" in model.inferred
    recommended = model.recommended_quant
    assert recommended is not None
    assert ("weights_bytes" in model.shape.inferred) == recommended.inferred


def test_the_licence_is_known(model: CatalogModel) -> None:
    assert model.licence in LICENCES
    assert model.open_licence == (model.licence in OPEN)
    assert model.licence_url.startswith("https://")


def test_only_what_the_engine_serves_is_offered(model: CatalogModel) -> None:
    assert Purpose.PICTURES not in model.purposes
    assert bool(model.purposes) == model.served
    assert set(model.planned) <= {Purpose.PICTURES}
    if re.search(r"VL|Omni", model.family):
        assert not model.served
        assert model.planned == (Purpose.PICTURES,)
        assert model.mmproj
    for purpose in (*model.purposes, *model.planned):
        assert purpose in model.qualities


def test_sampling_is_the_engines(model: CatalogModel) -> None:
    """The catalogue shows the values with which the engine will answer."""
    wanted = {"none": {"direct"}, "always": {"think"}, "switch": {"think", "direct"}}[model.thinking]
    if not model.sampling:
        assert model.family in ("Qwen3-Embedding", "Qwen3-Reranker")
        return
    assert set(model.sampling) == wanted
    name = model.base_repo.partition("/")[2].replace("-", " ")
    header = GgufHeader("", 3, model.shape.architecture, name, "", 0, 0, 0, "", {"general.name": name})
    for mode, values in model.sampling.items():
        engine: Sampling = defaults(header, thinking=mode == "think")
        assert values == engine


def test_texts_are_short_sentences(model: CatalogModel) -> None:
    for text in (model.strengths, model.best_use):
        assert text.endswith(".")
        assert "!" not in text
        assert 10 < len(text) <= 120


def test_newer_series_come_first_at_the_same_size(shipped: Catalog) -> None:
    models = {m.id: m for m in shipped.models}
    for purpose, worse, better in (
        ("everyday", "qwen2-7b-instruct", "qwen2.5-7b-instruct"),
        ("everyday", "qwen2.5-7b-instruct", "qwen3-8b"),
        ("everyday", "qwen3-8b", "qwen3.5-9b"),
        ("reasoning", "qwen3-30b-a3b", "qwen3-30b-a3b-thinking-2507"),
        ("reasoning", "qwen3.5-27b", "qwen3.8-27b"),
        ("code", "qwen3-8b", "qwen2.5-coder-7b-instruct"),
        ("code", "qwen3-30b-a3b", "qwen3-coder-30b-a3b-instruct"),
        ("maths", "qwen2.5-7b-instruct", "qwen2.5-math-7b-instruct"),
        ("languages", "qwen2.5-7b-instruct", "qwen3.5-9b"),
        ("pictures", "qwen2.5-vl-7b-instruct", "qwen3-vl-8b-instruct"),
    ):
        assert models[worse].qualities[purpose] < models[better].qualities[purpose]


@pytest.mark.parametrize("purpose", [p for p in Purpose if p != Purpose.PICTURES])
def test_larger_models_of_a_series_come_first(shipped: Catalog, purpose: Purpose) -> None:
    series: dict[tuple[str, bool], list[CatalogModel]] = {}
    for model in shipped.models:
        if purpose in model.purposes and not model.shape.experts:
            series.setdefault((model.family, "2507" in model.id), []).append(model)
    for models in series.values():
        ordered = sorted(models, key=lambda m: m.parameters)
        points = [m.qualities[purpose] for m in ordered if "codeqwen" not in m.id]
        assert points == sorted(points)
