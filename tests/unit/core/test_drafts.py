"""Drafts: what fits the box, what stands beside it, and that putting two together loses nothing."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from qwen_desktop.core.drafts import (
    LARGEST_TEXT,
    LONG_LINES,
    LONG_PASTE,
    Draft,
    fits_box,
    is_long,
    is_pasted,
    is_unread,
    pasted,
    pasted_texts,
    unread,
)
from qwen_desktop.core.parts import FilePart, ImagePart, TextPart

_TEXTS = st.one_of(st.text(max_size=30), st.sampled_from(["x" * (LARGEST_TEXT - 1), "line\n" * 3000, "y" * 30_000]))


def test_what_is_long() -> None:
    assert not is_long("x" * LONG_PASTE)
    assert is_long("x" * (LONG_PASTE + 1))
    assert not is_long("\n" * (LONG_LINES - 1))
    assert is_long("\n" * LONG_LINES)


def test_a_message_is_what_is_attached_and_then_the_words() -> None:
    picture = ImagePart("ab" * 32, "image/png")
    assert Draft("  Why?\n", (picture,)).parts == (picture, TextPart("Why?"))
    assert Draft(" \n").parts == ()
    assert Draft("", (picture,)).parts == (picture,)


def test_a_paste_that_no_text_can_hold_is_mended() -> None:
    paste = pasted("a\x00b\ud800")
    assert pasted_texts((paste,)) == (paste.text,)
    paste.text.encode()
    assert paste.size == len(paste.text.encode())


def test_pictures_that_come_back_before_a_long_text_bring_no_empty_paste() -> None:
    picture, typed = ImagePart("ab" * 32, "image/png"), "y" * 30_000
    assert Draft("", (picture,)).before(Draft(typed)) == Draft(typed, (picture,))


@settings(max_examples=40)
@given(first=_TEXTS, second=_TEXTS)
def test_two_drafts_as_one_lose_no_word_and_fit_the_box(first: str, second: str) -> None:
    joined = Draft.of(first).before(Draft.of(second))
    assert fits_box(joined.text)
    words = "".join((*pasted_texts(joined.attachments), joined.text))
    for text in (first, second):
        assert text in words or pasted(text).text in words


def test_the_place_of_a_file_is_no_part_of_the_message_and_is_exchanged_wherever_it_stands() -> None:
    place, twin = unread("lease.pdf"), unread("lease.pdf")
    draft = Draft("What is it?", (place, pasted("x"), twin))
    assert place != twin
    assert is_unread(place) and not is_pasted(place)
    assert draft.unread == (place, twin)
    assert [type(part) for part in draft.parts] == [FilePart, TextPart]
    read = FilePart("ab" * 32, "application/pdf", "lease.pdf", 9, "text")
    assert draft.exchanged(place, read).attachments == (read, pasted("x"), twin)
    assert draft.exchanged(twin, None).attachments == (place, pasted("x"))
    assert draft.exchanged(read, None) == draft
    assert not Draft("", (place,)).parts
