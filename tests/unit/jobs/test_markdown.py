"""Markdown to blocks: what the window shows, what is copied, and what must never get through."""

from __future__ import annotations

import random
import time

import msgspec
import pytest

from qwen_desktop.jobs.markdown.addresses import safe_href
from qwen_desktop.jobs.markdown.blocks import (
    CodeBlock,
    MathBlock,
    RuleBlock,
    TableBlock,
    TextBlock,
    TextRun,
    formula_of,
    from_builtins,
    projection,
    verbatim,
)
from qwen_desktop.jobs.markdown.growing import grow
from qwen_desktop.jobs.markdown.highlight import span_steps
from qwen_desktop.jobs.markdown.parser import PIECE, Markdown, pieces
from qwen_desktop.jobs.markdown.rendering import parsed, plain, render


def spans(code: str, language: str):
    return list(span_steps(code, language))[-1]


def one(text: str):
    blocks = Markdown().blocks(text)
    assert len(blocks) == 1
    return blocks[0]


def runs(text: str) -> tuple[TextRun, ...]:
    block = one(text)
    assert isinstance(block, TextBlock)
    return block.runs


def test_looks_of_words():
    assert runs("a **b *c*** ~~d~~ `e`") == (
        TextRun("a "), TextRun("b ", bold=True), TextRun("c", bold=True, italic=True), TextRun(" "),
        TextRun("d", strike=True), TextRun(" "), TextRun("e", code=True),
    )  # fmt: skip


def test_line_breaks_are_kept():
    assert one("one\ntwo  \nthree<br>four").text == "one\ntwo\nthree\nfour"


def test_headings_and_rules():
    blocks = Markdown().blocks("# A\n\n### B\n\n---")
    assert [(b.level, b.text) for b in blocks[:2]] == [(1, "A"), (3, "B")]
    assert isinstance(blocks[2], RuleBlock)


def test_lists_nest_number_and_tick():
    blocks = Markdown().blocks("3. a\n4. b\n   - c\n\n     d\n- [ ] e\n- [x] f\n-")
    assert [(b.marker, b.indent, b.text) for b in blocks] == [
        ("3.", 1, "a"), ("4.", 1, "b"), ("•", 2, "c"), ("", 2, "d"), ("☐", 1, "e"), ("☑", 1, "f"), ("•", 1, ""),
    ]  # fmt: skip


def test_quotations_have_a_depth():
    assert [(b.quote, b.text) for b in Markdown().blocks("> a\n>\n> > b\n\nc")] == [(1, "a"), (2, "b"), (0, "c")]


def test_code_keeps_every_character():
    block = one('```Python title="x"\n\tif a:\n\n    b  \n```')
    assert block == CodeBlock("\tif a:\n\n    b  ", "Python")
    assert one("    indented\n      more").text == "indented\n  more"
    assert one("```\nnever closed").text == "never closed"


def test_tables():
    table = one("| a | b |\n|:--|--:|\n| `1` | x<br>y |\n| 2 |")
    assert isinstance(table, TableBlock)
    assert table.align == ("left", "right")
    assert projection([table]) == "a\tb\n1\tx y\n2\t"


@pytest.mark.parametrize("text", ["$x^2$", r"\(x^2\)", "$$x^2$$", r"\[x^2\]"])
def test_formulas_keep_their_source(text):
    block = Markdown().blocks(f"{text}")[0]
    if isinstance(block, MathBlock):
        assert block.text == "x^2"
    else:
        assert block.runs == (TextRun("$x^2$", math=True),)
    assert projection([block]) in ("$x^2$", "$$x^2$$")


def test_a_formula_may_begin_a_text_that_ends_in_a_digit():
    assert runs("$x = 5$ and 3") == (TextRun("$x = 5$", math=True), TextRun(" and 3"))
    assert runs("a and \\$5 and $y \\$ z$") == (TextRun("a and $5 and "), TextRun("$y \\$ z$", math=True))


