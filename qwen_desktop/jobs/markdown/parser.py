"""Markdown to blocks, with markdown-it-py and without Qt.

Safe by construction: raw HTML is text, pictures are links and never loaded, and a link keeps its address only for
http, https and mailto. Called in the job worker (``rendering``) for long messages; the window uses ``Markdown``
itself for short ones, one block at a time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, blockquote, list_block
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.footnote.index import footnote_def
from msgspec.structs import replace

from qwen_desktop.jobs.markdown import references, rules
from qwen_desktop.jobs.markdown.addresses import autolinks, host, safe_href
from qwen_desktop.jobs.markdown.blocks import (
    ALERTS,
    AlertBlock,
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
from qwen_desktop.jobs.markdown.references import Footnote, Lookup, References, Waiting, merged

#: Lists count twice, quotations once; what is nested deeper is text with its marks. The parser calls itself for each.
DEEPEST = 64
_CACHED = 400
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
MATHS = re.compile(r"[\\^_={}+*/<>|]")
_ENDS = (".", ",", ";", ":", "。", "，", "；", "：")
_EMPTY = re.compile(r"\n[ \t]*(?=\n)")
_FORMULA = re.compile(r"(?:\$\$|\\\[|\\begin\{)")
#: What stands between the dollars of two prices, and in no formula: words.
_WORDS = re.compile(
    r"[^\W\d_]{3}|^\d.*[^\W\d_]{2}|\b(?:to|or|is|in|of|at|by|if|on|as|an|be)\b|[\u2e80-\uffef]", re.DOTALL
)
_NUMBER = re.compile(r"\n {0,3}\d{1,9}\Z")
_TASK = re.compile(r"\[([ xX])\]\s+")
_ALERT = re.compile(r"\[!(note|tip|important|warning|caution)\][ \t]*(?:\n|\Z|(?<=[ \t]))", re.IGNORECASE)
_LIST_OPEN = ("bullet_list_open", "ordered_list_open")
#: Tokens before which the marker of a list item must stand by itself.
_UNMARKED = (
    *_LIST_OPEN,
    "fence", "code_block", "math_block", "bracket_math_block", "hr", "table", "list_item_close",
    "footnote_reference_close",
)  # fmt: skip
_BlockRule: TypeAlias = Callable[[StateBlock, int, int, bool], bool]


class Grown(NamedTuple):
    """A growing text: blocks that are ``finished`` and those of its last, still open one; the ``offset`` in the text
    where the latter begin, and the ``number`` of the list item that they begin with, or None. ``footnotes`` are the
    footnotes that are finished, and all; ``waiting`` the finished blocks that refer to something unknown; ``known``
    what they and those before them say and ask, ``remarks`` are those of the open ones, too."""

    finished: tuple[Block, ...]
    opened: tuple[Block, ...]
    offset: int
    number: int | None
    finished_footnotes: tuple[Footnote, ...]
    footnotes: tuple[Footnote, ...]
    waiting: tuple[Waiting, ...]
    known: References
    remarks: dict[str, str]


class Markdown:
    """A parser with a small memory of inline texts it has seen, so that parsing a growing message again is cheap."""

    def __init__(self) -> None:
        self._md = _parser()
        # Inline parsing is most of the cost: it is done by ``_inline``, lazily and remembered.
        self._md.core.ruler.disable(["inline", "linkify", "text_join"], ignoreInvalid=True)
        self._md.options["maxNesting"] = DEEPEST + 4  # there the library leaves out what follows
        self._spans = _parser()  # by itself, since the library has one bound for the depth of both
        self._seen: dict[str, _Seen] = {}
        self._seen_before: dict[str, _Seen] = {}

    def blocks(self, text: str, *, growing: bool = False) -> tuple[Block, ...]:
        """The blocks of a whole text, without colours; as of now, if it is still ``growing``."""
        return tuple(self.iter_blocks(text, growing=growing))

    def iter_blocks(self, text: str, *, growing: bool = False) -> Iterator[Block]:
        """The same one by one, so that the caller can stop between two of them."""
        tokens, known = self._md.parse(text), References(growing=growing)
        for token in tokens:
            known.define(token.type, token.meta)
        walk = _Walk(self, known)
        yield from walk.blocks(tokens, None)
        yield from self.below([block for footnote in walk.footnotes for block in footnote.blocks], known)

    def open_tail(self, text: str, first_number: int | None = None, known: References | None = None) -> Grown:
        """Split a growing text. ``first_number`` continues the numbering of an ordered list cut by the last call,
        ``known`` is what that knew; it is changed."""
        tokens, known = self._md.parse(text), known or References(growing=True)
        index, line, number = _last_block(tokens, first_number, _settled(text))
        opened = [t for t in tokens[:index] if t.level == 0 and t.nesting == 1 and t.type in _LIST_OPEN]
        closed = sum(1 for t in tokens[:index] if t.level == 0 and t.nesting == -1 and t.type.endswith("_list_close"))
        inside = len(opened) > closed
        for token in tokens[:index]:
            known.define(token.type, token.meta)
        before = _Walk(self, known)
        finished = tuple(before.blocks(tokens[:index], first_number))
        rest = tokens[index:]
        if inside:  # the tail begins inside a list: give it the list's opening again
            rest = [opened[-1], *rest]
        walk = _Walk(self, known.copy())
        tail = tuple(walk.blocks(rest, number if inside else (first_number if not index else None)))
        offset, number = (_offset_of_line(text, line), number if inside else None) if index else (0, first_number)
        footnotes, waiting = tuple(before.footnotes), tuple(before.waiting)
        return Grown(
            finished, tail, offset, number, footnotes, (*footnotes, *walk.footnotes), waiting, known, walk.known.remarks
        )

    def below(self, blocks: list[Block], known: References) -> Iterator[Block]:
        """The footnotes as they stand below a text: ``blocks`` are those that are defined, in their order; then come
        those written in place."""
        remarks, done = list(known.remarks.items()), 0
        while done < len(remarks):  # a remark may hold another
            text, label = remarks[done]
            blocks.append(TextBlock(self.runs(text, known), indent=1, marker=f"[^{label}]:", footnote=label))
            done += 1
            remarks = list(known.remarks.items())
        if blocks:
            yield RuleBlock(footnotes=True)
            yield from blocks

    def again(
        self, blocks: Sequence[Block], sources: tuple[str, ...], known: References
    ) -> tuple[Sequence[Block], frozenset[str]]:
        """Blocks of which something is known by now that they refer to, and what is still missing."""
        known.missing = set()
        runs = [self.runs(source, known) for source in sources]
        missing, known.missing = frozenset(known.missing), set()
        first = blocks[0]
        fresh: list[Block] = []
        if isinstance(first, TableBlock):
            rest = iter(runs)
            fresh = [replace(first, rows=tuple(tuple(next(rest) for _ in row) for row in first.rows))]
        elif isinstance(like := next((each for each in blocks if isinstance(each, TextBlock)), None), TextBlock):
            fresh = _paragraph(replace(like, runs=runs[0], marker=getattr(first, "marker", "")))
        return fresh if len(fresh) == len(blocks) else blocks, missing

    def fence(self, line: str) -> rules.Fence | None:
        """The code block that a line at the top level opens, None when it opens none."""
        return rules.fence_of(line)

    # Inline ----------------------------------------------------------------------------------------------------------

    def runs(self, text: str, known: References) -> Runs:
        """Inline text."""
        if len(text) <= PIECE:
            return known.noted(self._piece(text, known))
        return known.noted(tuple(run for piece in pieces(text) for run in self._piece(piece, known)))

    def _piece(self, text: str, known: References) -> Runs:
        seen = self._seen.get(text)
        if seen is None or not seen.holds(known):
            seen = self._seen_before.get(text)
            if seen is None or not seen.holds(known):
                tokens: list[Token] = []
                lookup = Lookup(known.links)
                self._spans.inline.parse(text, self._spans, {"references": lookup}, tokens)
                seen = _Seen(tuple(merged(list(_runs(tokens)))), lookup.asked)
            if len(self._seen) >= _CACHED:  # two generations: what is still asked for survives
                self._seen_before, self._seen = self._seen, {}
            self._seen[text] = seen
        if seen.asked:
            known.wanted.update(seen.asked)
            known.missing.update(label for label, href in seen.asked.items() if href is None)
        return seen.runs


class _Seen(NamedTuple):
    """Inline text that was read, and what it asked for then."""

    runs: Runs
    asked: dict[str, str | None]

    def holds(self, known: References) -> bool:
        """Whether it would read the same now."""
        return not self.asked or all(known.links.get(label) == href for label, href in self.asked.items())


#: Blocks, and the Markdown of what they say.
_Group: TypeAlias = tuple[Sequence[Block], tuple[str, ...]]


class _Walk:
    """Turns tokens into blocks. ``footnotes`` are the footnotes among them, ``waiting`` the blocks with something
    unknown."""

    def __init__(self, markdown: Markdown, known: References) -> None:
        self.known = known
        self.footnotes: list[Footnote] = []
        self.waiting: list[Waiting] = []
        self._markdown = markdown
        self._runs = markdown.runs

    def blocks(self, tokens: Sequence[Token], first_number: int | None) -> Iterator[Block]:
        """The blocks in some tokens, one by one."""
        return self._blocks(tokens, _Nesting(first_number), None)

    def _blocks(self, tokens: Sequence[Token], nest: _Nesting, footnote: int | None) -> Iterator[Block]:
        position = count = 0
        while position < len(tokens):
            token = tokens[position]
            position += 1
            if token.type == "footnote_reference_open":
                end = _end_of(tokens, position)
                self._footnote(token.meta["label"], tokens[position : end + 1])
                position = end + 1
                continue
            if token.type == "blockquote_open" and (kind := _alert(tokens, position)):
                nest.enter(token, first=False, alert=ALERTS[kind])
                count += bool(nest.marker)
                yield from self._marker(nest)
                yield AlertBlock(kind, nest.indent, nest.quote, nest.alerts)
                count += 1
                continue
            for blocks, sources in self._block(token, nest, first=position == 1):
                if self.known.missing:
                    missing, self.known.missing = frozenset(self.known.missing), set()
                    self.waiting.append(Waiting(footnote, count, len(blocks), sources, missing))
                yield from blocks
                count += len(blocks)

    def _marker(self, nest: _Nesting) -> Iterator[Block]:
        """The marker of a list item, if what comes cannot carry it."""
        if nest.marker:
            yield TextBlock(
                (), 0, nest.indent, nest.quote, nest.take_marker(), alerts=nest.alerts, footnote=nest.footnote
            )

    def _block(self, token: Token, nest: _Nesting, *, first: bool) -> Iterator[_Group]:
        """The blocks that a token becomes, and the Markdown in it."""
        kind, content, place = token.type, token.content, (nest.indent, nest.quote)
        alerts = nest.alerts
        if kind == "inline":
            yield from self._text(content, nest)
            return
        if kind == "definition":
            if token.meta["label"] not in self.known.wanted:
                runs = self._runs(content, References())
                yield [TextBlock(runs, 0, *place, nest.take_marker(), alerts=alerts, footnote=nest.footnote)], ()
            return
        if kind in _UNMARKED:
            yield list(self._marker(nest)), ()
        if kind in ("fence", "code_block"):
            words = token.info.split(maxsplit=1)
            yield [CodeBlock(content.removesuffix("\n"), words[0] if words else "", None, *place, alerts)], ()
        elif kind in ("math_block", "bracket_math_block"):
            yield [MathBlock(content.strip(), *place, alerts)], ()
        elif kind == "hr":
            yield [RuleBlock(*place, alerts)], ()
        elif kind == "table":
            rows = tuple(tuple(self._runs(cell, self.known) for cell in row) for row in token.meta["rows"])
            sources = tuple(cell for row in token.meta["rows"] for cell in row) if self.known.missing else ()
            yield [TableBlock(rows, tuple(token.meta["align"]), *place, alerts)], sources
        else:
            nest.enter(token, first=first)

    def _text(self, content: str, nest: _Nesting) -> Iterator[_Group]:
        """A paragraph or a heading."""
        if alert := nest.take_alert(content):
            content = content[alert:]
            if not content:
                return
        marker = nest.take_marker()
        if marker and not marker.startswith("[^") and (task := _TASK.match(content)):
            box = "☐" if task[1] == " " else "☑"
            marker = box if marker == "•" else f"{marker} {box}"
            content = content[task.end() :]
        block = TextBlock(
            self._runs(content, self.known), nest.level, nest.indent, nest.quote, marker,
            alerts=nest.alerts, footnote=nest.footnote,
        )  # fmt: skip
        yield _paragraph(block), (content,)

    def _footnote(self, label: str, tokens: Sequence[Token]) -> None:
        number = len(self.footnotes)
        self.footnotes.append(Footnote(label, ()))
        self.footnotes[number] = Footnote(label, tuple(self._blocks(tokens, _Nesting(None, label), number)))


def _end_of(tokens: Sequence[Token], position: int) -> int:
    """Where the footnote ends whose tokens begin there."""
    depth = 1
    while position < len(tokens):
        depth += (tokens[position].type == "footnote_reference_open") - (
            tokens[position].type == "footnote_reference_close"
        )
        if not depth:
            break
        position += 1
    return position


def _alert(tokens: Sequence[Token], position: int) -> str:
    """The kind of alert that the quotation is whose tokens begin there, "" if it is none."""
    if position + 1 < len(tokens) and tokens[position].type == "paragraph_open":
        found = _ALERT.match(tokens[position + 1].content)
        return found[1].lower() if found is not None else ""
    return ""


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
    block.before("reference", "footnote_def", _bounded(footnote_def), {"alt": ["paragraph", "reference"]})
    block.at("reference", references.definition_rule)
    md.inline.ruler.before("link", "footnote_ref", references.footnote_rule)
    md.inline.ruler.before("link", "footnote_inline", references.remark_rule)
    return md


def _bounded(rule: _BlockRule) -> _BlockRule:
    """``rule``, but only down to ``DEEPEST``."""
    return lambda state, start, end, silent: state.level < DEEPEST and rule(state, start, end, silent)


class _Nesting:
    """How deep in lists, quotations and headings a walk over tokens is."""

    def __init__(self, first_number: int | None, footnote: str = "") -> None:
        self._first_number = first_number
        #: Next number of each open ordered list, None for bullets; a footnote stands in like one of these.
        self._lists: list[int | None] = [None] if footnote else []
        #: Enclosing lists and quotations from the outermost on: "." and a letter for each.
        self._path = "." if footnote else ""
        self._titled = False
        self.level = 0
        self.footnote = footnote
        self.marker = f"[^{footnote}]:" if footnote else ""

    @property
    def quote(self) -> int:
        """Enclosing quotations."""
        return len(self._path) - self._path.count(".")

    @property
    def alerts(self) -> str:
        """What these are, if any is an alert or stands in a list."""
        path = self._path.rstrip(".")
        return path if path.strip("-") else ""

    @property
    def indent(self) -> int:
        """Enclosing lists."""
        return len(self._lists)

    def take_marker(self) -> str:
        """The marker that the next block carries; only the first one after it does."""
        marker, self.marker = self.marker, ""
        return marker

    def take_alert(self, text: str) -> int:
        """Characters at the beginning of ``text`` that are the alert's title."""
        found = _ALERT.match(text) if self._titled else None
        self._titled = False
        return found.end() if found is not None else 0

    def enter(self, token: Token, *, first: bool, alert: str = "-") -> None:
        """Follow an opening or closing token; all others mean nothing here."""
        kind = token.type
        if kind in _LIST_OPEN:
            self._lists.append(self._start_of(token, first=first) if kind == "ordered_list_open" else None)
            self._path += "."
        elif kind.endswith("_list_close") and self._lists:
            self._lists.pop()
            self._path = self._path[:-1]
        elif kind == "list_item_open" and self._lists:
            number = self._lists[-1]
            self.marker = "•" if number is None else f"{number}."
            if number is not None:
                self._lists[-1] = number + 1
        elif kind == "blockquote_open":
            self._path += alert
            self._titled = alert != "-"
        elif kind == "blockquote_close":
            self._path = self._path[:-1]
        elif kind in ("heading_open", "heading_close"):
            self.level = int(token.tag[1]) if token.nesting > 0 else 0

    def _start_of(self, token: Token, *, first: bool) -> int:
        if first and self._first_number is not None and not self._lists:
            return self._first_number
        start = token.attrGet("start")
        return 1 if start is None else int(start)


