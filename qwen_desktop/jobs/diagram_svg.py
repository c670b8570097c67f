"""The picture of a diagram as SVG that any program draws alike: Qt's renderer, a browser, an office program.

Only shapes and text of a short list go on, with attributes of a short list: no style sheets, no references, no scripts,
no links. Colours of the theme stand as ``var(--role)`` until somebody draws it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

_NAMESPACE: Final = "http://www.w3.org/2000/svg"
_SHAPES: Final = frozenset({"path", "rect", "circle", "ellipse", "line", "polyline", "polygon"})
_LOOK: Final = frozenset({
    "fill", "fill-opacity", "opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap",
    "stroke-linejoin", "transform", "font-size", "font-weight", "font-style", "text-anchor", "text-decoration",
})  # fmt: skip
_GEOMETRY: Final = frozenset(
    {"x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "rx", "ry", "width", "height", "d", "points"}
)
#: A value is numbers, words, a colour or a place: nothing that names something elsewhere.
_HARMLESS: Final = re.compile(r"(?!.*(?:url|image|expression|import)\s*\()[\w\s#.,%()+-]*", re.ASCII | re.IGNORECASE)
_VARIABLE: Final = re.compile(r"var\((--[\w-]+)(?:,([^()]*))?\)")
#: What stands for a weight or a radius; all other variables are colours.
_FIXED: Final = {"radius": "4", "title-weight": "600", "heading-weight": "600", "bold-weight": "600"}
_DARK, _LIGHT = "#1c1c22", "#ffffff"
#: Words for colours that models like to fill shapes with, and whether dark text stands on them.
_NAMES: Final = {
    **dict.fromkeys(("white", "yellow", "orange", "pink", "cyan", "aqua", "lime", "gold", "silver", "lightblue",
                     "lightgreen", "lightyellow", "lightgray", "lightgrey", "lightpink", "beige", "lavender"), True),
    **dict.fromkeys(("black", "red", "blue", "green", "purple", "navy", "teal", "maroon", "brown", "gray", "grey",
                     "darkblue", "darkgreen", "darkred", "magenta", "indigo"), False),
}  # fmt: skip


def portable(svg: str) -> tuple[str, float, float]:
    """The SVG that goes on, its width and its height. Raises ``ValueError`` or ``ParseError`` for what is none."""
    root = ElementTree.fromstring(svg)  # noqa: S314 - made by Pele, which writes no entities
    numbers = [float(number) for number in root.get("viewBox", "").split()]
    if len(numbers) != 4 or not (0 < numbers[2] < 1e5 and 0 < numbers[3] < 1e5):
        raise ValueError("no size")
    variables = dict(re.findall(r"(--_[\w-]+):([^;]*)", root.get("style", "")))
    made = Element("svg", {"xmlns": _NAMESPACE, "viewBox": " ".join(f"{number:g}" for number in numbers)})
    made.set("width", f"{numbers[2]:g}")
    made.set("height", f"{numbers[3]:g}")
    group = ElementTree.SubElement(made, "g", {"fill": "var(--fg)", "font-size": "16", "font-family": "var(--font)"})
    group.extend(part for child in root for part in _clean(child, variables))
    return ElementTree.tostring(made, encoding="unicode"), numbers[2], numbers[3]


def _clean(element: Element, variables: Mapping[str, str]) -> Iterator[Element]:
    """What becomes of an element: nothing, itself, or of a text one for each of its lines."""
    kind = element.tag.rpartition("}")[2]
    attributes = _attributes(element, variables, _GEOMETRY)
    if kind in _SHAPES:
        yield Element(kind, attributes)
    elif kind == "g":
        made = Element(kind, attributes)
        made.extend(part for child in element for part in _clean(child, variables))
        _readable(made)
        yield made
    elif kind == "text":
        yield from _lines(element, attributes, variables)


def _lines(element: Element, attributes: dict[str, str], variables: Mapping[str, str]) -> Iterator[Element]:
    """A text as one element for each line: not every program moves on for a ``tspan`` with a place of its own."""
    attributes = {"stroke": "none", **attributes}
    line = Element("text", attributes)
    line.text = element.text
    for span in element:
        own = _attributes(span, variables, _GEOMETRY)
        place: dict[str, str] = {name: own.pop(name) for name in ("x", "y") if name in own}
        if place and (line.text or len(line)):
            yield line
        if place:
            line = Element("text", attributes | place)
        if own:
            part = ElementTree.SubElement(line, "tspan", own)
            part.text = span.text
        elif len(line):
            line[-1].tail = (line[-1].tail or "") + (span.text or "")
        else:
            line.text = (line.text or "") + (span.text or "")
    if line.text or len(line):
        yield line


def _attributes(element: Element, variables: Mapping[str, str], geometry: frozenset[str]) -> dict[str, str]:
    found = {name: value for name, value in element.attrib.items() if name in _LOOK or name in geometry}
    for rule in element.get("style", "").split(";"):  # wins over what stands beside it
        name, _, value = rule.partition(":")
        if name.strip() in _LOOK or name.strip() == "rx":
            found[name.strip()] = value.strip()
    for name, value in found.items():
        found[name] = _resolved(value, variables)
        if name in ("stroke-width", "font-size", "rx"):
            found[name] = found[name].removesuffix("px")
    return {name: value for name, value in found.items() if _HARMLESS.fullmatch(value)}


def _resolved(value: str, variables: Mapping[str, str]) -> str:
    """A value whose variables are the theme's colours."""

    def one(found: re.Match[str]) -> str:
        name = found[1]
        if name.startswith("--_"):
            return _resolved(variables.get(name, "var(--pele-fg)"), {})
        role = name.removeprefix("--pele-")
        return _FIXED.get(role, f"var(--{role})")

    return _VARIABLE.sub(one, value)


def _readable(group: Element) -> None:
    """Let the text of a shape that got a colour of its own stand out from it, whatever the theme."""
    grounds = (child.get("fill", "") for child in group if child.tag in _SHAPES)
    dark = next((dark for ground in grounds if (dark := _wants_dark(ground)) is not None), None)
    if dark is None:
        return
    for text in group.iter("text"):
        if "fill" not in text.attrib:
            text.set("fill", _DARK if dark else _LIGHT)


def _wants_dark(colour: str) -> bool | None:
    """Whether dark text is easier to read on a colour; None where it is none that the source named."""
    colour = colour.strip().lower()
    if colour in _NAMES:
        return _NAMES[colour]
    if match := re.fullmatch(r"rgba?\(\s*(\d+)[\s,]+(\d+)[\s,]+(\d+).*\)", colour):
        red, green, blue = (min(255, int(number)) for number in match.groups())
    elif re.fullmatch(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})", colour):
        digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
        red, green, blue = (int(digits[place : place + 2], 16) for place in (0, 2, 4))
    else:
        return None
    return 0.299 * red + 0.587 * green + 0.114 * blue > 140
