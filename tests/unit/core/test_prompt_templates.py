"""Prompt templates: what is a field, and what stands in it when one begins to fill it in."""

from __future__ import annotations

import random
import re

import pytest

from qwen_desktop.core.drafts import fits_box
from qwen_desktop.core.prompt_templates import (
    LONGEST_TEXT,
    MOST_FIELDS,
    SHIPPED,
    fields,
    matches,
    opened,
    slash_word,
)


def test_fields_are_read() -> None:
    text = "{{a}} {{ b b }} {{c=x y}} {{d:long}} {{e:one| two |one|}} {{f:one|two=two}} {{g:text=t}}"
    found = fields(text)
    assert [(f.name, f.kind, f.default, f.choices) for f in found] == [
        ("a", "text", "", ()),
        ("b b", "text", "", ()),
        ("c", "text", "x y", ()),
        ("d", "long", "", ()),
        ("e", "choice", "one", ("one", "two")),
        ("f", "choice", "two", ("one", "two")),
        ("g", "text", "t", ()),
    ]
    assert [text[f.start : f.end] for f in found] == re.findall(r"\{\{.*?\}\}", text)


@pytest.mark.parametrize(
    "text",
    [
        "{a}",
        "{{}}",
        "{{ }}",
        "{{a",
        "a}}",
        "{{a\nb}}",
        "{{{a}",
        "{{=x}}",
        "{{:x|y}}",
        "{{" + "n" * 61 + "}}",
        "{% a %}",
    ],
)
def test_what_looks_otherwise_is_text(text: str) -> None:
    assert fields(text) == ()
    assert opened(text).text == text


def test_given_text_goes_into_the_field_of_lines() -> None:
    made = opened("To {{language=English}}:\n\n{{text:long}}", "Bonjour\n\nvous")
    assert made.text == "To English:\n\nBonjour\n\nvous"
    assert [(made.text[s.start : s.end], s.filled) for s in made.stops] == [
        ("English", True),
        ("Bonjour\n\nvous", True),
    ]
    assert opened("About {{tone:dry|warm}} {{topic}}", "rain").text == "About dry rain"
    assert opened("Be kind.", "Hello").text == "Be kind.\n\nHello"
    assert opened("", "Hello").text == "Hello"


def test_places_are_right_for_any_text() -> None:
    chance = random.Random(5)
    pieces = [
        "{{a}}",
        "{{b:x|y}}",
        "{{c:long}}",
        "{{d=ü}}",
        "{{",
        "}}",
        "{",
        "|",
        ":",
        "=",
        "😀",
        "word ",
        "\n",
        "مرحبا ",
    ]
    for _ in range(2000):
        text = "".join(chance.choices(pieces, k=chance.randint(0, 12)))
        given = "".join(chance.choices(["{{a}}", "x", "\n", "😀"], k=chance.randint(0, 3)))
        found, made = fields(text), opened(text, given)
        assert len(made.stops) == len(found)
        last = 0
        for stop, field in zip(made.stops, found, strict=True):
            assert last <= stop.start <= stop.end <= len(made.text)
            shown = made.text[stop.start : stop.end]
            assert shown in (given, field.default, f"[{field.name}]")
            last = stop.end
        outside = re.sub("|".join(re.escape(text[f.start : f.end]) for f in found) or "$^", "", text)
        rest = list(made.text)
        for stop in reversed(made.stops):
            del rest[stop.start : stop.end]
        assert "".join(rest).startswith(outside.rstrip()[:5])


def test_many_fields_and_choices_are_bounded_and_quick() -> None:
    assert len(fields("{{a}}" * 1000)) == MOST_FIELDS
    assert len(fields("{{a:" + "|".join(map(str, range(500))) + "}}")[0].choices) == 20
    fields("{{a:" * 3000 + "{{ \t" * 3000)  # nothing that takes for ever


@pytest.mark.parametrize(
    ("text", "cursor", "word"),
    [
        ("/", 1, ""),
        ("/tra", 4, "tra"),
        ("/tra rest", 4, "tra"),
        ("/write te", 9, "write te"),
        ("/тест", 5, "тест"),
        ("/翻译", 3, "翻译"),
        ("/tra", 2, None),  # inside the word
        ("/usr/bin", 8, None),
        ("/home.txt", 9, None),
        ("//", 2, None),
        ("/ ", 2, None),
        (" /tra", 5, None),
        ("and /tra", 8, None),
        ("1/2", 3, None),
        ("", 0, None),
    ],
)
def test_only_a_slash_at_the_very_beginning_asks_for_templates(text: str, cursor: int, word: str | None) -> None:
    assert slash_word(text, cursor) == word


def test_names_are_found_by_how_their_words_begin() -> None:
    assert matches("Write tests", "te wr")
    assert matches("Übersetzen", "üb")
    assert matches("Anything", "")
    assert not matches("Write tests", "ests")


def test_those_that_come_with_the_app_are_whole() -> None:
    assert len({entry.id for entry in SHIPPED}) == len({entry.name for entry in SHIPPED}) == len(SHIPPED) >= 8
    for entry in SHIPPED:
        assert len(entry.text) < LONGEST_TEXT
        assert fields(entry.text)
        assert "{{" not in opened(entry.text).text, entry.id
        assert fits_box(opened(entry.text, "x" * 4000).text)