def _priced(content: str) -> bool:
    """Whether two prices have what stands between dollars between them: words, and no sign of mathematics."""
    return " " in content and not MATHS.search(content.strip("/")) and _WORDS.search(content) is not None


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
            if token.markup == "$" and _priced(token.content):
                yield TextRun(f"${token.content}$", bold, italic, strike, href=href)
            elif token.content:
                mark = token.markup.removeprefix("\\")
                yield TextRun(f"{mark}{token.content}{mark}", strike=strike, math=True, href=href)
        elif kind in ("image", "footnote_ref", "footnote_inline"):
            yield from _signs(token, href, (bold, italic, strike))
        elif token.content:
            text = _BREAK.sub("\n", token.content)
            for piece, address in [(text, href)] if href else autolinks(text):
                yield TextRun(piece, bold, italic, strike, href=address)


def _signs(token: Token, href: str, look: tuple[bool, bool, bool]) -> Iterator[TextRun]:
    """A picture, which is not loaded, and what refers to a footnote; inside a link the latter is text."""
    footnote = "" if href else token.content
    if token.type == "image":
        address = str(token.attrGet("src") or "")
        leads = href or safe_href(address)
        yield TextRun("🖼 ", href=leads, image=host(address) or "-")
        yield TextRun(token.content or address, italic=True, href=leads)
    elif token.type == "footnote_ref":
        yield TextRun(f"[^{token.content}]", *look, href=href, footnote=footnote)
    else:
        yield TextRun(f"^[{token.content}]" if href else "^", href=href, footnote=footnote)


