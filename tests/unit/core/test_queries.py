"""What is typed is understood, never refused, and its words are found wherever a reader would see them."""

from __future__ import annotations

import datetime as dt
import random

import pytest

from qwen_desktop.core.queries import parse
from qwen_desktop.core.snippets import LENGTH, snippet
from qwen_desktop.core.words import Folded, parts, shadow, words_of

TODAY = dt.date(2026, 3, 10)


def found(typed: str, text: str) -> list[str]:
    return [text[start:end] for start, end in parse(typed).ranges(text)]


@pytest.mark.parametrize(
    ("typed", "text", "marked"),
    [
        ("merge", "def test_merge_keeps_order", ["merge"]),
        ("sorted", "mergeSortedFiles", ["Sorted"]),
        ("sortedf", "mergeSortedFiles", ["SortedF"]),
        ("server", "HTTPServer utf8Server", ["Server", "Server"]),
        ("javascript", "JavaScript", ["JavaScript"]),
        ("erge", "merge", []),
        ("heap mer", "a heap merge of 80 GB", ["heap mer"]),
        ('"heap mer"', "a heap merge", []),
        ('"heap mer', "a heap merge", ["heap mer"]),
        ("parser.py", "in parser.py:12", ["parser.py"]),
        ("天空", "为什么天空是蓝色的?", ["天空"]),
        ("天色", "天空是蓝色的", []),
        ("東京", "昨日、東京へ", ["東京"]),
        ("かき", "柿はかきと読む", ["かき"]),
        ("かき", "かぎ", []),
        ("カナ", "ｶﾅを全角に", ["ｶﾅ"]),
        ("사과", "빨간사과를", ["사과"]),
        ("ёлка", "Елка и ёлки", ["Елка"]),
        ("ЕЛ", "Ёлка и ёлки", ["Ёл", "ёл"]),
        ("cafe", "Café, cafe\u0301s", ["Café", "cafe\u0301"]),
        ("strasse", "die Straße", ["Straße"]),
        ("ＡＢＣ", "abc", ["abc"]),
        ("file", "the ﬁle", ["ﬁle"]),
        ("हिन्दी", "यह हिन्दी है", ["हिन्दी"]),
        ("สวัสดี", "คำว่าสวัสดีครับ", ["สวัสดี"]),
        ("c", "c and cat", ["c"]),
        ("x -merge", "x merge", ["x"]),
        ("*", "a * b", []),
    ],
)
def test_words_are_found_as_a_reader_would(typed: str, text: str, marked: list[str]) -> None:
    assert found(typed, text) == marked


def test_prefixes_are_told_apart_from_words() -> None:
    typed = 'folder:"My Work" heap tag:x before:2024-11 after:today has:code has:nothing before:soon http://a.b'
    query = parse(typed, today=TODAY)
    assert [(f.name, f.value) for f in query.asked] == [
        ("folder", "My Work"), ("tag", "x"), ("before", "2024-11"), ("after", "today"), ("has", "code")
    ]  # fmt: skip
    assert [typed[f.start : f.end] for f in query.filters] == [
        'folder:"My Work"', "tag:x", "before:2024-11", "after:today", "has:code", "has:nothing", "before:soon"
    ]  # fmt: skip
    assert [typed[t.start : t.end] for t in query.terms] == ["heap", "http://a.b"]
    assert query.terms[1].words == ("http", "a", "b")
    assert query.before == dt.datetime(2024, 11, 1).timestamp()
    assert query.after == dt.datetime(2026, 3, 10).timestamp()
    assert query.plain == "heap has:nothing before:soon http://a.b"
    assert query.without(query.filters[0]).startswith("heap tag:x")


@pytest.mark.parametrize("value", ["2024-13", "2024-02-30", "0000", "9999-12-31", "-", "20245"])
def test_dates_that_are_none_ask_for_nothing(value: str) -> None:
    query = parse(f"before:{value} word")
    assert [term.words for term in query.wanted] == [("word",)]


def test_whatever_is_typed_is_no_error() -> None:
    chance = random.Random(15)
    pieces = ['"', "-", ":", "folder:", "before:", "天空", "merge", " ", "(", ")", "*", "^", "NEAR", "OR", "ё",
              "\u0301", "\x00", "'", "{", "}", "“", "＂", "：", "has:", "a" * 300, "\n", "\u200d"]  # fmt: skip
    for _ in range(2000):
        typed = "".join(chance.choices(pieces, k=chance.randrange(12)))
        query = parse(typed)
        for text in (typed, "merge 天空 or near"):
            for start, end in query.ranges(text):
                assert 0 <= start < end <= len(text)
        assert all(0 <= entry.start < entry.end <= len(typed) for entry in (*query.terms, *query.filters))


def test_marks_stand_where_the_words_of_the_index_begin() -> None:
    """Every word of a text finds itself there, and what is found folds to what was looked for."""
    chance = random.Random(7)
    letters = "abcXYZ019_- .ßéЁйか水ｶﾞ한ﬁ\u0301"
    for _ in range(500):
        text = "".join(chance.choices(letters, k=40))
        for word in words_of(text):
            marks = found(f'"{word}"', text)
            assert marks, (word, text)
        assert Folded(text).text.replace(" ", "") == shadow(text).replace(" ", "")
        for part in parts(text).split():
            assert found(part, text), (part, text)


def test_a_snippet_is_short_shows_the_best_place_and_marks_it() -> None:
    text = "merge\n" + "word " * 4000 + "a **heap**\n  merge of many files " + "end " * 50
    query = parse("heap merge")
    cut = snippet(query, text)
    assert len(cut.text) <= LENGTH + 2 and cut.text.count("\n") == 0
    assert "heap** merge of" in cut.text  # the best place, however far below the first one that has any of them
    alike = snippet(query, text.replace("heap", "HÉAP"))  # not as it was typed: the first one of what is
    assert alike.place in (0, text.index("heap"))
    near = snippet(query, text[6:])
    assert "heap** merge of" in near.text and near.text.startswith("…") and near.text.endswith("…")
    assert [near.text[a:b] for a, b in near.marks] == ["heap", "merge"]
    assert snippet(query, "nothing here").marks == () and snippet(query, "nothing here").place == -1
    assert len(snippet(parse("空"), "天空" * 500).text) <= LENGTH // 2 + 2


def test_what_a_short_piece_begins_with_is_no_word() -> None:
    """Long texts are looked through in pieces, which may begin inside a word; what begins behind is found."""
    for shift in range(1, 8):
        text = "é" * (1000 - shift) + " catalogue " + "é " * 1500 + "log " + "é " * 900
        assert snippet(parse("log"), text).place == text.index(" log") + 1
        assert snippet(parse("cat log"), text).place in (1001 - shift, text.index(" log") + 1)


def test_a_word_typed_twice_is_wanted_once() -> None:
    query = parse("heap heap -heap heap")
    assert len(query.wanted) == 1 and len(query.unwanted) == 1 and len(query.terms) == 4
