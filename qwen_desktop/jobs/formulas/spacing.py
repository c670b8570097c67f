"""The spaces between the signs of a formula, as TeX sets them: by what kind of sign stands beside what kind.

ziamath gives each operator spaces of its own, whatever stands beside it. They are taken away, and spaces put in.
"""

from __future__ import annotations

from enum import Enum
from typing import Final
from xml.etree.ElementTree import Element


class Kind(Enum):
    """What a sign is to its neighbours."""

    ORDINARY = "ordinary"
    FUNCTION = "function"
    BINARY = "binary"
    RELATION = "relation"
    OPENING = "opening"
    CLOSING = "closing"
    COMMA = "comma"


_O, _F, _B, _R, _A, _C, _P = Kind
#: Spaces in eighteenths of an em; below 0: none in scripts.
_SPACES: Final[dict[tuple[Kind, Kind], int]] = {
    **{(one, _F): 3 for one in (_O, _F, _C)},
    (_F, _O): 3,
    **{pair: -4 for each in (_O, _F, _A, _C) for pair in ((each, _B), (_B, each))},
    **{pair: -5 for each in (_O, _F, _A, _C) for pair in ((each, _R), (_R, each))},
    **{(_P, each): -3 for each in Kind},
}
for _pair in [pair for pair in _SPACES if pair[0] is _A or pair[1] is _C]:
    del _SPACES[_pair]
_SPACES[(_R, _A)] = -5
_SPACES[(_B, _A)] = -4
_BINARY: Final = frozenset("+−±∓×÷·⋅∗*∘∙•∧∨∩∪⊕⊖⊗⊘⊙∖≀⧵⊎⊓⊔⋆†‡⋄⊲⊳⋉⋊∔⊞⊟⊠⊡")
_OPENING: Final = frozenset("([{⟨⌈⌊⟦⟮⟪")
_CLOSING: Final = frozenset(")]}⟩⌉⌋⟧⟯⟫?")
_FUNCTIONS: Final = frozenset("∑∏∐∫∬∭∮∯∰⋃⋂⨁⨂⨀⋁⋀⨆⨅⨄")
_RELATIONS: Final = frozenset("=<>:~≔≕∷∈∉∊∋∌∍∝∴∵⊢⊣⊤⊥⊨⊩⊪⊫∣∤∥∦⌢⌣≬⟂")
_SCRIPTED: Final = ("msub", "msup", "msubsup", "munder", "mover", "munderover", "arrow")
_ROWS: Final = ("mrow", "math", "mtd", "msqrt", "menclose", "mphantom", "mpadded")


def spaced(element: Element, *, script: bool = False) -> None:
    """Space what stands in ``element``, which may be a script."""
    if element.tag in ("mo", "mi"):  # ziamath takes some of the latter for the former
        element.attrib["lspace"] = element.attrib["rspace"] = "0"
    script = script and element.attrib.get("scriptlevel") != "0"
    for number, child in enumerate(element):
        small = script or (element.tag in _SCRIPTED and number > 0)
        small = small or (element.tag == "mfrac" and element.attrib.get("small") == "1")
        spaced(child, script=small)
    if element.tag in _ROWS:
        _space_row(element, script)


def _space_row(row: Element, script: bool) -> None:
    before: Kind | None = None
    at = 0
    for kind in _kinds(list(row)):
        if kind is not None:
            wide = _SPACES.get((before, kind), 0) if before is not None else 0
            if wide and not (wide < 0 and script):
                row.insert(at, Element("mspace", width=f"{abs(wide) / 18:.4f}em"))
                at += 1
            before = kind
        at += 1


def _kinds(children: list[Element]) -> list[Kind | None]:
    kinds: list[Kind | None] = []
    before: Kind | None = None
    for child in children:
        kind = _kind(child, before)
        kinds.append(kind)
        before = kind or before
    # A sign of an operation between nothing and something is one of the thing: −x, a = −b.
    following: Kind | None = None
    seen = [number for number, kind in enumerate(kinds) if kind is not None]
    for place in reversed(range(len(seen))):
        kind = kinds[seen[place]]
        left = kinds[seen[place - 1]] if place else None
        if kind is _B and (left in (None, _B, _F, _R, _A, _P) or following in (None, _R, _C, _P)):
            kinds[seen[place]] = _O
        following = kinds[seen[place]]
    return kinds


def _kind(element: Element, before: Kind | None) -> Kind | None:
    """What an element is; None for what is no sign."""
    if element.tag in _SCRIPTED and len(element):
        base = element[0]
        while base.tag == "mrow" and len(base) == 1:
            base = base[0]
        return _kind(base, before)
    if element.tag == "mspace" or (element.tag == "mpadded" and element.attrib.get("width") == "0"):
        return None
    if element.attrib.get("function") == "1":
        return _F
    text = element.text or ""
    return _sign(text, before) if element.tag in ("mo", "mi") and len(text) == 1 else _O


def _sign(char: str, before: Kind | None) -> Kind:
    if char in "|‖":
        return _A if before in (None, _B, _R, _A, _P, _F) else _C
    for signs, kind in ((_BINARY, _B), (_OPENING, _A), (_CLOSING, _C), (_FUNCTIONS, _F), (_RELATIONS, _R)):
        if char in signs:
            return kind
    if char in ",;":
        return _P
    arrows = "\u2190" <= char <= "\u21ff" or "\u27f0" <= char <= "\u27ff" or "\u2900" <= char <= "\u297f"
    compared = "\u223c" <= char <= "\u228b" or "\u228f" <= char <= "\u2292" or "\u22a2" <= char <= "\u22b9"
    return _R if arrows or compared or "\u22cd" <= char <= "\u22ed" or "\u2a7d" <= char <= "\u2abf" else _O
