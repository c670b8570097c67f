"""Footnotes, alerts, tables and code in a message: what a user sees of them and does with them."""

from __future__ import annotations

import time

import pytest
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QFont, QFontMetricsF, QHelpEvent
from PySide6.QtWidgets import QApplication, QToolTip

from qwen_desktop.jobs.markdown.blocks import CodeBlock, TableBlock
from qwen_desktop.ui.chat.saving import code_name
from tests import layouts

NOTES = "Words[^1] and more[^long].\n\n{}\n\n[^1]: The first.\n[^long]: The second, see [^1]."
WIDE = "| " + " | ".join(f"Column number {n}" for n in range(14)) + " |\n" + "|---" * 14 + "|\n" + "| cell " * 14 + "|"


def test_a_footnote_leads_down_and_back(seen, say):
    seen.show([say("assistant", NOTES.format("Filler.\n\n" * 80))])
    view = seen.view
    view.verticalScrollBar().setValue(0)
    seen.settle()
    seen.click("m1", "footnote", 1)
    back = seen.target("m1", "footnote_back", 1)
    assert view.interaction.focus == ("m1", back.key)
    assert view.rect_of(seen.item("m1"), back.rect).intersects(view.viewport().rect()), "it is in view"
    assert (back.value, back.label) == ("long", "Back to the text")
    seen.qtbot.keyClick(view, Qt.Key.Key_Return)
    there = seen.target("m1", "footnote", 1)
    assert view.interaction.focus == ("m1", there.key)
    assert view.rect_of(seen.item("m1"), there.rect).intersects(view.viewport().rect())
    assert there.label == "Footnote long"
    assert back.rect.height() >= 28 and back.rect.width() >= 28


def test_a_footnotes_sign_makes_no_line_taller_and_keeps_its_place_in_the_text(seen, say):
    seen.show([say("assistant", "Words here."), say("assistant", NOTES.format(""))])
    plain, noted = (seen.item(key).part(0).layouts[0] for key in ("m1", "m2"))
    assert plain.height == noted.height
    assert seen.item("m2").projection().startswith("Words[^1] and more[^long].\n\n---\n\n[^1]: The first.\n")
    point = seen.text_point("m2", "more")
    seen.qtbot.mouseDClick(seen.view.viewport(), Qt.MouseButton.LeftButton, pos=point)
    assert seen.selected() == "more"


@pytest.mark.parametrize("mode", ["light", "dark", "contrast"])
def test_an_alert_stands_on_a_ground_of_its_own(seen, say, theme, mode):
    theme.set_mode(mode)
    seen.view.restyle()
    seen.show([say("assistant", "> [!WARNING]\n> Words.\n\nAfter.\n\n> [!TIP]\n> Words.")])
    colours = seen.colours("m1")
    assert {theme.color(role).name() for role in ("warn_soft", "warn", "good_soft", "good")} <= colours
    title, words, after, tip, _ = seen.item("m1").part(0).layouts
    assert title.y + title.height <= words.y < after.y < tip.y
    assert after.y - words.y - words.height >= 18, "the ground ends below its words"
    section = seen.item("m1").part(0)
    assert section.height >= section.layouts[-1].y + section.layouts[-1].height + 8, "the last one's, too"
    seen.show([say("assistant", "> [!TIP]\n> | a |\n> |--|\n> | b |")])
    assert theme.color("border_strong").name() in seen.colours("m2"), "lines of a table can be seen there"


@pytest.mark.parametrize("rtl", [False, True])
def test_a_quotation_in_a_list_stands_where_the_item_does(seen, say, theme, rtl):
    word = "שלום" if rtl else "Words"
    seen.show([say("assistant", f"1. {word}\n\n   > {word}\n\n   > [!TIP]\n   > {word}\n\n> {word}")])
    item = seen.item("m1")
    section = item.part(0)
    image = layouts.picture(seen.view, item)

    def bar(number: int, role: str) -> float:
        layout = section.layouts[number]
        y = round(section.y + layout.y + layout.height / 2)
        colour = theme.color(role).name()
        return min(
            abs(x - (item.width if rtl else 0)) for x in range(image.width()) if image.pixelColor(x, y).name() == colour
        )

    start = section.layouts[0].indentation
    assert bar(1, "border_strong") == pytest.approx(start, abs=3)
    assert bar(3, "good") == pytest.approx(start, abs=3)
    assert bar(4, "border_strong") < 4, "one beside the list stands at the edge"


