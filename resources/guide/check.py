"""Prove that the exported file is the trained network, and write the tokenizer vectors for the tests.

Run in the training environment with the app's ``llama_cpp`` importable, or in two halves:

    python check.py reference   # training environment: torch logits, transformers, ids of `tokenizers`
    python check.py compare     # the app's environment: the same through llama.cpp
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

ROOT = Path(__file__).resolve().parent
BUILD = ROOT / "build"
VECTORS = ROOT / "tokenizer_vectors.json"
STRANGE = (
    "",
    " ",
    "  two  spaces ",
    "\n\n\t x",
    "don't can't we'll I'VE",
    "1234567890 3.14 1,000",
    "e\u0301 caf\u00e9 caf\u0065\u0301",
    "😀👍🏽 🇨🇳",
    "日本語 한국어 العربية",
    "<think>\nx\n</think>\n\n",
    "<|im_start|>user\nhi<|im_end|>\n",
    "a<|endoftext|>b",
    "Ёлка ёж, «кавычки» — тире…",
    "，。！？、：；",
    "x" * 300,
    "def f(x):\n    return x + 1\n",
    "| a | b |\n| --- | --- |\n",
    "$$size \\approx parameters$$",
)


def reference() -> None:
    """Write what torch, ``transformers`` and ``tokenizers`` say."""
    import torch  # noqa: PLC0415 - only this half needs it
    from guide_corpus import Corpus, rendered  # noqa: PLC0415
    from guide_model import GuideConfig, GuideModel  # noqa: PLC0415
    from tokenizers import Tokenizer  # noqa: PLC0415
    from transformers import Qwen3Config, Qwen3ForCausalLM  # noqa: PLC0415

    tokenizer = Tokenizer.from_file(str(ROOT / "tokenizer.json"))
    corpus, rng = Corpus(), random.Random(99)
    texts = ["".join(rendered(corpus.conversation(rng))) for _ in range(20_000)]

    def ids(text: str) -> list[int]:
        return list(tokenizer.encode(text, add_special_tokens=False).ids)

    (BUILD / "corpus_ids.json").write_text(json.dumps([[t, ids(t)] for t in texts], ensure_ascii=False), "utf-8")
    vectors = [[t, ids(t)] for t in (*STRANGE, *texts[:300])]
    VECTORS.write_text(json.dumps(vectors, ensure_ascii=False, separators=(",", ":")) + "\n", "utf-8")

    state = torch.load(BUILD / "guide.pt", weights_only=False)
    config = GuideConfig(**state["config"])
    model = GuideModel(config).eval()
    model.load_state_dict(state["model"])
    twin = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=config.vocab,
            hidden_size=config.width,
            intermediate_size=config.ffn,
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.kv_heads,
            head_dim=config.head_dim,
            rms_norm_eps=config.eps,
            max_position_embeddings=config.context,
            rope_parameters={"rope_type": "default", "rope_theta": config.rope_theta},
            tie_word_embeddings=True,
        )
    ).eval()
    names = {
        "attn_norm": "input_layernorm",
        "ffn_norm": "post_attention_layernorm",
        "q_norm": "self_attn.q_norm",
        "k_norm": "self_attn.k_norm",
        "gate": "mlp.gate_proj",
        "up": "mlp.up_proj",
        "down": "mlp.down_proj",
    }
    renamed = {}
    for name, weight in state["model"].items():
        parts = name.split(".")
        if parts[0] == "blocks":
            inner = names.get(parts[2], f"self_attn.{parts[2]}_proj")
            renamed[f"model.layers.{parts[1]}.{inner}.weight"] = weight
        else:
            renamed["model.embed_tokens.weight" if parts[0] == "embed" else "model.norm.weight"] = weight
    renamed["lm_head.weight"] = renamed["model.embed_tokens.weight"]
    twin.load_state_dict(renamed)
    rows, worst = [], 0.0
    with torch.no_grad():
        for text in texts[:40]:
            tokens = ids(text)[:600]
            logits = model.logits(torch.tensor([tokens]))[0, -1]
            other = twin(torch.tensor([tokens])).logits[0, -1]
            worst = max(worst, float((logits - other).abs().max()))
            rows.append([tokens, [round(x, 4) for x in logits.tolist()]])
    (BUILD / "logits.json").write_text(json.dumps(rows), "utf-8")
    print(f"torch against transformers: largest difference of logits {worst:.2e}")
    if worst > 1e-2:
        raise SystemExit("the network is not Qwen3")


def compare() -> None:
    """Compare llama.cpp with it."""
    import llama_cpp.llama_cpp as lib  # noqa: PLC0415 - only this half needs it
    import numpy as np  # noqa: PLC0415
    from guide_run import GGUF, Guide  # noqa: PLC0415

    texts = json.loads((BUILD / "corpus_ids.json").read_text("utf-8")) + json.loads(VECTORS.read_text("utf-8"))
    with Guide(GGUF, vocab_only=True) as vocab:
        wrong = [text for text, ids in texts if vocab.tokens(text) != ids]
    print(f"tokenizer: {len(texts):,} texts, {len(wrong)} different")
    rows = json.loads((BUILD / "logits.json").read_text("utf-8"))
    for name, limit in ((BUILD / "guide_f32.gguf", 0.05), (GGUF, 1.5)):
        if not name.exists():
            continue
        worst, same = 0.0, 0
        with Guide(name) as guide:
            for ids, logits in rows:
                lib.llama_memory_clear(lib.llama_get_memory(guide.context), True)
                found = guide.logits(ids)
                worst = max(worst, float(np.abs(found - np.array(logits)).max()))
                same += int(np.argmax(found)) == int(np.argmax(logits))
        print(f"{name.name}: same first choice {same}/{len(rows)}, largest difference of logits {worst:.3f}")
        if worst > limit or same < len(rows) - 1:
            raise SystemExit("llama.cpp and torch disagree")
    if wrong:
        raise SystemExit(f"tokenizer differs, for example: {wrong[0]!r}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("half", choices=("reference", "compare"))
    {"reference": reference, "compare": compare}[parser.parse_args().half]()


if __name__ == "__main__":
    main()
