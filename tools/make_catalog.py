"""Make ``resources/catalog.json`` from ``resources/catalog/facts.json`` and ``families.toml``.

    python tools/make_catalog.py [--check]

``facts.json`` is what was found out about each model and where; ``families.toml`` is what we say of it, with the sizes
of layers that the facts lack. Everything else is computed here, and what does not follow from a verified fact is named
in the entry's ``inferred``. ``--check`` writes nothing and fails when the file is not exactly what would be written.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tools")]

from catalog_files import file_names, mmproj_size, parts_of, pattern_of, repo_of, sizes_of  # noqa: E402
from catalog_shapes import Layers  # noqa: E402

from qwen_desktop.core.engine import Sampling  # noqa: E402
from qwen_desktop.core.models import Catalog, CatalogModel, Purpose, Quant, RemoteFile, Thinking  # noqa: E402
from qwen_desktop.core.quants import bits, in_steps  # noqa: E402

FACTS = ROOT / "resources" / "catalog" / "facts.json"
FAMILIES = ROOT / "resources" / "catalog" / "families.toml"
TARGET = ROOT / "resources" / "catalog.json"

#: The version of the file's form; ``hub.catalog`` reads this one only.
SCHEMA = 1
#: What llama-cpp-python 0.3.36 can load, of the Qwen architectures.
ARCHITECTURES = frozenset(
    ("qwen", "qwen2", "qwen2moe", "qwen2vl", "qwen3", "qwen3moe", "qwen3next", "qwen3vl", "qwen3vlmoe", "qwen35")
) | {"qwen35moe", "qwen4exp"}
#: Publishers that keep the same repositories at ModelScope.
AT_MODELSCOPE = ("Qwen/", "unsloth/")
_ARCHITECTURE_FACTS = {
    "layers": "layers",
    "attention_heads": "heads",
    "kv_heads": "kv_heads",
    "head_dim": "key_length",
    "hidden_size": "hidden",
    "vocab_size": "vocab",
    "context_native": "context_train",
    "recurrent_state_bytes_per_sequence": "state_bytes",
}
_MODES = {"thinking": "think", "non_thinking": "direct"}
_MMPROJ_ORDER = ("f16", "bf16", "q8_0", "f32")


def main(arguments: list[str] | None = None) -> int:
    """Write the catalogue, or check it."""
    parser = argparse.ArgumentParser(description="Make resources/catalog.json.")
    parser.add_argument("--check", action="store_true", help="fail when the file is not what would be written")
    options = parser.parse_args(arguments)
    made = render(build())
    if options.check:
        if not TARGET.is_file() or TARGET.read_text(encoding="utf-8") != made:
            print("resources/catalog.json is out of date: run python tools/make_catalog.py", file=sys.stderr)
            return 1
        return 0
    TARGET.write_text(made, encoding="utf-8", newline="\n")
    return 0


def build() -> Catalog:
    """The catalogue. Raises ``ValueError`` when a model is in neither the families nor the list of those left out."""
    facts = {entry["model"]: entry for entry in json.loads(FACTS.read_text(encoding="utf-8"))}
    rules = tomllib.loads(FAMILIES.read_text(encoding="utf-8"))
    models = []
    known = set(rules["left_out"])
    for family in rules["family"]:
        for own in family["model"]:
            entry = joined(facts[own["name"]], family, own, rules)
            if entry["family"] != family["name"]:
                raise ValueError(f"{own['name']} belongs to {entry['family']}")
            models.append(model_of(entry))
            known.add(own["name"])
    if known != set(facts):
        raise ValueError(f"neither described nor left out: {sorted(known ^ set(facts))}")
    return Catalog(SCHEMA, tuple(models))


def render(catalog: Catalog) -> str:
    """The file's text: one line a model, so that a change shows as one line; defaults are left out."""
    lines = [_json(_short(json.loads(msgspec.json.encode(model)))) for model in catalog.models]
    head = f'{{"schema": {catalog.schema}, "updated_at": 0.0, "models": [\n'
    return head + ",\n".join(lines) + "\n]}\n"


