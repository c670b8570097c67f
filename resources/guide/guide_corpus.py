"""Make the training conversations: questions in many wordings, follow-ups, refusals, with and without thinking.

Everything follows from a seed and the number of the step, so that an interrupted training goes on with the same data.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from guide_data import (
    LANGUAGES,
    REFUSAL,
    REFUSAL_THOUGHT,
    THOUGHT,
    Fact,
    ask,
    load_facts,
    load_off_topic,
    pick,
)
from guide_words import AFTER, AGAIN, BEFORE, HANZI, KEYBOARD, SWITCH, SYNONYMS, SYSTEM

#: Share of questions that must be refused.
OFF_TOPIC = 0.48
#: Share of samples that end soon after the answer has begun. What follows is known by heart long before the guide
#: understands every question, and shorter samples bring more questions into a step.
SHORTENED = 0.7
#: Share of samples whose questions are cut into other, smaller tokens than usual (``_loosely``): the guide then knows a
#: word by its parts, and so its unseen forms too, of which Russian has many.
LOOSE = 0.35
#: How often each language is drawn, in the order of ``LANGUAGES``. Inflection makes Russian the hardest to understand.
SHARES = (0.32, 0.46, 0.22)


@dataclass(frozen=True)
class Turn:
    """One question with its answer; ``fact`` is None for a refusal."""

    language: str
    question: str
    answer: str
    thought: str
    fact: Fact | None = None


@dataclass(frozen=True)
class Conversation:
    """What one training sample holds; the loss falls on the last answer."""

    system: str
    turns: tuple[Turn, ...]
    thinking: bool


def _framed(text: str, language: str, rng: random.Random) -> str:
    if rng.random() < 0.22:
        text = rng.choice(BEFORE[language].split("|")) + text
    roll = rng.random()
    if roll < 0.16 and len(text) > 6:
        end = "?" if text.endswith(("?", "？")) and rng.random() < 0.7 else ""
        text = text.rstrip("?？") + rng.choice(AFTER[language].split("|")) + end
    roll = rng.random()
    if roll < 0.35:
        text = text.rstrip("?？.。")
    elif roll < 0.4:
        text = text.rstrip("?？") + rng.choice(("??", "?!", "...", "!", ".", "？", " ?"))
    roll = rng.random()
    if roll < 0.45:
        text = text[:1].upper() + text[1:]
    elif roll < 0.75:
        text = text.lower()
    elif roll < 0.77:
        text = text.upper()
    return text


def damage(text: str, language: str, rng: random.Random) -> str:
    """Return a question as people really type it: prefixes, missing marks, lower case, typing errors."""
    text = _framed(text, language, rng)
    if language == "zh":
        text = re.sub(r"(?<=[^\x00-\x7f]) +(?=[^\x00-\x7f])", "", text)
        if len(text) > 6 and rng.random() < 0.1:
            at = rng.randrange(len(text))
            text = text[:at] + text[at + 1 :]
        return text
    words = text.split(" ")
    if len(words) > 4 and rng.random() < 0.14:
        del words[rng.randrange(len(words))]
    if len(words) > 3 and rng.random() < 0.06:
        at = rng.randrange(len(words) - 1)
        words[at], words[at + 1] = words[at + 1], words[at]
    if rng.random() < 0.14:
        long = [i for i, w in enumerate(words) if len(w) > 4 and w.isalpha()]
        if long:
            at = rng.choice(long)
            words[at] = _typo(words[at], KEYBOARD[language], rng)
    return " ".join(words)


def _typo(word: str, letters: str, rng: random.Random) -> str:
    at = rng.randrange(1, len(word) - 1)
    kind = rng.randrange(4)
    if kind == 0:
        return word[:at] + word[at + 1 :]
    if kind == 1:
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if kind == 2:
        return word[:at] + word[at] + word[at:]
    return word[:at] + rng.choice(letters) + word[at + 1 :]


def reworded(text: str, language: str, rng: random.Random) -> str:
    """Return a question with some words exchanged for others of the same meaning."""
    groups = [group.split() for group in SYNONYMS[language]]
    if language == "zh":
        for group in groups:
            for word in group:
                if word in text and rng.random() < 0.4:
                    text = text.replace(word, rng.choice(group), 1)
                    break
        return text
    others = {word: group for group in groups for word in group}
    return re.sub(r"\w+", lambda m: rng.choice(others[m[0]]) if m[0] in others and rng.random() < 0.4 else m[0], text)


class Nonsense:
    """Words that do not exist, so that the guide learns what it does not know: anything it has not been told."""

    def __init__(self, words: dict[str, list[str]]) -> None:
        self.chunks: dict[str, list[str]] = {}
        for language in ("en", "ru"):
            pieces: set[str] = set()
            for word in words[language]:
                pieces.update(word[i : i + 3] for i in range(0, max(1, len(word) - 1), 2) if word.isalpha())
            self.chunks[language] = sorted(p for p in pieces if len(p) >= 2)

    def word(self, language: str, rng: random.Random) -> str:
        """Return one such word."""
        if language == "zh":
            return "".join(rng.choice(HANZI) for _ in range(rng.choice((1, 2, 2, 2, 3, 4))))
        word = "".join(rng.choice(self.chunks[language]) for _ in range(rng.choice((1, 2, 2, 3))))
        return word.capitalize() if rng.random() < 0.15 else word


class Corpus:
    """Draws conversations."""

    def __init__(self, facts: list[Fact] | None = None) -> None:
        self.facts = facts or load_facts()
        self.numbers = {fact.id: number for number, fact in enumerate(self.facts)}
        self.off_topic = {language: load_off_topic(language) for language in LANGUAGES}
        words: dict[str, list[str]] = {}
        for language in LANGUAGES:
            text = " ".join(" ".join(v) for kind in self.off_topic[language].values() for v in kind.values())
            words[language] = sorted(set(re.findall(r"\w+", text.lower())))
        self.nonsense = Nonsense(words)

    def topic(self, fact: Fact | None) -> int:
        """Return the number of a fact; refusals have the last one."""
        return self.numbers[fact.id] if fact else len(self.facts)

    def fact_turn(self, fact: Fact, language: str, rng: random.Random) -> Turn:
        """Return one question about a fact."""
        text = ask(rng.choice(fact.questions[language]), language, fact.has_key, rng)
        if rng.random() < 0.35:
            text = reworded(text, language, rng)
        answer, thought = fact.answer[language], THOUGHT[language].format(fact.title[language])
        return Turn(language, damage(text, language, rng), answer, thought, fact)

    def off_topic_question(self, language: str, rng: random.Random) -> str:
        """Return one question that the guide must refuse."""
        kinds = self.off_topic[language]
        kind = rng.choices(list(kinds), [int(k["weight"][0]) for k in kinds.values()])[0]
        group = kinds[kind]
        template = rng.choice(group["templates"])
        text = template
        while "{}" in text:
            thing = pick(rng.choice(group["things"]), rng)
            if rng.random() < (0.5 if kind == "natural" else 0.3):
                thing = self._strange(thing, language, rng)
            text = text.replace("{}", thing, 1)
        return pick(text, rng)

    def _strange(self, thing: str, language: str, rng: random.Random) -> str:
        word = self.nonsense.word
        if language == "zh":
            if rng.random() < 0.5:
                return word(language, rng)
            at = rng.randrange(len(thing))
            return thing[:at] + word(language, rng) + thing[at + 1 :]
        words = thing.split(" ")
        words[rng.randrange(len(words))] = word(language, rng)
        if rng.random() < 0.3:
            words.insert(rng.randrange(len(words) + 1), word(language, rng))
        return " ".join(words)

    def off_topic_turn(self, language: str, rng: random.Random) -> Turn:
        """Return one question with the refusal."""
        text = damage(self.off_topic_question(language, rng), language, rng)
        return Turn(language, text, REFUSAL[language], REFUSAL_THOUGHT[language])

    def turn(self, rng: random.Random, language: str | None = None) -> Turn:
        """Return a question of any kind."""
        language = language or rng.choices(LANGUAGES, SHARES)[0]
        if rng.random() < OFF_TOPIC:
            return self.off_topic_turn(language, rng)
        return self.fact_turn(rng.choice(self.facts), language, rng)

    def follow_up(self, last: Turn, rng: random.Random) -> Turn:
        """Return a turn that only makes sense after ``last``: again, or in another language."""
        language = last.language
        if rng.random() < 0.35:
            text = rng.choice(AGAIN[language].split("|"))
        else:
            language = rng.choice([x for x in LANGUAGES if x != last.language])
            text = rng.choice(SWITCH[language].split("|"))
        if last.fact is None:
            return Turn(language, text, REFUSAL[language], REFUSAL_THOUGHT[language])
        thought = THOUGHT[language].format(last.fact.title[language])
        return Turn(language, text, last.fact.answer[language], thought, last.fact)

    def conversation(self, rng: random.Random, length: int | None = None) -> Conversation:
        """Return a conversation of some turns, most often of one."""
        count = length or rng.choices((1, 2, 3, 5), (80, 12, 5, 3))[0]
        language = rng.choices(LANGUAGES, SHARES)[0]
        turns: list[Turn] = []
        for _ in range(count):
            if turns and rng.random() < 0.22:
                turns.append(self.follow_up(turns[-1], rng))
                language = turns[-1].language
                continue
            turns.append(self.turn(rng, language if rng.random() < 0.9 else None))
        system = ""
        if rng.random() < 0.1:
            system = rng.choice(SYSTEM)
            if rng.random() < 0.3:
                system += " " + self.off_topic_question(rng.choice(LANGUAGES), rng)
        return Conversation(system, tuple(turns), rng.random() < 0.5)


def rendered(talk: Conversation) -> tuple[str, str]:
    """Return prompt and target of a conversation, exactly as the chat template writes them."""
    prompt = f"<|im_start|>system\n{talk.system}<|im_end|>\n" if talk.system else ""
    for turn in talk.turns[:-1]:
        prompt += f"<|im_start|>user\n{turn.question}<|im_end|>\n<|im_start|>assistant\n{turn.answer}<|im_end|>\n"
    last = talk.turns[-1]
    prompt += f"<|im_start|>user\n{last.question}<|im_end|>\n<|im_start|>assistant\n"
    if talk.thinking:
        return prompt, f"<think>\n{last.thought}\n</think>\n\n{last.answer}<|im_end|>"
    return prompt + "<think>\n\n</think>\n\n", f"{last.answer}<|im_end|>"


_MARKS = re.compile(r"(<\|im_start\|>\w+\n|<\|im_end\|>\n|<think>\n\n</think>\n\n)")


def _loosely(prompt: str, encode: Callable[[str], list[int]], rng: random.Random) -> list[int]:
    """Return ids of a prompt whose words are cut here and there; the template's own marks stay whole."""
    ids: list[int] = []
    for part in _MARKS.split(prompt):
        start = 0
        if not _MARKS.match(part):
            for at in range(1, len(part)):
                if part[at - 1].isalnum() and part[at].isalnum() and rng.random() < 0.1:
                    ids += encode(part[start:at])
                    start = at
        if start < len(part):
            ids += encode(part[start:])
    return ids


