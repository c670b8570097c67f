"""Controls are what they look like: to screen readers, to the keyboard, and from right to left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import pytest
from PySide6.QtCore import QPoint, QRect, Qt
from PySide6.QtGui import QAccessible, QAction, QPaintEvent, QTextLayout, QTextOption
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QPlainTextEdit,
    QStyle,
    QStyleOptionButton,
    QStyleOptionMenuItem,
    QVBoxLayout,
    QWidget,
)

from qwen_desktop.core.paths import resources_folder
from qwen_desktop.ui import texts
from qwen_desktop.ui.chat.chips import ChipBody
from qwen_desktop.ui.chat.composer import ModelButton
from qwen_desktop.ui.chat.message_edit import MessageEdit
from qwen_desktop.ui.models.option_row import OptionRow
from qwen_desktop.ui.theme import Theme
from qwen_desktop.ui.widgets.boxes import row
from qwen_desktop.ui.widgets.buttons import IconButton, RailButton, TextButton
from qwen_desktop.ui.widgets.dialog import ReadOnlyText
from qwen_desktop.ui.widgets.filter_chip import FilterChip
from qwen_desktop.ui.widgets.flow import FlowLayout
from qwen_desktop.ui.widgets.labels import Chip, ElidedLabel, Label, Paragraph
from qwen_desktop.ui.widgets.meter import Meter
from qwen_desktop.ui.widgets.scroll import ScrollArea, between_lines
from qwen_desktop.ui.widgets.search_field import SearchField
from qwen_desktop.ui.widgets.select import Menu, Select
from qwen_desktop.ui.widgets.skeleton import Skeleton, SkeletonBars
from qwen_desktop.ui.widgets.surface import Line
from qwen_desktop.ui.widgets.switch import SegmentedControl
from qwen_desktop.ui.widgets.tick import BOX, Tick
from tests.ui.looks import cut_off

Show = Callable[..., QWidget]


@pytest.fixture
def theme(qapp: QApplication) -> Iterator[Theme]:
    """The light theme, in force."""
    theme = Theme(resources_folder())
    theme.set_mode("light")
    theme.apply(qapp)
    yield theme
    qapp.setStyleSheet("")
    qapp.setLayoutDirection(Qt.LayoutDirection.LeftToRight)


@pytest.fixture
def shown() -> Iterator[Show]:
    """A maker of windows with some widgets below each other."""
    windows: list[QWidget] = []

    def show(*widgets: QWidget) -> QWidget:
        window = QWidget()
        window.setObjectName("page")
        column = QVBoxLayout(window)
        for widget in widgets:
            column.addWidget(widget)
        windows.append(window)
        window.resize(420, window.sizeHint().height())
        window.show()
        QTest.qWaitForWindowExposed(window)
        return window

    yield show
    for window in windows:
        window.close()


def role(widget: QWidget) -> QAccessible.Role:
    return QAccessible.queryAccessibleInterface(widget).role()


def places(widget: QWidget, theme: Theme, role: str) -> list[int]:
    """The columns of a widget's picture, without its border, that have nearly this colour, in px."""
    picture, wanted = widget.grab().toImage(), theme.color(role).getRgb()

    def has(x: int, y: int) -> bool:
        return all(abs(a - b) < 30 for a, b in zip(picture.pixelColor(x, y).getRgb(), wanted, strict=True))

    rows = range(5, picture.height() - 5)
    return [x for x in range(5, picture.width() - 5) if any(has(x, y) for y in rows)]


def test_screen_readers_are_told_what_a_control_is(theme: Theme, shown: Show) -> None:
    tick, option, meter = Tick(theme, "Qwen3 8B & more"), OptionRow(theme, "Small", tag="recommended"), Meter("Memory")
    chip = FilterChip(theme, "Family", menu=True)
    shown(tick, option, meter, chip)
    assert [role(widget) for widget in (tick, option, meter, chip)] == [
        QAccessible.Role.CheckBox,
        QAccessible.Role.RadioButton,
        QAccessible.Role.ProgressBar,
        QAccessible.Role.Button,
    ]
    assert tick.accessibleName() == "Qwen3 8B & more"
    option.say("a little less exact", "2 GB", ("fits well", "good"))
    assert option.accessibleName() == "Small, recommended, a little less exact, 2 GB, fits well"
    chip.set_choices([("a", "A & B")], "All families")
    chip.set_value("a")
    assert chip.accessibleName() == "Family: A & B"


