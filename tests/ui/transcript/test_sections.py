"""What a message may hold one day: a widget, a section that changes late, search marks, two directions at once."""

from __future__ import annotations

import pytest
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QApplication, QLineEdit, QSizePolicy, QWidget

from qwen_desktop.core.chat import Status
from qwen_desktop.core.errors import Problem
from qwen_desktop.core.parts import TextPart, ThinkingPart, ToolCallPart, ToolResultPart
from qwen_desktop.core.text import Text
from qwen_desktop.ui.chat.blocks import Target
from qwen_desktop.ui.chat.blocks_flow import Range
from qwen_desktop.ui.chat.section import HostedSection, Section
from qwen_desktop.ui.chat.selection import Place
from tests import layouts


class Player(Section):
    """A section of one colour that is told only later how tall it is."""

    tall = 40.0

    def lay(self, width: float) -> None:
        self.width, self.height = width, self.tall

    def paint(self, painter, context, at) -> None:
        colour = self.style.color("good" if context.focus == "play" else "bad")
        painter.fillRect(QRectF(at.x, at.y, self.width, self.height), colour)

    def targets(self) -> list[Target]:
        return [Target("play", "play", "", QRectF(0, 0, 30, self.height), "Play")]

    def grow(self, tall: float) -> None:
        """What was loaded is this tall."""
        self.tall = tall
        self.lay(self.width)
        self.changed()


class Tall(QWidget):
    """A widget that wants another height when told."""

    def __init__(self) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.tall = 30

    def sizeHint(self) -> QSize:
        return QSize(100, self.tall)


@pytest.fixture
def talk(seen, say):
    messages = [say("user" if n % 2 == 0 else "assistant", f"Number **{n}** " + "and more " * 40) for n in range(120)]
    messages.append(say("user", "first words"))
    messages.append(say("assistant", "An answer with a [link](https://example.org)."))
    seen.show(messages)
    seen.view.setFocus(Qt.FocusReason.OtherFocusReason)
    seen.view.activateWindow()
    return seen


def edited(talk) -> QLineEdit:
    """The user's last message with a box in place of its text."""
    edit = QLineEdit("first words")
    edit.setAccessibleName("Edit message")
    item = talk.item("m121")
    talk.view.host(item, HostedSection(item, "part0.", edit))
    talk.settle()
    return edit


def test_a_widget_stands_in_its_message_and_scrolls_with_it(talk):
    view, item = talk.view, talk.item("m121")
    edit = edited(talk)
    assert edit.isVisible() and edit.parent() is view.viewport()
    section = item.part(0)
    place = view.rect_of(item, QRectF(section.x, section.y, section.width, section.height))
    assert place.contains(edit.geometry()) and section.width > 500 and section.height == edit.sizeHint().height()
    assert item.rect.contains(QRectF(section.x, section.y, section.width, section.height))
    before = edit.y()
    view.scroll_by(-70)
    assert edit.y() == before + 70
    view.scroll_by(-6000)
    talk.settle()
    assert not edit.isVisible(), "nobody sees it there"
    view.scroll_to_end()
    talk.settle()
    assert edit.isVisible() and edit.y() == before


def test_what_is_being_edited_outlives_layouts_and_keeps_the_keyboard(talk):
    view, item = talk.view, talk.item("m121")
    edit = edited(talk)
    talk.qtbot.mouseClick(edit, Qt.MouseButton.LeftButton)
    talk.qtbot.waitUntil(edit.hasFocus)
    for _ in range(60):
        view.scroll_by(-600)
        talk.settle()
    assert not item.laid_out
    assert not edit.geometry().intersects(view.viewport().rect())
    talk.qtbot.keyClicks(QApplication.focusWidget(), " more")
    view.theme.set_mode("dark")
    view.resize(700, 600)
    view.scroll_to_end()
    talk.settle()
    assert edit.isVisible() and edit.hasFocus() and edit.text() == "first words more"
    view.unhost(item, "part0.")
    talk.settle()
    assert layouts.message_text(view, "m121") == "first words" and layouts.blocks(item)