def test_an_alert_is_selected_and_copied_like_its_source(seen, say):
    seen.show([say("assistant", "> [!NOTE]\n> Words.\n\nAfter.")])
    seen.view.select_all()
    assert seen.selected() == "[!NOTE]\nWords.\n\nAfter."


def test_a_picture_is_named_and_never_loaded(seen, say, theme):
    seen.show([say("assistant", "See ![a cat](https://pictures.example/cat.png) here.")])
    target = seen.target("m1", "link")
    assert (target.value, target.label) == ("https://pictures.example/cat.png", "a cat")
    assert theme.color("sunken").name() in seen.colours("m1", target), "its sign"
    clicked = []
    seen.view.link_activated.connect(clicked.append)
    seen.click("m1", "link")
    assert clicked == ["https://pictures.example/cat.png"], "it asks like any other link"


def test_a_table_is_copied_for_spreadsheets_and_for_texts(seen, say):
    seen.show([say("assistant", "| a | b |\n|---|--:|\n| <1> | **2** |\n")])
    seen.click("m1", "table_copy")
    data = QApplication.clipboard().mimeData()
    assert data.text() == "a\tb\n<1>\t2"
    assert "<td>&lt;1&gt;</td><td>2</td>" in data.html()
    assert seen.view.interaction.copied == frozenset({("m1", seen.target("m1", "table_copy").key)})
    seen.click("m1", "table_markdown")
    assert QApplication.clipboard().text() == "| a | b |\n| --- | --: |\n| <1> | 2 |\n"
    assert not QApplication.clipboard().mimeData().hasHtml()


def test_the_row_above_a_table_shows_only_where_somebody_is(seen, say, theme):
    seen.show([say("user", "Q"), say("assistant", "Text.\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n")])
    target = seen.target("m2", "table_csv")
    seen.qtbot.mouseMove(seen.view.viewport(), seen.view.rect_of(seen.item("m1"), seen.item("m1").rect).center())
    assert len(seen.colours("m2", target)) == 1
    seen.qtbot.mouseMove(seen.view.viewport(), seen.point("m2", seen.target("m2", "table_copy")))
    assert len(seen.colours("m2", target)) > 5
    seen.view.interaction.hover = ("", "")
    assert len(seen.colours("m2", target)) == 1
    seen.view.setFocus()
    seen.view.interaction.focus = ("m2", target.key)
    assert len(seen.colours("m2", target)) > 5


def test_arrow_keys_scroll_what_is_too_wide(seen, say):
    code = "```py\n" + "x = 1 " * 80 + "\n```"
    seen.show([say("assistant", f"{WIDE}\n\n{code}")])
    table, card = seen.item("m1").part(0).layouts
    for layout, action in ((table, "table_copy"), (card, "wrap")):
        seen.view.setFocus()
        seen.view.interaction.focus = ("m1", seen.target("m1", action).key)
        seen.qtbot.keyClick(seen.view, Qt.Key.Key_Right)
        seen.qtbot.keyClick(seen.view, Qt.Key.Key_Right)
        assert layout.scroll == 120
        seen.qtbot.keyClick(seen.view, Qt.Key.Key_Left)
        assert layout.scroll == 60


def test_a_link_in_a_column_out_of_sight_comes_into_view_with_tab(seen, say):
    text = WIDE.removesuffix("|") + "[far](https://x.org) |"
    seen.show([say("assistant", text)])
    layout = seen.item("m1").part(0).layouts[0]
    seen.view.setFocus()
    seen.view.interaction.focus = ("m1", seen.target("m1", "table_csv").key)
    seen.qtbot.keyClick(seen.view, Qt.Key.Key_Tab)
    link = seen.target("m1", "link")
    assert seen.view.interaction.focus == ("m1", link.key)
    assert layout.scroll > 0 and link.rect.right() <= layout.room.right()