def joined(facts: dict[str, Any], family: dict[str, Any], own: dict[str, Any], rules: dict[str, Any]) -> dict[str, Any]:
    """One model's facts with the family's and its own values over them; ``guessed`` names the facts that we filled."""
    apart = ("name", "model", "quants", "quality", "sampling")
    entry = {**facts, **{k: v for k, v in family.items() if k not in apart}}
    entry["quality"] = {**family["quality"], **own.get("quality", {})}
    entry["quants"] = own.get("quants", family.get("quants", {}))
    entry["sizes_added"] = own.get("sizes", {})
    entry["sampling"] = facts["sampling"] or {}
    entry["sampling_added"] = {**family.get("sampling", {}), **own.get("sampling", {})}
    guessed = set(facts["inferred_fields"])
    names = {
        "heads": ("attention_heads", "kv_heads", "head_dim"), "layers": ("layers",), "hidden": ("hidden_size",),
        "vocab": ("vocab_size",), "context": ("context_native",), "tied": ("tie_embeddings",),
        "parameters": ("params_total",), "licence": ("license",), "languages": ("languages",),
        "mmproj": ("mmproj_files",),
    }  # fmt: skip
    for key, value in own.items():
        if key in names:
            values = value if key == "heads" else [value]
            entry.update(zip(names[key], values, strict=True))
            guessed.update(names[key])
        elif key == "experts":
            entry["experts_of"] = tuple(value)
        elif key not in ("name", "quality", "quants", "sizes", "sampling"):
            entry[key] = value
    if "languages" not in own:
        entry["languages"] = languages_of(facts["languages"])
    entry["guessed"] = guessed
    entry["untied_file"] = own["name"] in rules["rules"]["untied_files"]
    entry["licences"] = rules["licences"]
    return entry


def model_of(entry: dict[str, Any]) -> CatalogModel:
    """One entry of the catalogue."""
    layers = Layers(entry)
    quants = quants_of(entry, layers)
    recommended = next(q for q in quants if q.recommended)
    inferred = _inferred(entry)
    shape_fields = tuple(sorted({f for f in inferred if f in set(_ARCHITECTURE_FACTS.values())}))
    if recommended.inferred:
        shape_fields += ("weights_bytes", "active_bytes")
    sampling, borrowed = sampling_of(entry)
    licence = licence_of(entry["license"] or "")
    terms = entry["licences"][licence]
    base: str = entry["hf_base_repo"]
    repo: str = entry.get("repo") or entry["hf_gguf_repo"]
    modelscope = repo if repo.startswith(AT_MODELSCOPE) else ""
    purposes = tuple(Purpose(p) for p in entry["purposes"])
    quality = {p: points(layers, plus) for p, plus in entry["quality"].items()}
    more = {"sampling"} if borrowed or "sampling" in entry["guessed"] else set()
    more |= {"quality", "released"} | ({"modelscope"} if modelscope and not entry["modelscope_id"] else set())
    return CatalogModel(
        id=entry["model"].lower(),
        name=entry.get("shown_name") or shown_name(entry["model"]),
        family=entry.get("shown", entry["family"]),
        repo=repo,
        revision="main",
        quants=quants,
        shape=layers.shape(recommended.name, recommended.size_bytes or 0, entry["context_native"], shape_fields),
        licence=licence,
        licence_url=terms.get("url") or f"https://huggingface.co/{base}/blob/main/LICENSE",
        open_licence=terms["open"],
        alternatives=tuple(filter(None, map(repo_of, entry["hf_gguf_alternatives"]))),
        base_repo=base,
        modelscope=modelscope,
        file_pattern=pattern_of(entry),
        mmproj=mmproj_of(entry),
        context_extended=entry["context_extended"] or 0,
        languages=entry["languages"],
        thinking=thinking_of(entry["thinking_mode"]),
        sampling=sampling,
        purposes=purposes,
        strengths=entry["strengths"],
        best_use=entry["best_use"],
        served=entry.get("served", True),
        supported=entry["gguf_arch"] in ARCHITECTURES,
        quality=max((quality[p] for p in purposes if p in quality), default=0),
        qualities=quality,
        planned=tuple(Purpose(p) for p in entry.get("planned", ())),
        released=entry["released"],
        inferred=tuple(sorted(inferred | more)),
    )


