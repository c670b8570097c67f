"""The guide's facts are true: what they name exists, and evaluation stays apart from training."""

from __future__ import annotations

import re

import pytest
from guide_data import (
    LANGUAGES,
    REFUSAL,
    REFUSAL_MARK,
    VERSION,
    every_question,
    is_refusal,
    load_facts,
    load_off_topic,
    load_off_topic_held_out,
    normalised,
    numbers,
    readings,
)

from qwen_desktop.core.commands import COMMANDS, WIDGET_KEYS, command
from qwen_desktop.core.settings import SECTION_TITLES, declared, setting

FACTS = load_facts()
#: The command line of this version, as docs and ``qwen-desktop --help`` have it.
CLI = {
    "qwen-desktop",
    "chat",
    "doctor",
    "probe",
    "bench",
    "embed",
    "quantize",
    "offline",
    "models",
    "list",
    "pull",
    "fit",
    "recommend",
    "import",
    "verify",
    "options",
    "remove",
    "--alias",
    "--context",
    "--gpu-layers",
    "--reset",
    "--threads",
    "--help",
    "--version",
    "--model",
    "--system",
    "--think",
    "--no-think",
    "--max-tokens",
    "--thinking-budget",
    "--no-loop-guard",
    "--schema",
    "--grammar",
    "--temperature",
    "--seed",
    "--save",
    "--continue",
    "--json",
}
ENVIRONMENT = {"QWEN_DESKTOP_HOME"}
#: Named as a choice of "Send with", not as a command.
CHOICES = {"Ctrl+Enter"}
#: Rows of the page Downloads that are no setting in the file.
ROWS_WITHOUT_SETTING = {"Access token"}
KEYS = {entry.shortcut for entry in COMMANDS + WIDGET_KEYS if entry.shortcut} | CHOICES
KEY = re.compile(r"`((?:Ctrl\+|Shift\+|Alt\+)+(?:[A-Za-z0-9]+|[^\w\s`]))`|`(F\d{1,2}|Esc|Enter|Delete|Up)`")
MENUS = {entry.title for entry in COMMANDS} | {"Menu"}


def _known(use: str) -> bool:
    kind, _, name = use.partition(":")
    if kind == "command":
        return any(entry.id == name for entry in COMMANDS)
    if kind == "key":
        return any(entry.id == name for entry in WIDGET_KEYS)
    if kind == "setting":
        return setting(name) is not None
    return name in {"cli": CLI, "env": ENVIRONMENT}[kind]


def test_there_are_enough_facts_with_unique_names() -> None:
    assert len(FACTS) >= 150
    assert len({fact.id for fact in FACTS}) == len(FACTS)


def test_the_next_file_is_not_older_than_its_facts() -> None:
    """Else facts would stay left out of the evaluation after the training that knows them."""
    assert [fact.id for fact in FACTS if not fact.is_known_to(VERSION)] == []
    assert numbers("1.10") > numbers("1.9") > numbers("1")


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.id)
def test_fact_is_complete_and_names_what_exists(fact) -> None:
    for use in fact.uses:
        assert _known(use), use
    assert fact.must
    for language in LANGUAGES:
        answer = fact.answer[language]
        assert fact.title[language]
        assert fact.passes(answer), f"{language}: {answer}"
        assert not is_refusal(answer)
        assert "!" not in answer.replace("‼", ""), "answers are calm"
        assert len(fact.questions[language]) >= 1
        assert len(fact.held_out[language]) >= 2
        for group in KEY.findall(answer):
            assert (group[0] or group[1]) in KEYS, answer
        for option in re.findall(r"(?<![\w-])--[a-z][a-z-]+", answer):
            assert option in CLI, answer
    variety = sum(len(every_question(line, "en")) for line in fact.questions["en"])
    assert variety >= 8


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.id)
def test_shortcuts_in_must_belong_to_the_commands_used(fact) -> None:
    used = {command(use.partition(":")[2]).shortcut for use in fact.uses if use.startswith(("command:", "key:"))}
    for group in fact.must:
        for word in group:
            key = word.strip("`")
            if key in KEYS - CHOICES and f"`{key}`" in fact.answer["en"]:
                assert key in used, f"{key} is no key of {fact.uses}"


def test_paths_into_the_settings_exist() -> None:
    titles = {entry.section: set() for entry in declared()}
    for entry in declared():
        titles[entry.section].add(entry.info.title)
    titles["downloads"] |= ROWS_WITHOUT_SETTING
    sections = {title: titles[name] for name, title in SECTION_TITLES.items()}
    for fact in FACTS:
        for path in re.findall(r"Settings > [A-Za-z >]+", fact.answer["en"]):
            parts = [part.strip() for part in path.split(">")]
            assert parts[1] in sections, path
            if len(parts) > 2:
                assert parts[2] in sections[parts[1]], path
        for entry in re.findall(r"Menu > ([A-Za-z ]+)", fact.answer["en"]):
            assert entry in MENUS, entry


@pytest.mark.parametrize("language", LANGUAGES)
def test_held_out_questions_are_not_in_the_training_material(language: str) -> None:
    seen: set[str] = set()
    for fact in FACTS:
        for line in fact.questions[language]:
            seen.update(normalised(text) for text in every_question(line, language))
    held = [text for fact in FACTS for text in fact.held_out[language]]
    assert len({normalised(text) for text in held}) == len(held)
    assert not [text for text in held if normalised(text) in seen]


@pytest.mark.parametrize("language", LANGUAGES)
def test_held_out_off_topic_questions_are_new(language: str) -> None:
    held = load_off_topic_held_out(language)
    assert len(held) >= 100
    assert len({normalised(text) for text in held}) == len(held)
    for group in load_off_topic(language).values():
        for line in group["templates"]:
            for text in readings(line):
                assert "{}" in text or normalised(text) not in {normalised(h) for h in held}
        things = {normalised(text) for line in group["things"] for text in readings(line)}
        assert not [text for text in held if normalised(text) in things]


@pytest.mark.parametrize("language", LANGUAGES)
def test_refusal_carries_its_mark_and_the_way_out(language: str) -> None:
    assert REFUSAL_MARK[language] in REFUSAL[language]
    assert f"`{command('model.open').shortcut}`" in REFUSAL[language]


def test_answers_show_every_kind_of_markup() -> None:
    text = "\n\n".join(fact.answer["en"] for fact in FACTS)
    for part in ("```", "| --- |", "$$", "\n- ", "\n1. "):
        assert part in text
