"""The network of the guide: Qwen3's architecture, written out in torch so that two cores can train it.

``transformers`` has the same network; this one keeps only what training needs (packed rows, loss on the answers
alone) and is half again as fast on a processor. ``check.py`` proves it equal to ``transformers`` and to llama.cpp.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
import torch.nn.functional as F  # noqa: N812 - the name everyone knows
from torch import Tensor, nn


@dataclass(frozen=True)
class GuideConfig:
    """Shape of the network. Widths are multiples of 32, the block of Q8_0."""

    vocab: int = 4096
    width: int = 256
    layers: int = 6
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 64
    ffn: int = 640
    rope_theta: float = 10_000.0
    eps: float = 1e-6
    context: int = 4096

    def to_dict(self) -> dict[str, int | float]:
        """Return the shape as plain data, for checkpoints."""
        return asdict(self)


def rope_table(config: GuideConfig, length: int) -> tuple[Tensor, Tensor]:
    """Return cosines and sines of shape (length, head_dim), in the "neox" order that Qwen uses."""
    half = config.head_dim // 2
    freq = config.rope_theta ** (-torch.arange(half, dtype=torch.float32) / half)
    angle = torch.arange(length, dtype=torch.float32)[:, None] * freq[None, :]
    angle = torch.cat((angle, angle), dim=-1)
    return angle.cos(), angle.sin()


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    left, right = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-right, left), dim=-1) * sin


class Layer(nn.Module):
    """One block: attention with normalised queries and keys, then a gated feed-forward part."""

    def __init__(self, config: GuideConfig) -> None:
        super().__init__()
        c = config
        self.config = c
        self.attn_norm = nn.RMSNorm(c.width, eps=c.eps)
        self.q = nn.Linear(c.width, c.heads * c.head_dim, bias=False)
        self.k = nn.Linear(c.width, c.kv_heads * c.head_dim, bias=False)
        self.v = nn.Linear(c.width, c.kv_heads * c.head_dim, bias=False)
        self.o = nn.Linear(c.heads * c.head_dim, c.width, bias=False)
        self.q_norm = nn.RMSNorm(c.head_dim, eps=c.eps)
        self.k_norm = nn.RMSNorm(c.head_dim, eps=c.eps)
        self.ffn_norm = nn.RMSNorm(c.width, eps=c.eps)
        self.gate = nn.Linear(c.width, c.ffn, bias=False)
        self.up = nn.Linear(c.width, c.ffn, bias=False)
        self.down = nn.Linear(c.ffn, c.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, drop: float) -> Tensor:
        """Run the block over rows of packed conversations; ``mask`` keeps each to itself."""
        c = self.config
        rows, length, _ = x.shape
        h = self.attn_norm(x)
        q = self.q_norm(self.q(h).view(rows, length, c.heads, c.head_dim)).transpose(1, 2)
        k = self.k_norm(self.k(h).view(rows, length, c.kv_heads, c.head_dim)).transpose(1, 2)
        v = self.v(h).view(rows, length, c.kv_heads, c.head_dim).transpose(1, 2)
        q, k = _rotate(q, cos, sin).to(v.dtype), _rotate(k, cos, sin).to(v.dtype)
        repeat = c.heads // c.kv_heads
        k, v = k.repeat_interleave(repeat, dim=1), v.repeat_interleave(repeat, dim=1)
        a = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        x = x + F.dropout(self.o(a.transpose(1, 2).reshape(rows, length, -1)), drop, self.training)
        h = self.ffn_norm(x)
        return x + F.dropout(self.down(F.silu(self.gate(h)) * self.up(h)), drop, self.training)


class GuideModel(nn.Module):
    """The whole network; the embedding is also the output matrix."""

    def __init__(self, config: GuideConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = nn.Embedding(config.vocab, config.width)
        self.blocks = nn.ModuleList(Layer(config) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.width, eps=config.eps)
        cos, sin = rope_table(config, config.context)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                scale = 0.02 / (2 * config.layers) ** 0.5 if name.endswith(("o.weight", "down.weight")) else 0.02
                nn.init.normal_(weight, std=scale if "embed" in name or scale < 0.02 else 0.04)

    def hidden(self, ids: Tensor, docs: Tensor, drop: float = 0.0) -> tuple[Tensor, Tensor]:
        """Return the last hidden states and those after two thirds of the blocks.

        ``docs`` numbers the conversation each token belongs to.
        """
        length = ids.shape[1]
        causal = torch.ones(length, length, dtype=torch.bool).tril()
        mask = (causal[None] & (docs[:, :, None] == docs[:, None, :]))[:, None]
        x = F.dropout(self.embed(ids), drop, self.training)
        cos, sin = self.cos[:length], self.sin[:length]
        middle = x
        for index, block in enumerate(self.blocks):
            x = block(x, cos, sin, mask, drop)
            if index == 2 * len(self.blocks) // 3 - 1:
                middle = x
        return self.norm(x), middle

    def loss(self, x: Tensor, ids: Tensor, weights: Tensor) -> Tensor:
        """Return the mean loss over tokens with a weight; the logits of all others are never computed.

        Apart from ``hidden`` because the number of such tokens changes, which a compiled function would not bear.
        """
        wanted = weights[:, 1:] > 0
        logits = F.linear(x[wanted], self.embed.weight).float()
        losses = F.cross_entropy(logits, ids[:, 1:][wanted], reduction="none")
        scale = weights[:, 1:][wanted]
        return (losses * scale).sum() / scale.sum()

    def logits(self, ids: Tensor) -> Tensor:
        """Return the logits of one unpacked sequence, for checks and sampling."""
        return F.linear(self.hidden(ids, torch.zeros_like(ids))[0], self.embed.weight)


class TopicHead(nn.Module):
    """Names the fact a question is about, from the middle of the network; used in training alone.

    Most tokens of an answer follow from its first, so the loss on tokens says little about the question. This second
    loss does, and later blocks can read its finding while they write. It is not part of the exported file.
    """

    def __init__(self, config: GuideConfig, topics: int) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(config.width, eps=config.eps)
        self.out = nn.Linear(config.width, topics, bias=False)

    def loss(self, middle: Tensor, topics: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss and the share of right names at the positions whose topic is not negative."""
        wanted = topics >= 0
        logits = self.out(self.norm(middle[wanted])).float()
        right = topics[wanted]
        return F.cross_entropy(logits, right, label_smoothing=0.05), (logits.argmax(-1) == right).float().mean()
