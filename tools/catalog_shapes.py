"""What a catalogue entry's layers take: parameters, memory shape and file sizes, from its architecture facts.

The layers are those of llama.cpp's model files for the architectures qwen2 to qwen4exp; a check in the tests holds
every sum against the counts, KV sizes and states that were published.
"""

from __future__ import annotations

from typing import Any

from qwen_desktop.core.quants import bits
from qwen_desktop.core.shape import Shape

#: Linear attention of the hybrids: 16 key heads of 128, value heads of 128, a convolution over 4 tokens; one layer of
#: four keeps a KV cache instead.
STATE = 128
KEY_WIDTH = 16 * STATE
CONVOLUTION = 4
INTERVAL = 4
#: Layers of Qwen3-VL and Qwen3-Omni that take pictures' features.
DEEPSTACK = 3
_F32 = 4
#: Header, vocabulary and norms in F32: of every file, in bytes.
_HEADER_BYTES = 6_000_000


class Layers:
    """The parameters of one model by their place, from its facts joined with ``families.toml``.

    Raises ``KeyError`` or ``ValueError`` when a fact is missing that no rule can fill.
    """

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = facts
        self.architecture: str = facts["gguf_arch"]
        self.layers = _whole(facts, "layers")
        self.heads = _whole(facts, "attention_heads")
        self.kv_heads = _whole(facts, "kv_heads")
        self.head = _whole(facts, "head_dim")
        self.hidden = _whole(facts, "hidden_size")
        self.vocab = _whole(facts, "vocab_size")
        self.linear: int = facts.get("linear", 0)
        experts: tuple[int, int, int] = facts.get("experts_of", (0, 0, 0))
        self.experts, self.used, self.expert_width = experts
        self.shared: int = facts.get("shared", 0)
        self.feed_forward: int = facts.get("layers_ff") or self.used * self.expert_width + self.shared
        if not self.feed_forward:
            raise ValueError(f"{facts['model']}: the width of its feed-forward layers is unknown")
        self.tied = bool(facts.get("tie_embeddings"))
        self.attention_layers = self.layers // INTERVAL if self.linear else self.layers
        self.embedding = self.vocab * self.hidden
        self.output = 0 if self.tied else self.embedding

    @property
    def body(self) -> int:
        """All parameters but the two matrices."""
        return self._always + self.layers * self.experts * self._expert + int(self.facts.get("parameters_extra", 0))

    @property
    def active_body(self) -> int:
        """Those of the body that are read for one token."""
        return self._always + self.layers * self.used * self._expert

    @property
    def parameters(self) -> int:
        """All of them; a tied matrix counts once."""
        return self.body + self.embedding + self.output

    @property
    def active(self) -> int:
        """As the model cards count: all but the experts that rest."""
        return self.active_body + self.embedding + self.output

    @property
    def prediction(self) -> int:
        """Parameters of the layer that predicts a second token (Qwen3.5 and later). The cards count it; the model files
        do not hold it."""
        if not self.architecture.startswith("qwen35"):
            return 0
        forward = 3 * self.hidden * self.feed_forward if not self.experts else self.experts * self._expert
        return self._attention + 2 * self.hidden + forward + 2 * self.hidden * self.hidden + 3 * self.hidden

    @property
    def state_bytes(self) -> int:
        """The recurrent state of one sequence, F32."""
        if not self.linear:
            return 0
        values = STATE * self.linear + (CONVOLUTION - 1) * (self.linear + 2 * KEY_WIDTH)
        return (self.layers - self.attention_layers) * values * _F32

    @property
    def _expert(self) -> int:
        return 3 * self.hidden * self.expert_width

    @property
    def _attention(self) -> int:
        query, cached = self.heads * self.head, self.kv_heads * self.head
        gates = 2 if self.linear else 1  # the hybrids' query brings its output gate along
        found = self.hidden * (query * gates + 2 * cached) + query * self.hidden
        return found + (query + 2 * cached if self.architecture.startswith("qwen2") else 2 * self.head)

    @property
    def _linear_attention(self) -> int:
        heads, mixed = self.linear // STATE, 2 * KEY_WIDTH + self.linear
        projections = self.hidden * (mixed + self.linear + 2 * heads) + self.linear * self.hidden
        return projections + CONVOLUTION * mixed + 2 * heads + STATE

    @property
    def _always(self) -> int:
        """What every token reads: attention, norms, dense or shared feed-forward layers, the experts' router."""
        found = self.attention_layers * self._attention + self.hidden
        found += (self.layers - self.attention_layers) * (self._linear_attention if self.linear else 0)
        forward = 3 * self.hidden * self.feed_forward
        if self.experts:
            forward = self.hidden * self.experts
            forward += 3 * self.hidden * self.shared + self.hidden if self.shared else 0
        return found + self.layers * (2 * self.hidden + forward)

    def estimate(self, quant: str, *, untied_file: bool = False) -> int | None:
        """The bytes of a file of ``quant`` by its bits a weight, None for a quant whose bits are unknown."""
        output = self.output or (self.embedding if untied_file else 0)
        return file_bytes(quant, body=self.body, embedding=self.embedding, output=output)

    def shape(self, quant: str, size: int, context: int, inferred: tuple[str, ...]) -> Shape:
        """The memory shape of a file of ``quant`` with ``size`` bytes."""
        found = bits(quant)
        if found is None:
            raise ValueError(f"the bits of {quant} are unknown")
        embedding = self.embedding * (found.output if self.tied else found.embedding) / 8
        output = self.output * found.output / 8
        body = max(0.0, size - embedding - output)
        share = self.active_body / self.body
        return Shape(
            architecture=self.architecture,
            layers=self.layers,
            attention_layers=self.attention_layers,
            heads=self.heads,
            kv_heads=float(self.kv_heads),
            key_length=self.head,
            value_length=self.head,
            hidden=self.hidden,
            feed_forward=self.feed_forward,
            vocab=self.vocab,
            context_train=context,
            parameters=self.parameters,
            active_parameters=self.active,
            weights_bytes=size,
            active_bytes=int(body * share + (output or embedding)),
            experts=self.experts,
            experts_used=self.used,
            state_bytes=self.state_bytes,
            output_bytes=int(output),
            embedding_bytes=int(embedding),
            inferred=inferred,
            expert_feed_forward=self.expert_width,
            shared_feed_forward=self.shared,
            recurrent_channels=self.linear + 2 * KEY_WIDTH if self.linear else 0,
            deepstack=DEEPSTACK if self.architecture.startswith("qwen3vl") and self.facts["mmproj_files"] else 0,
        )


def file_bytes(name: str, *, body: int, embedding: int, output: int) -> int | None:
    """The bytes of a file from the parameters of its parts (``output`` 0 for a tied matrix); None for unknown bits."""
    found = bits(name)
    if found is None:
        return None
    matrices = embedding * found.embedding + output * found.output if output else embedding * found.output
    return int((body * found.body + matrices) / 8) + _HEADER_BYTES


def _whole(facts: dict[str, Any], key: str) -> int:
    value = facts.get(key)
    if not isinstance(value, int) or value <= 0:
        raise ValueError(f"{facts['model']}: {key} is unknown")
    return value