def test_a_displayed_formula_parts_its_paragraph():
    blocks = Markdown().blocks("so **a** $$x = 1$$, and \\[y\\]. Then\n\\[z\\]\n- $$w$$")
    bold = (TextRun("so "), TextRun("a", bold=True))
    assert blocks == (
        TextBlock(bold), MathBlock("x = 1,"), TextBlock((TextRun("and"),)), MathBlock("y."),
        TextBlock((TextRun("Then"),)), MathBlock("z"), TextBlock((), 0, 1, 0, "•"), MathBlock("w", 1),
    )  # fmt: skip
    assert runs("# Of $$x$$") == (TextRun("Of "), TextRun("$$x$$", math=True))


def test_displayed_formulas_over_lines():
    assert one("$$\na\n= b\n$$") == MathBlock("a\n= b")
    assert one("\\[\na\n= b\n\\]") == MathBlock("a\n= b")
    environment = "\\begin{align*}\na &= b \\\\\n&= c\n\\end{align*}"
    assert one(environment) == MathBlock(environment)
    assert Markdown().blocks(f"- a\n\n  {environment}\n\nb")[1:] == (
        MathBlock(environment, 1),
        TextBlock((TextRun("b"),)),
    )
    for end in range(len("\\begin{align*}"), len(environment)):
        assert isinstance(grow(Markdown(), f"a\n\n{environment[:end]}", None).opened[-1], MathBlock)


@pytest.mark.parametrize(
    "text", ["$(-1, 1)$", "$f(x, y)$", "$n - 1$", "$a, b, c$", "$0.9, 0.999$", "$[0, 1]$", "$dx dy$"]
)
def test_formulas_without_a_sign_of_mathematics_are_formulas(text):
    assert runs(f"so {text}；") == (TextRun("so "), TextRun(text, math=True), TextRun("；"))


@pytest.mark.parametrize(
    "text",
    [
        "It costs $24000 to $40000.", "from $5 and up to $10", "US$5, A$6 and HK$7", "echo $HOME and $PATH", "$5-$10",
        "**$5** or *$10*", "between $1,000 and $2,000 a month", "$100 (about €90) or $120", "a $ b $ c", "5$ + 5$",
        r"\$x\$ and \$y\$", "cost=$5;price=$6", "about $1,200 a year, `$HOME` is set", "$5 до 10$", "from $5 to 10$",
        "sales ($M) 5, cost ($K) 3", "a price ($/month) or ($/year)", "the $/€ rate and €/$",
    ],
)  # fmt: skip
def test_what_only_has_dollars_is_no_formula(text):
    """Money, shells, and dollars that are escaped; and it stays so while it is written."""
    assert not any(run.math for run in runs(text))
    for end in range(1, len(text)):
        grown = grow(Markdown(), text[:end], None)
        assert not any(isinstance(block, MathBlock) or any(run.math for run in block.runs) for block in grown.opened)


@pytest.mark.parametrize(
    "text",
    [
        "export PATH=$HOME/bin:$PATH",
        "scp a $user@$host",
        "${first}-${last} or ${a}${b}",
        "/r/$id/x?a=$b&c=$d",
        "regex ^foo$|^bar$ matches",
        "s/a$/b/ and s/c$/d/",
    ],
)
def test_variables_that_a_sign_joins_are_no_formula(text):
    assert runs(text) == (TextRun(text),)
    assert sum(run.math for run in runs("the $n$th, $e^-$s, $x_+$y, $\\$$a")) == 4


def test_a_bracket_that_does_not_close_ends_with_its_item():
    blocks = Markdown().blocks("- \\[a + b\n- see \\(c\\) \\]\n- d")
    assert [block.marker for block in blocks if isinstance(block, TextBlock)] == ["•"] * 3
    assert Markdown().blocks("- \\[\n  a\n+ b\n  \\]")[-1].text == "b\n]", "a line with a plus begins a list"
    lazy = "\\begin{align}\na &= b\n\\end{align}"
    assert Markdown().blocks(f"- {lazy}")[-1] == MathBlock(lazy, 1)


