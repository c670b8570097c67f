"""Train the guide on two processor cores; can be interrupted and continued at any time.

    python train.py tokenizer              # vocabulary, once
    python train.py model --minutes 40     # continues from the last checkpoint
    python train.py model --name next --start guide --steps 1700 --peak 0.6   # train on, or after facts have changed
    python train.py average --of next third --name guide   # the mean of some checkpoints of one descent

The data of a step follows from the seed and its number, the rate from the share of the work done; so a continued
training sees the same steps as an undisturbed one.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from guide_corpus import Corpus, batch, rendered
from guide_model import GuideConfig, GuideModel, TopicHead
from guide_words import HANZI
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

ROOT = Path(__file__).resolve().parent
BUILD = ROOT / "build"
SEED = 20_251
CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MARKS = ("<think>", "</think>", "<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
#: How Qwen2 cuts text before the merges; llama.cpp calls it "qwen2".
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def make_tokenizer(size: int) -> Tokenizer:
    """Learn the vocabulary from a sample of the corpus and store it."""
    corpus, rng = Corpus(), random.Random(SEED)
    texts = ["".join(rendered(corpus.conversation(rng))) for _ in range(30_000)]
    texts += [fact.answer[lang] for fact in corpus.facts for lang in fact.answer for _ in range(20)]
    texts += [" ".join(corpus.off_topic_question(lang, rng) for _ in range(8)) for lang in ("en", "ru", "zh") * 1500]
    texts.append(HANZI)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = len(CONTROL) + len(MARKS)
    trainer = trainers.BpeTrainer(
        vocab_size=size - special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=24,
        show_progress=False,
    )
    marks = CONTROL + MARKS
    for mark in marks:
        texts = [text.replace(mark, "\n") for text in texts]
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in CONTROL])
    tokenizer.add_tokens([AddedToken(t, special=False, normalized=False) for t in MARKS])
    missing = size - tokenizer.get_vocab_size()
    if missing:
        raise SystemExit(f"vocabulary is {missing} short of {size}")
    tokenizer.save(str(ROOT / "tokenizer.json"))
    return tokenizer


def rate(share: float) -> float:
    """Return the factor of the learning rate: a short rise, a plateau, a fall to nothing."""
    return min(1.0, share / 0.01) * min(1.0, max(0.0, (1.0 - share) / 0.6))


class Training:
    """The networks and their optimizers, with what a checkpoint holds."""

    def __init__(self, path: Path, start: Path | None = None) -> None:
        self.path = path
        self.tokenizer = Tokenizer.from_file(str(ROOT / "tokenizer.json"))
        self.config = GuideConfig(vocab=self.tokenizer.get_vocab_size())
        self.corpus = Corpus()
        self.model = GuideModel(self.config)
        self.head = TopicHead(self.config, len(self.corpus.facts) + 1)
        named = list(self.model.named_parameters())
        inner = [p for n, p in named if p.dim() == 2 and "embed" not in n]
        outer = [p for n, p in named if p.dim() != 2 or "embed" in n] + list(self.head.parameters())
        self.optimizers = (
            torch.optim.Muon(inner, lr=0.012, weight_decay=0.02, momentum=0.95),
            torch.optim.AdamW(outer, lr=0.0025, betas=(0.9, 0.98), weight_decay=0.0),
        )
        self.bases = [[group["lr"] for group in o.param_groups] for o in self.optimizers]
        self.step, self.seconds, self.cpu = 0, 0.0, 0.0
        if path.exists():
            self._restore()
        elif start is not None:
            self._begin_with(start)
        self.hidden = torch.compile(self.model.hidden, dynamic=False)

    def _restore(self) -> None:
        state = torch.load(self.path, weights_only=False)
        self.model.load_state_dict(state["model"])
        self.head.load_state_dict(state["head"])
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        self.step, self.seconds, self.cpu = state["step"], state["seconds"], state["cpu"]
        torch.set_rng_state(state["rng"])

    def _begin_with(self, path: Path) -> None:
        """Take over a trained network. The names of the facts have changed, so the topic head begins anew."""
        self.model.load_state_dict(torch.load(path, weights_only=False)["model"])

    def save(self, seconds: float) -> None:
        """Write a checkpoint in one step."""
        state = {
            "model": self.model.state_dict(),
            "head": self.head.state_dict(),
            "optimizers": [o.state_dict() for o in self.optimizers],
            "step": self.step,
            "seconds": seconds,
            "cpu": self.cpu + time.process_time(),
            "rng": torch.get_rng_state(),
            "config": self.config.to_dict(),
        }
        part = self.path.with_suffix(".part")
        torch.save(state, part)
        part.replace(self.path)

    def encode(self, text: str) -> list[int]:
        """Return the ids of a text."""
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def advance(self, factor: float, rows: int, length: int) -> tuple[float, float]:
        """Do one step; returns the loss and the share of topics named right."""
        shape = (1, rows * length // 2) if self.step % 20 == 19 else (rows, length)
        pad = self.tokenizer.token_to_id("<|endoftext|>")
        data = batch(self.corpus, self.encode, seed=SEED, step=self.step, rows=shape[0], length=shape[1] + 1, pad=pad)
        ids, docs, weights, topics = map(torch.tensor, data)
        with torch.autocast("cpu", torch.bfloat16):
            last, middle = self.hidden(ids[:, :-1], docs[:, :-1])
            loss = self.model.loss(last, ids, weights)
            topic_loss, named = self.head.loss(middle, topics[:, :-1])
        (loss + topic_loss).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer, base in zip(self.optimizers, self.bases, strict=True):
            for group, lr in zip(optimizer.param_groups, base, strict=True):
                group["lr"] = lr * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        self.step += 1
        return loss.item(), named.item()


def train(options: argparse.Namespace) -> None:
    """Run until ``steps`` are done or ``minutes`` have passed; a signal to end writes a checkpoint first."""
    torch.set_num_threads(2)
    torch.manual_seed(SEED)
    training = Training(BUILD / f"{options.name}.pt", BUILD / f"{options.start}.pt" if options.start else None)
    size = sum(p.numel() for p in training.model.parameters())
    print(f"{size:,} parameters, from step {training.step} of {options.steps}", flush=True)
    stopping: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda caught, _frame: stopping.append(caught))
    start = last_save = last_log = time.monotonic()
    before, losses, names = training.seconds, [], []
    while training.step < options.steps and time.monotonic() - start < options.minutes * 60 and not stopping:
        loss, named = training.advance(options.peak * rate(training.step / options.steps), options.rows, options.length)
        losses.append(loss)
        names.append(named)
        if not math.isfinite(loss):
            raise SystemExit(f"loss is not finite at step {training.step}")
        now = time.monotonic()
        if now - last_log > 15:
            line = f"loss {sum(losses) / len(losses):.4f} topics {sum(names) / len(names):.3f}"
            print(f"step {training.step} {line} {before + now - start:.0f} s", flush=True)
            last_log, losses, names = now, [], []
        if now - last_save > options.save_every * 60:
            training.save(before + now - start)
            last_save = now
    seconds = before + time.monotonic() - start
    training.save(seconds)
    cpu = training.cpu + time.process_time()  # of both cores together; what other programs took is not in it
    figures = {"steps": training.step, "minutes": round(seconds / 60, 1), "cpu_minutes": round(cpu / 60, 1)}
    print(json.dumps(figures), flush=True)


def average(names: Sequence[str], target: str) -> None:
    """Write the mean of some networks. Checkpoints that descend from one another lie in one valley, and their mean
    understands more unseen wordings than each of them (measured: one to two points in each language)."""
    states = [torch.load(BUILD / f"{name}.pt", weights_only=False) for name in names]
    kept = states[0]
    kept["model"] = {key: sum(s["model"][key] for s in states) / len(states) for key in kept["model"]}
    torch.save(kept, BUILD / f"{target}.pt")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("tokenizer", "model", "average"))
    parser.add_argument("--steps", type=int, default=6200)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--vocab", type=int, default=4096)
    parser.add_argument("--name", default="guide")
    parser.add_argument("--of", nargs="+", default=[], help="the checkpoints to average")
    parser.add_argument("--start", help="begin with the network of this checkpoint, for a short training")
    parser.add_argument("--peak", type=float, default=1.0, help="highest learning rate, as a share of the usual one")
    parser.add_argument("--save-every", type=float, default=2, help="minutes")
    options = parser.parse_args()
    BUILD.mkdir(exist_ok=True)
    if options.what == "average":
        average(options.of, options.name)
    elif options.what == "tokenizer":
        make_tokenizer(options.vocab)
    else:
        train(options)


if __name__ == "__main__":
    main()
