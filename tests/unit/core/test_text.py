"""The one door that cleans strings, and sentences with places."""

from __future__ import annotations

import random

import msgspec
import pytest

from qwen_desktop.core import amounts
from qwen_desktop.core.errors import Failure, UserFacing
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text, clean, fill, plural, shown


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("plain", "plain"),
        ("nul\x00 inside\x00", "nul inside"),
        ("lone \ud83d high", "lone \ufffd high"),
        ("lone \ude00 low", "lone \ufffd low"),
        ("pair \ud83d\ude00", "pair \U0001f600"),
        ("file\udcff", "file\ufffd"),
        ("\u2028 \ufeff \U0001f468\u200d\U0001f469 äöü 水", "\u2028 \ufeff \U0001f468\u200d\U0001f469 äöü 水"),
        ("", ""),
    ],
)
def test_clean(raw: str, expected: str) -> None:
    assert clean(raw) == expected


def test_whatever_comes_in_can_be_stored_and_is_clean_for_good() -> None:
    chance = random.Random(1)
    for _ in range(500):
        raw = "".join(chr(chance.choice([0, 65, 0xD800, 0xDBFF, 0xDC00, 0xDFFF, 0x1F600])) for _ in range(8))
        cleaned = clean(raw)
        cleaned.encode()
        assert "\x00" not in cleaned and clean(cleaned) == cleaned


def test_places_are_filled_and_unknown_ones_stay() -> None:
    source = QT_TRANSLATE_NOOP("tests", "{a} of {b} {c}")
    assert str(Text("x", source, {"a": 1, "b": "two"})) == "1 of two {c}"
    assert fill("{0} {} {a", {"a": 1}) == "{0} {} {a"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("Qwen3 水 é", "Qwen3 水 é"),
        ("two\nlines\tand\r\nmore", "two lines and  more"),
        ("turned \u202egnuorA\u202c \u2066x\u2069", "turned gnuorA x"),
        ("\x1b[2Jgone\x07 \x9b1m", "\ufffd[2Jgone\ufffd \ufffd1m"),
        ("mod\udce9le", "mod\ufffdle"),
        ("a\x00b", "a\ufffdb"),
        ("par\u2029agraph", "par agraph"),
        ("x" * 400, "x" * 106 + "…" + "x" * 53),
    ],
)
def test_what_others_named_is_shown_as_one_line(raw: str, expected: str) -> None:
    assert shown(raw) == expected


def test_a_sentence_has_one_line_and_can_be_stored_whatever_stands_in_it() -> None:
    chance = random.Random(3)
    for _ in range(2000):
        signs = (10, 13, 0x1B, 0x2028, 0x202E, 0xDC80 + chance.randrange(128), chance.randrange(1, 0xD7FF))
        name = "".join(map(chr, chance.choices(signs, k=9)))
        source = QT_TRANSLATE_NOOP("tests", "There is no model file {path}.")
        text = Text("t", source, {"path": name, "size": 4})
        assert len(str(text).splitlines()) == 1
        assert msgspec.json.decode(msgspec.json.encode(text), type=Text) == text


def test_what_is_put_into_a_place_opens_no_other_place() -> None:
    source = QT_TRANSLATE_NOOP("tests", "{path} failed: {reason}.")
    assert str(Text("t", source, {"path": "{reason}%n", "reason": "no room"})) == "{reason}%n failed: no room."


@pytest.mark.parametrize(
    ("source", "one", "many"),
    [
        ("%n file(s)", "%n file", "%n files"),
        ("%n match(es) in %n chat(s)", "%n match in %n chat", "%n matches in %n chats"),
        ("%n entr(y|ies) (is|are) gone", "%n entry is gone", "%n entries are gone"),
        ("%n thing(s) differ(s|) (a b|c)", "%n thing differs a b", "%n things differ c"),
        ("%n of {n} (see above)", "%n of {n} (see above)", "%n of {n} (see above)"),
    ],
)
def test_one_rule_makes_the_english_plurals(source: str, one: str, many: str) -> None:
    assert plural(source, 1) == one
    assert all(plural(source, n) == many for n in (0, 2, 11, 21, 1_000_000))


def test_a_sentence_with_a_number_has_the_form_for_it() -> None:
    missing = Failure(UserFacing, "x", "n file", QT_TRANSLATE_NOOP("tests", "%n part(s) of {file} (is|are) missing."))
    assert str(missing(1, "a").problem.what) == "1 part of a is missing."
    assert str(missing(1200, "a(s)").problem.what) == "1,200 parts of a(s) are missing."


def test_numbers_and_texts_stand_in_places_as_people_write_them() -> None:
    source = QT_TRANSLATE_NOOP("tests", "{size}, {n}, {rate}, {port}")
    text = Text("t", source, {"size": amounts.size(2_497_280_480), "n": 4096, "rate": 7.96, "port": "8080"})
    assert str(text) == "2.5 GB, 4,096, 8.0, 8080"


def test_a_text_keeps_its_context_on_its_way_to_the_window() -> None:
    inner = Text("in", QT_TRANSLATE_NOOP("inner", "%n file(s)"), {"n": 3})
    text = Text("t", QT_TRANSLATE_NOOP("tests", "It has {what}."), {"what": inner})
    for coder in (msgspec.json, msgspec.msgpack):
        came = coder.decode(coder.encode(text), type=Text)
        assert came == text and came.context == "tests" and str(came) == "It has 3 files."
        assert isinstance(came.params["what"], Text) and came.params["what"].context == "inner"


def test_what_an_older_version_stored_can_still_be_read() -> None:
    old = b'{"code":"x","source":"There is no {a}.","params":{"a":"b"}}'
    assert str(msgspec.json.decode(old, type=Text)) == "There is no b."
