"""Markdown to blocks, with markdown-it-py and without Qt.

Safe by construction: raw HTML is text, pictures are links and never loaded, and a link keeps its address only for
http, https and mailto. Called in the job worker (``rendering``) for long messages; the window uses ``Markdown``
itself for short ones, one block at a time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias
from urllib.parse import urlsplit

import msgspec
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, blockquote, list_block
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin

from qwen_desktop.jobs.markdown import rules
from qwen_desktop.jobs.markdown.blocks import (
    Block,
    CodeBlock,
    MathBlock,
    RuleBlock,
    Runs,
    TableBlock,
    TextBlock,
    TextRun,
    formula_of,
)
from qwen_desktop.jobs.markdown.inline import PIECE, InlineParser, formula_rule, pieces

#: Lists count twice, quotations once; what is nested deeper is text with its marks. The parser calls itself for each.
DEEPEST = 64
_CACHED = 400
_URL = re.compile(r"https?://[^\s<>\"'`，。；：！？、（）【】「」『』《》]+")
_TRAILING = ".,;:!?*_~'\""
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
MATHS = re.compile(r"[\\^_={}+*/<>|]")
_ENDS = (".", ",", ";", ":", "。", "，", "；", "：")
_EMPTY = re.compile(r"\n[ \t]*(?=\n)")
_FORMULA = re.compile(r"(?:\$\$|\\\[)")
_NUMBER = re.compile(r"\n {0,3}\d{1,9}\Z")
_TASK = re.compile(r"\[([ xX])\]\s+")
_LIST_OPEN = ("bullet_list_open", "ordered_list_open")
#: Tokens before which the marker of a list item must stand by itself.
_UNMARKED = (
    *_LIST_OPEN,
    "fence", "code_block", "math_block", "bracket_math_block", "hr", "table", "list_item_close",
)  # fmt: skip
_BlockRule: TypeAlias = Callable[[StateBlock, int, int, bool], bool]


class Markdown:
    """A parser with a small memory of inline texts it has seen, so that parsing a growing message again is cheap."""

    def __init__(self) -> None:
        self._md = _parser()
        # Inline parsing is most of the cost: it is done by ``_inline``, lazily and remembered.
        self._md.core.ruler.disable(["inline", "linkify", "text_join"], ignoreInvalid=True)
        self._md.options["maxNesting"] = DEEPEST + 4  # there the library leaves out what follows
        self._spans = _parser()  # by itself, since the library has one bound for the depth of both
        self._seen: dict[str, Runs] = {}
        self._seen_before: dict[str, Runs] = {}

    def blocks(self, text: str) -> tuple[Block, ...]:
        """The blocks of a whole text, without colours."""
        return tuple(self.iter_blocks(text))

    def iter_blocks(self, text: str) -> Iterator[Block]:
        """The same one by one, so that the caller can stop between two of them."""
        return self._walk(self._md.parse(text), None)

    def open_tail(self, text: str, first_number: int | None = None) -> tuple[list[Block], list[Block], int, int | None]:
        """Split a growing text into blocks that are finished and those of its last, still open block.

        Returns (finished, open, offset in ``text`` where the open part starts, number of the list item that it
        starts with or None). ``first_number`` continues the numbering of an ordered list cut by the last call.
        """
        tokens = self._md.parse(text)
        index, line, number = _last_block(tokens, first_number, _settled(text))
        opened = [t for t in tokens[:index] if t.level == 0 and t.nesting == 1 and t.type in _LIST_OPEN]
        closed = sum(1 for t in tokens[:index] if t.level == 0 and t.nesting == -1 and t.type.endswith("_list_close"))
        inside = len(opened) > closed
        finished = list(self._walk(tokens[:index], first_number)) if index else []
        rest = tokens[index:]
        if inside:  # the tail begins inside a list: give it the list's opening again
            rest = [opened[-1], *rest]
        tail = list(self._walk(rest, number if inside else (first_number if not index else None)))
        return finished, tail, _offset_of_line(text, line), number if inside else None

    def fence(self, line: str) -> rules.Fence | None:
        """The code block that a line at the top level opens, None when it opens none."""
        return rules.fence_of(line)

    def _walk(self, tokens: list[Token], first_number: int | None) -> Iterator[Block]:
        nest = _Nesting(first_number)
        for position, token in enumerate(tokens):
            kind = token.type
            if kind == "inline":
                marker, content = nest.take_marker(), token.content
                if marker == "•" and (task := _TASK.match(content)):
                    marker = "☐" if task[1] == " " else "☑"
                    content = content[task.end() :]
                runs = self._inline(content)
                if nest.level or not any(run.math and run.text.startswith("$$") for run in runs):
                    yield TextBlock(runs, nest.level, nest.indent, nest.quote, marker)
                else:
                    yield from _displayed(runs, nest.indent, nest.quote, marker)
                continue
            if nest.marker and kind in _UNMARKED:  # what comes cannot carry it
                yield TextBlock((), 0, nest.indent, nest.quote, nest.take_marker())
            if kind in ("fence", "code_block"):
                words = token.info.split(maxsplit=1)
                code = token.content.removesuffix("\n")
                yield CodeBlock(code, words[0] if words else "", None, nest.indent, nest.quote)
            elif kind in ("math_block", "bracket_math_block"):
                yield MathBlock(token.content.strip(), nest.indent, nest.quote)
            elif kind == "hr":
                yield RuleBlock(nest.indent, nest.quote)
            elif kind == "table":
                rows = tuple(tuple(map(self._inline, row)) for row in token.meta["rows"])
                yield TableBlock(rows, tuple(token.meta["align"]), nest.indent, nest.quote)
            else:
                nest.enter(token, first=position == 0)

    # Inline ----------------------------------------------------------------------------------------------------------

    def _inline(self, text: str) -> Runs:
        if len(text) <= PIECE:
            return self._piece(text)
        return tuple(run for piece in pieces(text) for run in self._piece(piece))

    def _piece(self, text: str) -> Runs:
        runs = self._seen.get(text)
        if runs is not None:
            return runs
        runs = self._seen_before.get(text)
        if runs is None:
            tokens: list[Token] = []
            self._spans.inline.parse(text, self._spans, {}, tokens)
            runs = tuple(_merged(_runs(tokens)))
        if len(self._seen) >= _CACHED:  # two generations: what is still asked for survives
            self._seen_before, self._seen = self._seen, {}
        self._seen[text] = runs
        return runs


def _parser() -> MarkdownIt:
    """markdown-it with our grammar."""
    md = MarkdownIt("commonmark")
    md.inline = InlineParser()
    md.configure("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
    dollarmath_plugin(md, allow_labels=False, allow_blank_lines=False)
    rules.bound_dollar_blocks(md, blank_lines=False)
    md.inline.ruler.at("math_inline", formula_rule)
    md.inline.ruler.before("escape", "bracket_math", rules.bracket_math_rule)
    block = md.block.ruler
    block.before("fence", "bracket_math_block", rules.bracket_math_block_rule)
    block.at("fence", rules.fence_rule, {"alt": ["paragraph", "blockquote", "list"]})
    block.at("table", rules.table_rule, {"alt": ["paragraph"]})
    block.at("blockquote", _bounded(blockquote), {"alt": ["paragraph", "blockquote", "list"]})
    block.at("list", _bounded(list_block), {"alt": ["paragraph", "blockquote"]})
    # A definition may come long after what refers to it is on show, and one that nobody refers to is text too.
    block.disable("reference")
    return md


def _bounded(rule: _BlockRule) -> _BlockRule:
    """``rule``, but only down to ``DEEPEST``."""
    return lambda state, start, end, silent: state.level < DEEPEST and rule(state, start, end, silent)


class _Nesting:
    """How deep in lists, quotations and headings a walk over tokens is."""

    def __init__(self, first_number: int | None) -> None:
        self._first_number = first_number
        self._lists: list[int | None] = []  # next number of each open ordered list, None for bullets
        self.quote = 0
        self.level = 0
        self.marker = ""

    @property
    def indent(self) -> int:
        """Enclosing lists."""
        return len(self._lists)

    def take_marker(self) -> str:
        """The marker that the next block carries; only the first one after it does."""
        marker, self.marker = self.marker, ""
        return marker

    def enter(self, token: Token, *, first: bool) -> None:
        """Follow an opening or closing token; all others mean nothing here."""
        kind = token.type
        if kind in _LIST_OPEN:
            self._lists.append(self._start_of(token, first=first) if kind == "ordered_list_open" else None)
        elif kind.endswith("_list_close") and self._lists:
            self._lists.pop()
        elif kind == "list_item_open" and self._lists:
            number = self._lists[-1]
            self.marker = "•" if number is None else f"{number}."
            if number is not None:
                self._lists[-1] = number + 1
        elif kind in ("blockquote_open", "blockquote_close"):
            self.quote += token.nesting
        elif kind in ("heading_open", "heading_close"):
            self.level = int(token.tag[1]) if token.nesting > 0 else 0

    def _start_of(self, token: Token, *, first: bool) -> int:
        if first and self._first_number is not None and not self._lists:
            return self._first_number
        start = token.attrGet("start")
        return 1 if start is None else int(start)


_STYLES = {"strong": "bold", "em": "italic", "s": "strike"}


def _runs(tokens: list[Token]) -> Iterator[TextRun]:
    depth = {"bold": 0, "italic": 0, "strike": 0}
    href = ""
    for token in tokens:
        kind = token.type
        name, _, end = kind.rpartition("_")
        if name in _STYLES and end in ("open", "close"):
            depth[_STYLES[name]] += token.nesting
            continue
        bold, italic, strike = (value > 0 for value in depth.values())
        if kind == "link_open":
            href = safe_href(str(token.attrGet("href") or ""))
        elif kind == "link_close":
            href = ""
        elif kind in ("softbreak", "hardbreak"):
            yield TextRun("\n", bold, italic, strike, href=href)
        elif kind == "code_inline":
            yield TextRun(token.content, bold, italic, strike, code=True, href=href)
        elif kind == "math_inline":
            if token.markup == "$" and " " in token.content and not MATHS.search(token.content):
                yield TextRun(f"${token.content}$", bold, italic, strike, href=href)  # prices, not a formula
            elif token.content:
                mark = token.markup.removeprefix("\\")
                yield TextRun(f"{mark}{token.content}{mark}", math=True)
        elif kind == "image":
            address = str(token.attrGet("src") or "")
            yield TextRun(token.content or address, italic=True, href=href or safe_href(address))
        elif token.content:
            text = _BREAK.sub("\n", token.content)
            for piece, address in [(text, href)] if href else _autolinks(text):
                yield TextRun(piece, bold, italic, strike, href=address)


def _displayed(runs: Runs, indent: int, quote: int, marker: str) -> Iterator[Block]:
    """A paragraph with displayed formulas in it: these are blocks of their own."""
    text: list[TextRun] = []

    def words() -> Iterator[TextBlock]:
        nonlocal marker
        found = stripped(text)
        text.clear()
        if found or marker:
            yield TextBlock(found, 0, indent, quote, marker)
        marker = ""

    for run, behind in zip(runs, (*runs[1:], None), strict=True):
        formula = formula_of(run)
        if formula is not None and formula[1]:
            yield from words()
            # A full stop behind it is its own: it does not begin a line.
            stop = behind.text[:1] if behind is not None and behind.text.startswith(_ENDS) else ""
            yield MathBlock(formula[0].strip() + stop, indent, quote)
        else:
            stopped = not text and run.text.startswith(_ENDS) and run is not runs[0]
            text.append(msgspec.structs.replace(run, text=run.text[1:]) if stopped else run)
    yield from words()


def stripped(runs: Iterable[TextRun]) -> Runs:
    """``runs`` without white space at both ends."""
    whole = list(runs)
    for end, strip in ((0, str.lstrip), (-1, str.rstrip)):
        while whole and not whole[end].math:
            text = strip(whole[end].text)
            if text:
                whole[end] = msgspec.structs.replace(whole[end], text=text)
                break
            del whole[end]
    return tuple(whole)


def _merged(runs: Iterable[TextRun]) -> Iterator[TextRun]:
    last: TextRun | None = None
    for run in runs:
        if last is not None and not (last.code or last.math) and run == msgspec.structs.replace(last, text=run.text):
            last = msgspec.structs.replace(last, text=last.text + run.text)
            continue
        if last is not None:
            yield last
        last = run
    if last is not None:
        yield last


def _autolinks(text: str) -> Iterator[tuple[str, str]]:
    end = 0
    for match in _URL.finditer(text):
        address = match[0].rstrip(_TRAILING)
        while address.endswith(")") and address.count(")") > address.count("("):
            address = address[:-1].rstrip(_TRAILING)
        if not safe_href(address):
            continue
        if match.start() > end:
            yield text[end : match.start()], ""
        yield address, address
        end = match.start() + len(address)
    if end < len(text):
        yield text[end:], ""


def safe_href(address: str) -> str:
    """``address`` when it is an http, https or mailto link, else an empty string."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    if parts.scheme in ("http", "https"):
        return address if parts.netloc else ""
    return address if parts.scheme == "mailto" and parts.path else ""