@pytest.mark.parametrize(
    "text",
    [
        "a | b\n---" + " " * 60_000 + "x", "``` a" + " " * 60_000 + "b", "`c`|" * 15_000 + "\n-|-",
        "a | b\n-|-\n" + "$5 | " * 12_000, "a | b\n-|-\n" + "\\(a | " * 10_000, "- \\[\n" * 12_000 + "\n\\]",
        "\\[\n# a\n" * 8000 + "\n\\]", "$$ a\n# b\n" * 6000 + "\n$$",
        "\\begin{align}\n# a\n" * 4000 + "\n\\end{align}",
    ],
)  # fmt: skip
def test_what_looks_for_an_end_takes_no_square_of_the_length(text):
    started = time.thread_time()
    Markdown().blocks(text)
    assert time.thread_time() - started < 1.5


def test_dollars_in_code_and_in_tables():
    assert runs("`$x$` and `$PATH`")[0] == TextRun("$x$", code=True)
    assert one("```sh\necho $HOME $x_1$\n```").text == "echo $HOME $x_1$"
    table = one("| plan | a month |\n|--|--|\n| A | $5 |\n| B | $10 to $20 |\n| C | $x_1$ |")
    assert [cell[0] for _, cell in table.rows[1:]] == [
        TextRun("$5"), TextRun("$10 to $20"), TextRun("$x_1$", math=True),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("so $x^2 + ", (TextRun("so "), TextRun("$x^2 +", math=True))),
        ("so \\(a", (TextRun("so "), TextRun("$a", math=True))),
        (
            "so $x^2$ and $y_",
            (TextRun("so "), TextRun("$x^2$", math=True), TextRun(" and "), TextRun("$y_", math=True)),
        ),
    ],
)
def test_a_formula_that_is_being_written_shows_no_dollars_and_is_no_whole_one(text, shown):
    assert grow(Markdown(), text, None).opened[-1].runs == shown
    assert formula_of(shown[-1]) is None


@pytest.mark.parametrize(
    "text", ["$$", "$$\nx = 1", "$$x = 1$", "\\[x = 1", "\\[\nx = 1\\", "- a\n- \\[x = 1", "a:\n$$x = 1"]
)
def test_a_displayed_formula_that_is_being_written_stands_by_itself(text):
    block = grow(Markdown(), text, None).opened[-1]
    assert isinstance(block, MathBlock)
    assert block.open
    assert block.text == ("x = 1" if "x" in text else "")


def test_a_formula_in_a_table_that_is_being_written_is_as_it_stands():
    table = grow(Markdown(), "| a | b |\n|--|--|\n| $x^2 | ", None).opened[-1]
    assert table.rows[1][0] == (TextRun("$x^2"),)


def test_money_is_no_formula():
    assert runs("It costs $5 and $10, not 3$ or 4$.") == (TextRun("It costs $5 and $10, not 3$ or 4$."),)


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "vbscript:x", "//host/x", "http://", "x", ""],
)
def test_only_web_and_mail_addresses_are_links(address):
    assert safe_href(address) == ""
    assert not any(run.href for block in Markdown().blocks(f"[x](<{address}>)") for run in block.runs)


def test_links_pictures_and_bare_addresses():
    assert runs("[a](https://x.org/p) b") == (TextRun("a", href="https://x.org/p"), TextRun(" b"))
    picture = TextRun("🖼 ", href="http://x.org/p.png", image="x.org")
    assert runs("![alt](http://x.org/p.png)") == (picture, TextRun("alt", italic=True, href="http://x.org/p.png"))
    assert runs("![alt](file:///x.png)") == (TextRun("![alt](file:///x.png)"),)
    assert runs("![alt](x.png)") == (TextRun("🖼 ", image="-"), TextRun("alt", italic=True))
    assert runs("see https://x.org/a_(b).") == (
        TextRun("see "), TextRun("https://x.org/a_(b)", href="https://x.org/a_(b)"), TextRun("."),
    )  # fmt: skip
    assert runs("见https://x.org/a，然后")[1] == TextRun("https://x.org/a", href="https://x.org/a")
    assert runs("[m](mailto:a@b.org)")[0].href == "mailto:a@b.org"


