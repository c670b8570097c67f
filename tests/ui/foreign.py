"""What a user of another language still reads in English: texts in Latin letters while the window speaks a language of
``tests.pseudo``, which has none."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NamedTuple

from PySide6.QtCore import QAbstractItemModel, Qt
from PySide6.QtGui import QAction, QPainter
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QWidget,
)

#: What stands in every language as it is: names of models, files, hubs, programs and formats; keys; hashes; versions.
NAMES = re.compile(
    r"""
    Qwen\ Desktop | \b(?:Qwen|SmolLM|Llama|Gemma|Phi|Mistral|DeepSeek|Coder|Instruct|Thinking|Base|Novel|Guide)[\w.+-]*
    | \b[A-Za-z]:\\\S+ | (?:https?|socks5?)://\S+
    | ~?(?:/[\w.@+-]+)+/? | \b[\w-]+\.(?:gguf|toml|sqlite3|json|log|py|org|co)\b
    | \b(?:IQ|Q|F|BF|FP|MX)\d\w* | \bGGUF\b | Hugging\ ?Face | ModelScope | LM\ Studio | Ollama | GPT4All | \bJan\b
    | \b(?:Apache|MIT|BSD|LGPL|GPL|MPL|PSF|ISC|SIL)[\w.-]*
    | \b(?:Ctrl|Shift|Alt|Meta|Esc|Enter|Return|Tab|Backspace|Del|Delete|PgUp|PgDown|PgDn|Home)\b
    | \b(?:End|Ins|Up|Down|Left|Right|F\d+)\b
    | \b(?:Jinja|Lucide|Pygments|Qt|PySide6|msgspec|platformdirs|psutil|qasync|markdown-it-py|QwQ)\b
    | \bllama[.-]cpp(?:-python)?\b | \b(?:Python|Linux|Windows|macOS)[\w.-]*
    | (?<![A-Za-z])(?:AMD|NVIDIA|GeForce|RTX|Ryzen|Radeon|Graphics|w/|Linux|x86_64|qwen\d|Math|VL)\b
    | \b(?:AVX|AMX|NEON|CUDA|Vulkan|Metal|ROCm)[\w-]* | \b[0-9a-f]{8,}\b | \b\d[\w.+-]*
    """,
    re.VERBOSE,
)
_WORD = re.compile(r"[A-Za-z]{2,}")
_TAG = re.compile(r"<[^>]*>")


class English(NamedTuple):
    """A text nobody translated, and the module of the window that shows it."""

    module: str
    text: str


def is_english(text: str) -> bool:
    """Whether something in ``text`` has passed no translation."""
    return _WORD.search(NAMES.sub(" ", _TAG.sub(" ", text))) is not None


def turns_what_follows(text: str) -> bool:
    """Whether a name in ``text`` is set by itself and never ends: half of it was cut off, the rest runs as it does."""
    return text.count("\u202a") != text.count("\u202c")


def of_widgets(root: QWidget) -> Iterator[English]:
    """English that visible widgets below ``root`` show, offer as a tooltip, or say to a screen reader, and names that
    do not end."""
    for widget in (root, *root.findChildren(QWidget)):
        if widget.isVisible():
            for text in _texts(widget):
                if is_english(text) or turns_what_follows(text):
                    yield English(_module(widget), text)


def _texts(widget: QWidget) -> Iterator[str]:
    yield widget.toolTip()
    yield widget.accessibleName()
    yield widget.accessibleDescription()
    if widget.isWindow():
        yield widget.windowTitle()
    for action in widget.actions():
        yield from _of_action(action)
    if isinstance(widget, QLabel | QAbstractButton):
        yield widget.text()
    elif isinstance(widget, QLineEdit | QPlainTextEdit):
        yield widget.placeholderText()
    elif isinstance(widget, QComboBox):
        yield from (widget.itemText(row) for row in range(widget.count()))
    elif isinstance(widget, QAbstractItemView) and widget.model() is not None:
        yield from _of_model(widget.model())


def _of_action(action: QAction) -> Iterator[str]:
    if action.isVisible():
        yield action.text()
        yield action.toolTip()


def _of_model(model: QAbstractItemModel) -> Iterator[str]:
    roles = (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole)
    for row in range(min(model.rowCount(), 20)):
        for role in roles:
            text = model.data(model.index(row, 0), role)
            if isinstance(text, str):
                yield text


def _module(widget: QWidget | None) -> str:
    """The module of the page or dialog that shows it; that of the widgets for all of them says little."""
    while widget is not None:
        name = type(widget).__module__
        if name.startswith("qwen_desktop.ui.") and ".widgets." not in name:
            return name
        widget = widget.parentWidget()
    return ""


@contextmanager
def painted() -> Iterator[list[English]]:
    """English that our own painters draw meanwhile."""
    found: list[English] = []
    draw = QPainter.drawText

    def drawn(self: QPainter, *arguments: Any) -> Any:
        for text in arguments:
            if isinstance(text, str) and is_english(text):
                found.append(English(_painter(sys._getframe(1)), text))
        return draw(self, *arguments)

    QPainter.drawText = drawn  # type: ignore[method-assign,assignment]
    try:
        yield found
    finally:
        QPainter.drawText = draw  # type: ignore[method-assign]


def _painter(frame: FrameType | None) -> str:
    while frame is not None:
        name = str(frame.f_globals.get("__name__", ""))
        painter = frame.f_locals.get("self")
        if isinstance(painter, QWidget):
            return _module(painter)
        if name.startswith("qwen_desktop.ui.") and not name.endswith((".row_paint", ".labels", ".event_loop")):
            return name
        frame = frame.f_back
    return ""


def english(*roots: QWidget) -> set[English]:
    """All English that ``roots`` (every visible window without any) show."""
    shown = roots or tuple(w for w in QApplication.topLevelWidgets() if w.isVisible())
    found = {one for root in shown for one in of_widgets(root)}
    with painted() as drawn:
        for root in shown:
            root.grab()
    return found | set(drawn)
