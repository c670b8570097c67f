"""The grammar where it differs from CommonMark's: scripts without spaces, depth, tables, long paragraphs, fences."""

from __future__ import annotations

import random
import time

import msgspec
import pytest

from qwen_desktop.jobs.markdown.blocks import CodeBlock, TableBlock, TextBlock, TextRun, projection
from qwen_desktop.jobs.markdown.inline import LONGEST, PIECE, pieces
from qwen_desktop.jobs.markdown.parser import Markdown
from qwen_desktop.jobs.markdown.references import References
from qwen_desktop.ui.chat.transcript_live import GrowingText
from tests.markdown_texts import grown, lost, made_up


def bold(text: str) -> list[str]:
    """What is bold in a text of one block."""
    (block,) = Markdown().blocks(text)
    assert isinstance(block, TextBlock)
    return [run.text for run in block.runs if run.bold]


# Nothing is lost, and a growing text ends as the whole ---------------------------------------------------------------


@pytest.mark.parametrize("seed", range(5))
def test_every_word_is_on_show(seed: int) -> None:
    chance, markdown = random.Random(seed), Markdown()
    for _ in range(400):
        text, words = made_up(chance, 60)
        assert lost(markdown, text, words) == [], repr(text)


@pytest.mark.parametrize("seed", range(5))
def test_a_text_that_grew_has_the_blocks_of_the_whole(seed: int) -> None:
    chance, markdown = random.Random(seed), Markdown()
    for _ in range(100):
        text = made_up(chance, 40)[0] + "\n\nEnd."
        assert grown(chance, markdown, text) == markdown.blocks(text, growing=True), repr(text)


@pytest.mark.parametrize(
    "text",
    [
        "The price is\n#1 in sales",  # "#" alone would be a heading
        "- one\n*\n**two**",
        "$$\na\n# b\n$$",
        "a | b\nc | d\n--|--",
        "1. a\n1. b | c\n|---|---|",
        "1. a\n\n1. b\n\n1. c",
        "a\nb | c\n---|---\n2) d",
        "Read [the manual][1].\n\n[1]: https://x.org/manual",
        "  ```py\n  code\n    more\n\ttab\n less",
        "```markdown\n```py\nx\n```\n```\nAfter",
        "a\r\rb\r\n\r\n```py\r\nx = 1\r\n```\r\nafter\r\n\r\n- c\r- d\r\r- e",
    ],
)
def test_what_a_later_line_turns_around(text: str) -> None:
    markdown = Markdown()
    growing = GrowingText(markdown)
    whole = text + "\n\nEnd."
    for end in range(1, len(whole)):
        growing.blocks(whole[:end])
    assert tuple(growing.blocks(whole)[0]) == markdown.blocks(whole, growing=True)


# Scripts without spaces ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("答案是**“重要”**的词，**（注意）**请看。**试一试。**然后。", ["“重要”", "（注意）", "试一试。"]),
        ("**标题：**内容", ["标题："]),
        ("これは**「重要」**です。", ["「重要」"]),
        ("**테스트(test)**는 좋다.", ["테스트(test)"]),
        ("使用**`print()`**函数", ["print()"]),
        ("**注意：**Python 很好", ["注意："]),
        ("2 ** 3 和 4 ** 5", []),
        ("a**“b”**c", []),  # as CommonMark has it
        ("done**!**😀", []),  # an emoji is wide but no script
    ],
)
def test_bold_beside_cjk(text: str, found: list[str]) -> None:
    assert bold(text) == found


def test_strike_and_italic_beside_cjk() -> None:
    (block,) = Markdown().blocks("这是~~“旧”~~的，*（新）*的；snake_case_name。")
    assert isinstance(block, TextBlock)
    assert [run.text for run in block.runs if run.strike] == ["“旧”"]
    assert [run.text for run in block.runs if run.italic] == ["（新）"]


# Depth ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fence", ["```", "~~~ py"])
@pytest.mark.parametrize("before", [">  ", ">\t", "> - ", "> 1. ", ">> "])
@pytest.mark.parametrize("after", ["\n>", "\n> ", "\n>\n>", "\n> a\n>", "\n> a\n> ", ""])
def test_a_quoted_code_block_may_be_cut_off_anywhere(before: str, fence: str, after: str) -> None:
    """As it stands in each moment of an answer that is being written."""
    blocks = Markdown().blocks(before + fence + after)
    assert any(isinstance(block, CodeBlock) for block in blocks)
    assert ("a" in projection(blocks)) == ("a" in after)


@pytest.mark.parametrize("depth", [12, 31, 40, 150, 400])
@pytest.mark.parametrize("kind", ["list", "quote", "both"])
def test_no_depth_loses_text(kind: str, depth: int) -> None:
    lines = {
        "list": [f"{'  ' * n}- word{n}q" for n in range(depth)],
        "quote": [f"{'>' * (n + 1)} word{n}q" for n in range(depth)],
        "both": [f"{'  ' * (2 * n)}- > word{n}q" for n in range(depth)],
    }[kind]
    began = time.thread_time()
    blocks = Markdown().blocks("\n".join(lines))
    shown = projection(blocks)
    assert all(f"word{n}q" in shown for n in range(depth))
    assert max(block.indent + block.quote for block in blocks) >= min(depth, 31)
    assert time.thread_time() - began < 5


def test_the_numbers_of_items_that_begin_with_something_else_stay() -> None:
    blocks = Markdown().blocks("1. ```\n   code\n   ```\n2. - inner\n3. | a |\n   |---|\n4. ---\n5. > said")
    found = [(block.marker, block.indent) for block in blocks if isinstance(block, TextBlock)]
    assert found == [("1.", 1), ("2.", 1), ("•", 2), ("3.", 1), ("4.", 1), ("5.", 1)]


