"""LaTeX as models write it, made into LaTeX that latex2mathml knows.

Words (``\\text`` and its kind) are taken out and stand in the result as private characters, so that nothing in them is
mistaken for a command. What cannot be a formula raises ``Unsupported``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from qwen_desktop.jobs.formulas.chemistry import chemistry

#: The first of the characters that stand for words.
WORDS: Final = 0xF0000
#: What the names of operators that stand for words begin with; two letters with the words' number follow.
OPERATOR: Final = "zzz"
#: The looks of marks: the columns of an array with lines, and a line above a row.
COLUMNS: Final = "columns"
ROW: Final = "row"
_NAME = re.compile(r"[a-zA-Z]+")
#: What has its middle where dots between have theirs.
_MIDDLE = re.compile(
    r"\s*(?:[-+*=<>]|\\(?:times|cdot|pm|leq?|geq?|lt|gt|oplus|otimes|cup|cap|wedge|vee|land|lor|to)(?![a-zA-Z]))"
)
_NAMED = re.compile(r"\s*(?:\\(?:text|mathrm|textrm|rm|operatorname)\s*\{)?[a-zA-Z ~-]+\}?\s*")
_EQUAL = re.compile(r"\s*=")
_SPACE = re.compile(r"\s*")
_GAP = re.compile(r"\*?\s*(?:\[\s*-?[\d.]+\s*[a-z]{2}\s*\])?")
_STAR = re.compile(r"\*")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .,'-]+\Z")
#: As many levels of braces, of words in formulas in words, and of environments.
_DEEPEST: Final = 24


class Unsupported(Exception):  # noqa: N818 - no fault, an answer
    """It is not to be drawn."""


class Word(NamedTuple):
    """Words in a formula and how they look ("normal", "bold", "italic", "sans", "mono")."""

    text: str
    look: str


class Prepared(NamedTuple):
    """A formula for latex2mathml, the words in it, and its number ("" for none)."""

    latex: str
    words: list[Word]
    tag: str


_TEXTS: Final = {
    "text": "normal", "textrm": "normal", "textnormal": "normal", "textup": "normal", "textmd": "normal",
    "mbox": "normal", "hbox": "normal", "textsc": "normal", "textbf": "bold", "textit": "italic",
    "emph": "italic", "textsl": "italic", "textsf": "sans", "texttt": "mono",
}  # fmt: skip
_NAMES_IN_TEXT: Final = {
    "quad": "\u2003", "qquad": "\u2003\u2003", "textbackslash": "\\", "backslash": "\\", "ldots": "…", "dots": "…",
    "textellipsis": "…", "textdegree": "°", "newline": " ", "space": " ",
}  # fmt: skip
_SIGNS_IN_TEXT: Final = {"\\": " ", ",": "\u2009", ";": " ", ":": " ", "!": "", "/": "", "-": ""}
#: Fonts for letters: a whole word in them is set as a word.
_FONTS: Final = {
    "mathrm": "normal", "rm": "normal", "mathbf": "bold", "mathit": "italic", "mathsf": "sans", "mathtt": "mono",
    "mathup": "normal", "mathnormal": "italic",
}  # fmt: skip
_SAME: Final = {
    "R": r"\mathbb{R}", "N": r"\mathbb{N}", "Z": r"\mathbb{Z}", "Q": r"\mathbb{Q}", "C": r"\mathbb{C}",
    "reals": r"\mathbb{R}", "Complex": r"\mathbb{C}", "natnums": r"\mathbb{N}",
    "argmax": r"\operatorname*{argmax}", "argmin": r"\operatorname*{argmin}", "coloneqq": ":=", "eqqcolon": "=:",
    "mathds": r"\mathbb", "mathbbm": r"\mathbb", "bold": r"\mathbf", "mathscr": r"\mathcal", "tfrac": r"\tfrac",
    "lbrack": "[", "rbrack": "]", "thinspace": r"\,", "hdots": r"\ldots", "dotsc": r"\ldots", "dotso": r"\ldots",
    "degree": r"{}^{\circ}", "celsius": r"{}^{\circ}\mathrm{C}", "land": r"\wedge", "lor": r"\vee",
    "isin": r"\in", "empty": r"\emptyset", "infin": r"\infty", "rarr": r"\rightarrow", "larr": r"\leftarrow",
    "Rarr": r"\Rightarrow", "Larr": r"\Leftarrow", "lrarr": r"\leftrightarrow", "hArr": r"\Leftrightarrow",
    "exist": r"\exists", "plusmn": r"\pm", "sdot": r"\cdot", "sub": r"\subset", "sube": r"\subseteq",
    "dd": r"\mathrm{d}", "Tr": r"\operatorname{Tr}", "tr": r"\operatorname{tr}", "rank": r"\operatorname{rank}",
    "sgn": r"\operatorname{sgn}", "sinc": r"\operatorname{sinc}", "nonumber": "", "notag": "",
    "centering": "", "hfill": r"\quad ", "allowbreak": "", "displaylimits": "", "relax": "", "mathrel": "",
    "mathbin": "", "mathopen": "", "mathclose": "", "mathpunct": "", "mathord": "", "mathinner": "", "normalsize": "",
    "large": "", "Large": "", "small": "", "footnotesize": "", "tiny": "",
    "textstyle": r"\textstyle ", "medspace": r"\:", "negthinspace": r"\!",
    "epsilon": "ϵ", "phi": "ϕ", "varphi": "φ", "varepsilon": "ε",
    "iddots": r"\adots", "vert": "|", "Vert": r"\|", "lvert": "|", "rvert": "|", "lVert": r"\|", "rVert": r"\|",
    "bmod": r"\;\operatorname{mod}\;",
}  # fmt: skip
#: Commands and how many of their arguments are left out.
_DROPPED: Final = {"label": 1, "color": 1, "vspace": 1, "pagecolor": 1, "phantomsection": 0, "hypertarget": 1}
_REFUSED: Final = frozenset(
    {
        "def", "newcommand", "renewcommand", "providecommand", "newenvironment", "DeclareMathOperator", "let", "edef",
        "gdef", "xdef", "input", "include", "write", "read", "csname", "catcode", "href", "url", "includegraphics",
        "loop", "require", "begingroup", "expandafter",
    }
)  # fmt: skip
_PLAIN: Final = frozenset({"equation", "equation*", "displaymath", "math", "subequations", "center"})
_ALIGNED: Final = frozenset(
    {"align", "align*", "aligned", "alignat", "alignat*", "alignedat", "flalign", "flalign*", "split", "eqnarray",
     "eqnarray*"}
)  # fmt: skip
_GATHERED: Final = frozenset({"gather", "gather*", "gathered", "multline", "multline*", "multlined"})
_KEPT: Final = frozenset(
    {"matrix", "pmatrix", "bmatrix", "Bmatrix", "vmatrix", "Vmatrix", "smallmatrix", "cases", "substack"}
)
#: What stands around matrices.
_BRACKETS: Final = {
    "pmatrix": ("(", ")"), "bmatrix": ("[", "]"), "Bmatrix": (r"\{", r"\}"), "vmatrix": ("|", "|"),
    "Vmatrix": (r"\|", r"\|"),
}  # fmt: skip
_SAME_ENVIRONMENT: Final = {"dcases": "cases", "cases*": "cases", "psmallmatrix": "pmatrix", "bsmallmatrix": "bmatrix"}


def prepare(source: str) -> Prepared:
    """``source`` for latex2mathml. Raises ``Unsupported``."""
    reader = _Reader()
    text = "".join(" " if char < " " or char == "\u00a0" else char for char in source)
    latex = reader.math(text)
    if reader.breaks:
        kind = "align*" if reader.aligned else "matrix"
        latex = rf"\begin{{{kind}}}{latex}\end{{{kind}}}"
    return Prepared(latex.strip(), reader.words, reader.tag)


class _Scanner:
    """A place in a text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0

    def more(self) -> bool:
        return self.place < len(self.text)

    def skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.place)
        if found is None:
            return ""
        self.place = found.end()
        return found[0]

    def argument(self) -> str:
        """The next argument, without its braces. Raises ``Unsupported`` where there is none."""
        self.skip(_SPACE)
        if not self.more():
            raise Unsupported
        first = self.text[self.place]
        if first == "}":
            raise Unsupported
        if first == "{":
            return self._until_closed("{", "}")
        self.place += 1
        return "\\" + (self.skip(_NAME) or self.next()) if first == "\\" else first

    def option(self) -> str | None:
        """The next argument in square brackets, if there is one."""
        before = self.place
        self.skip(_SPACE)
        if self.more() and self.text[self.place] == "[":
            return self._until_closed("[", "]")
        self.place = before
        return None

    def next(self) -> str:
        """The next character, "" at the end."""
        self.place += 1
        return self.text[self.place - 1 : self.place]

    def until(self, end: str) -> str | None:
        """What stands before ``end``, which is passed; None where that does not come."""
        start, found = self.place, self.text.find(end, self.place)
        if found < 0:
            return None
        self.place = found + len(end)
        return self.text[start:found]

    def _until_closed(self, opening: str, closing: str) -> str:
        depth, start = 0, self.place + 1
        while self.more():
            char = self.text[self.place]
            self.place += 2 if char == "\\" else 1
            depth += (char == opening) - (char == closing)
            if char == closing and not depth:
                return self.text[start : self.place - 1]
        raise Unsupported


