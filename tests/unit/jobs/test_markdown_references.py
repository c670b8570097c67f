"""Footnotes, definitions of links, alerts, tasks and bare addresses: in a whole text and in one that grows."""

from __future__ import annotations

import time

import pytest

from qwen_desktop.jobs.markdown.blocks import AlertBlock, CodeBlock, RuleBlock, TextBlock, TextRun, projection
from qwen_desktop.jobs.markdown.growing import as_grown, grow, grow_job
from qwen_desktop.jobs.markdown.parser import Markdown
from qwen_desktop.jobs.markdown.references import References
from qwen_desktop.ui.chat.transcript_live import GrowingText


def runs(text: str) -> tuple[TextRun, ...]:
    """The runs of a text's first block."""
    block = Markdown().blocks(text)[0]
    assert isinstance(block, TextBlock)
    return block.runs


def links(text: str) -> dict[str, str]:
    """What of a text's first block leads where."""
    return {run.text: run.href for run in runs(text) if run.href}


# Links that are defined elsewhere -------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", ["[word][A b]", "[word][ a  B ]", "![word][a b]", "[**word**][a b]"])
def test_a_definition_anywhere_in_the_message_counts(written: str) -> None:
    assert links(f"See {written}.\n\n[a b]: https://x.org/p 'Title'").get("word") == "https://x.org/p"
    assert links(f"See {written}.\n\n- deep\n\n  > [a B]: <https://x.org/p>").get("word") == "https://x.org/p"


def test_short_forms_and_the_first_of_several_definitions() -> None:
    text = "[one] and [one][] and [two][one]\n\n[one]: https://x.org/1\n[ONE]: https://x.org/2"
    assert links(text) == {"one": "https://x.org/1", "two": "https://x.org/1"}
    assert projection(Markdown().blocks(text)) == "one and one and two"


@pytest.mark.parametrize(
    "text",
    [
        "See [a] and [b][a].",
        "See [a].\n\n[a]: javascript:alert(1)",
        "See [a].\n\n[a]: file:///etc/passwd",
        "See [a].\n\n[a]: #part",
        "See [a].\nNo paragraph is cut by\n[a]: https://x.org",
        "See [a].\n\n[a]: https://x.org and more words",
    ],
)
def test_what_defines_nothing_stays_text(text: str) -> None:
    assert runs(text)[0].text.startswith("See [a]")
    assert "[a]" not in links(text)
    assert projection(Markdown().blocks(text)) == text


def test_a_definition_that_nobody_asked_for_before_is_on_show() -> None:
    shown = projection(Markdown().blocks("[1]: https://x.org/1\n[2]: https://x.org/2\n\nAs [1] says."))
    assert shown == "[1]: https://x.org/1\n\n[2]: https://x.org/2\n\nAs 1 says."


# Footnotes ------------------------------------------------------------------------------------------------------------


def test_footnotes_stand_below_with_all_that_is_in_them() -> None:
    text = "A[^1] b[^Long].\n\n[^long]: First.\n\n    Second.\n\n    ```py\n    x = 1\n    ```\n\nEnd.\n\n[^1]: - item"
    blocks = Markdown().blocks(text)
    assert [(run.text, run.footnote) for run in runs(text) if run.footnote] == [("[^1]", "1"), ("[^Long]", "Long")]
    kinds = [type(block) for block in blocks]
    assert kinds == [TextBlock, TextBlock, RuleBlock, TextBlock, TextBlock, CodeBlock, TextBlock, TextBlock]
    assert blocks[2] == RuleBlock(footnotes=True)
    assert [getattr(block, "marker", "") for block in blocks[3:]] == ["[^long]:", "", "", "[^1]:", "•"]
    assert projection(blocks) == (
        "A[^1] b[^Long].\n\nEnd.\n\n---\n\n[^long]: First.\n\n  Second.\n\nx = 1\n\n[^1]: \n  - item"
    )


@pytest.mark.parametrize("text", ["A [^1] b", "Use [^a-z] here", "[^ x]", "[^", "[^]: x", "x^[2] and y^[3]", "^[open"])
def test_what_is_no_footnote_stays_text(text: str) -> None:
    assert projection(Markdown().blocks(text)) == text
    assert not any(run.footnote for run in runs(text))


def test_remarks_in_place_get_letters_and_stand_below() -> None:
    text = "One^[a *first* remark] two^[and ^[another one] in it] one^[a *first* remark]."
    assert projection(Markdown().blocks(text)) == (
        "One[^a] two[^b] one[^a].\n\n---\n\n[^a]: a first remark\n[^b]: and [^c] in it\n[^c]: another one"
    )


