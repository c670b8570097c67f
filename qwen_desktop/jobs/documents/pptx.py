"""PPTX: each slide a section with its title, its text and tables in the order of the file, and the speaker's notes."""

from __future__ import annotations

from typing import BinaryIO

from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.jobs.documents import grids
from qwen_desktop.jobs.documents.draft import Draft
from qwen_desktop.jobs.documents.package import Package, Visitor

_WIDEST = 200


def read_pptx(file: BinaryIO, size: int, draft: Draft) -> None:
    """A presentation."""
    package = Package(file, draft.name, draft.limits.members)
    main = package.main_part("ppt/presentation.xml", draft)
    order = _Order()
    package.walk(main, order, draft)
    related = package.related(main, draft)
    slides = [related[key][1] for key in order.ids if key in related and related[key][1] in package.names]
    draft.pages = len(slides)
    hidden = 0
    for number, part in enumerate(slides, 1):
        draft.check(number - 1, len(slides))
        slide = _Slide()
        package.walk(part, slide, draft)
        hidden += slide.hidden
        title = " ".join(slide.title.split())
        draft.section(f"Slide {number}: {title}" if title else f"Slide {number}")
        draft.block(f"## Slide {number}{f': {title}' if title else ''}{' (hidden)' if slide.hidden else ''}")
        for block in slide.blocks:
            draft.block(block)
        notes = next((target for kind, target in package.related(part, draft).values() if kind == "notesSlide"), "")
        spoken = _Slide()
        package.walk(notes, spoken, draft)
        if spoken.blocks:
            draft.block("Notes: " + "\n".join(spoken.blocks))
    if hidden:
        draft.note(
            Text(
                "document.hidden_slides",
                QT_TRANSLATE_NOOP("documents", "%n hidden slide(s) (was|were) read, too."),
                {"n": hidden},
            )
        )


class _Order(Visitor):
    """Which slides there are, by the ids of their relations."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "p:sldId":
            self.ids.append(attributes.get("r:id", ""))


#: Places whose text is the same on all slides: numbers, dates, what stands below.
_REPEATED = ("sldNum", "dt", "ftr", "hdr", "sldImg")


class _Slide(Visitor):
    def __init__(self) -> None:
        self.title = ""
        self.blocks: list[str] = []
        self.hidden = False
        self._lines: list[str] = []  # the paragraphs of a shape or cell
        self._line: list[str] | None = None
        self._level = 0
        self._place = ""
        self._in_text = False
        self._rows: list[list[str]] | None = None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "p:sld":
            self.hidden = attributes.get("show") in ("0", "false")
        elif tag == "p:sp":
            self._place, self._lines = "", []
        elif tag == "p:ph":
            self._place = attributes.get("type", "")
        elif tag == "a:p":
            self._line, self._level = [], 0
        elif tag == "a:pPr":
            level = attributes.get("lvl", "0")
            self._level = int(level) if level in tuple("012345678") else 0
        elif tag == "a:t":
            self._in_text = True
        elif tag == "a:br" and self._line is not None:
            self._line.append("\n")
        elif tag == "a:tbl":
            self._rows = []
        elif tag == "a:tr" and self._rows is not None:
            self._rows.append([])
        elif tag == "a:tc":
            self._lines = []

    def end(self, tag: str) -> None:
        if tag == "a:t":
            self._in_text = False
        elif tag == "a:p" and self._line is not None:
            text = "".join(self._line).strip()
            if text:
                self._lines.append("  " * self._level + text)
            self._line = None
        elif tag == "a:tc" and self._rows:
            if len(self._rows[-1]) < _WIDEST:
                self._rows[-1].append(" ".join(self._lines))
            self._lines = []
        elif tag == "a:tbl" and self._rows is not None:
            if text := grids.table(self._rows):
                self.blocks.append(text)
            self._rows = None
        elif tag == "p:sp":
            self._end_shape()

    def data(self, text: str) -> None:
        if self._in_text and self._line is not None:
            self._line.append(text)

    def _end_shape(self) -> None:
        if self._lines and self._place not in _REPEATED:
            if self._place in ("title", "ctrTitle") and not self.title:
                self.title = " ".join(self._lines)
            else:
                self.blocks.append("\n".join(self._lines))
        self._lines = []