# Tables --------------------------------------------------------------------------------------------------------------


def cells(row: str, head: str = "| a | b |", ruler: str = "|---|---|") -> list[str]:
    (table,) = Markdown().blocks(f"{head}\n{ruler}\n{row}")
    assert isinstance(table, TableBlock)
    return ["".join(run.text for run in cell) for cell in table.rows[1]]


@pytest.mark.parametrize(
    ("row", "found"),
    [
        ("| `(1 | group)` | random intercept |", ["(1 | group)", "random intercept"]),
        ("| `a || b` | logical or |", ["a || b", "logical or"]),
        ("| ``x ` | y`` | z |", ["x ` | y", "z"]),
        ("| $|x|$ | absolute |", ["$|x|$", "absolute"]),
        (r"| `a \| b` | or \| and |", ["a | b", "or | and"]),
        ("| `one | two` |", ["`one", "two`"]),  # a pipe in code parts cells where else one would be missing
        ("| one ` | two |", ["one `", "two"]),
        ("| costs $5 | costs $6 |", ["costs $5", "costs $6"]),
        ("| 1 | 2 | 3 | 4 |", ["1", "2 | 3 | 4"]),
        ("| 1 |", ["1", ""]),
        ("1 | 2", ["1", "2"]),
        ("|| 2 |", ["", "2"]),
    ],
)
def test_no_cell_is_lost(row: str, found: list[str]) -> None:
    assert cells(row) == found


def test_a_head_with_a_pipe_in_code() -> None:
    assert cells("| 1 | 2 |", "| `a | b` | c |") == ["1", "2"]


@pytest.mark.parametrize(
    "text", ["a | b\n---", "a |\n---", "a | b\n|---|", "just text\n:--", "> a | b\n|---|---|", "a | b\n- | -"]
)
def test_what_is_no_table(text: str) -> None:
    assert not any(isinstance(block, TableBlock) for block in Markdown().blocks(text))


# Long paragraphs -----------------------------------------------------------------------------------------------------

PHRASES = [
    "**brown sugar 0**, ", "plain words and more of them ", "*soft* ", "***both at once*** ", "`code ** with marks` ",
    "[a **link** text](https://x.org/a_b*c) ", "~~gone away~~ ", "$x_1 * y$ ", "\\(a * b\\) ", "it costs $5 or so, ",
    "**粗体，**然后。", "中文的句子，没有空格。", "**a *b* c** ", "snake_case_name ", "2 * 3 ", "\\*not bold\\* ",
    "<br />", "line\nbreak ", "hard  \nbreak ", "https://x.org/a_very_long*address ",
]  # fmt: skip


def looks(markdown: Markdown, text: str) -> list[tuple[str, TextRun]]:
    """Each character with its look."""
    runs = markdown._piece(text, References())
    return [(character, msgspec.structs.replace(run, text="")) for run in runs for character in run.text]


@pytest.mark.parametrize("seed", range(8))
def test_a_long_paragraph_means_what_it_means_in_one(seed: int) -> None:
    chance, markdown = random.Random(seed), Markdown()
    text = "".join(chance.choice(PHRASES) for _ in range(500)).strip()
    cut = list(pieces(text))
    assert "".join(cut) == text and len(cut) > 3
    assert max(map(len, cut)) <= LONGEST
    assert [look for piece in cut for look in looks(markdown, piece)] == looks(markdown, text)


def test_long_bold_shows_no_stars() -> None:
    text = ", ".join(f"**{name} {n}**" for n in range(200) for name in ("brown sugar", "plain wheat flour"))
    (block,) = Markdown().blocks(f"You will need {text}.")
    assert isinstance(block, TextBlock) and "*" not in block.text
    assert sum(run.bold for run in block.runs) == 400


def test_one_stray_mark_does_not_make_one_endless_piece() -> None:
    for mark in ("*", "`", "[", "$x", "\\("):
        text = f"a {mark}b " + "and so on " * 4000
        cut = list(pieces(text))
        assert "".join(cut) == text and max(map(len, cut)) <= LONGEST
        assert sum(len(piece) <= PIECE for piece in cut) > len(cut) / 2
        (block,) = Markdown().blocks(text)
        assert projection([block]).count("and so on") == 4000


# Fences --------------------------------------------------------------------------------------------------------------


def test_markdown_about_code_stays_one_block() -> None:
    inner = "# Title\n\n```bash\nls\n```\n\nmore text\n\n```js\nx\n```"
    for language in ("markdown", "md", "Markdown"):
        blocks = Markdown().blocks(f"```{language}\n{inner}\n```\n\nAfter.")
        assert blocks == (CodeBlock(inner, language), TextBlock((TextRun("After."),)))


def test_other_code_ends_at_the_first_bare_fence() -> None:
    blocks = Markdown().blocks("```python\n```bash\n```\nAfter.")
    assert blocks == (CodeBlock("```bash", "python"), TextBlock((TextRun("After."),)))


def test_longer_fences_and_other_marks_nest_by_themselves() -> None:
    inner = "```bash\nls\n```"
    assert Markdown().blocks(f"````markdown\n{inner}\n````") == (CodeBlock(inner, "markdown"),)
    assert Markdown().blocks(f"~~~markdown\n{inner}\n~~~") == (CodeBlock(inner, "markdown"),)


def test_a_nested_fence_in_a_list() -> None:
    blocks = Markdown().blocks("- a\n\n  ```md\n  ```py\n  x\n  ```\n  ```\n\n  after\n- b")
    assert [block.text for block in blocks] == ["a", "```py\nx\n```", "after", "b"]