def batch(
    corpus: Corpus,
    encode: Callable[[str], list[int]],
    *,
    seed: int,
    step: int,
    rows: int,
    length: int,
    pad: int,
) -> tuple[list[list[int]], list[list[int]], list[list[float]], list[list[int]]]:
    """Return ids, conversation numbers, weights and topics of one packed batch.

    A topic stands at the last token before an answer; long rows begin with one long talk, as a user's would be who
    keeps asking.
    """
    rng = random.Random(f"{seed}:{step}")
    all_ids, all_docs, all_weights, all_topics = [], [], [], []
    for _ in range(rows):
        ids: list[int] = []
        docs: list[int] = []
        weights: list[float] = []
        topics: list[int] = []
        number = 0
        while len(ids) < length:
            long = length >= 2048 and number == 0
            talk = corpus.conversation(rng, rng.randrange(12, 24) if long else None)
            prompt, target = rendered(talk)
            head = _loosely(prompt, encode, rng) if rng.random() < LOOSE else encode(prompt)
            tail = encode(target)
            if rng.random() < SHORTENED:
                tail = tail[:12]
            if len(head) + len(tail) > length - len(ids):
                if length - len(ids) > 200 and not long:
                    continue
                break
            ids += head + tail
            docs += [number] * (len(head) + len(tail))
            weights += [0.0] * len(head) + [1.0] * len(tail)
            topics += [-1] * (len(head) - 1) + [corpus.topic(talk.turns[-1].fact)] + [-1] * len(tail)
            number += 1
        space = length - len(ids)
        all_ids.append(ids + [pad] * space)
        all_docs.append(docs + [-1] * space)
        all_weights.append(weights + [0.0] * space)
        all_topics.append(topics + [-1] * space)
    return all_ids, all_docs, all_weights, all_topics
