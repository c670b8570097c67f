"""LaTeX to MathML as ziamath sets it best: latex2mathml's tree, with what one says and the other misses mended."""

from __future__ import annotations

import html
from typing import Final
from xml.etree.ElementTree import Element

from latex2mathml.converter import Converter

from qwen_desktop.jobs.formulas.latex import COLUMNS, OPERATOR, ROW, WORDS, Prepared, Unsupported, Word
from qwen_desktop.jobs.formulas.spacing import spaced

_LOOKS: Final = {
    "bold": "bold normal", "sans-serif": "sans", "bold-sans-serif": "bold sans", "monospace": "mono",
    "double-struck": "double", "bold-fraktur": "bold fraktur", "bold-script": "bold script",
    "bold-italic": "bold italic", "sans-serif-italic": "italic sans", "sans-serif-bold-italic": "bold italic sans",
}  # fmt: skip
_KNOWN: Final = frozenset(
    {"math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mfrac", "msqrt", "mroot", "msub", "msup", "msubsup",
     "munder", "mover", "munderover", "mtable", "mtr", "mtd", "menclose", "mphantom", "mpadded", "none", "arrow"}
)  # fmt: skip
_LABELLED: Final = ("mover", "munder", "munderover")
#: Names that take limits below and above them in displayed formulas, and other signs that do.
_LIMITS: Final = frozenset(
    {"lim", "max", "min", "sup", "inf", "limsup", "liminf", "det", "gcd", "Pr", "argmax", "argmin", "lim sup",
     "lim inf"}
)  # fmt: skip
_LIMITED: Final = frozenset("∑∏∐⋃⋂⨁⨂⨀⋁⋀⨆⨅⨄")
_NOT_STRETCHED: Final = frozenset("↑↓⟨⟩⌈⌉⌊⌋‖↕⇑⇓⟹⟸⟺⟶⟵⟷⇒⇐⇔→←↔↦⟼⇌⇋↪↩∑∏∫")
#: What latex2mathml leaves behind \\big as it is written.
_FENCES: Final = {
    "\\|": "‖", "\\Vert": "‖", "\\lVert": "‖", "\\rVert": "‖", "\\vert": "|", "\\lvert": "|", "\\rvert": "|",
    "\\lfloor": "⌊", "\\rfloor": "⌋", "\\lceil": "⌈", "\\rceil": "⌉", "\\langle": "⟨", "\\rangle": "⟩",
    "\\{": "{", "\\}": "}", "\\lbrace": "{", "\\rbrace": "}", "\\backslash": "\\",
}  # fmt: skip
#: Letters that ziamath does not slant by itself.
_SLANTED: Final = frozenset("ϵϑϰϕϱϖ∂")
_DISPLAYED: Final = {"msub": "munder", "msup": "mover", "msubsup": "munderover"}
_BESIDE: Final = {tag: script for script, tag in _DISPLAYED.items()}


def converted(formula: Prepared, *, display: bool) -> Element:
    """The MathML of a formula. Raises ``Unsupported`` where a command is not known; the library raises others."""
    root = Converter(display="block" if display else "inline").convert_to_element(formula.latex)
    del root.attrib["xmlns"]
    _mend(root, formula.words, display)
    spaced(root)
    return root


def _mend(element: Element, words: list[Word], display: bool, *, over: bool = False) -> None:
    """``over``: it is what stands above or below something, and may be stretched to it."""
    attributes = element.attrib
    text = element.text = html.unescape(element.text or "")
    if "minsize" in attributes:
        text = element.text = _FENCES.get(text, text)
    if element.tag == "mstyle":  # ziamath would put what it says on all in it, and so on scripts too
        element.tag = "mrow"
    if element.tag not in _KNOWN or (text.startswith("\\") and len(text) > 1):
        raise Unsupported  # a command that is not known
    display = attributes["displaystyle"] == "true" if "displaystyle" in attributes else display
    attributes.pop("mathcolor", None)
    look = attributes.get("mathvariant", "")
    attributes.update({"mathvariant": _LOOKS[look]} if look in _LOOKS else {})
    if element.tag == "mtext" and len(text) == 1 and text >= chr(WORDS):
        _set_word(element, words[ord(text) - WORDS])
    elif element.tag in ("mo", "mi"):
        _mend_sign(element, text, words, over)
    elif element.tag == "mtable":
        _mend_table(element, words)
    elif element.tag == "mfrac":
        _mend_fraction(element, display)
    elif element.tag in _LABELLED and element[0].tag == "mstyle":
        _mend_arrow(element)
    for number, child in enumerate(element):
        stretched = (element.tag in ("mover", "munder") and number > 0) or element.tag == "arrow"
        _mend(child, words, display, over=stretched)
    if element.tag in ("mover", "munder") and len(element) == 2:
        _mend_accent(element)
    if len(element):
        element.tag = _script(element, display)


