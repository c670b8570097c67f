"""Exported pages: whatever a model wrote, nothing in them runs or is fetched; and what it wrote is there."""

from __future__ import annotations

import random
import re
from html.parser import HTMLParser

import pytest
from msgspec import structs

from qwen_desktop.core.chat import Conversation, Message, Provenance
from qwen_desktop.core.engine import Sampling, ThinkingMode
from qwen_desktop.core.exchange import Record
from qwen_desktop.core.parts import FilePart, ImagePart, Part, Role, TextPart, ThinkingPart, ToolCallPart
from qwen_desktop.jobs.exports.form import Look
from qwen_desktop.jobs.exports.html_form import POLICY, Page, fragment
from tests import random_messages

_TAGS = {
    "html", "head", "meta", "title", "style", "body", "main", "article", "div", "p", "h1", "h2", "h3", "h4", "h5",
    "h6", "span", "br", "pre", "code", "em", "strong", "s", "sup", "a", "blockquote", "hr", "table", "thead", "tr",
    "td", "th", "ul", "li", "details", "summary", "img", "svg", "g", "path", "rect", "line", "text", "circle",
    "ellipse", "polyline", "polygon", "tspan",
}  # fmt: skip
_HOSTILE = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "[x](javascript:alert(1))", "[x](data:text/html,<b>)",
    "![p](https://evil.example/p.png)", "</style><script>1</script>", "<svg onload=alert(1)>", "</title><script>1",
    "[a](https://e.org/\"onmouseover=alert(1))", "<https://e.org/'><script>", "`</code><script>`", "<!--", "-->", "]]>",
    "$\\href{javascript:alert(1)}{x}$", "$\\text{</svg><script>1</script>}$", "$x</svg>$", "&lt;script&gt;",
    "```html\n<script>1</script>\n```", "```\"><script>\nx\n```", "```mermaid\ngraph TD\nA[\"<script>\"]-->B\n"
    "click A \"https://evil.example\"\nstyle A fill:url(https://evil.example/x)\n```", "<style>@import 'https://x'</style>",
    "| <img src=x> | b |\n|---|---|\n| [x](vbscript:1) | ![](//evil.example/x) |", "<base href=https://evil.example>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>", "<iframe src=https://evil.example></iframe>",
)  # fmt: skip


class _Reader(HTMLParser):
    """Collects what a browser would see: tags with their attributes, and text."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data!r}")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(f"a declaration: {data!r}")


def _harmless(page: str) -> _Reader:
    reader = _Reader()
    reader.feed(page)
    reader.close()
    for tag, attributes in reader.tags:
        assert tag in _TAGS, tag
        for name, given in attributes.items():
            assert not name.startswith("on"), (tag, name)
            value = given or ""
            if name == "href":
                assert tag == "a"
                assert re.match(r"(?i)https?://|mailto:", value), value
            elif name == "src":
                assert tag == "img"
                assert value.startswith(("data:image/", "drawing:")), value
            elif name in ("style", "fill", "stroke"):
                assert "url" not in value.lower(), value
                assert "expression" not in value.lower(), value
            else:
                assert name not in ("srcset", "action", "formaction", "xlink:href", "background", "poster"), name
    styles = [value for tag, value in reader.tags if tag == "style"]
    assert len(styles) <= 1
    return reader


def record_of(texts: list[str], role: Role = Role.ASSISTANT, *more: Part) -> Record:
    made = Provenance("", "<b>Model</b>", "", "", Sampling(), 1, ThinkingMode.AUTO, "e")
    entries = []
    for number, text in enumerate(texts):
        parts = (ThinkingPart(text), TextPart(text), ToolCallPart("1", text[:30], text), *more)
        entries.append(Message(str(number), "c", None, role, parts, 0.0, provenance=made))
    return Record(Conversation("c", "</title><script>1</script>", 0.0, 0.0, system_prompt=texts[0]), (), tuple(entries))


@pytest.mark.parametrize("seed", range(10))
def test_nothing_in_a_page_runs_or_is_fetched_whatever_was_said(seed: int) -> None:
    chance = random.Random(seed)
    texts = []
    for _ in range(3):
        pieces = [random_messages.prose(chance, 20), *chance.sample(_HOSTILE, 6)]
        chance.shuffle(pieces)
        text = chance.choice(("\n\n", "\n", " ")).join(pieces)
        for _ in range(chance.randint(0, 3)):  # and what comes of it where something is missing
            at = chance.randrange(len(text))
            text = text[:at] + chance.choice("<>\"'`[]()!\\$&\n") + text[at + chance.randint(0, 3) :]
        texts.append(text)
    file = FilePart("0" * 64, "text/html", '"><script>.html', 5)
    picture = ImagePart("1" * 64, "image/png", 1, 1, '"><script>alert(1)</script>')
    bad = ImagePart("2" * 64, "image/svg+xml", 1, 1, "x.svg")
    for role in (Role.ASSISTANT, Role.USER):
        record = record_of(texts, role, file, picture, bad)
        for page in (
            Page(Look(thoughts=True), lambda _: b"\x89PNG").make(record),
            Page(Look(thoughts=True), lambda _: b"\x89PNG", pdf=True).make(record),
            fragment(record.messages, Look(), lambda _: None),
        ):
            _harmless(page)


def test_a_page_says_what_it_allows_before_anything_else() -> None:
    page = Page(Look(), lambda _: None).make(record_of(["x"]))
    assert page.index(POLICY) < page.index("<title>") < page.index("<style>")
    assert "script-src" not in POLICY
    assert "default-src 'none'" in POLICY
    assert "prefers-color-scheme: dark" in page


def test_what_was_said_stands_there_formulas_and_diagrams_are_drawn_thoughts_are_folded() -> None:
    text = (
        "# Über x\n\n**bold** $x^2$ and\n\n$$\\frac{a}{b}$$\n\n- one\n\n```python\nprint('<&>')\n```\n\n"
        "```mermaid\ngraph TD\nA[Go]-->B[End]\n```\n\n| a | b |\n|--|--|\n| 中文 | 2 |"
    )
    record = record_of([text])
    message = structs.replace(record.messages[0], parts=(ThinkingPart("I think so"), TextPart(text)))
    record = structs.replace(record, messages=(message,))
    page = Page(Look(thoughts=True), lambda _: None).make(record)
    reader = _harmless(page)
    said = "".join(reader.texts)
    for words in ("Über x", "bold", "one", "print('<&>')", "中文", "I think so", "Go", "End"):
        assert words in said
    kinds = [tag for tag, _ in reader.tags]
    assert kinds.count("svg") == 3
    assert "details" in kinds
    assert "I think so" not in Page(Look(thoughts=False), lambda _: None).make(record)