def test_a_widget_goes_with_its_message(talk, say):
    edit = edited(talk)
    with talk.qtbot.waitSignal(edit.destroyed):
        talk.view.set_messages([say("user", "another conversation")], more_above=False)


def test_tab_comes_to_a_widget_in_reading_order(talk):
    view = talk.view
    edit = edited(talk)
    item, after = talk.item("m121"), talk.item("m122")
    talk.qtbot.mouseClick(edit, Qt.MouseButton.LeftButton)
    talk.qtbot.waitUntil(edit.hasFocus)
    talk.qtbot.keyClick(edit, Qt.Key.Key_Tab)
    assert view.hasFocus() and view.interaction.focus == ("m121", "actions.copy")
    talk.qtbot.keyClick(view, Qt.Key.Key_Tab)
    assert view.interaction.focus == ("m122", "part0.b0.link1")
    talk.qtbot.keyClick(view, Qt.Key.Key_Backtab, Qt.KeyboardModifier.ShiftModifier)
    talk.qtbot.keyClick(view, Qt.Key.Key_Backtab, Qt.KeyboardModifier.ShiftModifier)
    assert edit.hasFocus()
    talk.qtbot.keyClick(edit, Qt.Key.Key_Backtab, Qt.KeyboardModifier.ShiftModifier)
    assert view.hasFocus() and view.interaction.focus[0] == "m120"
    assert [t.key for t in item.targets()] == ["part0.widget0", "actions.copy"] and after.laid_out


def test_selecting_across_a_widget_copies_what_is_said(talk):
    edited(talk)
    view = talk.view
    view.interaction.selection.take(Place("m120", 0), Place("m122", 9))
    assert talk.selected() == "Number 119 " + "and more " * 39 + "and more\n\nfirst words\n\nAn answer"
    assert view.theme.color("selection").name() in talk.colours("m122")


def test_a_screen_reader_meets_the_widget_itself(talk):
    edited(talk)
    list_ = QAccessible.queryAccessibleInterface(talk.view)
    message = list_.child(talk.item("m121").index)
    children = [message.child(n) for n in range(message.childCount())]
    box = children[0]
    assert box.role() == QAccessible.Role.EditableText
    assert box.text(QAccessible.Text.Name) == "Edit message"
    assert box.text(QAccessible.Text.Value) == "first words"


def test_a_widget_that_wants_another_height_gets_it(talk):
    view, item = talk.view, talk.item("m122")
    widget = Tall()
    view.host(item, HostedSection(item, "below.", widget))
    talk.settle()
    before = item.height
    widget.tall = 130
    widget.updateGeometry()
    talk.qtbot.waitUntil(lambda: widget.height() == 130)
    assert item.height == before + 100
    assert view._stick and view.top_of(item) + item.height <= view.viewport().height()


@pytest.mark.parametrize("where", ["above", "at the top"])
def test_what_one_reads_stays_when_a_section_above_changes_its_height(talk, where):
    view = talk.view
    key = "m81"
    item = talk.item(key)
    player = Player(item, "player.")
    view.verticalScrollBar().setValue(int(view.scroll_value + view.top_of(item) - 100))
    talk.settle()
    view.host(item, player)
    talk.settle()
    if where == "above":
        view.scroll_by(int(view.top_of(item) + item.height) + 50)
        kept, offset = talk.item("m82"), 0.0
    else:  # the player itself is above the edge, the bottom of its message is not
        view.scroll_by(int(view.top_of(item) + player.y + player.height) + 1)
        kept, offset = item, item.height
    talk.settle()
    before = view.top_of(kept) + offset
    for tall in (240.0, 20.0, 700.0):
        player.grow(tall)
        talk.settle()
        assert view.top_of(kept) + (item.height if kept is item else 0.0) == pytest.approx(before, abs=1.5)


def test_a_section_of_ones_own_is_painted_pressed_and_reached(talk):
    view, item = talk.view, talk.item("m122")
    player = Player(item, "player.")
    view.host(item, player)
    talk.settle()
    assert view.theme.color("bad").name() in talk.colours("m122")
    view.give_focus(item, "player.play")
    assert view.theme.color("good").name() in talk.colours("m122", talk.target("m122", "play"))
    point = QPointF(player.x + 5, player.y + 5)
    assert item.target_at(point).label == "Play"
    assert "Play" in [t.label for t in item.targets()]