def _script(element: Element, display: bool) -> str:
    """Limits stand above and below in displayed formulas, else beside."""
    base = element[0]
    if display:
        text = base.text or ""
        limited = base.attrib.get("movablelimits") == "true" or (base.tag == "mtext" and text in _LIMITS)
        limited = limited or (len(text) == 1 and text in _LIMITED)
        return _DISPLAYED.get(element.tag, element.tag) if limited else element.tag
    return _BESIDE.get(element.tag, element.tag) if base.text and base.text in _LIMITED else element.tag


def _mend_fraction(fraction: Element, display: bool) -> None:
    if all(child.attrib.get("scriptlevel") == "0" for child in fraction):  # as \\cfrac: as large as what is around it
        fraction.attrib["displaystyle"] = "true"
    elif not display:
        fraction.attrib["small"] = "1"
    for number, child in enumerate(fraction):  # what stands in a displayed fraction is not displayed
        fraction[number] = inner = Element("mrow", displaystyle="false")
        inner.append(child)


def _mend_table(table: Element, words: list[Word]) -> None:
    attributes = table.attrib
    attributes["columnspacing"] = attributes.get("columnspacing", "0.8em").replace("2em", "1.5em")
    attributes["rowspacing"] = "0.35em"
    for name in ("columnlines", "rowlines"):
        attributes.pop(name, None)
    lines: list[str] = []
    for row in list(table):
        first = row[0] if len(row) else row
        line = "none"
        while len(first) and (mark := _mark(first[0], words)) is not None:
            first.remove(first[0])
            if mark.look == COLUMNS:
                attributes["columns"] = mark.text
            else:
                line = "solid"
        lines.append(line)
        if row is table[-1] and line == "solid" and all(not len(cell) for cell in row):
            table.remove(row)
    if "solid" in lines:
        attributes["rows"] = " ".join(lines)


def _mark(element: Element, words: list[Word]) -> Word | None:
    text = html.unescape(element.text or "")
    word = words[ord(text) - WORDS] if element.tag == "mtext" and len(text) == 1 and text >= chr(WORDS) else None
    return word if word is not None and word.look in (COLUMNS, ROW) else None


def _set_word(element: Element, word: Word) -> None:
    if word.look in (COLUMNS, ROW):
        raise Unsupported  # a line where there is no table
    element.text = word.text.replace("-", "‐")
    element.attrib["mathvariant"] = word.look


def _mend_sign(element: Element, text: str, words: list[Word], over: bool) -> None:
    if text.startswith(OPERATOR) and len(text) == len(OPERATOR) + 2:
        high, low = (ord(char) - 97 for char in text[-2:])
        _set_word(element, words[high * 26 + low])
        element.tag = "mtext"
        element.attrib["function"] = "1"
    elif len(text) > 1 and text[0].isalpha():  # the name of a function
        element.tag = "mtext"
        element.attrib["function"] = "1"
        element.attrib.setdefault("mathvariant", "normal")
    elif text and text in _SLANTED:
        element.attrib.setdefault("mathvariant", "italic")
    elif text in ("-", "~"):
        element.text = {"-": "−", "~": text if over else "∼"}[text]
    elif element.tag == "mi" and element.attrib.get("mathvariant") == "sans":
        element.tag = "mtext"  # ziamath slants single letters
    elif text in _NOT_STRETCHED and text and not over:
        element.attrib.setdefault("stretchy", "false")


def _mend_arrow(element: Element) -> None:
    """latex2mathml's arrow with labels as ``nodes.Arrow``."""
    labels = [_label(child) for child in element[1:]]
    below, above = (Element("mrow"), *labels) if element.tag == "mover" else (*labels, Element("mrow"))[:2]
    arrow = element[0][0]
    element[:] = [arrow, above, below]
    element.tag = "arrow"
    element.attrib.clear()


def _label(padded: Element) -> Element:
    label = Element("mrow")
    label.extend(child for child in padded if child.tag != "mspace")
    return label


def _mend_accent(element: Element) -> None:
    accent = element[1]
    wide = element.attrib.get("accent") != "true"
    if accent.tag == "mo" and accent.text in ("^", "~"):
        accent.text = {"^": "\u0302" if wide else "\u02c6", "~": "\u0303" if wide else "\u02dc"}[accent.text]
