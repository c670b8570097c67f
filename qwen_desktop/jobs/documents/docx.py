"""DOCX: paragraphs, headings, lists, tables, notes and text boxes; changes that were tracked count as accepted."""

from __future__ import annotations

import re
from typing import BinaryIO

from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.jobs.documents import grids
from qwen_desktop.jobs.documents.draft import Draft
from qwen_desktop.jobs.documents.package import Package, Visitor

#: What is passed over with all that is in it: deleted or moved text, how things looked before, the second form of a
#: text box for older programs, how a word is pronounced.
_SKIPPED_WORDS = (
    "w:del w:moveFrom w:rPrChange w:pPrChange w:tblPrChange w:trPrChange w:tcPrChange w:sectPrChange mc:Fallback w:rt "
    "w:sectPr w:tblGrid"
)
_SKIPPED = frozenset(_SKIPPED_WORDS.split())
_HEADING = re.compile(r"heading ([1-9])")
_WIDEST = 200
_LEVELS = 9


def read_docx(file: BinaryIO, size: int, draft: Draft) -> None:
    """A Word document."""
    package = Package(file, draft.name, draft.limits.members)
    main = package.main_part("word/document.xml", draft)
    parts = dict(package.related(main, draft).values())
    styles, numbers = _Styles(), _Numbering()
    package.walk(parts.get("styles", "word/styles.xml"), styles, draft)
    package.walk(parts.get("numbering", "word/numbering.xml"), numbers, draft)
    if parts.get("comments", "word/comments.xml") in package.names:
        draft.note(Text("document.comments", QT_TRANSLATE_NOOP("documents", "Its comments were left out.")))
    body = _Body(draft, styles, numbers)
    package.walk(main, body, draft)
    for word, mark in (("footnote", ""), ("endnote", "e")):
        wanted = body.notes[word]
        if wanted:
            notes = _Notes(draft, styles, numbers, word)
            package.walk(parts.get(f"{word}s", f"word/{word}s.xml"), notes, draft)
            for number, key in enumerate(wanted, 1):
                if text := notes.texts.get(key):
                    draft.block(f"[^{mark}{number}]: {text}", item=number > 1)


class _Styles(Visitor):
    """Which styles are headings (of which level), and which are those of lists."""

    def __init__(self) -> None:
        self._id = ""
        self._level: dict[str, int] = {}
        self._list: dict[str, tuple[str, int]] = {}
        self._based: dict[str, str] = {}

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        value = attributes.get("w:val", "")
        if tag == "w:style":
            self._id = attributes.get("w:styleId", "")
        elif tag == "w:name":
            found = _HEADING.fullmatch(value.lower())
            if found or value.lower() == "title":
                self._level[self._id] = int(found[1]) if found else 1
        elif tag == "w:basedOn":
            self._based[self._id] = value
        elif tag == "w:outlineLvl":
            self._level.setdefault(self._id, _small(value) + 1)
        elif tag in ("w:numId", "w:ilvl"):
            number, level = self._list.get(self._id, ("", 0))
            self._list[self._id] = (value, level) if tag == "w:numId" else (number, _small(value))

    def level(self, style: str) -> int:
        """Of a heading, 1 to 9; 0 for what is none."""
        for _ in range(_LEVELS):
            if style in self._level:
                return self._level[style] if self._level[style] <= _LEVELS else 0
            style = self._based.get(style, "")
        return 0

    def list(self, style: str) -> tuple[str, int]:
        """The numbering that a style brings, ("", 0) for none."""
        for _ in range(_LEVELS):
            if style in self._list:
                return self._list[style]
            style = self._based.get(style, "")
        return ("", 0)