def test_a_footnote_that_names_itself_ends() -> None:
    shown = projection(Markdown().blocks("a[^1]\n\n[^1]: b[^1] [^2]\n[^2]: c[^1]"))
    assert shown == "a[^1]\n\n---\n\n[^1]: b[^1] [^2]\n[^2]: c[^1]"


# Alerts, tasks, addresses ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["note", "tip", "important", "warning", "caution"])
def test_alerts(kind: str) -> None:
    blocks = Markdown().blocks(f"> [!{kind.upper()}]\n> Words\n>\n> - item\n>\n> > inner\n\nAfter")
    letter = kind[0]
    assert blocks[0] == AlertBlock(kind, 0, 1, letter)
    assert [(block.quote, block.alerts) for block in blocks[1:]] == [
        (1, letter),
        (1, letter),
        (2, letter + "-"),
        (0, ""),
    ]
    assert projection(blocks) == f"[!{kind.upper()}]\nWords\n\n- item\n\ninner\n\nAfter"


def test_quotations_know_the_lists_around_them() -> None:
    blocks = Markdown().blocks("1. a\n\n   > b\n   > - c\n   >   > d\n\n   > [!TIP]\n   > e\n\n> f\n> - g")
    assert [(block.indent, block.quote, block.alerts) for block in blocks] == [
        (1, 0, ""), (1, 1, ".-"), (2, 1, ".-"), (2, 2, ".-.-"), (1, 1, ".t"), (1, 1, ".t"), (0, 1, ""), (1, 1, ""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text", ["> [!NOTHING]\n> x", "> a\n> [!NOTE]", "[!NOTE]\nx", "> \\[!NOTE]\n> x", "> [!NOTE]x"]
)
def test_what_is_no_alert(text: str) -> None:
    blocks = Markdown().blocks(text)
    assert not any(isinstance(block, AlertBlock) for block in blocks)
    assert "[!NO" in projection(blocks)


def test_tasks_nest_and_may_be_numbered() -> None:
    text = "3. [x] a\n4. [ ] b\n   - [ ] c\n\n     d\n   - [X] e\n5. [y] f"
    assert [(b.marker, b.indent, b.text) for b in Markdown().blocks(text)] == [
        ("3. ☑", 1, "a"), ("4. ☐", 1, "b"), ("☐", 2, "c"), ("", 2, "d"), ("☑", 2, "e"), ("5.", 1, "[y] f"),
    ]  # fmt: skip
    assert projection(Markdown().blocks(text)).startswith("3. [x] a\n4. [ ] b\n  - [ ] c")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see www.x.org/a_b), ok", {"www.x.org/a_b": "http://www.x.org/a_b"}),
        ("(www.x.org)", {"www.x.org": "http://www.x.org"}),
        ("mail a.b+c@x-y.org.", {"a.b+c@x-y.org": "mailto:a.b+c@x-y.org"}),
        ("HTTPS://X.org", {"HTTPS://X.org": "HTTPS://X.org"}),
        ("a@b and @name and x@y_z and me@localhost", {}),
        ("xwww.x.org and www. and www.x", {}),
        ("`www.x.org` and [www.y.org](https://z.org)", {"www.y.org": "https://z.org"}),
    ],
)
def test_bare_addresses(text: str, found: dict[str, str]) -> None:
    assert links(text) == found


# While the text grows -------------------------------------------------------------------------------------------------


class Frames:
    """A text that grows by letters; what each frame shows and how much of it is said to be the same."""

    def __init__(self) -> None:
        self.growing = GrowingText(Markdown())
        self.text = ""
        self.shown: list[object] = []

    def add(self, more: str) -> list[int]:
        """The numbers of earlier blocks that became others, letter by letter; the last two are still open."""
        changed = []
        for letter in more:
            self.text += letter
            blocks, stable = self.growing.blocks(self.text)
            differ = [n for n, (a, b) in enumerate(zip(self.shown, blocks, strict=False)) if a is not b and a != b]
            assert all(number >= stable for number in differ), "what is said to be unchanged is"
            changed += differ
            self.shown = list(blocks)
        return changed