def quants_of(entry: dict[str, Any], layers: Layers) -> tuple[Quant, ...]:
    """The quants offered: those with a size in the facts and those that ``families.toml`` adds, with their files."""
    sizes, pattern = sizes_of(entry), pattern_of(entry)
    names = dict.fromkeys([*sizes.known, *entry["quants"]])
    factor = _factor(layers, sizes.known, untied_file=entry["untied_file"])
    found = []
    for name in names:
        files = file_names(pattern, name, parts_of(entry, name, sizes))
        parts = sizes.parts.get(name) or (
            [sizes.known[name]] if name in sizes.known and len(files) == 1 else [0] * len(files)
        )
        known = sizes.known.get(name)
        size = known or sizes.about.get(name) or _estimate(layers, name, factor, untied_file=entry["untied_file"])
        remote = tuple(RemoteFile(path, size_bytes) for path, size_bytes in zip(files, parts, strict=True))
        found.append(Quant(name, remote, size, inferred=known is None))
    ordered = in_steps(found, layers.parameters)
    wanted = entry.get("recommended")
    if wanted:
        ordered = tuple(msgspec.structs.replace(q, recommended=q.name == wanted) for q in ordered)
    return ordered


def _factor(layers: Layers, known: dict[str, int], *, untied_file: bool) -> float:
    """How much larger this model's K-quants are than their bits say (rows that 256 does not divide fall back to
    larger types), from a file whose size is known."""
    for name in ("Q4_K_M", "Q3_K_M", "Q2_K"):
        estimate = layers.estimate(name, untied_file=untied_file)
        if name in known and estimate:
            return known[name] / estimate
    return 1.0


def _estimate(layers: Layers, name: str, factor: float, *, untied_file: bool) -> int:
    plain, largest = layers.estimate(name, untied_file=untied_file), layers.estimate("Q8_0", untied_file=untied_file)
    found = bits(name)
    if plain is None or largest is None or found is None:
        raise ValueError(f"{layers.facts['model']}: no size is known for {name}")
    return plain if found.body >= 8 else min(largest, int(plain * factor))


def mmproj_of(entry: dict[str, Any]) -> tuple[RemoteFile, ...]:
    """The companion for pictures or sound, F16 where there is one."""
    names: list[str] = entry["mmproj_files"] or []

    def rank(name: str) -> int:
        kind = re.search(r"(bf16|f16|q8_0|f32)\.gguf$", name, re.IGNORECASE)
        return _MMPROJ_ORDER.index(kind[1].lower()) if kind else len(_MMPROJ_ORDER)

    return tuple(RemoteFile(name, mmproj_size(entry, name)) for name in sorted(names, key=rank)[:1])


def sampling_of(entry: dict[str, Any]) -> tuple[dict[str, Sampling], bool]:
    """The values for "think" and "direct", and whether one of them is not from the model's own card."""
    if entry.get("chat") is False:
        return {}, False
    found = {_MODES[key]: values for key, values in entry["sampling"].items() if key in _MODES}
    added = {mode: values for mode, values in entry["sampling_added"].items() if mode not in found}
    return {mode: _sampling(values) for mode, values in {**found, **added}.items()}, bool(added)


def _sampling(values: dict[str, Any]) -> Sampling:
    penalty = values.get("presence_penalty", 0.0)
    return Sampling(
        temperature=values["temperature"],
        top_p=values["top_p"],
        top_k=values["top_k"],
        min_p=values.get("min_p", 0.0),
        presence_penalty=penalty if isinstance(penalty, float) else 0.0,  # "0-2 if it repeats" begins with 0
        repeat_penalty=values.get("repetition_penalty", values.get("repeat_penalty", 1.0)),
    )