def test_html_is_text():
    text = "<script>alert(1)</script>\n\n<div onclick=x>y</div>"
    assert projection(Markdown().blocks(text)) == text


def test_the_projection_is_what_a_person_would_copy():
    text = (
        "# T\n\nA **b** [c](https://x.org).\n\n- one\n  1. two\n- [x] three\n\n> q\n\n"
        "```py\nx = 1\n```\n\n| a | b |\n|-|-|\n| 1 | 2 |"
    )
    assert projection(Markdown().blocks(text)) == (
        "T\n\nA b c.\n\n- one\n  1. two\n- [x] three\n\nq\n\nx = 1\n\na\tb\n1\t2"
    )


def test_blocks_cross_the_pipe():
    text = "A **b**\n\n```python\nimport os\n```\n\n| a |\n|-|\n| 1 |\n\n$$x$$\n\n---"
    data = msgspec.msgpack.decode(msgspec.msgpack.encode(render(text)))
    blocks = from_builtins(data)
    assert [msgspec.structs.replace(b, spans=None) if isinstance(b, CodeBlock) else b for b in blocks] == list(
        Markdown().blocks(text)
    )
    assert [b.spans for b in blocks if isinstance(b, CodeBlock)] == [spans("import os", "python")] != [()]


def test_highlighting_covers_the_right_characters():
    code = 'def f(x):\n    return "a"  # é😀\ny = 1'
    marked = {code[s.start : s.start + s.length]: s.role for s in spans(code, "python")}
    assert marked["def"] == "code_keyword"
    assert marked["f"] == "code_function"
    assert marked['"a"'] == "code_string"
    assert marked["# é😀"] == "code_comment"
    assert marked["1"] == "code_number"
    assert spans(code, "no such language") == ()


def test_leading_blank_lines_do_not_shift_the_colours():
    code = "\n\nimport os\n"
    assert next(code[s.start : s.start + s.length] for s in spans(code, "python")) == "import"


def test_long_paragraphs_are_cut_where_no_mark_is_open():
    text = "some *words* and `code` here. " * 300
    cut = list(pieces(text))
    assert "".join(cut) == text
    assert max(map(len, cut)) <= PIECE
    block = one(text)
    assert block.text.strip() == text.replace("*", "").replace("`", "").strip()
    assert sum(1 for run in block.runs if run.code) == 300


@pytest.mark.parametrize(
    "text", ["[" * 5000, "*" * 5000, "> " * 500 + "x", "- " * 300 + "x", "`" * 3001 + "x", "| a " * 2000, "\\(" * 3000]
)
def test_hostile_texts_end_soon(text):
    started = time.perf_counter()
    Markdown().blocks(text)
    assert time.perf_counter() - started < 3


def test_any_prefix_of_anything_parses():
    chance = random.Random(4)
    marks = "*_`~[]()!<>|#-+$\\ \n\t1.a中😀:"
    for _ in range(300):
        text = "".join(chance.choice(marks) for _ in range(chance.randint(1, 60)))
        blocks = Markdown().blocks(text)
        assert isinstance(projection(blocks), str)
        grown = Markdown().open_tail(text)
        assert 0 <= grown.offset <= len(text)
        assert len(grown.finished) + len(grown.opened) + len(grown.footnotes) >= (1 if blocks else 0)


def test_dollars_that_never_close_are_looked_for_once():
    """Seconds for these lines, when each looked through all lines below."""
    started = time.thread_time()
    blocks = Markdown().blocks("\n".join(f"$$a{n}\n# b" for n in range(4000)))
    assert time.thread_time() - started < 2
    assert len(blocks) == 8000
    assert blocks[-2] == TextBlock((TextRun("$$a3999"),))