def test_marks_of_a_search_are_painted_under_the_selection(talk):
    view = talk.view
    text = layouts.message_text(view, "m122")
    start = text.index("link")
    view.matches = {"m122": (Range(0, 2, "match"), Range(start, start + 4, "current_match"))}
    view.viewport().update()
    found = talk.colours("m122")
    assert view.theme.color("match").name() in found and view.theme.color("current_match").name() in found
    view.select_all()
    found = talk.colours("m122")
    assert view.theme.color("selection").name() in found and view.theme.color("match").name() not in found
    assert talk.selected().endswith(text)


class Picture:
    """Something 40 pixels high on the baseline, 10 below it."""

    width, ascent, descent = 50.0, 40.0, 10.0

    def paint(self, painter, rect, role) -> None:
        painter.fillRect(rect, Qt.GlobalColor.red)


def test_a_picture_in_a_line_is_scrolled_selected_copied_and_read(talk, say):
    view = talk.view
    view.style_.inline = lambda base, run: Picture() if run.math else None
    view.append(say("assistant", "One $x^2$ two.\n\nPlain.\n\nA $y$ again " + "and again " * 40))
    view.append(say("assistant", "Last"))
    talk.settle()
    item = talk.item("m123")
    layout = layouts.text_of(item).layouts[0]
    plain = layouts.text_of(item).layouts[1]
    assert plain.height < layout.height < plain.height + 40, "its line is as tall as it must be, others are not"
    assert "#ff0000" in talk.colours("m123")
    text = layouts.message_text(view, "m123")
    assert text.startswith("One $x^2$ two.\n\nPlain.")
    view.interaction.selection.take(Place("m123", 2), Place("m124", 4))
    assert talk.selected() == text[2:] + "\n\nLast"
    found = talk.text_point("m123", " two")
    start = talk.text_point("m123", "$x^2$")
    assert found.x() - start.x() == pytest.approx(25, abs=8), "half of the picture belongs to each of its ends"
    before = view.top_of(item)
    view.scroll_by(-120)
    assert view.top_of(item) == before + 120 and "#ff0000" in talk.colours("m123")
    message = QAccessible.queryAccessibleInterface(view).child(item.index)
    assert message.text(QAccessible.Text.Name) == "Qwen3 4B: " + text


def test_the_interface_is_mirrored_from_right_to_left(seen, say, qapp):
    problem = Problem("user", Text("x", "It failed."), action="retry", details="more")
    seen.show(
        [
            say("user", "short"),
            say("assistant", ThinkingPart("Hm.", 1.0, 2), "Words"),
            say("assistant", "Half", status=Status.FAILED, problem=problem),
        ]
    )
    view = seen.view

    def places():
        return {
            (item.message.id, target.key): target.rect for item in view.items for target in item.targets()
        }, view.item("m1").part(0).x

    (left, text) = places()
    try:
        qapp.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        seen.settle()
        (right, mirrored_text) = places()
        assert right.keys() == left.keys()
        width = view.item("m1").width
        for key, rect in left.items():
            other = right[key]
            assert (other.y(), other.size()) == (rect.y(), rect.size())
            assert other.x() == pytest.approx(width - rect.right(), abs=1), key
        assert mirrored_text == pytest.approx(16, abs=1) and text > width / 2, "the user's bubble is at the end edge"
        tinted = view.theme.color("user_message").name()
        assert tinted in seen.colours("m1", Target("", "", "", QRectF(4, 30, 10, 10), ""))
        seen.view.select_all()
        assert seen.selected() == "short\n\nWords\n\nHalf"
    finally:
        qapp.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
    seen.settle()
    assert places()[0] == left


ARABIC = "استخدم `print()` لطباعة **النص** على الشاشة.\n\n- الأول\n- الثاني\n\n```python\nprint('مرحبا')\n```"


