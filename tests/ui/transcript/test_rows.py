"""The row of actions under a message and the notes of an answer, as one points at them and reads them."""

from __future__ import annotations

import pytest
from msgspec import structs
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QApplication, QMenu

from qwen_desktop.core.chat import Again, Status, Versions
from qwen_desktop.core.engine import Stats
from qwen_desktop.core.parts import ThinkingPart
from qwen_desktop.core.text import Text
from tests import layouts

LOOPED = structs.replace(layouts.MADE, stopped_loop=True)


def labels(seen, key):
    return [target.label for target in seen.item(key).targets() if target.key.startswith("actions.")]


def test_the_row_of_a_question_shows_under_the_pointer_and_is_hit_there(seen, say):
    seen.show([say("user", "A question"), say("assistant", "An answer"), say("user", "Another")])
    seen.view.set_versions({"m1": Versions(("m1", "other"), 0)})
    assert labels(seen, "m1") == [
        "Copy message", "Edit message", "More actions", "Version 1 of 2. Show versions", "Next version",
    ]  # fmt: skip
    edit = seen.target("m1", "edit")
    ink = seen.view.theme.color("text_muted").name()
    assert ink not in seen.colours("m1", edit)
    seen.qtbot.mouseMove(seen.view.viewport(), seen.view.rect_of(seen.item("m1"), seen.item("m1").rect).center())
    assert ink in seen.colours("m1", edit)
    with seen.qtbot.waitSignal(seen.view.message_wanted) as caught:
        seen.click("m1", "edit")
    assert caught.args == ["edit", "m1"]
    with seen.qtbot.waitSignal(seen.view.version_requested) as caught:
        seen.click("m1", "version")
    assert caught.args == ["other"]
    with seen.qtbot.waitSignal(seen.view.message_wanted) as caught:
        seen.click("m1", "versions")
    assert caught.args == ["versions", "m1"]


def test_where_there_is_no_room_the_menu_has_the_rest(seen, say):
    stats = Stats(decode_tokens_per_s=18.4, ttft_s=0.4)
    seen.show([say("user", "A question"), say("assistant", "An answer", stats=stats)])
    seen.view.set_versions({"m2": Versions(("m2", "other"), 0)})
    assert len(labels(seen, "m2")) == 8
    for width in range(900, 288, -18):
        seen.view.resize(width, 600)
        seen.settle()
        item = seen.item("m2")
        rights = [target.rect.right() for target in item.targets() if target.key.startswith("actions.")]
        assert max(rights) <= item.width + 0.5
        assert {"Copy answer", "More actions", "Next version"} <= set(labels(seen, "m2"))
        places = [target.rect for target in item.targets() if target.key.startswith("actions.")]
        assert all(min(place.width(), place.height()) >= 28 for place in places)
        assert not any(a.intersects(b) for n, a in enumerate(places) for b in places[n + 1 :])
    assert "Fork from here" not in labels(seen, "m2")


def test_what_differs_unfolds_and_is_kept(seen, say):
    differs = (Text("a", "Other engine."), Text("b", "Other threads."))
    made = structs.replace(layouts.MADE, again=Again("m0", equal=False, differs=differs))
    seen.view.options.differs_at = lambda _message: 12
    seen.show([say("user", "A question"), say("assistant", "An answer", provenance=made), say("user", "More")])
    assert seen.item("m2").spoken() == ["Not the same answer: it differs from word 12 on."]
    before = seen.item("m2").height
    seen.click("m2", "differs")
    assert seen.item("m2").height > before + 30
    seen.view.restyle()
    seen.settle()
    assert seen.item("m2").height > before + 30
    seen.click("m2", "differs")
    assert seen.item("m2").height == pytest.approx(before, abs=1)


def test_an_equal_answer_says_so_and_one_that_is_not_at_its_end_says_nothing(seen, say):
    equal = structs.replace(layouts.MADE, again=Again("m0", equal=True))
    unknown = structs.replace(layouts.MADE, again=Again("m0"))
    seen.show([say("assistant", "One", provenance=equal), say("assistant", "Two", provenance=unknown)])
    assert seen.item("m1").spoken() == ["The same answer, letter for letter."] and seen.item("m2").spoken() == []


def test_a_loud_note_is_tinted_in_every_look_and_its_button_acts(seen, say):
    seen.show([say("user", "A question"), say("assistant", "Round", provenance=LOOPED)])
    for mode in ("light", "dark", "light"):
        seen.view.theme.set_mode(mode)
        seen.settle()
        colours = seen.colours("m2")
        assert seen.view.theme.color("warn_soft").name() in colours and seen.view.theme.color("warn").name() in colours
    seen.view.resize(330, 600)  # the button stands below the words
    seen.settle()
    button = seen.target("m2", "go_on")
    assert button.rect.left() >= 0 and button.rect.right() <= seen.item("m2").width
    with seen.qtbot.waitSignal(seen.view.message_wanted) as caught:
        seen.click("m2", "go_on")
    assert caught.args == ["go_on", "m2"]


def test_a_quiet_note_goes_on_by_key(seen, say):
    seen.show([say("user", "A question"), say("assistant", "Half", status=Status.STOPPED)])
    seen.view.setFocus()
    seen.view.give_focus(seen.item("m2"), "end.continue")
    with seen.qtbot.waitSignal(seen.view.message_wanted) as caught:
        seen.qtbot.keyClick(seen.view, Qt.Key.Key_Return)
    assert caught.args == ["continue", "m2"]


def test_a_spent_budget_is_said_of_the_last_thought_alone(seen, say):
    made = structs.replace(layouts.MADE, budget_spent=True)
    thoughts = (ThinkingPart("Hm.", 2.0, 30), "And so", ThinkingPart("Hm?", 9.4, 512), "Done.")
    seen.show([say("assistant", *thoughts, provenance=made)])
    said = [target.label for target in seen.item("m1").targets() if target.action == "thinking"]
    assert said[0].startswith("Thought for 2.0 s 30 tokens. ")
    assert said[1].startswith("Thought for 9.4 s 512 tokens, the budget was spent. ")


def test_the_menu_opens_by_key_at_its_button_and_takes_entries_of_others(seen, say):
    seen.show([say("user", "A question"), say("assistant", "An answer")])
    told = []
    seen.view.menu_opens.connect(
        lambda menu, key: told.append((menu.addAction("Mine", lambda: told.append("done")), key))
    )
    seen.view.setFocus()
    seen.view.give_focus(seen.item("m2"), "actions.more")
    button = QAccessible.queryAccessibleInterface(seen.view).focusChild()
    assert button.role() == QAccessible.Role.ButtonMenu and button.text(QAccessible.Text.Name) == "More actions"
    seen.qtbot.keyClick(seen.view, Qt.Key.Key_Return)
    menu = QApplication.activePopupWidget()
    assert isinstance(menu, QMenu) and told[0][1] == "m2"
    assert menu.activeAction() is not None and menu.activeAction().text() == "Copy message"
    place = seen.view.viewport().mapToGlobal(
        seen.view.rect_of(seen.item("m2"), seen.target("m2", "menu").rect).bottomLeft()
    )
    assert (menu.pos() - place - QPoint(0, 4)).manhattanLength() <= 2
    told[0][0].trigger()
    menu.close()
    assert told[-1] == "done"