def test_a_dollar_block_closes_wherever_it_is():
    text = "$$\na\nb\n$$\n\n> $$c\n> d$$\n\n- $$\n  e\n  $$\n\n$$f$$\n\n# g\n$$h\n# i\nj$$"
    blocks = Markdown().blocks(text)
    maths = [(b.text, b.indent, b.quote) for b in blocks if isinstance(b, MathBlock)]
    assert maths == [("a\nb", 0, 0), ("c\nd", 0, 1), ("e", 1, 0), ("f", 0, 0), ("h\n# i\nj", 0, 0)]


def test_the_projection_of_verbatim_text_is_the_text():
    text = "\n\nline **one**\n" + "x" * 5000 + "\n" + "two\n" * 3000 + "\n"
    blocks = list(verbatim(text))
    assert len(blocks) > 4
    assert projection(blocks) == text


def test_a_text_that_takes_too_long_stands_as_it_is(monkeypatch):
    text = "Some **bold** text.\n\n" * 50
    assert projection(parsed(text, limit_s=0.0)) == text
    monkeypatch.setattr(Markdown, "iter_blocks", lambda self, text: (_ for _ in ()).throw(RecursionError()))
    assert projection(parsed(text)) == text
    assert plain([text, "a"]) == [text, "a"]


@pytest.mark.parametrize(
    "unit",
    ["[", "![", "[a](", "[a](<b", '[a](b "', "[a][b", "*a ", "**a_", "a**b", "~~a", "`a``b", "$a ", "\\(a", "<a", "&a;",
     "> ", "> a\n", "- a\n", "  - a\n", "1. a\n", "|a|b|\n", "$$a\n\n", "\\[a\n\n", "[a]: b\n", "[\n", "```\n", "# a\n",
     "    a\n", "a\n===\n", "https://a)", "*[", "[`", "<br", "- > a\n"],
)  # fmt: skip
def test_no_text_takes_a_time_that_grows_with_its_square(unit):
    def took(length: int) -> float:
        # With numbers in it, since what was seen before is remembered.
        text = "".join(unit * (60 // len(unit)) + str(n) for n in range(length // 60))
        started = time.thread_time()
        Markdown().blocks(text)
        return time.thread_time() - started

    took(1500)
    limit = min(2.0, max(0.3, took(1500) * 8 * 3))
    assert any(took(12_000) < limit for _ in range(4))  # other programs disturb the processor's caches now and then


@pytest.mark.parametrize("item", ["**b** c", "*b* c", "[x] d", "[ ] d", "`e` f", "[g](https://h.org) i", "- j"])
def test_what_begins_an_item_flashes_up_as_nothing_else(item):
    text = f"1. a\n2. {item}"
    whole = Markdown().blocks(text)
    marks = {block.marker for block in whole} | {"2."}
    for end in range(len("1. a"), len(text) + 1):
        blocks = grow(Markdown(), text[:end], None)
        shown = [*blocks.finished, *blocks.opened]
        assert len(shown) <= len(whole) and {block.marker for block in shown} <= marks, text[:end]
        assert shown[0] == whole[0], text[:end]
        assert item.startswith("[g") or not shown[-1].text.startswith("["), text[:end]


def test_half_a_table_and_half_a_footnote_are_never_shown_as_words():
    text = "a[^1]\n\n| $b$ | c |\n|---|:-:|\n| 1 | 2 |\n\n[^1]: d\n[^2]: e"
    for end in range(len("a[^1]"), len(text)):
        grown = grow(Markdown(), text[:end], None)
        shown = [*grown.finished, *grown.opened, *(block for footnote in grown.footnotes for block in footnote.blocks)]
        words = [block.text for block in shown if isinstance(block, TextBlock)]
        assert not any(mark in each for each in words[1:] for mark in "|[-"), text[:end]
