"""Random texts of messages: what models write, what people paste, and what neither should."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import msgspec

from qwen_desktop.core.parts import (
    Part,
    PartBegun,
    PartDelta,
    PartDone,
    PartEvent,
    PartWasThinking,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolResultPart,
)

WORDS = (
    "the", "heap", "of", "files", "merge", "in", "memory", "snake_case_name", "__init__", "**kwargs", "2 * 3", "a_b",
    "$5", "100%", "C:\\temp", "<T>", "&amp;", "x|y", "https://example.org/a_b(c)", "user@example.org", "#tag", "~home",
    "模型", "“重要”", "（注意）", "これは", "좋다", "مرحبا", "שלום", "😀", "👩‍👩‍👧", "e\u0301", "\u00a0", "\u200b",
)  # fmt: skip
_LOOKS = (
    "**{}**", "*{}*", "_{}_", "`{}`", "``{} ` ``", "~~{}~~", "[{}](https://example.org)", "![{}](pic.png)",
    "$x^{{{}}}$", "\\({}\\)", "***{}***", "[{}][ref]", "<b>{}</b>", "**{}", "`{}", "[{}](", "{}<br>", "\\*{}\\*",
    "[{}](mailto:a@b.c)", "{}[^1]", "{}[^n]", "{}^[a whole *remark*]", "![{}](https://example.org/p.png)",
)  # fmt: skip
_LANGUAGES = ("", "python", "json", "nosuch", "c++", "markdown", "Python title=x")
_SMALL = (
    "---", "***", "$$\na\n= b\n$$", "\\[x\n+ y\\]", "$$x$$", "<div>\na\n</div>", "[ref]: https://e.org",
    "    code", "[^1]: A note with [ref].", "[^n]: Another\n\n    ```\n    code\n    ```", "[ref]: <https://example.org/r>",
)  # fmt: skip
_JUNK = "*_`~[]()!<>|#-+$\\ \n\t1.a中😀:"


def prose(chance: random.Random, words: int) -> str:
    """Some words, some of them marked."""
    chosen = [chance.choice(WORDS) for _ in range(words)]
    for place in range(words):
        if chance.random() < 0.15:
            chosen[place] = chance.choice(_LOOKS).format(chosen[place])
    return chance.choice((" ", " ", " ", "\n", "  \n", "")).join(chosen)


def _paragraph(chance: random.Random, depth: int) -> str:
    return prose(chance, chance.choice((3, 12, 12, 40, 40, 40, 150, 600 if not depth else 20)))


def _heading(chance: random.Random, _depth: int) -> str:
    return "#" * chance.randint(1, 7) + " " + prose(chance, 5).replace("\n", " ")


def _table(chance: random.Random, _depth: int) -> str:
    columns = chance.randint(1, 5)
    line = "|" + "|".join(chance.choice(("---", ":--", "--:", ":-:")) for _ in range(columns)) + "|"
    rows = []
    for _ in range(chance.randint(1, 8)):
        cells = chance.choice((columns, columns, 1))
        rows.append("|" + "|".join(prose(chance, 3).replace("\n", " ") for _ in range(cells)) + "|")
    return "\n".join([rows[0], line, *rows[1:]])


def _code(chance: random.Random, _depth: int) -> str:
    lines = ("def f(x): return '#'", "x = 1  # n", "", '"""', "y" * 130)
    code = "\n".join("    " * chance.randint(0, 3) + chance.choice(lines) for _ in range(chance.choice((1, 5, 60))))
    mark = chance.choice(("```", "````", "~~~"))
    return f"{mark}{chance.choice(_LANGUAGES)}\n{code}\n" + (mark if chance.random() < 0.9 else "")


def _small(chance: random.Random, _depth: int) -> str:
    return chance.choice(_SMALL)