def test_saving_asks_for_the_table_or_the_code(seen, say):
    seen.show([say("assistant", "| a |\n|---|\n| 1 |\n\n```py\nx = 1\n```")])
    wanted = []
    seen.view.save_requested.connect(wanted.append)
    seen.click("m1", "table_csv")
    seen.click("m1", "code_save")
    assert [type(block) for block in wanted] == [TableBlock, CodeBlock]


@pytest.mark.parametrize(
    ("language", "name"),
    [
        ("Python", "code.py"),
        ("c++", "code.cpp"),
        ("", "code.txt"),
        ("../../etc", "code.txt"),
        ("Dockerfile", "Dockerfile"),
    ],
)
def test_a_model_does_not_choose_a_files_name(language, name):
    assert code_name(language) == name


@pytest.mark.parametrize("scale", [100, 200])
def test_words_on_buttons_have_room(seen, say, scale):
    seen.view.set_text_scale(scale)
    seen.show([say("assistant", f"```py\nx\n```\n\n{WIDE}")])
    tall = QFontMetricsF(seen.view.style_.font("small")).height()
    for action in ("wrap", "code_copy", "table_csv"):
        rect = seen.target("m1", action).rect
        assert rect.height() >= max(tall, 28), action


def test_code_is_set_without_ligatures(seen, say):
    seen.show([say("assistant", "`a != b`\n\n```py\na != b\n```")])
    inline, card = seen.item("m1").part(0).layouts
    fonts = [seen.view.style_.code_font, seen.view.style_.format("message", inline.block.runs[0]).font()]
    for font in fonts:
        assert {QFont.Tag(name): 0 for name in ("liga", "calt")}.items() <= {
            tag: font.featureValue(tag) for tag in font.featureTags()
        }.items()
    assert card.offset_at(1e6, 1e6) == len("a != b")


def test_a_long_table_holds_nobody_up(seen, say):
    """Its layout is made in steps, each far shorter than what a user would notice."""
    text = "| a | b | c | d | e |\n|---|---|---|---|---|\n"
    row = "| row {0} | **{0}** | some words | `x` | a rather long cell that may need two lines |\n"
    text += "".join(map(row.format, range(2000)))
    message = say("assistant", text)
    seen.show([message])
    item = seen.item("m1")
    blocks = layouts.blocks(item)
    item.evict()
    costs = []
    steps = item.steps({0: blocks}, item.width)
    while True:
        started = time.thread_time()
        more = next(steps, steps)
        costs.append(time.thread_time() - started)
        if more is steps:
            break
    costs.sort()
    assert len(costs) > 100
    assert costs[-1] < 0.1 and costs[-5] < 0.03
    assert item.ready and item.part(0).layouts[0].offset_at(1e6, 1e6) == len(item.projection())
    assert item.part(0).layouts[0].offset_at(0, 0) == 0


def test_a_notes_place_is_under_the_pointer(seen, say):
    seen.show([say("assistant", NOTES.format(""))])
    item = seen.item("m1")
    for action in ("footnote", "footnote_back"):
        target = seen.target("m1", action)
        found = item.target_at(QPointF(target.rect.center()))
        assert found is not None and found.key == target.key


def test_a_footnote_can_be_read_where_it_is_referred_to(seen, say, monkeypatch):
    seen.show([say("assistant", NOTES.format(""))])
    told = []
    monkeypatch.setattr(QToolTip, "showText", lambda _at, text, *_rest: told.append(text))
    point = seen.point("m1", seen.target("m1", "footnote", 1))
    QApplication.sendEvent(seen.view.viewport(), QHelpEvent(QEvent.Type.ToolTip, point, point))
    assert told == ["The second, see [^1]."]