def points(layers: Layers, plus: int) -> int:
    """Our ordering: 8 for each doubling of the parameters, and the series' own points."""
    from math import log2  # noqa: PLC0415

    return round(8 * log2((layers.parameters * layers.active) ** 0.5 / 1e9) + plus)


def shown_name(model: str) -> str:
    """ "Qwen2.5 Coder 7B" for "Qwen2.5-Coder-7B-Instruct"; what tells two models apart stays."""
    name = re.sub(r"-(?:Chat|Instruct)$", "", model) if not re.search(r"VL|Omni|Next", model) else model
    if re.match(r"Qwen2(?:\.5)?-VL", model):
        name = model.removesuffix("-Instruct")
    pieces = name.split("-")
    shown = pieces[0]
    for before, piece in itertools.pairwise(pieces):
        together = re.fullmatch(r"A\d+(?:\.\d+)?B", piece) and re.search(r"\dB$|^MoE$", before)
        shown += ("-" if together else " ") + piece
    return shown


def languages_of(text: str | None) -> int | None:
    """How many human languages a fact's text means, None when it tells none."""
    if not text or "programming" in text or "OCR" in text:
        return None
    if text == "English, Chinese":
        return 2
    counted = re.search(r"English, Chinese \+ (\d+)", text)
    if counted:
        return 2 + int(counted[1])
    counted = re.match(r"(\d+)", text)
    return int(counted[1]) if counted else None


def thinking_of(mode: str) -> Thinking:
    """Whether the model never thinks, always, or when asked."""
    if mode.startswith("hybrid"):
        return "switch"
    return "always" if mode.startswith("thinking") else "none"


def licence_of(text: str) -> str:
    """The licence's name as people read it. Raises ``ValueError`` for an unknown one."""
    for pattern, name in (
        ("Community Licence|community", "Qwen Community Licence 1.0"),
        ("Apache-2.0", "Apache-2.0"),
        ("Tongyi Qianwen Research", "Tongyi Qianwen Research Licence"),
        ("Tongyi Qianwen", "Tongyi Qianwen Licence"),
        ("Qwen Research", "Qwen Research Licence"),
        ("Qwen", "Qwen Licence"),
    ):
        if re.match(rf"(?:{pattern})", text) or (name.startswith("Qwen Comm") and "community" in text):
            return name
    raise ValueError(f"unknown licence: {text}")


def _inferred(entry: dict[str, Any]) -> set[str]:
    names = {
        **_ARCHITECTURE_FACTS, "params_total": "parameters", "license": "licence", "languages": "languages",
        "hf_gguf_repo": "repo", "file_pattern": "file_pattern", "example_files": "file_pattern",
        "mmproj_files": "mmproj", "mmproj F16 name": "mmproj", "mmproj Q8_0 name": "mmproj",
        "context_extended": "context_extended", "thinking_mode": "thinking", "gguf_arch": "architecture",
    }  # fmt: skip
    found = {names[name] for name in entry["guessed"] if name in names}
    if entry["tie_embeddings"] is None or entry["confidence"] == "inferred":
        found.add("parameters")
    return found


def _short(value: Any) -> Any:
    """Without what is empty: the reader fills it."""
    if isinstance(value, dict):
        kept = {k: v if k == "qualities" else _short(v) for k, v in value.items()}
        return {k: v for k, v in kept.items() if v not in (None, "", [], {}, 0, False) or k in _KEPT}
    if isinstance(value, list):
        return [_short(v) for v in value]
    return value


#: Fields whose default is not the empty value, or that the reader demands.
_KEPT = frozenset(
    ("open_licence", "served", "supported", "temperature", "top_p", "top_k", "min_p", "presence_penalty")
) | {"repeat_penalty", "parameters", "active_parameters", "weights_bytes", "active_bytes"}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    sys.exit(main())