def _paragraph(block: TextBlock) -> list[Block]:
    """A paragraph, or what it is with displayed formulas in it."""
    if block.level or not any(run.math and run.text.startswith("$$") for run in block.runs):
        return [block]
    return list(_displayed(block.runs, block))


def _displayed(runs: Runs, first: TextBlock) -> Iterator[Block]:
    """A paragraph with displayed formulas in it: these are blocks of their own, beside others like the ``first``."""
    text: list[TextRun] = []
    marker = first.marker

    def words() -> Iterator[TextBlock]:
        nonlocal marker
        found = stripped(text)
        text.clear()
        if found or marker:
            yield replace(first, runs=found, marker=marker)
        marker = ""

    for run, behind in zip(runs, (*runs[1:], None), strict=True):
        formula = formula_of(run)
        if formula is not None and formula[1]:
            yield from words()
            # A full stop behind it is its own: it does not begin a line.
            stop = behind.text[:1] if behind is not None and behind.text.startswith(_ENDS) else ""
            yield MathBlock(formula[0].strip() + stop, first.indent, first.quote, first.alerts)
        else:
            stopped = not text and run.text.startswith(_ENDS) and run is not runs[0]
            text.append(replace(run, text=run.text[1:]) if stopped else run)
    yield from words()


def stripped(runs: Iterable[TextRun]) -> Runs:
    """``runs`` without white space at both ends."""
    whole = list(runs)
    for end, strip in ((0, str.lstrip), (-1, str.rstrip)):
        while whole and not whole[end].math:
            text = strip(whole[end].text)
            if text:
                whole[end] = replace(whole[end], text=text)
                break
            del whole[end]
    return tuple(whole)


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