def test_a_meter_is_painted_with_the_next_frame_not_where_it_is_told(theme: Theme, shown: Show) -> None:
    class Watched(Meter):
        painted = 0

        def paintEvent(self, event: QPaintEvent) -> None:
            self.painted += 1
            super().paintEvent(event)

    meter = Watched("Memory")
    shown(meter)
    meter.repaint()
    before = meter.painted
    for step in range(1, 10):
        meter.show_share(step / 10)
    assert meter.painted == before > 0
    QApplication.processEvents()
    assert meter.painted == before + 1 and meter.value() == 900


def test_arrow_keys_and_clicks_anywhere_choose_among_options(theme: Theme, shown: Show) -> None:
    rows = [OptionRow(theme, name) for name in ("Small", "Balanced", "Large")]
    shown(*rows)
    rows[0].setFocus()
    rows[0].click()
    QTest.keyClick(rows[0], Qt.Key.Key_Down)
    assert [row.isChecked() for row in rows] == [False, True, False]
    place = rows[2].rect().center()
    place.setX(rows[2].width() - 4)
    QTest.mouseClick(rows[2], Qt.MouseButton.LeftButton, pos=place)
    assert [row.isChecked() for row in rows] == [False, False, True]


@pytest.mark.parametrize("way", [Qt.LayoutDirection.LeftToRight, Qt.LayoutDirection.RightToLeft])
def test_signs_stand_before_the_words(theme: Theme, shown: Show, qapp: QApplication, way: Qt.LayoutDirection) -> None:
    qapp.setLayoutDirection(way)
    button, search = TextButton(theme, "Download", icon="download", kind="primary"), SearchField(theme, "Find")
    option, tick = OptionRow(theme, "Small"), Tick(theme, "Qwen3 8B")
    for checked in (option, tick):
        checked.setChecked(True)
    shown(button, search, option, tick)
    ltr = way is Qt.LayoutDirection.LeftToRight
    middle = search.width() / 2
    assert (search._sign.geometry().center().x() < middle) is ltr
    assert search.textMargins().left() == (0 if not ltr else search._sign.width() + 6)
    for widget in (tick, option):
        columns = places(widget, theme, "accent")
        assert (max(columns) < 60) if ltr else (min(columns) > widget.width() - 60)
    ink = places(button, theme, "on_accent")
    words = button.fontMetrics().horizontalAdvance("Download")
    assert max(ink) - min(ink) > words + 12  # beside the words, not on them


@pytest.mark.parametrize("way", [Qt.LayoutDirection.LeftToRight, Qt.LayoutDirection.RightToLeft])
def test_words_begin_at_the_start_and_signs_of_more_stand_at_the_end(
    theme: Theme, shown: Show, qapp: QApplication, way: Qt.LayoutDirection
) -> None:
    qapp.setLayoutDirection(way)
    theme.apply(qapp)
    ltr = way is Qt.LayoutDirection.LeftToRight
    select, model = Select(theme, "Theme"), ModelButton(theme)
    select.addItem("Dark")
    model.set_name("Qwen3 4B (new)")
    flow = QWidget()
    line = FlowLayout(flow)
    parts = [Chip(theme, word) for word in ("one", "two")]
    for part in parts:
        line.addWidget(part)
    names = [made(theme, "/a/folder", color="accent") for made in (Label, Paragraph, ElidedLabel)]
    bars = SkeletonBars(theme, (0.2, 0.4))
    shown(*names, select, model, flow, bars)
    picture = bars.grab().toImage()
    inked = [picture.pixelColor(x, 12) == theme.color("hover") for x in (20, picture.width() - 20)]
    assert inked == [ltr, not ltr]
    for name in names:
        ink = places(name, theme, "accent")
        assert (min(ink) < 10) if ltr else (max(ink) > name.width() - 15), type(name)
    assert (parts[0].x() < parts[1].x()) is ltr
    assert (parts[0].x() == 0) if ltr else (parts[0].geometry().right() == flow.width() - 1)
    for control in (select, model):
        ink = places(control, theme, "text")
        gap = max(b - a for a, b in pairwise(ink))
        assert gap > 5, type(control)  # between words and sign
        words, sign = (ink[0], ink[-1]) if ltr else (control.width() - ink[-1], control.width() - ink[0])
        assert words < 20 and control.width() - 25 < sign


@pytest.mark.parametrize("way", [Qt.LayoutDirection.LeftToRight, Qt.LayoutDirection.RightToLeft])
def test_the_caret_of_an_empty_field_stands_where_its_hint_begins(
    theme: Theme, shown: Show, qapp: QApplication, way: Qt.LayoutDirection
) -> None:
    qapp.setLayoutDirection(way)
    box, search = MessageEdit(theme), SearchField(theme, "Find")
    shown(box, search)
    ltr = way is Qt.LayoutDirection.LeftToRight
    assert (search.cursorRect().center().x() < 60) if ltr else (search.cursorRect().center().x() > search.width() - 60)
    room = box.viewport().width()

    def caret() -> int:
        rect = box.cursorRect()
        assert rect.left() >= 0 and rect.right() < room  # all of it is seen
        return rect.left()

    assert (caret() < 5) if ltr else (caret() > room - 5)
    box.setPlainText("Latin")
    assert caret() < 5
    box.setPlainText("شرح")
    assert caret() > room - 5


