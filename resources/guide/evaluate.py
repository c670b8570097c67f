"""Measure the guide on questions that training never read; exit with 1 below the thresholds.

    python evaluate.py [--sample N] [--show] [--all] [--model guide.gguf]

Facts: an answer passes when it says all ``must`` of its fact, none of its ``must_not`` and is no refusal.
"exact" is the stricter count of answers equal to the fact's own. Facts that are newer than the file (their ``since``)
are left out and named; ``--all`` asks about them too.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from guide_data import LANGUAGES, REFUSAL_MARK, Fact, is_refusal, load_facts, load_off_topic_held_out
from guide_run import GGUF, Guide

PASS, REFUSED, FALSE_REFUSED = 0.90, 0.95, 0.05


@dataclass
class Score:
    """Counts of one language with thinking on or off."""

    facts: int = 0
    passed: int = 0
    exact: int = 0
    refused_facts: int = 0
    off_topic: int = 0
    refused: int = 0
    failures: list[str] = field(default_factory=list)

    def rates(self) -> tuple[float, float, float, float]:
        """Return the rates of passed, exact, refused off-topic and refused fact questions."""
        facts, off = max(self.facts, 1), max(self.off_topic, 1)
        return self.passed / facts, self.exact / facts, self.refused / off, self.refused_facts / facts


def newer(version: str) -> list[Fact]:
    """Return the facts that a file of this version was not trained on, or on an earlier form of them."""
    return [fact for fact in load_facts() if not fact.is_known_to(version)]


def measure(
    guide: Guide, language: str, thinking: bool, sample: int | None, seed: int = 7, *, everything: bool = False
) -> Score:
    """Return the score of one language; ``sample`` takes that many questions of each kind, always the same.

    Facts newer than the file count only with ``everything``.
    """
    rng, score = random.Random(f"{seed}:{language}"), Score()
    facts = [fact for fact in load_facts() if everything or fact.is_known_to(guide.version)]
    questions = [(fact, text) for fact in facts for text in fact.held_out[language]]
    off_topic = list(load_off_topic_held_out(language))
    if sample:
        questions, off_topic = rng.sample(questions, sample), rng.sample(off_topic, min(sample, len(off_topic)))
    for fact, text in questions:
        answer = guide.ask(text, thinking)
        score.facts += 1
        score.exact += answer == fact.answer[language]
        score.refused_facts += is_refusal(answer)
        if fact.passes(answer):
            score.passed += 1
        else:
            score.failures.append(f"{fact.id}: {text} -> {answer[:100]!r}")
    for text in off_topic:
        answer = guide.ask(text, thinking)
        score.off_topic += 1
        if REFUSAL_MARK[language] in answer:
            score.refused += 1
        else:
            score.failures.append(f"off-topic: {text} -> {answer[:100]!r}")
    return score


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=GGUF)
    parser.add_argument("--sample", type=int)
    parser.add_argument("--show", action="store_true", help="print the failures")
    parser.add_argument("--all", action="store_true", help="ask about facts newer than the file, too")
    options = parser.parse_args()
    start, ok, refused, off_topic = time.monotonic(), True, {True: 0, False: 0}, {True: 0, False: 0}
    print("lang  thinking  facts  passed  exact   fact refused  off-topic  refused")
    with Guide(options.model) as guide:
        untrained = newer(guide.version)
        for language in LANGUAGES:
            for thinking in (True, False):
                score = measure(guide, language, thinking, options.sample, everything=options.all)
                passed, exact, right, wrong = score.rates()
                print(
                    f"{language:4}  {'on' if thinking else 'off':8}  {score.facts:5}  {passed:6.1%}  {exact:6.1%}"
                    f"  {wrong:12.1%}  {score.off_topic:9}  {right:7.1%}"
                )
                refused[thinking] += score.refused
                off_topic[thinking] += score.off_topic
                ok = ok and passed >= PASS and wrong <= FALSE_REFUSED
                if options.show:
                    print("\n".join("    " + line for line in score.failures))
    for thinking in (True, False):
        rate = refused[thinking] / off_topic[thinking]
        name = "on" if thinking else "off"
        ok = ok and rate >= REFUSED
        print(f"off-topic, all languages, thinking {name}: {refused[thinking]}/{off_topic[thinking]} = {rate:.1%}")
    if untrained:
        what = "counted though" if options.all else "left out,"
        names = ", ".join(fact.id for fact in untrained)
        print(f"{what} newer than the file ({len(untrained)} facts): {names}")
    print(f"thresholds: passed >= {PASS:.0%}, refused >= {REFUSED:.0%}, facts refused <= {FALSE_REFUSED:.0%}", end=": ")
    print("met" if ok else "NOT met", f"({time.monotonic() - start:.0f} s)")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