def test_arabic_with_english_code_is_selected_copied_and_read(seen, say):
    seen.show([say("user", "كيف أطبع؟"), say("assistant", ARABIC), say("user", "Thanks شكرا")])
    view, item = seen.view, seen.item("m2")
    text = layouts.message_text(view, "m2")
    assert text.startswith("استخدم print() لطباعة النص")
    word = text.index("print")
    view.interaction.selection.take(Place("m2", word), Place("m2", word + 5))
    assert seen.selected() == "print"
    view.interaction.selection.take(Place("m1", 4), Place("m3", 6))
    assert seen.selected() == "أطبع؟\n\n" + text + "\n\nThanks"
    assert item.offset_at(QPointF(item.width - 1, item.part(0).y + 10)) == 0, "it begins at the right"
    message = QAccessible.queryAccessibleInterface(view).child(1)
    assert message.text(QAccessible.Text.Name) == "Qwen3 4B: " + text
    view.interaction.selection.clear()
    view.matches = {"m2": (Range(word, word + 5, "match"),)}
    image = view.viewport().grab(view.rect_of(item, item.rect)).toImage()
    y, wanted = int(item.part(0).y) + 4, view.theme.color("match")
    marked = [x for x in range(image.width()) if image.pixelColor(x, y) == wanted]
    assert marked == list(range(marked[0], marked[-1] + 1)), "one stretch"
    quarter = len(marked) // 4
    before, after = (item.offset_at(QPointF(x, y)) for x in (marked[quarter], marked[-quarter]))
    assert word <= before < after <= word + 5, "English runs from left to right in it"


@pytest.mark.parametrize("direction", [Qt.LayoutDirection.LeftToRight, Qt.LayoutDirection.RightToLeft])
@pytest.mark.parametrize("text", ["Short words", "كيف أطبع؟", "كيف\n" * 600 + "short\n" * 400])
def test_what_the_user_said_stands_in_its_bubble(seen, say, qapp, direction, text):
    qapp.setLayoutDirection(direction)
    try:
        seen.show([say("user", text)])
        item = seen.item("m1")
        image = seen.view.viewport().grab(seen.view.rect_of(item, item.rect)).toImage()
        y = int(item.part(0).y)
        filled = seen.view.theme.color("user_message")
        bubble = [x for x in range(image.width()) if image.pixelColor(x, y) == filled]
        dark = [
            x for x in range(image.width()) for row in range(y, y + 24) if image.pixelColor(x, row).lightness() < 100
        ]
        assert dark and bubble[0] + 8 < min(dark) and max(dark) < bubble[-1] - 8
        assert (bubble[0] < 4) == (direction == Qt.LayoutDirection.RightToLeft)
    finally:
        qapp.setLayoutDirection(Qt.LayoutDirection.LeftToRight)


def test_parts_stand_in_order_and_each_is_itself(seen, say):
    parts = (
        ThinkingPart("first", 1.0, 1),
        TextPart("Before.\n\n```python\nopen fence"),
        ToolCallPart("1", "look_up", '{"word": "```"}'),
        ToolResultPart("1", "**Water**."),
        ThinkingPart("again\nand again", 2.0, 3),
        TextPart("After **all**."),
    )
    seen.show([say("assistant", *parts)])
    item = seen.item("m1")
    places = [item.part(n).y for n in range(len(parts))]
    assert places == sorted(set(places))
    reads = 'Before.\n\nopen fence\n\nlook_up {"word": "```"}\n\n**Water**.\n\nAfter all.'
    assert layouts.message_text(seen.view, "m1") == reads == item.projection()
    assert item.length == len(reads)
    for words in ("open fence", "look_up", "Water", "After"):
        assert seen.text_point("m1", words)
    item.evict()
    assert seen.view.texts.read(item.message) == reads, "what is not drawn reads the same"
    seen.view.arrange()
    seen.settle()
    height = item.height
    for number in (0, 4):
        seen.click("m1", "thinking", number // 4)
    assert item.height > height + 60
    assert [t.value for t in item.targets() if t.action == "copy_text"] == ["first", "again\nand again"]
