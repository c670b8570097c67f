"""Which passages of a long text are picked for a question."""

from __future__ import annotations

import itertools
import random
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_desktop.jobs.documents.passages import folded, pick

_FILLER = (
    "The committee met again and spoke of budgets, roads and schools, as it had done in every year before. " * 8
).strip()


def _book(*special: str) -> tuple[str, list[tuple[str, int, int]]]:
    """A long text of chapters in which each of ``special`` stands as one paragraph, far from the others."""
    text, sections = "", []
    for number in range(60):
        start = len(text)
        text += f"# Chapter {number}\n\n" + f"{_FILLER}\n\n" * 3
        if number % 7 == 3 and number // 7 < len(special):
            text += f"{special[number // 7]}\n\n{_FILLER}\n\n"
        sections.append((f"Chapter {number}", start, len(text)))
    return text, sections


def picked(text: str, sections: object, query: str, characters: int) -> str:
    """The passages as one text. They keep to what everybody relies on."""
    ranges = pick(text, sections, query, characters)["ranges"]  # type: ignore[arg-type]
    at = -1
    for start, end, score in ranges:
        assert at < start < end <= len(text) and score >= 0
        at = end
    assert sum(end - start for start, end, _ in ranges) <= max(0, characters)
    assert pick(text, sections, query, characters)["ranges"] == ranges  # type: ignore[arg-type]
    return "…".join(text[start:end] for start, end, _ in ranges)


@pytest.mark.parametrize(
    ("sentence", "query"),
    [
        ("The heron nests in April beside the lake.", "When does the heron nest?"),
        ("The heron nests in April beside the lake.", "heron"),
        ("Herons have been walking there.", "does a heron walk"),
        ("Цапля гнездится у озера в апреле.", "Где гнездится цапля?"),
        ("苍鹭四月在湖边筑巢。", "苍鹭什么时候筑巢？"),
        ("アオサギは四月に湖のそばで巣を作る。", "アオサギの巣はどこですか"),
        ("왜가리는 사월에 호숫가에 둥지를 튼다.", "왜가리는 언제 둥지를 틀까"),
        ("Die Störche brüten auf dem Kirchturm.", "STORCHE kirchturm"),
        ("Call parse_header_v2() before the loop.", "what does parse_header_v2 do"),
    ],
)
def test_the_sentence_that_answers_is_found(sentence: str, query: str) -> None:
    text, sections = _book("Another paragraph, about bridges.", sentence, "And one about a harbour.")
    for given_sections in (sections, ()):
        found = picked(text, given_sections, query, 3000)
        assert sentence in found and "harbour" not in found


def test_all_that_is_asked_for_comes_in_the_order_of_the_text() -> None:
    text, sections = _book("Bridges cross the river.", "Ferries are slow.", "Tunnels are dark.")
    found = picked(text, sections, "tunnels ferries bridges", 6000)
    assert found.index("Bridges cross") < found.index("Ferries are") < found.index("Tunnels are")


def test_the_title_of_a_section_counts() -> None:
    text, sections = _book()
    titled = [
        ("Budget of the harbour" if n == 31 else title, start, end) for n, (title, start, end) in enumerate(sections)
    ]
    ranges = pick(text, titled, "harbour", 3000)["ranges"]
    assert ranges and all(sections[31][1] <= start and end <= sections[31][2] for start, end, _ in ranges)


def test_without_a_question_the_beginning_and_the_headings() -> None:
    text, sections = _book()
    for query in ("", "  ?!", "xylophone"):
        found = picked(text, sections, query, 20_000)
        assert found.startswith("# Chapter 0") and "# Chapter 30\n" in found and "# Chapter 59\n" in found
    assert picked(text, (), "", 1000).startswith("# Chapter 0")


def test_what_fits_is_taken_as_it_is() -> None:
    assert pick("short", [], "question", 100) == {"ranges": [[0, 5, 0.0]]}
    assert pick("short", [], "question", 0) == pick("", [], "question", 10) == {"ranges": []}
    assert picked("word " * 1000, [], "word", 50)


def test_a_passage_that_is_larger_than_the_room_is_begun() -> None:
    text, sections = _book("The heron nests " + "by the lake " * 100)
    assert "heron" in picked(text, sections, "heron", 900)


def test_neighbours_are_joined() -> None:
    text = "\n\n".join(f"Paragraph {n} about herons. {_FILLER}" for n in range(10)) + f"\n\n{_FILLER}" * 40
    assert len(pick(text, [], "herons", 9_500)["ranges"]) == 1


@given(
    text=st.text(alphabet=st.sampled_from("ab é漢字か.\n 　\u0301Ǆßİﬁ"), max_size=3000),
    query=st.text(alphabet=st.sampled_from("ab é漢字?'_ "), max_size=20),
    characters=st.integers(0, 2000),
    cuts=st.lists(st.integers(0, 3000), max_size=6),
)
@settings(max_examples=200, deadline=None)
def test_whatever_is_asked_of_whatever(text: str, query: str, characters: int, cuts: list[int]) -> None:
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    sections = [("a b", start, end) for start, end in itertools.pairwise(places)]
    picked(text, sections, query, characters)
    picked(text, (), query, characters)


def test_folding_keeps_every_place() -> None:
    dice = random.Random(1)
    signs = [chr(code) for code in range(0x20, 0x11000) if not 0xD800 <= code <= 0xDFFF]
    text = "".join(dice.sample(signs, 20_000))
    assert len(folded(text)) == len(text)
    assert folded("ÀÉîß漢Ж") == "aeiß漢ж" and folded(unicodedata.normalize("NFC", "Ǖ")) == "u"