def _quotation(chance: random.Random, depth: int) -> str:
    title = chance.choice(("", "", "[!NOTE]\n", "[!tip]\n", "[!WARNING]\n\n"))
    return "\n".join("> " + line for line in (title + blocks(chance, 2, depth + 1)).split("\n"))


def _list(chance: random.Random, depth: int) -> str:
    marks = chance.choice((("- ",), ("* ",), ("- [ ] ", "- [x] "), ("{}. [x] ",), ("{}. ",), ("{}. ",)))
    items = []
    for number in range(3, 3 + chance.randint(1, 6)):
        inner = blocks(chance, 2, depth + 1) if chance.random() < 0.2 else prose(chance, 6).replace("\n", " ")
        items.append(chance.choice(marks).format(number) + inner.replace("\n", "\n   "))
    return chance.choice(("\n", "\n", "\n\n")).join(items)


def _junk(chance: random.Random, _depth: int) -> str:
    return "".join(chance.choice(_JUNK) for _ in range(chance.randint(1, 60)))


_FLAT = (_paragraph, _paragraph, _paragraph, _heading, _table, _code, _small, _junk)
_NESTED = (*_FLAT, _quotation, _list, _list, _list)


def block(chance: random.Random, depth: int = 0) -> str:
    """A block of some kind, perhaps with others inside."""
    return chance.choice(_NESTED if depth < 3 else _FLAT)(chance, depth)


def blocks(chance: random.Random, most: int, depth: int = 0) -> str:
    """Some blocks below each other."""
    return chance.choice(("\n\n", "\n\n", "\n")).join(block(chance, depth) for _ in range(chance.randint(1, most)))


def text(chance: random.Random) -> str:
    """A whole message."""
    made = blocks(chance, chance.choice((1, 2, 4, 7)))[:9000]
    if chance.random() < 0.1:
        made = chance.choice(("", " ", "\n", "    ", "\n\n\n", "\ufeff")) + made + chance.choice(("", "\n", "  \n\n"))
    if chance.random() < 0.1:  # cut anywhere, as an answer that was stopped
        made = made[: chance.randint(0, len(made))]
    return made


def pieces(chance: random.Random, whole: str) -> list[str]:
    """A text cut as it may come from a model: letters, words, or all at once."""
    longest = max(1, chance.choice((1, 4, 40, 400, len(whole))), len(whole) // 30)
    found: list[str] = []
    place = 0
    while place < len(whole):
        step = chance.randint(1, longest)
        found.append(whole[place : place + step])
        place += step
    return found


def parts(chance: random.Random) -> tuple[Part, ...]:
    """What an answer may consist of, in any order."""

    def part() -> Part:
        words = prose(chance, 12)
        match chance.randrange(4):
            case 0:
                return ThinkingPart(words, 1.5, 9)
            case 1:
                word = chance.choice(("sea", "```", "````x"))
                return ToolCallPart("1", "look_up", f'{{"word": "{word}"}}')
            case 2:
                return ToolResultPart("1", words)
            case _:
                return TextPart(words)

    return tuple(part() for _ in range(chance.randint(0, 7)))


def events(chance: random.Random, whole: Sequence[Part]) -> Iterator[PartEvent]:
    """How these parts come, in pieces; now and then a thought comes as text first."""
    for index, part in enumerate(whole):
        text = part.arguments if isinstance(part, ToolCallPart) else getattr(part, "text", "")
        known = isinstance(part, ThinkingPart) and part.seconds is not None
        late = known and text == text.strip() != "" and chance.random() < 0.3
        empty = {"arguments": ""} if isinstance(part, ToolCallPart) else {"text": ""}
        yield PartBegun(index, TextPart("") if late else msgspec.structs.replace(part, **empty))
        for piece in pieces(chance, text):
            yield PartDelta(index, piece)
        if isinstance(part, ThinkingPart) and part.seconds is not None:
            yield (PartWasThinking if late else PartDone)(index, part.seconds, part.tokens or 0)
        elif not isinstance(part, ThinkingPart):
            yield PartDone(index)
