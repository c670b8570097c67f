"""Which words of a model are a title, and which are not."""

from __future__ import annotations

import random

import pytest

from qwen_desktop.core.titles import CHARACTERS, WORDS, title_from

ASKED = "Why is the sky blue in the day and red in the evening?"


@pytest.mark.parametrize(
    ("said", "title"),
    [
        ("Colours of the Sky", "Colours of the Sky"),
        ('  "Colours of the Sky."\n', "Colours of the Sky"),
        ("**Title: Colours of the Sky**", "Colours of the Sky"),
        ("# Colours of the Sky", "Colours of the Sky"),
        ("Title: “Colours of the Sky”", "Colours of the Sky"),
        ("C++ or Rust", "C++ or Rust"),
    ],
)
def test_titles_are_tidied(said: str, title: str) -> None:
    assert title_from(said, ASKED) == title


@pytest.mark.parametrize(
    "said",
    [
        "",
        " \n ",
        "...",
        "42",
        "Title:",
        '""',
        ASKED,
        ASKED.upper(),
        "One\nTwo",
        "A title that has far too many words in it",
        "W" * (CHARACTERS + 1),
        "sky sky sky sky",
        "blue sky blue sky blue sky",
        "aaaaaaaa",
        "Sure, here is a title",
        "I cannot give a title",
        "Here's a title",
        "The title is Colours",
        "<think>",
        "{title}",
        "See https://example.org",
        "Небо голубое",  # another language than the question
        "\x1b[31mRed",
        "\u202eRed sky",
    ],
)
def test_nonsense_is_none(said: str) -> None:
    assert title_from(said, ASKED) == ""


def test_the_language_of_the_chat_counts() -> None:
    assert title_from("Голубое небо", "Почему небо голубое?") == "Голубое небо"
    assert title_from("The blue sky", "Почему небо голубое?") == ""
    assert title_from("标题\uff1a天空的颜色", "为什么天空是蓝色的?") == "天空的颜色"
    assert title_from("空の色", "なぜ空は青いのですか") == "空の色"
    assert title_from("Why the sky is blue", "为什么天空是蓝色的?") == ""
    assert title_from("Python и файлы", "Как прочитать файл в Python?") == "Python и файлы"


def test_whatever_is_said_a_title_is_short_and_one_line() -> None:
    chance = random.Random(11)
    pieces = [
        "Sky",
        " ",
        "\n",
        '"',
        "*",
        "Title: ",
        "…",
        "天",
        "небо",
        "\t",
        "\u2028",
        "😀",
        ".",
        "a" * 30,
        "\x00",
        "ß",
    ]
    for _ in range(3000):
        said = "".join(chance.choices(pieces, k=chance.randint(0, 12)))
        title = title_from(said, ASKED)
        assert len(title) <= CHARACTERS
        assert len(title.split()) <= WORDS
        assert title == " ".join(title.split())
        assert title.isprintable()
