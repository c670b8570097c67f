"""Write ``guide.gguf`` from a checkpoint: the network as Q8_0, vocabulary, chat template and what the app reads."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Kind
from guide_data import VERSION

ROOT = Path(__file__).resolve().parent
NAMES = {
    "attn_norm": "attn_norm",
    "q": "attn_q",
    "k": "attn_k",
    "v": "attn_v",
    "o": "attn_output",
    "q_norm": "attn_q_norm",
    "k_norm": "attn_k_norm",
    "ffn_norm": "ffn_norm",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
}


def tensor_name(name: str) -> str:
    """Return the name that llama.cpp gives to a weight of ``GuideModel``."""
    parts = name.split(".")
    if parts[0] == "embed":
        return "token_embd.weight"
    if parts[0] == "norm":
        return "output_norm.weight"
    return f"blk.{parts[1]}.{NAMES[parts[2]]}.weight"


def add_vocabulary(writer: gguf.GGUFWriter, size: int) -> None:
    """Write tokens, kinds and merges as ``tokenizer.json`` has them."""
    data = json.loads((ROOT / "tokenizer.json").read_text("utf-8"))
    tokens = {index: token for token, index in data["model"]["vocab"].items()}
    kinds = dict.fromkeys(tokens, gguf.TokenType.NORMAL)
    for added in data["added_tokens"]:
        tokens[added["id"]] = added["content"]
        kinds[added["id"]] = gguf.TokenType.CONTROL if added["special"] else gguf.TokenType.USER_DEFINED
    if sorted(tokens) != list(range(size)):
        raise SystemExit("the vocabulary has gaps")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list([tokens[i] for i in range(size)])
    writer.add_token_types([kinds[i] for i in range(size)])
    merges = data["model"]["merges"]
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    ids = {token: index for index, token in tokens.items()}
    writer.add_eos_token_id(ids["<|im_end|>"])
    writer.add_bos_token_id(ids["<|endoftext|>"])
    writer.add_pad_token_id(ids["<|endoftext|>"])
    writer.add_add_bos_token(False)
    writer.add_chat_template((ROOT / "chat_template.jinja").read_text("utf-8").rstrip("\n"))


def export(checkpoint: Path, target: Path, kind: str) -> None:
    """Write the file."""
    state = torch.load(checkpoint, weights_only=False, map_location="cpu")
    shape, weights = state["config"], state["model"]
    part = target.with_suffix(".part")
    writer = gguf.GGUFWriter(part, "qwen3")
    writer.add_name("Qwen Desktop Guide")
    writer.add_description("Built-in guide of Qwen Desktop: knows this app and nothing else")
    writer.add_version(VERSION)
    writer.add_license("apache-2.0")
    writer.add_languages(["en", "ru", "zh"])
    writer.add_bool("qwen_desktop.guide", True)
    writer.add_string("qwen_desktop.guide.version", VERSION)
    writer.add_float32("qwen_desktop.sampling.temperature", 0.0)
    writer.add_context_length(shape["context"])
    writer.add_embedding_length(shape["width"])
    writer.add_block_count(shape["layers"])
    writer.add_feed_forward_length(shape["ffn"])
    writer.add_head_count(shape["heads"])
    writer.add_head_count_kv(shape["kv_heads"])
    writer.add_key_length(shape["head_dim"])
    writer.add_value_length(shape["head_dim"])
    writer.add_rope_freq_base(shape["rope_theta"])
    writer.add_layer_norm_rms_eps(shape["eps"])
    writer.add_vocab_size(shape["vocab"])
    q8 = kind == "q8_0"
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0 if q8 else gguf.LlamaFileType.ALL_F32)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    add_vocabulary(writer, shape["vocab"])
    for name, weight in weights.items():
        array = weight.float().numpy().astype(np.float32)
        if array.ndim == 2 and q8:
            packed = gguf.quants.quantize(array, Kind.Q8_0)
            writer.add_tensor(tensor_name(name), packed, raw_dtype=Kind.Q8_0)
        else:
            writer.add_tensor(tensor_name(name), array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    part.replace(target)
    print(f"{target.name}: {target.stat().st_size:,} bytes, step {state['step']}, {state['seconds'] / 60:.1f} minutes")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, default=ROOT / "build" / "guide.pt")
    parser.add_argument("--to", type=Path, default=ROOT / "guide.gguf")
    parser.add_argument("--kind", choices=("q8_0", "f32"), default="q8_0")
    options = parser.parse_args()
    export(options.checkpoint, options.to, options.kind)


if __name__ == "__main__":
    main()
