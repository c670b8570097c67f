"""HTML to a text like Markdown: what a reader of the page would see, without scripts, styles and what is hidden.

Nothing is fetched: a picture is its description, a link its text and address.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import BinaryIO, ClassVar

from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.jobs.documents import encodings, grids
from qwen_desktop.jobs.documents.draft import Draft

_CHUNK = 65_536
_SILENT_WORDS = "script style noscript template head svg iframe object embed canvas audio video select datalist rt rp"
_SILENT = frozenset(_SILENT_WORDS.split())
_VOID_WORDS = "area base br col embed hr img input link meta param source track wbr"
_VOID = frozenset(_VOID_WORDS.split())
#: Elements whose end may be left out: one that is hidden ends with the next of its kind, too.
_OPEN_ENDED_WORDS = "p li dt dd tr td th option thead tbody tfoot"
_OPEN_ENDED = frozenset(_OPEN_ENDED_WORDS.split())
_BLOCKS_WORDS = (
    "address article aside blockquote body caption dd details dialog div dl dt fieldset figcaption figure footer form "
    "h1 h2 h3 h4 h5 h6 header hgroup hr html legend li main menu nav ol p pre section summary table tbody td tfoot th "
    "thead tr ul"
)
_BLOCKS = frozenset(_BLOCKS_WORDS.split())
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_SPACE = re.compile(r"\s+")
_AROUND = re.compile(r" *\n *")
_MANY = re.compile(r"\n{3,}")
_SAID = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]+)", re.IGNORECASE)
_XML_SAID = re.compile(rb"<\?xml[^>]{0,100}encoding\s*=\s*[\"']([A-Za-z0-9_.:-]+)")
_LONGEST_ADDRESS = 300
#: Tables and lists inside one another, and what is quoted in what is quoted: deeper ones are as the outer one.
_DEEPEST = 12
#: A cell that is longer belongs to a table that only places things.
_LONGEST_CELL = 400


def read_html(file: BinaryIO, size: int, draft: Draft) -> None:
    """A page as a file."""
    data = file.read(4 * draft.limits.characters)
    if len(data) < size:
        draft.cut = True
        draft.note(_beginning)
    text, note = decoded(data)
    if note is not None:
        draft.note(note)
    convert(text, draft, sections=True)


_beginning = Text("document.html_long", QT_TRANSLATE_NOOP("documents", "Only the beginning of the page was read."))


def decoded(data: bytes, said: str = "") -> tuple[str, Text | None]:
    """The text of a page, which may say itself how it is written."""
    found = _XML_SAID.search(data[:200]) or _SAID.search(data[:4096])
    return encodings.decoded(data, said=said or (found[1].decode("ascii") if found else ""))


def convert(text: str, draft: Draft, *, sections: bool = False) -> None:
    """Add what ``text``, HTML, reads like to a draft. ``sections``: its headings begin some."""
    page = _Page(draft, sections=sections)
    for start in range(0, len(text), _CHUNK):
        page.feed(text[start : start + _CHUNK])
        draft.check(start, len(text))
    page.close()
    page.finish()


class _Table:
    def __init__(self) -> None:
        self.rows: list[list[str]] = []
        self.cell: list[str] | None = None
        self.placing = False  # it is there for the layout: what is in it is no table

    def end_cell(self) -> None:
        if self.cell is not None:
            text = "\n\n".join(self.cell)
            self.placing |= len(text) > _LONGEST_CELL
            if not self.rows:
                self.rows.append([])
            self.rows[-1].append(text)
            self.cell = None

    def text(self) -> str:
        self.end_cell()
        if self.placing or max(map(len, self.rows), default=0) < 2:
            return "\n\n".join(cell for cells in self.rows for cell in cells if cell.strip())
        return grids.table(self.rows)


class _Page(HTMLParser):
    def __init__(self, draft: Draft, *, sections: bool) -> None:
        super().__init__(convert_charrefs=True)
        self._draft = draft
        self._sections = sections
        self._line: list[str] = []
        self._skipped = ""  # the element that is skipped, and how many of its name are open in it
        self._skips = 0
        self._title: list[str] | None = None
        self._pre = 0
        self._lists: list[int] = []  # the number of the last item, -1 for a list without numbers
        self._item = ""  # what comes before the next line
        self._quotes = 0
        self._tables: list[_Table] = []
        self._heading = 0
        self._link: tuple[str, int] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._draft.check()
        if self._skipped:
            if tag == self._skipped:
                if tag not in _OPEN_ENDED:
                    self._skips += 1
                    return
                self._skipped = ""
            elif tag == "title" and self._skipped == "head":
                self._title = []
                return
            elif tag == "body" and self._skipped == "head":  # its end may be left out
                self._skipped = ""
            else:
                return
        attributes = {key: value or "" for key, value in attrs}
        if tag not in _VOID and (tag in _SILENT or _hidden(attributes)):
            self._flush()
            self._skipped, self._skips = tag, 1
            return
        if tag in _BLOCKS:
            self._flush()
        action = self._STARTS.get(tag)
        if action is not None:
            action(self, tag, attributes)

    def handle_endtag(self, tag: str) -> None:
        self._draft.check()
        if self._skipped:
            if tag == "title" and self._title is not None:
                self._say_title()
            elif tag == self._skipped:
                self._skips -= 1
                if self._skips <= 0:
                    self._skipped = ""
            return
        if tag in _BLOCKS:
            self._flush()
        action = self._ENDS.get(tag)
        if action is not None:
            action(self)

    def handle_data(self, data: str) -> None:
        self._draft.check()
        if self._title is not None:
            self._title.append(data)
        elif not self._skipped:
            self._line.append(data if self._pre else _SPACE.sub(" ", data))

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """``<![`` and what nobody knows: Python's reader gives up there, a browser takes it for a comment."""
        try:
            return super().parse_marked_section(i, report)
        except AssertionError:
            return self.parse_bogus_comment(i)

    def finish(self) -> None:
        """The end of the page, whatever is still open."""
        self._flush()
        while self._tables:
            self._end_table()

    def _say_title(self) -> None:
        title = " ".join("".join(self._title or ()).split())
        self._title = None
        if title and self._sections:
            self._draft.block(f"Title: {title}")

    def _flush(self) -> None:
        """The line so far is a block."""
        text, self._line = "".join(self._line), []
        self._link = None
        if self._pre:
            text = text.strip("\n")
            if text.strip():
                fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
                text = f"{fence}\n{text}\n{fence}"
        else:
            text = _MANY.sub("\n\n", _AROUND.sub("\n", _SPACE_RUN.sub(" ", text))).strip()
        if not text.strip():
            return
        if self._heading:
            text = " ".join(text.split())
            if self._sections and not self._tables:
                self._draft.section(text)
            text = f"{'#' * self._heading} {text}"
        item, self._item = self._item, ""
        if self._lists and not self._heading:
            indent = "  " * (len(self._lists) - 1)
            text = f"{indent}{item or '  '}" + text.replace("\n", f"\n{indent}  ")
        if self._quotes:
            text = "\n".join(f"{'> ' * self._quotes}{line}" for line in text.split("\n"))
        self._put(text, item=bool(self._lists))

    def _put(self, text: str, *, item: bool = False) -> None:
        cell = self._tables[-1].cell if self._tables else None
        if cell is not None:
            cell.append(text)
        elif self._tables:
            self._tables[-1].rows.append([text])  # a caption, or what stands where nothing should
        else:
            self._draft.block(text, item=item)

    # what the elements mean ----------------------------------------------------------------------------------------

    def _start_heading(self, tag: str, _attributes: dict[str, str]) -> None:
        self._heading = int(tag[1])

    def _end_heading(self) -> None:
        self._heading = 0

    def _start_list(self, tag: str, attributes: dict[str, str]) -> None:
        if len(self._lists) < _DEEPEST:
            start = attributes.get("start", "1")
            number = int(start) - 1 if start.isascii() and start.isdecimal() and len(start) < 9 else 0
            self._lists.append(number if tag == "ol" else -1)

    def _end_list(self) -> None:
        if self._lists:
            self._lists.pop()

    def _start_item(self, _tag: str, _attributes: dict[str, str]) -> None:
        self._item = "- "
        if self._lists and self._lists[-1] >= 0:
            self._lists[-1] += 1
            self._item = f"{self._lists[-1]}. "

    def _start_quote(self, _tag: str, _attributes: dict[str, str]) -> None:
        self._quotes = min(self._quotes + 1, _DEEPEST)

    def _end_quote(self) -> None:
        self._quotes = max(0, self._quotes - 1)

    def _start_pre(self, _tag: str, _attributes: dict[str, str]) -> None:
        self._pre += 1

    def _end_pre(self) -> None:
        self._pre = max(0, self._pre - 1)

    def _start_table(self, _tag: str, _attributes: dict[str, str]) -> None:
        if self._tables:
            self._tables[-1].placing = True
        if len(self._tables) < _DEEPEST:
            self._tables.append(_Table())

    def _end_table(self) -> None:
        if self._tables:
            text = self._tables.pop().text()
            if text.strip():
                self._put(text)

    def _start_row(self, _tag: str, _attributes: dict[str, str]) -> None:
        if self._tables:
            self._tables[-1].end_cell()
            self._tables[-1].rows.append([])

    def _start_cell(self, _tag: str, _attributes: dict[str, str]) -> None:
        if self._tables:
            self._tables[-1].end_cell()
            self._tables[-1].cell = []

    def _end_cell(self) -> None:
        if self._tables:
            self._tables[-1].end_cell()

    def _break(self, _tag: str, _attributes: dict[str, str]) -> None:
        self._line.append("\n")

    def _rule(self, _tag: str, _attributes: dict[str, str]) -> None:
        if not self._tables:
            self._put("---")

    def _image(self, _tag: str, attributes: dict[str, str]) -> None:
        words = " ".join(attributes.get("alt", "").split())
        if words:
            self._line.append(f"[Image: {words}]")

    def _start_link(self, _tag: str, attributes: dict[str, str]) -> None:
        address = attributes.get("href", "").strip()
        if address.startswith(("http://", "https://", "mailto:")) and len(address) <= _LONGEST_ADDRESS:
            self._link = ("".join(address.split()), len(self._line))

    def _end_link(self) -> None:
        if self._link is not None:
            (address, start), self._link = self._link, None
            words = " ".join("".join(self._line[start:]).split())
            if words and words not in (address, address.removeprefix("mailto:")):
                self._line[start:] = [f"[{words}]({address})"]

    def _code(self) -> None:
        if not self._pre:
            self._line.append("`")

    _STARTS: ClassVar[dict[str, Callable[[_Page, str, dict[str, str]], None]]] = {
        **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), _start_heading),
        "ul": _start_list, "ol": _start_list, "menu": _start_list, "li": _start_item,
        "blockquote": _start_quote, "pre": _start_pre,
        "table": _start_table, "tr": _start_row, "td": _start_cell, "th": _start_cell,
        "br": _break, "hr": _rule, "img": _image, "a": _start_link,
        "code": lambda self, _tag, _attributes: self._code(),
    }  # fmt: skip
    _ENDS: ClassVar[dict[str, Callable[[_Page], None]]] = {
        **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), _end_heading),
        "ul": _end_list, "ol": _end_list, "menu": _end_list, "blockquote": _end_quote, "pre": _end_pre,
        "table": _end_table, "td": _end_cell, "th": _end_cell, "a": _end_link, "code": _code,
    }  # fmt: skip


_SPACE_RUN = re.compile(r"[ \t\xa0]{2,}")


def _hidden(attributes: dict[str, str]) -> bool:
    return "hidden" in attributes or bool(_HIDDEN.search(attributes.get("style", "")[:2000]))