@pytest.mark.parametrize(
    ("name", "shown_as"),
    [("Qwen3 4B (new)", "\u200f\u202aQwen3 4B (new)\u202c\u200f"), ("شرح", "شرح"), ("7", "7")],
)
def test_a_latin_name_does_not_turn_an_arabic_sentence(qapp: QApplication, name: str, shown_as: str) -> None:
    assert texts.fill("{name}.", name=name) == f"{name}."
    qapp.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
    try:
        assert texts.fill("{name}.", name=name) == f"{shown_as}."
    finally:
        qapp.setLayoutDirection(Qt.LayoutDirection.LeftToRight)


def test_an_icon_has_the_colour_of_the_theme_that_is_in_force(theme: Theme, shown: Show) -> None:
    button = TextButton(theme, "", icon="square")
    shown(button)
    for mode in ("light", "dark", "contrast"):
        theme.set_mode(mode)  # type: ignore[arg-type]  # one of them
        QApplication.processEvents()
        assert places(button, theme, "text")
        button.setEnabled(False)
        assert not places(button, theme, "text")
        button.setEnabled(True)


def test_a_name_without_room_is_cut_and_whole_in_its_tooltip(theme: Theme, shown: Show) -> None:
    name = "A model with a name that is much longer than the room there is for it in any window"
    tick = Tick(theme, name)
    window = shown(tick)
    assert tick.text().endswith("…")
    assert tick.toolTip() == name
    window.resize(1200, window.height())
    assert (tick.text(), tick.toolTip()) == (name, "")


def test_the_menu_of_a_filter_runs_as_the_window_does(theme: Theme, shown: Show) -> None:
    chip = FilterChip(theme, "Family", menu=True)
    shown(chip)
    assert chip._menu.layoutDirection() is Qt.LayoutDirection.LeftToRight


@pytest.mark.parametrize("percent", [100, 150])
def test_a_filter_that_goes_on_moves_nothing(theme: Theme, shown: Show, qapp: QApplication, percent: int) -> None:
    theme.set_text_size(percent)
    theme.apply(qapp)
    chip = FilterChip(theme, "Fits this computer")
    shown(chip)
    off = chip.width()
    chip.click()
    QTest.qWait(1)
    assert (chip.value, chip.width()) == ("on", off)


@pytest.mark.parametrize("way", [Qt.LayoutDirection.LeftToRight, Qt.LayoutDirection.RightToLeft])
def test_words_below_a_tick_begin_where_its_name_does(
    theme: Theme, shown: Show, qapp: QApplication, way: Qt.LayoutDirection
) -> None:
    qapp.setLayoutDirection(way)
    tick = Tick(theme, "Qwen3 8B")
    shown(tick)
    option = QStyleOptionButton()
    tick.initStyleOption(option)
    words = tick.style().subElementRect(QStyle.SubElement.SE_CheckBoxContents, option, tick)
    ltr = way is Qt.LayoutDirection.LeftToRight
    assert (words.left() if ltr else tick.width() - 1 - words.right()) == BOX


@pytest.mark.parametrize("way", [Qt.LayoutDirection.LeftToRight, Qt.LayoutDirection.RightToLeft])
def test_margins_and_the_first_box_run_as_the_window_does(
    theme: Theme, shown: Show, qapp: QApplication, way: Qt.LayoutDirection
) -> None:
    qapp.setLayoutDirection(way)
    card, words, box = QWidget(), QWidget(), QPlainTextEdit()
    row(words, on=card, margins=(40, 0, 2, 0))
    skeleton = Skeleton(theme, box, list_width=272, narrow=1000)
    shown(card, skeleton).resize(1200, 400)
    QTest.qWait(1)
    ltr = way is Qt.LayoutDirection.LeftToRight
    assert (words.x() if ltr else card.width() - words.x() - words.width()) == 40
    place = QRect(box.mapTo(skeleton, QPoint(0, 0)), box.size())
    assert (place.left() if ltr else skeleton.width() - 1 - place.right()) > 272  # beside the list


