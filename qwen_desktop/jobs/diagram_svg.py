"""The picture of a diagram as SVG that any program draws alike: Qt's renderer, a browser, an office program.

Only shapes and text of a short list go on, with attributes of a short list: no style sheets, no references, no scripts,
no links. Colours of the theme stand as ``var(--role)`` until somebody draws it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise
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
#: A line of many stretches, and how often all lines of a picture may go from its top to its bottom.
_LINE: Final = re.compile(r"M[-\d.]+,[-\d.]+(?:L[-\d.]+,[-\d.]+){8,}", re.ASCII)
_MOST: Final = 100
#: A value is numbers, words, a colour or a place: nothing that names something elsewhere.
_HARMLESS: Final = re.compile(r"(?!.*(?:url|image|expression|import)\s*\()[\w\s#.,%()+-]*", re.ASCII | re.IGNORECASE)
_VARIABLE: Final = re.compile(r"var\((--[\w-]+)(?:,([^()]*))?\)")
#: All other variables are colours of the theme.
_FIXED: Final = {
    "radius": "4", "title-weight": "600", "heading-weight": "600", "bold-weight": "600",
    "fg-on-light": "#1c1c22", "fg-on-dark": "#ffffff",  # on a colour that the source has given a shape
}  # fmt: skip


class TooLargeError(ValueError):
    """Nobody could read it, and drawing it would take long."""


def portable(svg: str) -> tuple[str, float, float]:
    """The SVG that goes on, its width and its height. Raises ``ValueError`` or ``ParseError`` for what is none, and
    ``TooLargeError``."""
    root = ElementTree.fromstring(svg)  # noqa: S314 - made by Pele, which writes no entities
    numbers = [float(number) for number in root.get("viewBox", "").split()]
    if len(numbers) != 4 or not (numbers[2] > 0 and numbers[3] > 0):
        raise ValueError("no size")
    climbed = sum(_climbed(each.get("d", "")) for each in root.iter())
    if max(numbers[2:]) >= 1e5 or climbed > _MOST * numbers[3]:
        raise TooLargeError
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
    attributes = _attributes(element, variables)
    if kind in _SHAPES:
        yield _stretches(attributes) if _long(attributes) else Element(kind, attributes)
    elif kind == "g":
        made = Element(kind, attributes)
        if element.get("class") == "pele-rects":  # grounds in colours of the source behind words in the theme's
            made.set("opacity", "0.3")
        made.extend(part for child in element for part in _clean(child, variables))
        yield made
    elif kind == "text":
        yield from _lines(element, attributes, variables)


def _long(attributes: Mapping[str, str]) -> bool:
    """Whether it is a line that Qt needs seconds for: the outline of one that goes up and down fifty times."""
    plain = attributes.get("fill") == "none" and "stroke-dasharray" not in attributes
    return plain and _LINE.fullmatch(attributes.get("d", "")) is not None


def _climbed(d: str) -> float:
    """Pixels that a long line goes up and down, 0 for what is none."""
    heights = [float(point.partition(",")[2]) for point in re.split("[ML]", d)[1:]] if _LINE.fullmatch(d) else []
    return sum(abs(after - before) for before, after in pairwise(heights))


def _stretches(attributes: Mapping[str, str]) -> Element:
    """A long line as one for each of its stretches, which looks the same."""
    group = Element(
        "g", {name: value for name, value in attributes.items() if name != "d"} | {"stroke-linecap": "round"}
    )
    points = re.split("[ML]", attributes["d"])[1:]
    group.extend(Element("path", {"d": f"M{start}L{end}"}) for start, end in pairwise(points))
    return group


def _lines(element: Element, attributes: dict[str, str], variables: Mapping[str, str]) -> Iterator[Element]:
    """A text as one element for each line: not every program moves on for a ``tspan`` with a place of its own."""
    attributes = {"stroke": "none", **attributes}
    line = Element("text", attributes)
    line.text = element.text
    for span in element:
        own = _attributes(span, variables)
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


def _attributes(element: Element, variables: Mapping[str, str]) -> dict[str, str]:
    found = {name: value for name, value in element.attrib.items() if name in _LOOK or name in _GEOMETRY}
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
