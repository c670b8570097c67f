"""What the package marks for translation, read from its source as ``lupdate`` must read it, and what breaks its rules.

Rules: ``self.tr("…")`` in a class, ``translate("context", "…")`` elsewhere, ``QT_TRANSLATE_NOOP("context", "…")`` for
constants, all with literals; ``%n`` stands exactly where a number is given (a constant gets it when it is shown).
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_NAMES = ("tr", "translate", "QT_TRANSLATE_NOOP")
#: The two files that hold the calls which everybody else's literals go through.
_DOORS = ("core/text.py", "ui/texts.py")


class Mark(NamedTuple):
    """A text to translate. ``plural``: it has forms for numbers; ``by_self``: ``self.tr`` looks it up."""

    context: str
    source: str
    plural: bool
    by_self: bool
    where: str


class Fault(NamedTuple):
    """A call that ``lupdate`` would not find, or would find in another context."""

    where: str
    why: str


class _Reader(ast.NodeVisitor):
    def __init__(self, name: str) -> None:
        self.name = name
        self.marks: list[Mark] = []
        self.faults: list[Fault] = []
        self._classes: list[str] = []

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._classes.append(node.name)
        self.generic_visit(node)
        self._classes.pop()

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        before = len(self.marks)
        self.generic_visit(node)
        self.faults += (Fault(mark.where, "a text inside of an f-string") for mark in self.marks[before:])

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name not in _NAMES or (self.name in _DOORS and not _literals(node.args[:2])):
            return
        if name == "translate" and not any(map(_literal, node.args)) and _of_another(node.func):
            return
        here = f"{self.name}:{node.lineno}"
        context = ""
        given = list(node.args)
        if name == "tr":
            if not (isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") == "self"):
                self.faults.append(Fault(here, "tr of something else than self"))
                return
            if not self._classes:
                self.faults.append(Fault(here, "self.tr outside of a class"))
                return
            context = self._classes[-1]
        elif given:
            context = _literal(given.pop(0)) or ""
        source = _literal(given[0]) if given else None
        if node.keywords or not context or source is None:
            self.faults.append(Fault(here, "not all literals, or an argument by its name"))
            return
        if not context.isidentifier():
            self.faults.append(Fault(here, "a context that is no name"))
        plural = len(given) > 2
        if name == "QT_TRANSLATE_NOOP":
            plural = "%n" in source
        elif plural != ("%n" in source):
            self.faults.append(Fault(here, "%n without a number, or a number without %n"))
        self.marks.append(Mark(context, source, plural, name == "tr", here))


def _of_another(called: ast.expr) -> bool:
    """Whether ``translate`` is that of a string or of a painter."""
    return isinstance(called, ast.Attribute) and getattr(called.value, "id", "") not in ("texts", "QCoreApplication")


def _literal(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def _literals(nodes: list[ast.expr]) -> bool:
    return all(_literal(node) is not None for node in nodes)


def files(package: Path) -> list[Path]:
    """The files whose texts are translated: all but the command line's, which speaks English."""
    return sorted(path for path in package.rglob("*.py") if path.relative_to(package).parts[0] != "cli")


def read(package: Path) -> tuple[list[Mark], list[Fault]]:
    """All marks of the package in order of file and line, and all faults."""
    marks: list[Mark] = []
    faults: list[Fault] = []
    for path in files(package):
        text = path.read_text(encoding="utf-8")
        if not any(f"{name}(" in text for name in _NAMES):
            continue
        reader = _Reader(path.relative_to(package).as_posix())
        reader.visit(ast.parse(text))
        marks += reader.marks
        faults += reader.faults
    return marks, faults


def of_catalogue(file: Path) -> list[Mark]:
    """What the catalogue that is shipped says of its models; ``ui.texts.catalogue`` looks it up."""
    models = json.loads(file.read_text(encoding="utf-8"))["models"]
    said = sorted({str(model["strengths"]) for model in models if model.get("strengths")})
    return [Mark("catalogue", text, False, False, file.name) for text in said]


# Texts that nothing marks ---------------------------------------------------------------------------------------------

#: Calls of the window whose strings people see. (Of our own widgets, those that begin with the theme have it first.)
_SHOWS = {
    "setText", "setToolTip", "setStatusTip", "setWhatsThis", "setAccessibleName", "setAccessibleDescription",
    "setPlaceholderText", "setWindowTitle", "setTitle", "setSuffix", "setPrefix", "setItemText", "setTabText",
    "addAction", "addItem", "addMenu", "addSection", "add_button", "insertItem", "toast", "say", "show_text",
    "QLabel", "QPushButton", "QCheckBox", "QRadioButton", "QAction", "QMenu", "QToolButton", "QGroupBox",
    "Label", "ElidedLabel", "Paragraph", "TextButton", "Dialog", "Chip", "Select", "Switch", "drawText",
}  # fmt: skip


def unmarked(package: Path) -> Iterator[Fault]:
    """Literals with words in calls of ``ui`` that show them, and numbers that are written with a unit by hand."""
    for path in sorted((package / "ui").rglob("*.py")):
        name = path.relative_to(package).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in _SHOWS:
                for text in map(_words, node.args):
                    if text:
                        yield Fault(f"{name}:{node.lineno}", f"{called} shows “{text}”, which nobody can translate")


def _words(node: ast.expr) -> str:
    """What ``node`` writes out, when that has a word in it."""
    if isinstance(node, ast.JoinedStr):
        text = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
    elif isinstance(node, ast.IfExp):
        return _words(node.body) or _words(node.orelse)
    else:
        text = _literal(node) or ""
    return text if sum(sign.isalpha() for sign in text) > 1 else ""