def test_enter_presses_what_has_the_keyboard(theme: Theme, shown: Show) -> None:
    parent = QWidget()
    buttons = [
        IconButton(theme, "x", "Close"),
        RailButton(theme, "x", "Page"),
        TextButton(theme, "Words"),
        FilterChip(theme, "Filter"),
        ChipBody(theme, parent),
    ]
    pressed: list[QAbstractButton] = []
    shown(*buttons)
    for button in buttons:
        button.clicked.connect(lambda *_, button=button: pressed.append(button))
        for key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            QTest.keyClick(button, key)
        QTest.keyClick(button, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert pressed == [button for button in buttons for _ in range(2)]


def test_segments_without_room_are_cut_short_and_do_not_overlap(theme: Theme, shown: Show) -> None:
    control = SegmentedControl(theme, "Thinking", [("auto", "Automatisches Denken", "brain"), ("no", "Direkt", "")])
    shown(control)
    natural = control.sizeHint().width()
    first, second = control.findChildren(TextButton)
    control.resize(natural - 60, control.height())
    QApplication.processEvents()
    assert second.geometry().right() <= control.width() and first.geometry().right() < second.geometry().left()
    assert first.text().endswith("…") and first.accessibleName() == first.toolTip() == "Automatisches Denken"
    control.resize(natural, control.height())
    QApplication.processEvents()
    assert first.text() == "Automatisches Denken" and not first.toolTip()


def test_the_chosen_segment_shows_all_of_its_bold_words(theme: Theme, shown: Show) -> None:
    control = SegmentedControl(theme, "Thinking", [("auto", "Automatisches Denken", "brain"), ("no", "Direkt", "")])
    control.set_value("auto")
    shown(control)
    (segment, _) = control.findChildren(TextButton)
    ink = places(segment, theme, "accent")
    segment.setFixedWidth(segment.width() + 60)
    QApplication.processEvents()
    free = places(segment, theme, "accent")
    assert [x - ink[0] for x in ink] == [x - free[0] for x in free]


def test_the_note_of_an_option_takes_a_second_line_where_it_needs_one(theme: Theme, shown: Show) -> None:
    long, short = OptionRow(theme, "Balanced · Q4_K_M"), OptionRow(theme, "Small · Q3_K_M")
    long.say("The usual choice: nearly as exact as the original.", "44.0 GB", ("needs 24 GB more", "bad"))
    short.say("Less memory.", "2.0 GB", ("fits well", "good"))
    window = shown(long, short)
    for width, lines in ((440, 2), (800, 1)):
        window.resize(width, window.layout().totalHeightForWidth(width))
        QApplication.processEvents()
        assert not cut_off(window)
        assert (long.height() > short.height()) is (lines == 2)


@pytest.mark.parametrize("way", [Qt.LayoutDirection.LeftToRight, Qt.LayoutDirection.RightToLeft])
@pytest.mark.parametrize("keys", ["Ctrl++", "Ctrl+,", "Ctrl+Shift+/"])
def test_keys_in_a_menu_are_read_from_left_to_right(
    theme: Theme, qapp: QApplication, way: Qt.LayoutDirection, keys: str
) -> None:
    qapp.setLayoutDirection(way)
    menu, action = Menu(), QAction("Größer")
    action.setShortcut(keys)
    menu.addAction(action)
    option = QStyleOptionMenuItem()
    menu.initStyleOption(option, action)
    shown = option.text.partition("\t")[2]
    line = QTextLayout(shown)
    direction = QTextOption()
    direction.setTextDirection(way)
    line.setTextOption(direction)
    line.beginLayout()
    row = line.createLine()
    line.endLayout()
    start = shown.index("C")
    between = [row.cursorToX(place)[0] for place in range(start + 1, start + len(keys))]
    assert all(a < b for a, b in pairwise(between))


def test_a_text_to_read_is_as_tall_as_it_needs_to_be(theme: Theme, shown: Show) -> None:
    short, long = (ReadOnlyText("\n".join(["a line"] * n), "Details", None, tallest=150) for n in (3, 60))  # type: ignore[arg-type] # shown beside
    shown(short, long)
    assert not short.verticalScrollBar().maximum() and short.viewport().height() < 4.5 * short.fontMetrics().height()
    assert long.verticalScrollBar().maximum() and long.height() == 150


def test_what_scrolls_ends_in_a_line_where_there_is_more(theme: Theme, shown: Show) -> None:
    window = QWidget()
    area = ScrollArea(window)
    window.setLayout(between_lines(area))
    inside = QVBoxLayout(area.body)
    for n in range(40):
        inside.addWidget(Label(theme, f"line {n}"))
    around = shown(window)
    above, below = window.findChildren(Line)
    bar = area.verticalScrollBar()
    for place, seen in ((0, (False, True)), (bar.maximum() // 2, (True, True)), (bar.maximum(), (True, False))):
        bar.setValue(place)
        assert (above.isVisible(), below.isVisible()) == seen
    around.resize(around.width(), 5000)
    QApplication.processEvents()
    assert not above.isVisible() and not below.isVisible()
