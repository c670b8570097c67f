"""Markdown to blocks (``jobs.blocks``), with markdown-it-py and without Qt.

Safe by construction: raw HTML is text, pictures are links and never loaded, and a link keeps its address only for
http, https and mailto. Called in the job worker (``markdown_jobs``) for long messages; the window uses ``Markdown``
itself for short ones, one block at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec
from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin

from qwen_desktop.jobs.blocks import (
    Block,
    CodeBlock,
    MathBlock,
    RuleBlock,
    Run,
    Runs,
    TableBlock,
    TextBlock,
)
from qwen_desktop.jobs.highlight import spans
from qwen_desktop.jobs.markdown_dollars import bound_dollar_blocks

#: Inline text longer than this is parsed in pieces, so that a growing paragraph costs only its last piece.
PIECE = 1500
_CACHED = 400
_URL = re.compile(r"https?://[^\s<>\"'`，。；：！？、（）【】「」『』《》]+")
_TRAILING = ".,;:!?*_~'\""
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_MATHS = re.compile(r"[\\^_={}+*/<>|]")
_TASK = re.compile(r"\[([ xX])\]\s+")
_LIST_OPEN = ("bullet_list_open", "ordered_list_open")


class Markdown:
    """A parser with a small memory of inline texts it has seen, so that parsing a growing message again is cheap."""

    def __init__(self) -> None:
        self._md = MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"])
        dollarmath_plugin(self._md, allow_labels=False, allow_space=False, allow_digits=False, double_inline=True)
        bound_dollar_blocks(self._md, blank_lines=True)
        self._md.inline.ruler.before("escape", "bracket_math", _bracket_math)
        self._md.block.ruler.before("fence", "bracket_math_block", _bracket_math_block)
        # Inline parsing is most of the cost: it is done by ``_inline``, lazily and remembered.
        self._md.core.ruler.disable(["inline", "linkify", "text_join"], ignoreInvalid=True)
        self._seen: dict[str, Runs] = {}
        self._seen_before: dict[str, Runs] = {}

    def blocks(self, text: str, *, highlight: bool = False) -> tuple[Block, ...]:
        """The blocks of a whole text; with ``highlight`` code blocks get their colours."""
        return tuple(self.iter_blocks(text, highlight=highlight))

    def iter_blocks(self, text: str, *, highlight: bool = False) -> Iterator[Block]:
        """The same one by one, so that the caller can stop between two of them."""
        env: dict[str, Any] = {}
        for block in self._walk(self._md.parse(text, env), env, None):
            if highlight and isinstance(block, CodeBlock):
                yield msgspec.structs.replace(block, spans=spans(block.text, block.language))
            else:
                yield block

    def open_tail(self, text: str, first_number: int | None = None) -> tuple[list[Block], list[Block], int, int | None]:
        """Split a growing text into blocks that are finished and those of its last, still open block.

        Returns (finished, open, offset in ``text`` where the open part starts, number of the list item that it
        starts with or None). ``first_number`` continues the numbering of an ordered list cut by the last call.
        """
        env: dict[str, Any] = {}
        tokens = self._md.parse(text, env)
        index, line, number = _last_block(tokens, first_number)
        opened = [t for t in tokens[:index] if t.level == 0 and t.nesting == 1 and t.type in _LIST_OPEN]
        closed = sum(1 for t in tokens[:index] if t.level == 0 and t.nesting == -1 and t.type.endswith("_list_close"))
        inside = len(opened) > closed
        finished = list(self._walk(tokens[:index], env, first_number)) if index else []
        rest = tokens[index:]
        if inside:  # the tail begins inside a list: give it the list's opening again
            rest = [opened[-1], *rest]
        tail = list(self._walk(rest, env, number if inside else (first_number if not index else None)))
        return finished, tail, _offset_of_line(text, line), number if inside else None

    def _walk(self, tokens: list[Token], env: dict[str, Any], first_number: int | None) -> Iterator[Block]:
        nest = _Nesting(first_number)
        position = 0
        while position < len(tokens):
            token = tokens[position]
            position += 1
            kind = token.type
            if kind == "inline":
                marker, content = nest.take_marker(), token.content
                if marker == "•" and (task := _TASK.match(content)):
                    marker = "☐" if task[1] == " " else "☑"
                    content = content[task.end() :]
                yield TextBlock(self._inline(content, env), nest.level, nest.indent, nest.quote, marker)
            elif kind in ("fence", "code_block"):
                words = token.info.split(maxsplit=1)
                code = token.content.removesuffix("\n")
                yield CodeBlock(code, words[0] if words else "", None, nest.indent, nest.quote)
                nest.take_marker()
            elif kind.startswith("math_block") or kind == "bracket_math_block":
                yield MathBlock(token.content.strip(), nest.indent, nest.quote)
                nest.take_marker()
            elif kind == "hr":
                yield RuleBlock(nest.indent, nest.quote)
            elif kind == "table_open":
                table, position = self._table(tokens, position, env)
                yield msgspec.structs.replace(table, indent=nest.indent, quote=nest.quote)
            elif kind == "list_item_close" and nest.marker:
                yield TextBlock((), 0, nest.indent, nest.quote, nest.take_marker())  # an item that is still empty
            else:
                nest.enter(token, first=position == 1)

    def _table(self, tokens: list[Token], position: int, env: dict[str, Any]) -> tuple[TableBlock, int]:
        rows: list[tuple[Runs, ...]] = []
        row: list[Runs] = []
        align: list[str] = []
        while position < len(tokens) and tokens[position].type != "table_close":
            token = tokens[position]
            if token.type in ("th_open", "td_open") and not rows:
                align.append(str(token.attrGet("style") or "").removeprefix("text-align:"))
            elif token.type == "inline":
                row.append(self._inline(token.content, env))
            elif token.type == "tr_close":
                rows.append(tuple(row))
                row = []
            position += 1
        return TableBlock(tuple(rows), tuple(align)), position + 1

    # Inline ----------------------------------------------------------------------------------------------------------

    def _inline(self, text: str, env: dict[str, Any]) -> Runs:
        if len(text) <= PIECE:
            return self._piece(text, env)
        runs: list[Run] = []
        for piece in pieces(text):
            runs += self._piece(piece, env)
        return tuple(runs)

    def _piece(self, text: str, env: dict[str, Any]) -> Runs:
        # With link definitions the same text may mean something else, so only texts without them are remembered.
        remember = not env.get("references")
        runs = self._seen.get(text) if remember else None
        if runs is not None:
            return runs
        runs = self._seen_before.get(text) if remember else None
        if runs is None:
            tokens: list[Token] = []
            self._md.inline.parse(text, self._md, env, tokens)
            runs = tuple(_merged(_runs(tokens)))
        if remember:
            if len(self._seen) >= _CACHED:  # two generations: what is still asked for survives
                self._seen_before, self._seen = self._seen, {}
            self._seen[text] = runs
        return runs


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


def pieces(text: str) -> Iterator[str]:
    """Cut long inline text at spaces where no mark is open; the same prefix is always cut in the same way."""
    start = 0
    while len(text) - start > PIECE:
        window = text[start : start + PIECE]
        cut = PIECE
        for end in ("\n", ". ", "。", " "):
            place = window.rfind(end, PIECE // 2)
            while place > 0 and not _balanced(window[: place + len(end)]):
                place = window.rfind(end, PIECE // 2, place)
            if place > 0:
                cut = place + len(end)
                break
        yield text[start : start + cut]
        start += cut
    if start < len(text):
        yield text[start:]


def _balanced(text: str) -> bool:
    return not (text.count("`") % 2 or text.count("*") % 2 or text.count("$") % 2 or text.count("[") != text.count("]"))


_STYLES = {"strong": "bold", "em": "italic", "s": "strike"}


def _runs(tokens: list[Token]) -> Iterator[Run]:
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
            yield Run("\n", bold, italic, strike, href=href)
        elif kind == "code_inline":
            yield Run(token.content, bold, italic, strike, code=True, href=href)
        elif kind.startswith("math_inline"):
            if token.markup == "$" and " " in token.content and not _MATHS.search(token.content):
                yield Run(f"${token.content}$", bold, italic, strike, href=href)  # prices, not a formula
            else:
                yield Run(token.content, math=True)
        elif kind == "image":
            address = str(token.attrGet("src") or "")
            yield Run(token.content or address, italic=True, href=href or safe_href(address))
        elif token.content:
            text = _BREAK.sub("\n", token.content)
            for piece, address in [(text, href)] if href else _autolinks(text):
                yield Run(piece, bold, italic, strike, href=address)


def _merged(runs: Iterator[Run]) -> Iterator[Run]:
    last: Run | None = None
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


# Formulas in \( \) and \[ \] -----------------------------------------------------------------------------------------


def _bracket_math(state: StateInline, silent: bool) -> bool:
    opening = state.src[state.pos : state.pos + 2]
    if opening not in ("\\(", "\\["):
        return False
    end = state.src.find("\\)" if opening == "\\(" else "\\]", state.pos + 2)
    if end < 0:
        return False
    if not silent:
        token = state.push("math_inline", "math", 0)
        token.content = state.src[state.pos + 2 : end].strip()
    state.pos = end + 2
    return True


def _bracket_math_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    if state.is_code_block(start):
        return False
    first = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]]
    if not first.startswith("\\["):
        return False
    lines: list[str] = []
    line = start
    while line < end:
        text = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]
        lines.append(text[2:] if line == start else text)
        line += 1
        if lines[-1].rstrip().endswith("\\]"):
            lines[-1] = lines[-1].rstrip()[:-2]
            break
        if not text.strip():
            return False
    else:
        return False
    if not silent:
        token = state.push("bracket_math_block", "math", 0)
        token.content = "\n".join(lines)
        token.map = [start, line]
        state.line = line
    return True


# Growing texts -------------------------------------------------------------------------------------------------------


def _last_block(tokens: list[Token], first_number: int | None) -> tuple[int, int, int | None]:
    """Index and line of the last top-level block, or of the last item of a list that stands last; its number."""
    index = line = 0
    number: int | None = None
    counter: int | None = None
    for position, token in enumerate(tokens):
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


def _offset_of_line(text: str, line: int) -> int:
    place = 0
    for _ in range(line):
        place = text.find("\n", place) + 1
    return place