def test_only_what_refers_to_a_new_definition_changes_and_once() -> None:
    frames = Frames()
    frames.add("One [a] here.\n\nTwo [b][a] here.\n\nThree words.\n\n| t |\n|---|\n| [a] |\n\nFour.\n\nFive.\n\n")
    assert [block.text for block in frames.shown[:2]] == ["One [a] here.", "Two [b][a] here."]
    changed = [number for number in frames.add("[a]: https://x.org/a\n\nSix.\n\nSeven.\n\n") if number < 5]
    assert changed == [0, 1, 3]
    assert [block.text for block in frames.shown[:2]] == ["One a here.", "Two b here."]
    assert tuple(frames.shown) == Markdown().blocks(frames.text, growing=True)


def test_a_numbered_footnote_never_jumps_and_a_definition_that_is_typed_is_not_on_show() -> None:
    frames = Frames()
    frames.add("One[^1] and[^x].\n\nTwo.\n\n")
    assert [run.footnote for run in frames.shown[0].runs] == ["", "1", ""], "a number waits for its definition"
    assert [number for number in frames.add("[^1]: The first note.\n\nThree.\n\nFour.\n\n") if number < 2] == []
    assert frames.shown[-1].marker == "[^1]:"
    assert [number for number in frames.add("[^x]: Another.\n\nFive.\n\nSix.\n\n") if number < 2] == [0]
    assert [run.footnote for run in frames.shown[0].runs] == ["", "1", "", "x", ""]
    count = len(frames.shown)
    for letter in "[r]: https://x.o":
        frames.add(letter)
        assert len(frames.shown) == count or letter in "[r]", "half a definition flashes up"
    assert Markdown().blocks("One[^1].")[0] == TextBlock((TextRun("One[^1]."),)), "without one it is text in the end"


def test_a_title_of_an_alert_that_is_typed_is_not_on_show() -> None:
    frames = Frames()
    seen = set()
    for letter in "> [!WARNING]\n> x":
        frames.add(letter)
        seen.add(projection(frames.shown))
    assert seen == {"", "[!WARNING]", "[!WARNING]\nx"}


def test_the_worker_gives_what_the_window_would() -> None:
    known = References(links={"A": "https://x.org/a"}, footnotes={"^n"}, growing=True)
    text = "See [a], [b], x[^n]^[a remark].\n\n[^m]: note [b]\n\n[b]: https://x.org/b\n\n> [!NOTE]\n> x\n\nEnd.\n\n- x"
    from_worker = as_grown(grow_job(text, None, {"links": known.links, "footnotes": ["^n"], "growing": True}))
    assert from_worker == grow(Markdown(), text, None, known)
    assert from_worker.known.links.keys() == {"A", "B"} and from_worker.known.footnotes == {"^n", "^m"}
    assert known.links.keys() == {"A"}, "what is known is not changed behind the caller's back"


def test_a_frame_costs_the_same_after_hundreds_of_references() -> None:
    """Nothing that is finished is read again but for what refers to a new definition."""
    growing = GrowingText(Markdown())
    text, costs = "", []
    for number in range(400):
        text += f"Paragraph {number} says something [r{number}] and more[^{number}] words.\n\n"
        started = time.thread_time()
        growing.blocks(text)
        costs.append(time.thread_time() - started)
    for number in range(400):
        text += f"[r{number}]: https://x.org/{number}\n"
        growing.blocks(text)
    assert sorted(costs[300:])[50] < 3 * sorted(costs[:100])[50] + 0.0005
    shown = growing.blocks(text + "\n\nEnd.\n\nEnd.")[0]
    assert all(run.href for block in shown[:300] for run in block.runs if run.text.startswith("r"))


@pytest.mark.parametrize(
    "text", ["[", "[a", "^[a ", "[^", "[^1]", "[^a]: ", "> [!NOTE]\n", "> ", "*", "![a](b)", "a@", "["]
)
def test_ten_thousand_of_anything_take_no_time(text: str) -> None:
    started = time.thread_time()
    Markdown().blocks(text * 10_000)
    Markdown().open_tail(text * 10_000)
    assert time.thread_time() - started < 3


@pytest.mark.parametrize(
    "text",
    ["\ud800**a**[^\udfff]", "a\x00[b]\x00: c", "\u202e[^1]\u202c\n\n[^1]: \u2067x", "👩‍👩‍👧[^👧]\n\n[^👧]: e\u0301"],
)
def test_odd_characters_stay_what_they_are(text: str) -> None:
    shown = projection(Markdown().blocks(text))
    assert all(char in shown or char in "*\x00\n" for char in text)