class _Numbering(Visitor):
    """How the items of lists begin."""

    def __init__(self) -> None:
        self._abstract = self._number = ""
        self._at = 0
        self._forms: dict[tuple[str, int], str] = {}
        self._starts: dict[tuple[str, int], int] = {}
        self._uses: dict[str, str] = {}
        self._counts: dict[str, list[int | None]] = {}

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        value = attributes.get("w:val", "")
        if tag == "w:abstractNum":
            self._abstract, self._number = attributes.get("w:abstractNumId", ""), ""
        elif tag == "w:num":
            self._number, self._abstract = attributes.get("w:numId", ""), ""
        elif tag == "w:abstractNumId" and self._number:
            self._uses[self._number] = value
        elif tag == "w:lvl":
            self._at = _small(attributes.get("w:ilvl", "0"))
        elif tag == "w:numFmt" and self._abstract:
            self._forms[self._abstract, self._at] = value
        elif tag == "w:start" and self._abstract:
            self._starts[self._abstract, self._at] = int(value) if value.isascii() and value.isdecimal() else 1

    def item(self, number: str, level: int) -> str:
        """How the next item of this list begins."""
        level = min(level, _LEVELS - 1)
        kind = self._uses.get(number, "")
        form = self._forms.get((kind, level), "bullet")
        counts = self._counts.setdefault(kind or number, [None] * _LEVELS)
        count = counts[level]
        counts[level] = self._starts.get((kind, level), 1) if count is None else count + 1
        counts[level + 1 :] = [None] * (_LEVELS - level - 1)
        return f"{'  ' * level}{'- ' if form in ('bullet', 'none') else f'{counts[level]}. '}"


class _Paragraph:
    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.style = ""
        self.outline = 0
        self.list: tuple[str, int] | None = None
        self.joined = False  # its end was deleted: it goes on in the next one
        self.boxes: list[str] = []


class _Table:
    def __init__(self) -> None:
        self.rows: list[list[str]] = []
        self.cells: list[str] = []
        self.dropped = False
        self.span = 1