class _Reader:
    """Goes through one formula."""

    def __init__(self) -> None:
        self.words: list[Word] = []
        self.tag = ""
        #: Whether lines are broken, or aligned, outside of any environment.
        self.breaks = self.aligned = False
        self._depth = 0
        self._environments = 0

    def math(self, text: str) -> str:
        """Some of the formula."""
        self._deeper()
        scanner, out, braces = _Scanner(text), list[str](), 0
        while scanner.more():
            char = scanner.next()
            if char == "\\":
                top = self._depth == 1 and not braces
                out.append(self._command(scanner, top=top))
                continue
            braces += (char == "{") - (char == "}")
            if braces < 0 or braces > _DEEPEST:
                raise Unsupported
            if char == "&" and not self._environments and self._depth == 1 and not braces:
                self.breaks = self.aligned = True
            out.append({"%": r"\%", "~": r"\ ", "$": r"\$", "#": r"\#"}.get(char, char))
        if braces:
            raise Unsupported
        self._depth -= 1
        return "".join(out)

    def _command(self, scanner: _Scanner, *, top: bool) -> str:
        name = scanner.skip(_NAME)
        if not name:
            return self._sign(scanner, top=top)
        if name in _REFUSED:
            raise Unsupported
        if name in _OWN:
            return _OWN[name](self, scanner)
        if name in _FONTS:
            return self._font(name, scanner)
        if name in _TEXTS:
            return self.text(scanner.argument(), _TEXTS[name])
        for _ in range(_DROPPED.get(name, 0)):
            scanner.skip(_STAR)
            scanner.argument()
        return self._spaced(_SAME.get(name, "" if name in _DROPPED else "\\" + name), scanner)

    def _sign(self, scanner: _Scanner, *, top: bool) -> str:
        """A command that is a sign and no name."""
        sign = scanner.next()
        if sign == "\\":
            scanner.skip(_GAP)
            self.breaks = self.breaks or (top and not self._environments)
            return r"\\ "
        return {"-": "", "/": "", "(": "", ")": "", "[": "", "]": "", "": ""}.get(sign, "\\" + sign)

    @staticmethod
    def _spaced(command: str, scanner: _Scanner) -> str:
        """A command, parted from a letter that follows it."""
        letter = command[-1:].isalpha() and scanner.more() and scanner.text[scanner.place].isalpha()
        return command + " " if letter else command

    def _font(self, name: str, scanner: _Scanner) -> str:
        argument = scanner.argument()
        if _WORD.match(argument):
            return self.word(argument.replace(" ", ""), _FONTS[name])
        known = {"rm": "mathrm", "mathup": "mathrm"}.get(name, name)
        return rf"\{known} {{{self.math(argument)}}}"

    # Words -----------------------------------------------------------------------------------------------------------

    def word(self, text: str, look: str) -> str:
        """Words as they stand in the formula."""
        if not text:
            return ""
        self.words.append(Word(text, look))
        return rf"{{\text{{{chr(WORDS + len(self.words) - 1)}}}}}"

    def mark(self, text: str, look: str) -> str:
        """A word that is none, and tells ``mathml`` something."""
        self.words.append(Word(text, look))
        return rf"\text{{{chr(WORDS + len(self.words) - 1)}}}"

    def text(self, text: str, look: str) -> str:
        """What stands in ``\\text``: words, formulas between dollars, and commands."""
        self._deeper()
        scanner, out, plain = _Scanner(text), list[str](), ""
        while scanner.more():
            words, formula = self._in_text(scanner, look)
            plain += words
            if formula:
                out += (self.word(plain, look), "{" + formula + "}")
                plain = ""
        out.append(self.word(plain, look))
        self._depth -= 1
        return "".join(out)

    def _in_text(self, scanner: _Scanner, look: str) -> tuple[str, str]:
        """The next bit of a text: words, or what is a formula in it."""
        char = scanner.next()
        if char == "$":
            formula = scanner.until("$")
            return ("$", "") if formula is None else ("", self.math(formula))
        if char != "\\":
            return {"~": "\u00a0", "`": "‘", "{": "", "}": ""}.get(char, char), ""
        name = scanner.skip(_NAME)
        if not name:
            sign = scanner.next()
            formula = scanner.until({"(": "\\)", "[": "\\]"}[sign]) if sign and sign in "([" else None
            return ("", self.math(formula)) if formula is not None else (_SIGNS_IN_TEXT.get(sign, sign), "")
        if name in _NAMES_IN_TEXT:
            scanner.skip(_SPACE)
            return _NAMES_IN_TEXT[name], ""
        if name in _TEXTS:
            return "", self.text(scanner.argument(), look if name == "text" else _TEXTS[name])
        scanner.place -= len(name)
        formula = self._command(scanner, top=False)
        while scanner.more() and scanner.text[scanner.place] == "{":
            formula += "{" + self.math(scanner.argument()) + "}"
        return "", formula

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise Unsupported

    # Commands --------------------------------------------------------------------------------------------------------

    def braced(self, scanner: _Scanner) -> str:
        """The next argument, in braces."""
        return "{" + self.math(scanner.argument()) + "}"

    def operator(self, scanner: _Scanner) -> str:
        """A name as of a function, with limits where it has a star."""
        return self._named(scanner.skip(_STAR), scanner.argument())

    def limited(self, scanner: _Scanner) -> str:
        """Something with limits as a sum has them."""
        argument = scanner.argument()
        return self._named("*", argument) if _NAMED.fullmatch(argument) else "{" + self.math(argument) + "}"

    def _named(self, star: str, argument: str) -> str:
        name = re.sub(r"\\[,;: !]|~", " ", argument)
        name = re.sub(r"\\(?:text|mathrm|textrm|rm|operatorname)\s*\{([^{}]*)\}", r"\1", name).replace("-", "\u2010")
        self.words.append(Word(name.strip(), "normal"))
        high, low = divmod(len(self.words) - 1, 26)
        if high > 25:
            raise Unsupported
        return rf"\operatorname{star}{{{OPERATOR}{chr(97 + high)}{chr(97 + low)}}}"

    def tagged(self, scanner: _Scanner) -> str:
        """Its number: beside all of it, or, in an environment, behind its line."""
        scanner.skip(_STAR)
        tag = re.sub(r"[\\${}]", "", scanner.argument()).strip()
        if not self._environments and not self.tag:
            self.tag = tag
            return ""
        return r"\qquad " + self.word(f"({tag})", "normal")

    def coloured(self, scanner: _Scanner) -> str:
        """Something in a colour: formulas have their text's."""
        scanner.argument()
        return self.braced(scanner)

    def colour_box(self, scanner: _Scanner) -> str:
        """Words on a colour."""
        scanner.argument()
        return self.text(scanner.argument(), "normal")

    def frame(self, scanner: _Scanner) -> str:
        """Something in a box."""
        return r"\boxed{" + self.text(scanner.argument(), "normal") + "}"

    def stacked(self, scanner: _Scanner) -> str:
        """One above the other in brackets."""
        return rf"\left( {self.braced(scanner)} \atop {self.braced(scanner)} \right)"

    def crossed(self, scanner: _Scanner) -> str:
        """Crossed out twice."""
        return rf"\cancel{{\bcancel{self.braced(scanner)}}}"

    def cancelled(self, scanner: _Scanner) -> str:
        """Crossed out, and what comes instead."""
        value = self.braced(scanner)
        return rf"\overset{value}{{\cancel{self.braced(scanner)}}}"

    def absolute(self, scanner: _Scanner) -> str:
        """Between bars."""
        return rf"\left| {self.math(scanner.argument())} \right|"

    def norm(self, scanner: _Scanner) -> str:
        """Between double bars."""
        return rf"\left\| {self.math(scanner.argument())} \right\|"

    def ruled(self, scanner: _Scanner) -> str:
        """A line between rows."""
        return self.mark("", ROW) if self._environments else ""

    def dotted(self, scanner: _Scanner) -> str:
        """Dots in the height of the sign that follows."""
        return r"\cdots " if _MIDDLE.match(scanner.text, scanner.place) else r"\ldots "

    def negated(self, scanner: _Scanner) -> str:
        """A sign crossed out; that of equality has one of its own."""
        return r"\neq " if scanner.skip(_EQUAL) else self._spaced(r"\not", scanner)

    def ket(self, scanner: _Scanner) -> str:
        """A state as physics writes it."""
        return rf"|{self.math(scanner.argument())}\rangle "

    def bra(self, scanner: _Scanner) -> str:
        """The other half of one."""
        return rf"\langle {self.math(scanner.argument())}|"

    def scripted(self, scanner: _Scanner) -> str:
        """With numbers before it."""
        return rf"{{}}^{self.braced(scanner)}_{self.braced(scanner)}{self.braced(scanner)}"

    def chemical(self, scanner: _Scanner) -> str:
        """A formula of chemistry."""
        return "{" + self.math(chemistry(scanner.argument())) + "}"

    def remainder(self, scanner: _Scanner) -> str:
        """(mod n)."""
        return rf"\quad({self.word('mod', 'normal')}\;{self.math(scanner.argument())})"

    def referred(self, scanner: _Scanner) -> str:
        """The number of another one."""
        return self.word(f"({scanner.argument()})", "normal")

    def begun(self, scanner: _Scanner) -> str:
        """An environment, to its end."""
        name = scanner.argument().strip()
        body = self._body(scanner, name)
        if name in _PLAIN:
            return self.math(body)
        inner = _Scanner(body)
        self._environments += 1
        if self._environments > _DEEPEST:
            raise Unsupported
        if name in _ALIGNED:
            if name.startswith("alignat") or name == "alignedat":
                inner.argument()
            inner.option()
            result = self._set("align*", inner)
        elif name in _GATHERED:
            inner.option()
            result = self._set("matrix", inner)
        elif name in ("array", "subarray", "tabular", "darray"):
            inner.option()
            columns = _columns(inner.argument())
            lines = self.mark(columns, COLUMNS) if "|" in columns else ""
            result = self._set("array", inner, f"{{{columns.replace('|', '') or 'c'}}}{lines}")
        elif name in ("rcases", "drcases"):
            result = rf"\left. {self._set('array', inner, '{ll}')} \right\}}"
        elif name.endswith("*") and name[:-1] in _KEPT:  # an alignment of its columns
            inner.option()
            result = self._set(name[:-1], inner)
        else:
            known = _SAME_ENVIRONMENT.get(name, name)
            if known not in _KEPT:
                raise Unsupported
            result = self._set(known, inner)
        self._environments -= 1
        return result

    def _set(self, kind: str, inner: _Scanner, columns: str = "") -> str:
        body = self.math(inner.text[inner.place :])
        if not body.strip():
            return ""
        if kind == "substack":
            return rf"\substack{{{body}}}"
        if kind in _BRACKETS:  # latex2mathml would have no place for an exponent of all of it
            left, right = _BRACKETS[kind]
            return rf"\left{left}\begin{{matrix}}{body}\end{{matrix}}\right{right}"
        return rf"\begin{{{kind}}}{columns}{body}\end{{{kind}}}"

    @staticmethod
    def _body(scanner: _Scanner, name: str) -> str:
        """What stands before the end of an environment that has begun."""
        edge = re.compile(rf"\\(begin|end)\s*\{{\s*{re.escape(name)}\s*\}}")
        depth, start = 1, scanner.place
        while (found := edge.search(scanner.text, scanner.place)) is not None:
            scanner.place = found.end()
            depth += 1 if found[1] == "begin" else -1
            if not depth:
                return scanner.text[start : found.start()]
        raise Unsupported


