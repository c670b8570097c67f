"""What words of a text refer to: addresses that are defined elsewhere in it, and footnotes.

- ``[text][label]``, with ``[label]: https://…`` in a line of its own. Where nothing defines the label, or its address
  is none that can be opened, both stay text; so does a definition that nothing before it refers to, but for that it
  defines. Nothing that was written is left out.
- ``[^1]``, with ``[^1]: …`` anywhere, and ``^[a whole remark]`` in place. What defines a footnote stands below the
  text.

A definition may come long after what refers to it is on show. So a block is remembered with its sources (``Waiting``)
while it refers to something unknown: only that is read again when its definition has come. A number in ``[^1]`` looks
like a footnote's from the beginning while the text grows, so that no line breaks anew.
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from typing import Any

import msgspec
from markdown_it.common.utils import normalizeReference, unescapeAll
from markdown_it.helpers import parseLinkLabel
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from msgspec import Struct
from msgspec.structs import replace

from qwen_desktop.jobs.markdown.addresses import safe_href
from qwen_desktop.jobs.markdown.blocks import Block, Runs, TextRun

_DEFINITION = re.compile(
    r"\[(?!\^)((?:[^\[\]\\]|\\.){1,300})\]:[ \t]*(?:<([^<>]*)>|([^\s<]\S*))"
    r"(?:[ \t]+(?:\"[^\"]*\"|'[^']*'|\([^()]*\)))?[ \t]*\Z"
)
_NOTE = re.compile(r"\[\^([^\s\[\]^]{1,80})\](?!\()")
_REMARK = re.compile(r"(?=.*\w)\S.*\s", re.DOTALL)
_LONGEST_REMARK = 1000


class Footnote(Struct, frozen=True, array_like=True):
    """What defines a footnote."""

    label: str
    blocks: tuple[Block, ...]


class Waiting(Struct, frozen=True, array_like=True):
    """What was a paragraph or a table and refers to something unknown: ``size`` blocks from number ``index`` on of the
    text's, or of the ``footnote``'s that number. ``sources`` are its Markdown, ``missing`` what it waits for."""

    footnote: int | None
    index: int
    size: int
    sources: tuple[str, ...]
    missing: frozenset[str]


class References(Struct):
    """What is known of what a text refers to. Labels are as Markdown compares them; those of footnotes begin with
    "^"."""

    #: Addresses by label, and the labels of footnotes that are defined.
    links: dict[str, str] = msgspec.field(default_factory=dict)
    footnotes: set[str] = msgspec.field(default_factory=set)
    #: The labels given to remarks in place, by their text.
    remarks: dict[str, str] = msgspec.field(default_factory=dict)
    #: Labels that something refers to.
    wanted: set[str] = msgspec.field(default_factory=set)
    #: Whether the text still grows: the definition of a numbered footnote will come.
    growing: bool = False
    #: What is missing for what was read since this was emptied.
    missing: set[str] = msgspec.field(default_factory=set)

    def copy(self) -> References:
        """The same, to be changed by itself."""
        links, footnotes, wanted = dict(self.links), set(self.footnotes), set(self.wanted)
        return References(links, footnotes, dict(self.remarks), wanted, self.growing)

    def keys(self) -> Set[str]:
        """All that is defined."""
        return self.links.keys() | self.footnotes

    def define(self, kind: str, meta: dict[str, Any]) -> None:
        """Take a token's definition, if it is one; the first of a label counts."""
        if kind == "definition":
            self.links.setdefault(meta["label"], meta["href"])
        elif kind == "footnote_reference_open":
            self.footnotes.add(footnote_key(meta["label"]))

    def noted(self, runs: Runs) -> Runs:
        """Runs of which those that may be footnotes are, or are text."""
        if not any(run.footnote for run in runs):
            return runs
        return tuple(merged([self._with_footnote(run) if run.footnote else run for run in runs]))

    def _with_footnote(self, run: TextRun) -> TextRun:
        if run.text.startswith("^"):
            label = self.remarks.setdefault(run.footnote, _letters(len(self.remarks)))
            return TextRun(f"[^{label}]", footnote=label)
        key = footnote_key(run.footnote)
        if key in self.footnotes:
            return run
        if self.growing and run.footnote.isdecimal():
            return run
        self.missing.add(key)
        return replace(run, footnote="")


class Lookup(dict[str, dict[str, str]]):
    """The definitions as markdown-it asks for them; remembers what was ``asked``."""

    def __init__(self, links: dict[str, str]) -> None:
        super().__init__()
        self._links = links
        self.asked: dict[str, str | None] = {}

    def get(self, label: str, default: Any = None) -> Any:
        """An address and its title, as the library keeps them."""
        href = self.asked[label] = self._links.get(label)
        return default if href is None else {"href": href, "title": ""}


def footnote_key(label: str) -> str:
    """A footnote's label among others."""
    return "^" + label.casefold()


def merged(runs: Sequence[TextRun]) -> list[TextRun]:
    """Runs of which neighbours of one look are one."""
    found: list[TextRun] = []
    for run in runs:
        last = found[-1] if found else None
        if last is not None and not (last.code or last.math or last.footnote or last.image):
            joined = replace(last, text=last.text + run.text)
            if run == replace(last, text=run.text):
                found[-1] = joined
                continue
        found.append(run)
    return found


def _letters(number: int) -> str:
    """a … z, aa, ab …"""
    letters = ""
    number += 1
    while number:
        number, letter = divmod(number - 1, 26)
        letters = chr(ord("a") + letter) + letters
    return letters


# Rules ----------------------------------------------------------------------------------------------------------------


def definition_rule(state: StateBlock, start: int, _end: int, silent: bool) -> bool:
    """The block rule "reference": a definition of one line, as a token."""
    if silent or state.is_code_block(start):
        return False
    line = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]]
    found = _DEFINITION.match(line) if line.startswith("[") else None
    if found is None or not (label := normalizeReference(found[1])):
        return False
    href = safe_href(state.md.normalizeLink(unescapeAll(found[2] or found[3] or "")))
    if not href:
        return False
    token = state.push("definition", "", 0)
    token.meta = {"label": label, "href": href}
    token.content = line
    token.map = [start, start + 1]
    state.line = start + 1
    return True


def footnote_rule(state: StateInline, silent: bool) -> bool:
    """The inline rule "footnote_ref": what may refer to a footnote."""
    found = _NOTE.match(state.src, state.pos, state.posMax) if state.src.startswith("[^", state.pos) else None
    if found is None:
        return False
    if not silent:
        state.push("footnote_ref", "", 0).content = found[1]
    state.pos = found.end()
    return True


def remark_rule(state: StateInline, silent: bool) -> bool:
    """The inline rule "footnote_inline": ``^[…]`` of several words. One word is an index or a power more often."""
    first = state.pos
    if not state.src.startswith("^[", first):
        return False
    end = parseLinkLabel(state, first + 1)
    text = state.src[first + 2 : end]
    if end < 0 or len(text) > _LONGEST_REMARK or _REMARK.match(text) is None:
        return False
    if not silent:
        state.push("footnote_inline", "", 0).content = text.strip()
    state.pos = end + 1
    return True
