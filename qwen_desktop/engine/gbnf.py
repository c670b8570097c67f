"""llama.cpp's grammar notation (GBNF), said in the notation of the library that follows it. Pure.

GBNF goes character by character. The library reads words (lexemes, as long as possible) and rules over words, which is
what makes it fast; so whatever part of a grammar does not contain itself becomes one word, as long as no text could be
cut into words in two ways (``_Cuts`` looks). Where it could, that part goes character by character there too.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import TypeAlias

from msgspec import Struct

#: No grammar of people is longer (characters), or nested deeper.
LONGEST, DEEPEST = 131_072, 60
_MOST_RULES, _MOST_PLACES, _MOST_TIMES = 2_000, 20_000, 100_000
_DEEPEST_RULES = 100
_SECONDS = 2.0
_TOP = 0x10FFFF
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_TIMES = re.compile(r"\{[ \t]*(\d{1,9})[ \t]*(?:(,)[ \t]*(\d{1,9})?[ \t]*)?\}")
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([nrt\\\"\[\]]))")
_LETTERS = {"n": "\n", "r": "\r", "t": "\t"}


class GbnfError(Exception):
    """What is wrong with a grammar, in English and short."""


class _Patience:
    """So long a grammar is looked at (this thread's own time)."""

    def __init__(self) -> None:
        self._end = time.thread_time() + _SECONDS

    def check(self) -> None:
        """Raise ``GbnfError`` when it is over."""
        if time.thread_time() > self._end:
            raise GbnfError("it is too complex")


class _Chars(Struct, frozen=True):
    """One character out of some ranges (first and last code point)."""

    ranges: tuple[tuple[int, int], ...]


class _Ref(Struct, frozen=True):
    name: str


class _Seq(Struct, frozen=True):
    parts: tuple[_Node, ...]


class _Alt(Struct, frozen=True):
    parts: tuple[_Node, ...]


class _Rep(Struct, frozen=True):
    part: _Node
    least: int
    most: int | None


class _Word(Struct, frozen=True):
    """A part that is read as one word of the library, by its number; ``empty`` when it may be left out."""

    number: int
    empty: bool


_Node: TypeAlias = _Chars | _Ref | _Seq | _Alt | _Rep | _Word


def to_lark(text: str) -> str:
    """The grammar in llguidance's notation. Raises ``GbnfError``."""
    if len(text) > LONGEST:
        raise GbnfError(f"it is longer than {LONGEST} characters")
    rules = _Parser(text).rules()
    if "root" not in rules:
        raise GbnfError("it has no rule root")
    for rule in rules.values():
        missing = next((name for name in _refs(rule) if name not in rules), None)
        if missing is not None:
            raise GbnfError(f"there is no rule {missing}")
    try:
        return _Writer(rules).lark()
    except RecursionError:
        raise GbnfError(f"its rules are nested deeper than {_DEEPEST_RULES} levels") from None


# Reading ------------------------------------------------------------------------------------------------------------


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def rules(self) -> dict[str, _Node]:
        rules: dict[str, _Node] = {}
        self._space(lines=True)
        while self._at < len(self._text):
            name = self._name()
            self._space()
            if not self._text.startswith("::=", self._at):
                raise self._wrong("::= is missing")
            self._at += 3
            self._space(lines=True)
            rules[name] = self._alternatives(0)
            if self._at < len(self._text) and self._text[self._at] not in "\r\n":
                raise self._wrong("this is not expected")
            self._space(lines=True)
            if len(rules) > _MOST_RULES:
                raise GbnfError(f"it has more than {_MOST_RULES} rules")
        return rules

    def _alternatives(self, level: int) -> _Node:
        if level > DEEPEST:
            raise GbnfError(f"it is nested deeper than {DEEPEST} levels")
        parts = [self._sequence(level)]
        while True:
            behind = self._at
            self._space(lines=True)
            if not self._text.startswith("|", self._at):
                self._at = behind
                break
            self._at += 1
            self._space(lines=True)
            parts.append(self._sequence(level))
        return parts[0] if len(parts) == 1 else _Alt(tuple(parts))

    def _sequence(self, level: int) -> _Node:
        parts: list[_Node] = []
        while True:
            self._space(lines=level > 0)
            char = self._text[self._at : self._at + 1]
            if char == '"':
                parts.append(self._literal())
            elif char == "[":
                parts.append(self._set())
            elif char == ".":
                self._at += 1
                parts.append(_Chars(((0, _TOP),)))
            elif char == "(":
                self._at += 1
                self._space(lines=True)
                parts.append(self._alternatives(level + 1))
                self._space(lines=True)
                if not self._text.startswith(")", self._at):
                    raise self._wrong(") is missing")
                self._at += 1
            elif _NAME.match(char):
                parts.append(_Ref(self._name()))
            elif char and char in "<!":
                raise self._wrong("tokens cannot be named in a grammar")
            else:
                break
            parts[-1] = self._repeated(parts[-1])
        return parts[0] if len(parts) == 1 else _Seq(tuple(parts))

    def _repeated(self, part: _Node) -> _Node:
        while True:
            self._space()
            char = self._text[self._at : self._at + 1]
            if char and char in "*+?":
                self._at += 1
                part = _Rep(part, int(char == "+"), 1 if char == "?" else None)
                continue
            if char != "{":
                return part
            found = _TIMES.match(self._text, self._at)
            if found is None:
                raise self._wrong("this is no number of times")
            least = int(found[1])
            most = int(found[3]) if found[3] else None if found[2] else least
            if (most is not None and most < least) or max(least, most or 0) > _MOST_TIMES:
                raise self._wrong("this is no number of times")
            self._at = found.end()
            part = _Rep(part, least, most)

    def _literal(self) -> _Node:
        self._at += 1
        parts: list[_Node] = []
        while not self._text.startswith('"', self._at):
            code = self._char()
            parts.append(_Chars(((code, code),)))
        self._at += 1
        return parts[0] if len(parts) == 1 else _Seq(tuple(parts))

    def _set(self) -> _Chars:
        self._at += 1
        others = self._text.startswith("^", self._at)
        self._at += others
        ranges = []
        while not self._text.startswith("]", self._at):
            first = last = self._char()
            if self._text.startswith("-", self._at) and not self._text.startswith("-]", self._at):
                self._at += 1
                last = self._char()
            if last < first:
                raise self._wrong("a range ends before it begins")
            ranges.append((first, last))
        self._at += 1
        return _Chars(_merged(ranges, others=others))

    def _char(self) -> int:
        if self._at >= len(self._text):
            raise self._wrong("a text or a set is not closed")
        char = self._text[self._at]
        if char != "\\":
            self._at += 1
            return ord(char)
        found = _ESCAPE.match(self._text, self._at)
        if found is None:
            raise self._wrong("this is not known behind \\")
        self._at = found.end()
        number = found[1] or found[2] or found[3]
        code = int(number, 16) if number else ord(_LETTERS.get(found[4], found[4]))
        if code > _TOP or 0xD800 <= code <= 0xDFFF:
            raise self._wrong("this is no character")
        return code

    def _name(self) -> str:
        found = _NAME.match(self._text, self._at)
        if found is None:
            raise self._wrong("a name is missing")
        self._at = found.end()
        return found[0]

    def _space(self, *, lines: bool = False) -> None:
        while self._at < len(self._text):
            char = self._text[self._at]
            if char == "#":
                end = self._text.find("\n", self._at)
                self._at = end if end >= 0 else len(self._text)
            elif char in " \t" or (lines and char in "\r\n"):
                self._at += 1
            else:
                return

    def _wrong(self, what: str) -> GbnfError:
        line = self._text.count("\n", 0, self._at) + 1
        rest = self._text[self._at : self._at + 20].split("\n")[0].strip()
        return GbnfError(f"in line {line}, {what}: {rest or 'the end'}")


def _merged(ranges: list[tuple[int, int]], *, others: bool) -> tuple[tuple[int, int], ...]:
    made: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if made and first <= made[-1][1] + 1:
            made[-1] = (made[-1][0], max(last, made[-1][1]))
        else:
            made.append((first, last))
    if not others:
        return tuple(made)
    edges = [-1, *(edge for pair in made for edge in pair), _TOP + 1]
    return tuple((a + 1, b - 1) for a, b in zip(edges[::2], edges[1::2], strict=True) if a + 1 <= b - 1)


# Looking ------------------------------------------------------------------------------------------------------------


def _inner(node: _Node) -> tuple[_Node, ...]:
    match node:
        case _Seq(parts) | _Alt(parts):
            return parts
        case _Rep(part):
            return (part,)
    return ()


def _refs(node: _Node) -> Iterator[str]:
    if isinstance(node, _Ref):
        yield node.name
    for part in _inner(node):
        yield from _refs(part)


def _in_circles(rules: dict[str, _Node], patience: _Patience) -> set[str]:
    """The rules that contain themselves, or one that does."""
    needs = {name: set(_refs(node)) for name, node in rules.items()}
    plain: set[str] = set()
    while found := {name for name, needed in needs.items() if name not in plain and needed <= plain}:
        plain |= found
        patience.check()
    return rules.keys() - plain


def _check_depth(rules: dict[str, _Node], circles: set[str]) -> None:
    """Raise ``GbnfError`` when rules without circles stand in one another too deep."""
    depth: dict[str, int] = {}
    todo = [name for name in rules if name not in circles]
    while todo:
        name = todo[-1]
        inner = [other for other in _refs(rules[name]) if other not in circles]
        missing = [other for other in inner if other not in depth]
        if missing:
            todo += missing
            continue
        depth[todo.pop()] = deep = 1 + max((depth[other] for other in inner), default=0)
        if deep > _DEEPEST_RULES:
            raise GbnfError(f"its rules are nested deeper than {_DEEPEST_RULES} levels")


class _Cuts:
    """Whether each text can be cut into words in one way only, were words always as long as possible.

    Of every word the places are known where a character of it stands (Glushkov's automaton), of the whole grammar
    which characters may follow a word. Then all words are read at once: where one is complete, no character that may
    follow it may also make it, or another that is still being read, longer.
    """

    def __init__(
        self, rules: dict[str, _Node], bodies: dict[str, _Node], words: list[_Node], patience: _Patience
    ) -> None:
        self._rules = rules
        self._patience = patience
        self._bodies = bodies
        leaves = [node.ranges for node in _leaves(words, rules)]
        edges = sorted({edge for ranges in leaves for first, last in ranges for edge in (first, last + 1)})
        self._number = {edge: index for index, edge in enumerate(edges)}
        self._chars: list[int] = []  # of each place, as bits of the ranges between edges
        self._next: list[set[int]] = []
        self._ends: list[set[int]] = []
        self._starts: list[set[int]] = []
        self._firsts: list[int] = []
        for word in words:
            _empty, first, last = self._places(word)
            self._starts.append(first)
            self._firsts.append(self._of(first))
            self._ends.append(last)

    def ambiguous(self) -> set[int]:
        """The numbers of words at which a text could be cut in two ways."""
        follow = self._follow()
        owner = {place: number for number, ends in enumerate(self._ends) for place in ends}
        found: set[int] = set()
        states: set[frozenset[int]] = set()
        todo = self._steps(frozenset().union(*self._starts))
        while todo:
            state = todo.pop()
            if state in states:
                continue
            states.add(state)
            self._patience.check()
            after = frozenset().union(*(self._next[place] for place in state))
            more = self._of(after)
            found |= {owner[place] for place in state if place in owner and follow[owner[place]] & more}
            todo += self._steps(after)
        return found

    def _steps(self, places: frozenset[int]) -> list[frozenset[int]]:
        """The places that one character leads to, for each that leads anywhere."""
        chars, steps = self._of(places), []
        while chars:
            bit = chars & -chars
            chars ^= bit
            steps.append(frozenset(place for place in places if self._chars[place] & bit))
        return steps

    def _of(self, places: set[int] | frozenset[int]) -> int:
        chars = 0
        for place in places:
            chars |= self._chars[place]
        return chars

    def _places(self, node: _Node) -> tuple[bool, set[int], set[int]]:  # noqa: PLR0911 - a kind of node each
        """Whether it can be empty, the places where it begins, and where it ends."""
        match node:
            case _Chars(ranges):
                if len(self._chars) >= _MOST_PLACES:
                    raise GbnfError("it is too complex")
                chars = 0
                for begin, end in ranges:
                    chars |= (1 << self._number[end + 1]) - (1 << self._number[begin])
                self._chars.append(chars)
                self._next.append(set())
                place = len(self._chars) - 1
                return False, {place}, {place}
            case _Ref(name):
                return self._places(self._rules[name])
            case _Alt(parts):
                told = [self._places(part) for part in parts]
                return (
                    any(e for e, _, _ in told),
                    set().union(*(f for _, f, _ in told)),
                    set().union(*(t for *_, t in told)),
                )
            case _Rep(part, least, most):
                empty, first, last = self._places(part)
                if most == 0:
                    return True, set(), set()
                if most != 1:
                    self._join(last, first)
                return empty or least == 0, first, last
            case _Seq(parts):
                empty, first, last = True, set(), set()
                for part in parts:
                    e, f, t = self._places(part)
                    self._join(last, f)
                    first |= f if empty else set()
                    last = last | t if e else t
                    empty = empty and e
                return empty, first, last
        return True, set(), set()

    def _join(self, before: set[int], after: set[int]) -> None:
        for place in before:
            self._next[place] |= after

    def _follow(self) -> list[int]:
        """Of each word the characters that may stand behind it."""
        firsts: dict[str, tuple[bool, int]] = dict.fromkeys(self._bodies, (False, 0))

        def first(node: _Node) -> tuple[bool, int]:  # noqa: PLR0911 - as above
            match node:
                case _Word(number, empty):
                    return empty, self._firsts[number]
                case _Ref(name):
                    return firsts[name]
                case _Alt(parts):
                    told = [first(part) for part in parts]
                    return any(e for e, _ in told), _union(f for _, f in told)
                case _Rep(part, least):
                    empty, chars = first(part)
                    return empty or least == 0, chars
                case _Seq(parts):
                    chars = 0
                    for part in parts:
                        empty, more = first(part)
                        chars |= more
                        if not empty:
                            return False, chars
                    return True, chars
            return True, 0

        while (now := {name: first(node) for name, node in self._bodies.items()}) != firsts:
            firsts = now
            self._patience.check()
        behind = [0] * len(self._ends)
        rules = dict.fromkeys(self._bodies, 0)

        def visit(node: _Node, after: int) -> None:
            match node:
                case _Word(number):
                    behind[number] |= after
                case _Ref(name):
                    rules[name] |= after
                case _Alt(parts):
                    for part in parts:
                        visit(part, after)
                case _Rep(part, _, most):
                    visit(part, after | (first(part)[1] if most != 1 else 0))
                case _Seq(parts):
                    for part in reversed(parts):
                        visit(part, after)
                        empty, chars = first(part)
                        after = chars | (after if empty else 0)

        before = None
        while before != (before := (tuple(behind), tuple(rules.values()))):
            for name, node in self._bodies.items():
                visit(node, rules[name])
            self._patience.check()
        return behind


def _union(values: Iterator[int]) -> int:
    chars = 0
    for value in values:
        chars |= value
    return chars


def _leaves(nodes: list[_Node], rules: dict[str, _Node]) -> Iterator[_Chars]:
    seen: set[str] = set()
    todo = list(nodes)
    while todo:
        node = todo.pop()
        if isinstance(node, _Chars):
            yield node
        elif isinstance(node, _Ref) and node.name not in seen:
            seen.add(node.name)
            todo.append(rules[node.name])
        else:
            todo.extend(_inner(node))


# Writing ------------------------------------------------------------------------------------------------------------


class _Writer:
    def __init__(self, rules: dict[str, _Node]) -> None:
        self._rules = rules
        self._patience = _Patience()
        self._circles = _in_circles(rules, self._patience)
        _check_depth(rules, self._circles)
        self._empties: dict[str, bool] = {}
        self._names = {name: f"r{i}" if name in self._circles else f"R{i}" for i, name in enumerate(rules)}
        self._words: list[_Node] = []
        self._numbers: dict[_Node, int] = {}
        self._split: set[_Node] = set()

    def lark(self) -> str:
        while True:
            self._words, self._numbers = [], {}
            bodies = {name: self._body(self._rules[name]) for name in self._circles}
            if "root" not in self._circles:  # then it reaches none of them
                bodies = {"root": self._word(self._rules["root"])}
                break
            cut = _Cuts(self._rules, bodies, self._words, self._patience).ambiguous()
            several = {self._words[number] for number in cut} - self._split
            several |= {word for word in self._words if cut and not several and not isinstance(word, _Chars)}
            if not several:
                break
            self._split |= several
        lines = [f"start: {self._rule(bodies['root'])}"]
        lines += [f"{self._names[name]}: {self._rule(node)}" for name, node in bodies.items() if name in self._circles]
        lines += [f"W{number}: ({self._plain(node)}) & /(?s:.+)/" for number, node in enumerate(self._words)]
        used = {name for word in self._words for name in self._reached(word)}
        lines += [f"{self._names[name]}: {self._plain(self._rules[name])}" for name in self._rules if name in used]
        return "\n".join(lines)

    def _regular(self, node: _Node) -> bool:
        return not any(name in self._circles for name in _refs(node))

    def _body(self, node: _Node) -> _Node:
        """A rule over words: what contains no circle is one."""
        self._patience.check()
        if self._regular(node) and node not in self._split:
            return self._word(node)
        match node:
            case _Ref(name) if name not in self._circles:
                return self._body(self._rules[name])
            case _Seq(parts):
                made: list[_Node] = []
                run: list[_Node] = []
                whole = node in self._split
                for part in (*parts, None):
                    if part is not None and not whole and self._regular(part):
                        run.append(part)
                        continue
                    if run:
                        made.append(self._body(run[0] if len(run) == 1 else _Seq(tuple(run))))
                        run = []
                    if part is not None:
                        made.append(self._body(part))
                return _Seq(tuple(made))
            case _Alt(parts):
                return _Alt(tuple(map(self._body, parts)))
            case _Rep(part, least, most):
                return _Rep(self._body(part), least, most)
        return node if isinstance(node, _Ref) else self._word(node)

    def _word(self, node: _Node) -> _Word:
        number = self._numbers.setdefault(node, len(self._words))
        if number == len(self._words):
            self._words.append(node)
        return _Word(number, self._empty(node))

    def _empty(self, node: _Node) -> bool:
        match node:
            case _Ref(name):
                if name not in self._empties:
                    self._empties[name] = self._empty(self._rules[name])
                return self._empties[name]
            case _Seq(parts):
                return all(self._empty(part) for part in parts)
            case _Alt(parts):
                return any(self._empty(part) for part in parts)
            case _Rep(part, least, most):
                return least == 0 or most == 0 or self._empty(part)
        return False

    def _reached(self, node: _Node) -> set[str]:
        found: set[str] = set()
        todo = set(_refs(node))
        while todo:
            found |= todo
            todo = {name for known in todo for name in _refs(self._rules[known])} - found
        return found

    def _rule(self, node: _Node) -> str:
        match node:
            case _Word(number, empty):
                return f"W{number}{'?' if empty else ''}"
            case _Ref(name):
                return self._names[name]
        return self._joined(node, self._rule, '""')

    def _plain(self, node: _Node) -> str:
        match node:
            case _Chars(ranges):
                inside = "".join(f"\\x{{{a:X}}}" if a == b else f"\\x{{{a:X}}}-\\x{{{b:X}}}" for a, b in ranges)
                return f"/[{inside}]/" if ranges else "/[^\\x{0}-\\x{10FFFF}]/"
            case _Ref(name):
                return self._names[name]
        return self._joined(node, self._plain, '""')

    @staticmethod
    def _joined(node: _Node, write, nothing: str) -> str:  # type: ignore[no-untyped-def]
        match node:
            case _Seq(parts):
                return " ".join(map(write, parts)) or nothing
            case _Alt(parts):
                return "(" + " | ".join(map(write, parts)) + ")"
            case _Rep(part, least, most):
                inner = f"({write(part)})"
                if most == 0:
                    return nothing
                known = {(0, None): "*", (1, None): "+", (0, 1): "?", (1, 1): ""}
                times = "" if most is None else str(most)
                return inner + known.get((least, most), f"{{{least},{times}}}")
        raise AssertionError(node)  # pragma: no cover
