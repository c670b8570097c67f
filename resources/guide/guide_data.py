"""Read the guide's facts, off-topic material and held-out questions, and expand their short-hand into questions.

Standard library only: the tests of the app and ``evaluate.py`` import it without torch. The short-hand of a line of
questions: ``[a|b|]`` is a choice; a first ``~`` marks an action ("start a new chat") that every opener of the
language may introduce, ``=`` a thing to be explained, ``@`` a thing to be found; any other line is a whole question.
"""

from __future__ import annotations

import itertools
import random
import re
import tomllib
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from guide_words import OPENERS

ROOT = Path(__file__).resolve().parent
LANGUAGES = ("en", "ru", "zh")
#: The version that ``export.py`` writes into the next file: that of the newest fact, or later.
VERSION = "1.1"

#: The refusal, and the part of it by which evaluation knows it.
REFUSAL = {
    "en": "I am only the built-in guide and know just this app. Open a GGUF model (`Ctrl+O`) to talk about anything.",
    "ru": "Я всего лишь встроенный помощник и знаю только это приложение. "
    "Откройте модель GGUF (`Ctrl+O`), чтобы говорить о чём угодно.",
    "zh": "我只是内置向导，只了解这个应用。打开一个 GGUF 模型（`Ctrl+O`）就可以聊任何话题。",
}
REFUSAL_MARK = {"en": "only the built-in guide", "ru": "всего лишь встроенный помощник", "zh": "我只是内置向导"}

#: What the model writes between the thinking marks.
THOUGHT = {
    "en": "The question is about {}. I know this.",
    "ru": "Вопрос: {}. Это я знаю.",
    "zh": "问题是关于{}，我知道。",
}
REFUSAL_THOUGHT = {
    "en": "This is not about the app. I know only the app.",
    "ru": "Это не о приложении. Я знаю только приложение.",
    "zh": "这和应用无关。我只了解这个应用。",
}


@dataclass(frozen=True)
class Fact:
    """One thing the guide knows, in three languages."""

    id: str
    topic: str
    uses: tuple[str, ...]
    must: tuple[tuple[str, ...], ...]
    must_not: tuple[str, ...]
    title: dict[str, str]
    questions: dict[str, tuple[str, ...]]
    answer: dict[str, str]
    held_out: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: the first version of the file that was trained on the fact as it now stands
    since: str = "1.0"

    def passes(self, text: str) -> bool:
        """Whether an answer says what it must and nothing it must not."""
        if any(bad in text for bad in self.must_not) or is_refusal(text):
            return False
        return all(any(word in text for word in group) for group in self.must)

    def is_known_to(self, version: str) -> bool:
        """Whether a file of this version was trained on the fact as it now stands."""
        return numbers(self.since) <= numbers(version)

    @property
    def has_key(self) -> bool:
        """Whether the fact names a command with a shortcut, so that people may ask for the key."""
        return any(self_use.startswith(("command:", "key:")) for self_use in self.uses) and any(
            "Ctrl" in g[0] or g[0].startswith("`") or re.fullmatch(r"F\d+|Shift\+Enter", g[0]) for g in self.must
        )


def numbers(version: str) -> tuple[int, ...]:
    """Return a version as numbers that can be compared. Raises ``ValueError`` for anything else."""
    return tuple(int(part) for part in version.split("."))


def is_refusal(text: str) -> bool:
    """Whether an answer is the guide's refusal, in any language."""
    return any(mark in text for mark in REFUSAL_MARK.values())


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#"))


def load_facts() -> list[Fact]:
    """Return all facts with their held-out questions, in the order of their files."""
    held: dict[str, dict[str, tuple[str, ...]]] = {}
    for language in LANGUAGES:
        path = ROOT / "heldout" / f"facts.{language}.toml"
        if path.exists():
            held[language] = {k: _lines(v) for k, v in tomllib.loads(path.read_text("utf-8")).items()}
    more: dict[str, dict[str, str]] = {language: {} for language in LANGUAGES}
    for path in sorted((ROOT / "facts" / "more").glob("*.toml")):
        for fact_id, text in tomllib.loads(path.read_text("utf-8")).items():
            lines = more[path.name[:2]]
            lines[fact_id] = lines.get(fact_id, "") + "\n" + text
    facts: list[Fact] = []
    for path in sorted((ROOT / "facts").glob("*.toml")):
        for fact_id, raw in tomllib.loads(path.read_text("utf-8")).items():
            facts.append(
                Fact(
                    fact_id,
                    path.stem,
                    tuple(raw["uses"]),
                    tuple((m,) if isinstance(m, str) else tuple(m) for m in raw["must"]),
                    tuple(raw.get("must_not", ())),
                    {lang: raw[lang]["t"] for lang in LANGUAGES},
                    {lang: _lines(raw[lang]["q"] + "\n" + more[lang].get(fact_id, "")) for lang in LANGUAGES},
                    {lang: raw[lang]["a"].strip() for lang in LANGUAGES},
                    {lang: held.get(lang, {}).get(fact_id, ()) for lang in LANGUAGES},
                    raw.get("since", "1.0"),
                )
            )
    return facts


def load_off_topic(language: str) -> dict[str, dict[str, tuple[str, ...]]]:
    """Return the off-topic material of a language: for each kind its templates and its things."""
    raw = tomllib.loads((ROOT / "offtopic" / f"{language}.toml").read_text("utf-8"))
    return {kind: {name: _lines(text) for name, text in group.items()} for kind, group in raw.items()}


def load_off_topic_held_out(language: str) -> tuple[str, ...]:
    """Return off-topic questions that training never sees."""
    return _lines((ROOT / "heldout" / f"offtopic.{language}.txt").read_text("utf-8"))


def choices(line: str) -> list[list[str]]:
    """Split a line into its fixed and variable parts."""
    return [part[1:-1].split("|") if part.startswith("[") else [part] for part in re.split(r"(\[[^\]]*\])", line)]


def pick(line: str, rng: random.Random) -> str:
    """Return one random reading of a line."""
    return _tidy("".join(rng.choice(part) for part in choices(line)))


def readings(line: str, limit: int = 100_000) -> list[str]:
    """Return every reading of a line."""
    return [_tidy("".join(parts)) for parts in itertools.islice(itertools.product(*choices(line)), limit)]


def _tidy(text: str) -> str:
    return re.sub(r"\s+([?,])", r"\1", re.sub(r"  +", " ", text)).strip()


def ask(line: str, language: str, key: bool, rng: random.Random) -> str:
    """Return one random question of a line of short-hand."""
    if line[0] not in "~=@":
        return pick(line, rng)
    openers = OPENERS[language][line[0]]
    if line[0] == "~" and key and rng.random() < 0.2:
        openers = OPENERS[language]["key"]
    return _tidy(rng.choice(openers).format(pick(line[1:].strip(), rng)))


def every_question(line: str, language: str) -> list[str]:
    """Return all questions of a line, for the test that training and evaluation stay apart."""
    if line[0] not in "~=@":
        return readings(line)
    openers = OPENERS[language][line[0]] + (OPENERS[language]["key"] if line[0] == "~" else ())
    return [_tidy(opener.format(text)) for text in readings(line[1:].strip()) for opener in openers]


def normalised(text: str) -> str:
    """Return a question without case, punctuation and spaces, to compare questions by."""
    text = unicodedata.normalize("NFKC", text).lower().replace("ё", "е")
    return "".join(c for c in text if c.isalnum())
