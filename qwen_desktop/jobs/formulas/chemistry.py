"""Formulas of chemistry (``\\ce``) as LaTeX: what models write of mhchem's language."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_ARROWS: Final = {
    "<=>>": r"\rightleftharpoons", "<<=>": r"\rightleftharpoons", "<=>": r"\rightleftharpoons",
    "⇌": r"\rightleftharpoons", "<->": r"\leftrightarrow", "<-->": r"\rightleftarrows", "->": r"\rightarrow",
    "<-": r"\leftarrow", "→": r"\rightarrow",
}  # fmt: skip
_TOKEN: Final = re.compile(
    r"""
    (?P<arrow><=>>|<<=>|<=>|<-->|<->|->|<-|→|⇌)(?:\[(?P<over>[^\]]*)\])?(?:\[(?P<under>[^\]]*)\])? |
    (?P<script>[\^_])(?:\{(?P<braced>[^{}]*)\}|(?P<bare>\d*[+-]|\d+|\w)) |
    (?P<state>\((?:aq|s|l|g)\)) |
    (?P<element>[A-Z][a-z]?|[a-z]+|[\])}]) |
    (?P<number>\d+(?:/\d+|\.\d+(?![A-Z(\d]))?) |
    (?P<charge>[+-])(?=\s|$|[\])}]) |
    (?P<bond>[-=\#](?=[A-Z(\[])) |
    (?P<dot>[*.·]) |
    (?P<command>\\[a-zA-Z]+|\\.) |
    (?P<math>\$[^$]*\$) |
    (?P<space>\s+) |
    (?P<other>.)
    """,
    re.VERBOSE,
)


def chemistry(source: str) -> str:
    """What ``\\ce{source}`` means. Numbers behind an element count it, others count the whole."""
    out: list[str] = []
    before = "space"
    for found in _TOKEN.finditer(source):
        kind = next(name for name in _KINDS if found[name])
        counted = before in ("element", "script")
        if kind == "number" and counted and "." not in found[0]:
            kind = "script"
            out.append(rf"_{{{found[0]}}}")
        elif kind == "script":
            inside = found["braced"] if found["braced"] is not None else found["bare"]
            out.append(("{}" if before == "space" else "") + found[kind] + rf"{{{_charge(inside)}}}")
        elif kind == "charge" and counted:
            out.append(rf"^{{{_charge(found[0])}}}")
        else:
            out.append(_KINDS[kind](found))
        before = kind
    return "".join(out)


def _arrow(found: re.Match[str]) -> str:
    over, under = _label(found["over"]), _label(found["under"])
    if under:
        return rf" \xrightarrow[{under}]{{{over}}} "
    return rf" \xrightarrow{{{over}}} " if over else f" {_ARROWS[found['arrow']]} "


def _number(found: re.Match[str]) -> str:
    top, _, bottom = found[0].partition("/")
    return (rf"\frac{{{top}}}{{{bottom}}}" if bottom else top) + r"\,"


def _element(found: re.Match[str]) -> str:
    return found[0] if found[0] in "])}" else rf"\mathrm{{{found[0]}}}"


_KINDS: Final[dict[str, Callable[[re.Match[str]], str]]] = {
    "arrow": _arrow,
    "script": lambda found: found[0],
    "state": lambda found: rf"\text{{{found[0]}}}",
    "element": _element,
    "number": _number,
    "charge": lambda found: f" {found[0]} ",
    "bond": lambda found: {"-": "{-}", "=": "{=}", "#": r"{\equiv}"}[found[0]],
    "dot": lambda _: r"\cdot ",
    "command": lambda found: found[0],
    "math": lambda found: found[0].strip("$"),
    "space": lambda _: "",
    "other": lambda found: {"^": r"{\uparrow}", "v": r"{\downarrow}"}.get(found[0], found[0]),
}


def _charge(text: str) -> str:
    return text.replace("-", "{-}").replace("+", "{+}") if text else ""


def _label(text: str | None) -> str:
    return rf"\text{{{text}}}" if text and "\\" not in text and "$" not in text else (text or "").strip("$")