class _Body(Visitor):
    """The text of a part. ``notes`` are the ids of the notes that it refers to, in the order of the references."""

    def __init__(self, draft: Draft, styles: _Styles, numbers: _Numbering) -> None:
        self._draft = draft
        self._styles = styles
        self._numbers = numbers
        self._open: list[str] = []
        self._skipping = 0
        self._paragraphs: list[_Paragraph] = []
        self._tables: list[_Table] = []
        #: where blocks go: the innermost cell or text box; the draft when there is none
        self._sinks: list[list[str]] = []
        self._carried: list[str] = []
        self._hidden = False
        self.notes: dict[str, list[str]] = {"footnote": [], "endnote": []}

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        parent = self._open[-1] if self._open else ""
        self._open.append(tag)
        if self._skipping:
            return
        if tag in _SKIPPED:
            self._skipping = len(self._open)
            if tag == "w:del" and parent == "w:rPr" and self._open[-3:-2] == ["w:pPr"] and self._paragraphs:
                self._paragraphs[-1].joined = True
            elif tag == "w:del" and parent == "w:trPr" and self._tables:
                self._tables[-1].dropped = True
            return
        if tag == "w:p":
            self._paragraphs.append(_Paragraph())
        elif tag == "w:tbl":
            self._tables.append(_Table())
        elif tag in ("w:tc", "w:txbxContent"):
            self._sinks.append([])
        elif tag == "w:tr" and self._tables:
            self._tables[-1].cells, self._tables[-1].dropped = [], False
        elif tag == "w:gridSpan" and self._tables:
            self._tables[-1].span = max(1, min(_WIDEST, _number(attributes.get("w:val", "1"))))
        elif parent == "w:r":
            self._in_run(tag, attributes)
        elif self._paragraphs:
            self._about(tag, parent, attributes)

    def end(self, tag: str) -> None:
        if self._open:
            self._open.pop()
        if self._skipping:
            if len(self._open) < self._skipping:
                self._skipping = 0
            return
        if tag == "w:p" and self._paragraphs:
            self._end_paragraph(self._paragraphs.pop())
        elif tag == "w:r":
            self._hidden = False
        elif tag == "w:txbxContent" and self._sinks:
            box = self._sinks.pop()
            if self._paragraphs:
                self._paragraphs[-1].boxes += box
            else:
                self._all(box)
        elif self._tables:
            self._end_of_table(tag)

    def _end_of_table(self, tag: str) -> None:
        table = self._tables[-1]
        if tag == "w:tc" and self._sinks:
            text = " ".join(self._sinks.pop())
            if len(table.cells) < _WIDEST:
                table.cells += [text, *[""] * (table.span - 1)]
            table.span = 1
        elif tag == "w:tr" and not table.dropped:
            table.rows.append(table.cells)
        elif tag == "w:tbl":
            self._put(grids.table(self._tables.pop().rows))

    def data(self, text: str) -> None:
        if not self._skipping and self._open and self._open[-1] in ("w:t", "m:t") and not self._hidden:
            self._write(text)

    def _in_run(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in ("w:tab", "w:ptab"):
            self._write("\t")
        elif tag in ("w:br", "w:cr"):
            self._write("\n")
        elif tag == "w:noBreakHyphen":
            self._write("-")
        elif tag == "w:sym":
            code = attributes.get("w:char", "")
            sign = chr(int(code, 16)) if re.fullmatch("[0-9A-Fa-f]{4}", code) else ""
            self._write(sign if sign and not "\ud800" <= sign <= "\uf8ff" else "")
        elif tag in ("w:footnoteReference", "w:endnoteReference"):
            word = tag[2:].removesuffix("Reference")
            self.notes[word].append(attributes.get("w:id", ""))
            self._write(f"[^{'e' if word == 'endnote' else ''}{len(self.notes[word])}]")

    def _about(self, tag: str, parent: str, attributes: dict[str, str]) -> None:
        paragraph, value = self._paragraphs[-1], attributes.get("w:val", "")
        if tag == "w:pStyle":
            paragraph.style = value
        elif tag == "w:outlineLvl":
            paragraph.outline = _small(value) + 1
        elif tag in ("w:numId", "w:ilvl") and parent == "w:numPr":
            number, level = paragraph.list or self._styles.list(paragraph.style)
            paragraph.list = (value, level) if tag == "w:numId" else (number, _small(value))
        elif tag == "w:vanish" and parent == "w:rPr" and self._open[-3:-2] == ["w:r"]:
            self._hidden = value not in ("0", "false", "off")

    def _write(self, text: str) -> None:
        if self._paragraphs:
            self._paragraphs[-1].pieces.append(text)
        else:
            self._put(text)

    def _end_paragraph(self, paragraph: _Paragraph) -> None:
        pieces = self._carried + paragraph.pieces
        self._carried = []
        if paragraph.joined:
            self._carried = pieces
            self._all(paragraph.boxes)
            return
        text = "".join(pieces).strip("\n")
        level = self._styles.level(paragraph.style) or (paragraph.outline if paragraph.outline <= _LEVELS else 0)
        number, depth = paragraph.list or self._styles.list(paragraph.style)
        if text.strip() and level:
            text = " ".join(text.split())
            if not self._sinks:
                self._draft.section(text)
            self._put(f"{'#' * min(level, 6)} {text}")
        elif text.strip() and number not in ("", "0"):
            self._put(f"{self._numbers.item(number, depth)}{text}", item=True)
        else:
            self._put(text)
        self._all(paragraph.boxes)

    def _all(self, blocks: list[str]) -> None:
        for block in blocks:
            self._put(block)

    def _put(self, text: str, *, item: bool = False) -> None:
        if not text.strip():
            return
        if self._sinks:
            self._sinks[-1].append(text)
        else:
            self._draft.block(text, item=item)


class _Notes(_Body):
    """The texts of footnotes or endnotes, by their ids."""

    def __init__(self, draft: Draft, styles: _Styles, numbers: _Numbering, word: str) -> None:
        super().__init__(draft, styles, numbers)
        self._word = f"w:{word}"
        self._id = ""
        self.texts: dict[str, str] = {}

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == self._word:
            self._id = (
                "" if attributes.get("w:type") in ("separator", "continuationSeparator") else attributes.get("w:id", "")
            )
            self._sinks.append([])
        super().start(tag, attributes)

    def end(self, tag: str) -> None:
        super().end(tag)
        if tag == self._word and self._sinks:
            self.texts[self._id] = " ".join(" ".join(self._sinks.pop()).split())


def _number(value: str) -> int:
    return int(value) if value.isascii() and value.isdecimal() and len(value) < 7 else 0


def _small(value: str) -> int:
    """A level: 0 to 8, 9 for what is none."""
    return min(_number(value), _LEVELS) if value.strip() else 0
