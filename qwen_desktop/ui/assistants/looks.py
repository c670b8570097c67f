"""How an assistant is called and drawn: those that come with the app speak the language of the window."""

from __future__ import annotations

from msgspec import structs
from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from qwen_desktop.core.assistants import COLOURS, ICONS, Assistant, AssistantField, FieldKind
from qwen_desktop.core.chat import NO_BUDGET
from qwen_desktop.core.engine import ThinkingMode
from qwen_desktop.core.text import Source
from qwen_desktop.ui import icons, texts
from qwen_desktop.ui.texts import translate
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.surface import draw_rounded


def tint(colour: str) -> str:
    """The colour role of the theme for an assistant's colour."""
    return f"tint_{colour if colour in COLOURS else COLOURS[0]}"


def icon_of(assistant: Assistant) -> str:
    """The name of its icon."""
    return assistant.icon if assistant.icon in ICONS else ICONS[0]


def in_words(assistant: Assistant) -> Assistant:
    """It as people read it. Its instructions, and what fields put into them, stay as models read them."""
    if not assistant.shipped:
        return assistant
    fields = tuple(structs.replace(f, label=_said(f.label)) for f in assistant.fields)
    return structs.replace(
        assistant, name=_said(assistant.name), description=_said(assistant.description), fields=fields
    )


def _said(text: str) -> str:
    """A text of one that comes with the app: most are marked for translation, names of languages are not."""
    return texts.marked(text) if isinstance(text, Source) else text


def choice(assistant: Assistant, value: str) -> str:
    """What a field is filled with, as people read it."""
    if not assistant.shipped:
        return value
    return _said(next((known for field in assistant.fields for known in field.choices if known == value), value))


def filling(assistant: Assistant, field: AssistantField, values: tuple[str, ...]) -> str:
    """All that a field is filled with, "" for nothing."""
    if field.kind is FieldKind.TEXT:
        return " ".join(" ".join(values).split())
    return ", ".join(choice(assistant, value) for value in values)


def thinking(mode: ThinkingMode | None) -> str:
    """A mode as the switch in a chat calls it."""
    return {
        None: translate("assistants", "As in Settings"),
        ThinkingMode.AUTO: translate("ThinkingControl", "Auto"),
        ThinkingMode.THINK: translate("ThinkingControl", "Think"),
        ThinkingMode.DIRECT: translate("ThinkingControl", "Direct"),
    }[mode]


def budget(tokens: int | None) -> str:
    """How long a thought may get."""
    if tokens is None:
        return translate("assistants", "As in Settings")
    return translate("BudgetButton", "No limit") if tokens == NO_BUDGET else texts.tokens(tokens)


def facts(assistant: Assistant) -> str:
    """In a few words what is special about it, for its card."""
    found: list[str] = []
    if assistant.model:
        found.append(texts.isolated(assistant.model))
    if assistant.thinking is ThinkingMode.THINK:
        tokens = assistant.thinking_budget
        limited = texts.fill(translate("assistants", "thinks, budget {n}"), n=tokens or 0)
        found.append(translate("assistants", "thinks") if tokens is None or tokens < 0 else limited)
    elif assistant.thinking is ThinkingMode.DIRECT:
        found.append(translate("assistants", "answers directly"))
    if assistant.context is not None:
        words = translate("assistants", "{size} context")
        found.append(texts.fill(words, size=texts.context(assistant.context)))
    if assistant.adapters:
        found.append(translate("assistants", "%n adapter(s)", "", len(assistant.adapters)))
    several = next((field for field in assistant.asked if field.kind is FieldKind.CHOICES and field.default), None)
    if several is not None:
        found.append(filling(assistant, several, several.default))
    return " · ".join(found) or translate("assistants", "any model")


class AssistantTile(QWidget):
    """Its icon on its tint, ``side`` px wide at normal text size."""

    def __init__(self, theme: Theme, parent: QWidget | None = None, *, side: int = 34) -> None:
        super().__init__(parent)
        self._theme = theme
        self._side = side
        self._look = ("bot", "indigo")
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        theme.changed.connect(self.updateGeometry)
        theme.changed.connect(self.update)

    def show_look(self, icon: str, colour: str) -> None:
        """Show this icon in this colour."""
        self._look = (icon, colour)
        self.update()

    def show_assistant(self, assistant: Assistant) -> None:
        """Show what an assistant looks like."""
        self.show_look(icon_of(assistant), assistant.colour)

    def sizeHint(self) -> QSize:
        side = self._theme.grown(self._side)
        return QSize(side, side)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        icon, colour = self._look
        draw_rounded(
            painter, QRectF(self.rect()), self._theme.radius("control"), self._theme.color(f"{tint(colour)}_soft")
        )
        sign = round(self.width() * 0.55)
        drawn = icons.pixmap(icon, self._theme.color(tint(colour)), sign, self.devicePixelRatioF())
        painter.drawPixmap((self.width() - sign) // 2, (self.height() - sign) // 2, drawn)