def _columns(written: str) -> str:
    """The columns of an array in as far as they can be set: l, c, r and lines."""
    written = re.sub(r"\*\s*\{(\d{1,2})\}\s*\{([^{}]*)\}", lambda found: found[2] * int(found[1]), written)
    written = re.sub(r"[@!><]\s*\{[^{}]*\}", "", written)
    written = re.sub(r"[pmb]\s*\{[^{}]*\}", "l", written)
    return "".join(char for char in written if char in "lcr|")[:64] or "c"


_OWN: Final[dict[str, Callable[[_Reader, _Scanner], str]]] = {
    "operatorname": _Reader.operator, "tag": _Reader.tagged, "textcolor": _Reader.coloured,
    "colorbox": _Reader.colour_box, "fbox": _Reader.frame, "binom": _Reader.stacked, "dbinom": _Reader.stacked,
    "tbinom": _Reader.stacked, "xcancel": _Reader.crossed, "cancelto": _Reader.cancelled, "abs": _Reader.absolute,
    "norm": _Reader.norm, "ce": _Reader.chemical, "pmod": _Reader.remainder, "eqref": _Reader.referred,
    "ket": _Reader.ket, "bra": _Reader.bra, "hline": _Reader.ruled, "prescript": _Reader.scripted,
    "dots": _Reader.dotted, "not": _Reader.negated, "mathop": _Reader.limited, "ref": _Reader.referred,
    "begin": _Reader.begun,
}  # fmt: skip