# Growing texts -------------------------------------------------------------------------------------------------------


def _last_block(tokens: list[Token], first_number: int | None, most: int) -> tuple[int, int, int | None]:
    """Index and line of the last top-level block, or of the last item of a list that stands last; its number.

    Blocks that begin behind the line ``most`` do not count.
    """
    index = line = 0
    number: int | None = None
    counter: int | None = None
    for position, token in enumerate(tokens):
        if token.map and token.map[0] > most:
            break
        if token.level == 0 and token.nesting >= 0 and token.map:
            index, line, number = position, token.map[0], None
            counter = None
            if token.type == "ordered_list_open":
                start = token.attrGet("start")
                counter = int(start) if start is not None else 1
                if position == 0 and first_number is not None:
                    counter = first_number
        elif token.level == 1 and token.type == "list_item_open" and token.map:
            if token.map[0] > line:  # the first item is the list itself
                index, line = position, token.map[0]
            number = counter
            if counter is not None:
                counter += 1
    return index, line, number


def _settled(text: str) -> int:
    """The last line that surely begins a block, if it begins one at all.

    What is being typed may turn out to go on with the paragraph above it ("#" may become "#1"), or to make the line
    above it the head of a table; lines below the beginning of a formula may turn out to be inside it. None of this
    reaches over an empty line, but for a number, which may turn out to go on with the list above.
    """
    if _NUMBER.search(text) is not None:
        return text.count("\n") - 1
    stretch = 0
    for empty in _EMPTY.finditer(text):
        stretch = empty.end() + 1
    first, last = text.count("\n", 0, stretch), text.count("\n")
    begun = _FORMULA.search(text, stretch)
    if begun is not None:
        last = min(last, 2 + text.count("\n", 0, begun.start()))
    return max(first, last - 2)


def _offset_of_line(text: str, line: int) -> int:
    place = 0
    for _ in range(line):
        place = text.find("\n", place) + 1
    return place
