"""What stands on the screen: text, code, tables, thinking, cards and notes."""

from __future__ import annotations

import pytest
from msgspec import structs
from PySide6.QtWidgets import QApplication

from qwen_desktop.core.chat import Status, Versions
from qwen_desktop.core.engine import FinishReason, Stats
from qwen_desktop.core.errors import Problem
from qwen_desktop.core.parts import ThinkingPart
from qwen_desktop.core.text import Text
from qwen_desktop.jobs.markdown.blocks import CodeBlock, TableBlock
from qwen_desktop.ui.chat.blocks_code import CodeLayout
from tests import layouts

PROBLEM = Problem(
    "environment",
    Text("x", "The engine stopped."),
    Text("y", "Close other programs."),
    details="signal 9",
    action="retry",
)


def test_messages_are_painted_in_the_themes_colours(seen, say, theme):
    seen.show([say("user", "A question"), say("assistant", "An answer with `code`.")])
    assert theme.color("user_message").name() in seen.colours("m1")
    assert theme.color("text").name() in seen.colours("m1")
    assert theme.color("sunken").name() in seen.colours("m2"), "inline code stands on a chip"
    theme.set_mode("dark")
    seen.settle()
    assert theme.color("window").name() == "#17171b"
    assert theme.color("user_message").name() in seen.colours("m1")
    assert theme.color("text").name() in seen.colours("m2")


def test_what_is_tinted_has_an_edge_in_high_contrast(seen, say, theme):
    asked, failed = say("user", "A question"), say("assistant", "Half an", status=Status.FAILED)
    seen.show([asked, structs.replace(failed, problem=PROBLEM)])
    for mode, edges in (("light", False), ("contrast", True)):
        theme.set_mode(mode)
        seen.settle()
        bad, border = theme.color("bad").name(), theme.color("border").name()
        item = seen.item("m2")
        card = seen.view.viewport().grab(seen.view.rect_of(item, item.rect)).toImage()
        lines = ([card.pixelColor(x, y).name() for y in range(card.height())] for x in range(card.width()))
        assert (max(line.count(bad) for line in lines) > 40) is edges, "the icon is smaller"
        assert (border in seen.colours("m1")) is edges


def test_user_text_keeps_its_lines_and_marks(seen, say):
    text = "  first\n\n**not bold** <b>raw</b>\n- x"
    seen.show([say("user", text)])
    assert layouts.message_text(seen.view, "m1") == text
    assert seen.item("m1").height > 4 * 24


def test_user_bubble_is_right_and_at_most_600_wide(seen, say):
    seen.show([say("user", "word " * 200), say("user", "short")])
    view = seen.view
    for key, least, most in (("m1", 560, 600), ("m2", 40, 140)):
        item = seen.item(key)
        row = view.rect_of(item, item.rect)
        image = view.viewport().grab().toImage()
        y = row.center().y()
        tinted = view.theme.color("user_message").name()
        xs = [x for x in range(image.width()) if image.pixelColor(x, y).name() == tinted]
        assert least <= xs[-1] - xs[0] + 1 <= most
        assert xs[-1] >= view.column_left + view.column_width - 2


def test_code_is_highlighted_and_its_copy_is_verbatim(seen, say):
    code = 'def f(x):\n\treturn "a"  # note'
    seen.show([say("assistant", f"Look:\n\n```python\n{code}\n```\n")])
    seen.qtbot.waitUntil(lambda: seen.view.theme.color("code_keyword").name() in seen.colours("m1"))
    seen.click("m1", "code_copy")
    assert QApplication.clipboard().text() == code


def test_copy_shows_a_check_for_a_moment(seen, say):
    seen.show([say("assistant", "```\nx\n```")])
    good = seen.view.theme.color("good").name()
    target = seen.target("m1", "code_copy")
    assert good not in seen.colours("m1", target)
    seen.click("m1", "code_copy")
    assert good in seen.colours("m1", target)
    seen.qtbot.waitUntil(lambda: good not in seen.colours("m1", target), timeout=4000)


def test_wrap_makes_long_code_lines_visible(seen, say):
    seen.show([say("assistant", "```\n" + "word " * 100 + "\n```")])
    before = seen.item("m1").height
    seen.click("m1", "wrap")
    assert seen.item("m1").height > before + 50
    seen.click("m1", "wrap")
    assert seen.item("m1").height == before


def test_a_table_is_copied_with_tabs(seen, say):
    seen.show([say("assistant", "| a | b |\n|---|---|\n| 1 | **2** |\n")])
    assert layouts.message_text(seen.view, "m1") == "a\tb\n1\t2"
    assert isinstance(layouts.blocks(seen.item("m1"))[0], TableBlock)


def test_a_tables_rules_end_with_its_last_column(seen, say, theme):
    seen.show([say("assistant", "| a | b |\n|---|--:|\n| one | HHHHHHHHHHHH |\n")])
    item = seen.item("m1")
    image = seen.view.viewport().grab(seen.view.rect_of(item, item.rect)).toImage()
    border = theme.color("border")
    rows = range(int(item.part(0).y), int(item.part(0).y + item.part(0).height))
    columns = range(image.width())
    rule = max(x for y in rows for x in columns if image.pixelColor(x, y) == border)
    ink = max(x for y in rows for x in columns if image.pixelColor(x, y).lightness() < 100)
    assert 0 <= rule - ink <= 4


def test_a_table_that_is_too_wide_breaks_no_word(seen, say):
    head = "| Model | Context | Parameters | Smallest quantization | Best quantization | Released | Licence | Notes |"
    row = "| Qwen3 30B-A3B | 131,072 tokens | 30,532,122,624 | 4,022,468,096 | 32,483,935,392 | 2025 | Apache | %s|"
    row %= "many words " * 5
    seen.show([say("assistant", f"{head}\n{'|---' * 8}|\n" + "\n".join([row] * 3) + f"\n| {'x' * 400} |")])
    (table,) = seen.item("m1").part(0).layouts
    said = [flow for row in table._cells[:-1] for flow in row]
    ends = [
        flow.text[: chunk.units.points(unit)] for flow in said for chunk in flow._chunks for unit in chunk.starts[1:-1]
    ]
    assert ends, "some cells take several lines"
    assert [end for end in ends if not end.endswith((" ", "-"))] == []
    assert table._columns[0] <= 250, "what is longer than a word is broken"


def test_html_and_pictures_are_only_text_and_links(seen, say):
    text = '<img src="http://x/1.png"><script>x</script>\n\n![alt text](http://example.org/p.png)'
    seen.show([say("assistant", text)])
    shown = layouts.message_text(seen.view, "m1")
    assert "<script>x</script>" in shown
    assert "alt text" in shown
    links = {t.value: t.label for t in seen.item("m1").targets() if t.action == "link"}
    assert links["http://example.org/p.png"] == "alt text"


def test_a_click_on_a_link_asks_for_it(seen, say):
    seen.show([say("assistant", "See [the page](https://example.org/a) and [bad](javascript:alert) now.")])
    assert [t.value for t in seen.item("m1").targets() if t.action == "link"] == ["https://example.org/a"]
    with seen.qtbot.waitSignal(seen.view.link_activated) as caught:
        seen.click("m1", "link")
    assert caught.args == ["https://example.org/a"]


def test_thinking_is_one_line_that_opens(seen, say):
    seen.show([say("assistant", ThinkingPart("I weigh it.\nStill weighing.", 6.2, 312), "Done.")])
    item = seen.item("m1")
    assert layouts.thinking(item).title() == ("Thought for 6.2 s", "312 tokens")
    closed = item.height
    seen.click("m1", "thinking")
    assert item.height > closed + 30
    seen.click("m1", "copy_text")
    assert QApplication.clipboard().text() == "I weigh it.\nStill weighing."
    seen.click("m1", "thinking")
    assert item.height == closed


def test_thinking_can_be_open_by_default(seen, say):
    seen.view.set_options(show_speed=True, open_thinking=True)
    seen.show([say("assistant", ThinkingPart("I weigh it.", 1.0, 3), "Done.")])
    assert layouts.thinking(seen.item("m1")).opened("thinking")
    seen.view.set_options(show_speed=True, open_thinking=False)
    assert not layouts.thinking(seen.item("m1")).opened("thinking")


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"status": Status.STOPPED}, "Stopped"),
        ({"status": Status.INTERRUPTED}, "Qwen Desktop ended while this answer ran"),
        ({"finish_reason": FinishReason.LENGTH}, "The answer reached the longest length."),
        (
            {"finish_reason": FinishReason.LENGTH, "stats": Stats(context_used=4096, context_size=4096)},
            "The answer ends here: the context is full.",
        ),
        (
            {"provenance": structs.replace(layouts.MADE, stopped_loop=True), "stats": Stats(completion_tokens=210)},
            "The model repeated itself and was stopped after 210 tokens.",
        ),
        ({"provenance": structs.replace(layouts.MADE, edited=True)}, "Edited by you"),
    ],
)
def test_an_answer_that_did_not_simply_end_says_so(seen, say, more, expected):
    seen.show([say("assistant", "Half", **more)])
    assert seen.item("m1").spoken() == [expected]


def test_an_error_is_a_card_with_its_button(seen, say, theme):
    seen.show([say("assistant", "Half", status=Status.FAILED, problem=PROBLEM)])
    assert theme.color("bad_soft").name() in seen.colours("m1")
    with seen.qtbot.waitSignal(seen.view.regenerate_requested) as caught:
        seen.click("m1", "problem")
    assert caught.args == ["m1"]
    height = seen.item("m1").height
    seen.click("m1", "details")
    assert seen.item("m1").height > height


def test_an_errors_button_can_be_a_command(seen, say):
    problem = Problem("user", Text("x", "No model."), action="model.open")
    seen.show([say("assistant", status=Status.FAILED, problem=problem)])
    assert seen.target("m1", "problem").label == "Open GGUF…"
    with seen.qtbot.waitSignal(seen.view.action_requested) as caught:
        seen.click("m1", "problem")
    assert caught.args == ["model.open"]


def test_actions_under_the_last_answer(seen, say):
    messages = [say("user", "q"), say("assistant", "one"), say("user", "q"), say("assistant", "**two**")]
    seen.show(messages)
    seen.view.set_versions({"m4": Versions(("a", "m4", "c"), 1)})
    with seen.qtbot.waitSignal(seen.view.regenerate_requested) as caught:
        seen.click("m4", "regenerate")
    assert caught.args == ["m4"]
    with seen.qtbot.waitSignal(seen.view.version_requested) as caught:
        seen.click("m4", "version", 0)
    assert caught.args == ["a"]
    with seen.qtbot.waitSignal(seen.view.version_requested) as caught:
        seen.click("m4", "version", 1)
    assert caught.args == ["c"]
    seen.click("m4", "copy")
    assert QApplication.clipboard().text() == "two"


def test_actions_of_other_answers_show_under_the_pointer_only(seen, say, theme):
    seen.show([say("user", "q"), say("assistant", "one"), say("user", "q"), say("assistant", "two")])
    ground = {theme.color("window").name()}
    target = seen.target("m2", "copy")
    assert seen.colours("m2", target) == ground
    assert seen.colours("m4", seen.target("m4", "copy")) != ground
    seen.qtbot.mouseMove(seen.view.viewport(), seen.text_point("m2", "one"))
    seen.qtbot.waitUntil(lambda: seen.colours("m2", target) != ground)


def test_speed_is_told_or_not(seen, say):
    seen.show([say("assistant", "x", stats=Stats(decode_tokens_per_s=18.42, ttft_s=0.41))])
    assert seen.item("m1").sections[-1].stats_text() == "18.4 tok/s · first word after 0.4 s"
    seen.view.set_options(show_speed=False, open_thinking=False)
    assert seen.item("m1").sections[-1].stats_text() == ""


def test_the_cut_stands_above_the_first_message_that_was_sent(seen, say):
    seen.show([say("user", "a"), say("assistant", "b"), say("user", "c"), say("assistant", "d")])
    before = seen.item("m3").height
    answer = seen.item("m4").message
    seen.view.replace(structs.replace(answer, context_cut="m3"))
    assert seen.item("m3").height > before + 20
    seen.view.replace(answer)
    assert seen.item("m3").height == before


def test_text_size_changes_heights(seen, say, theme):
    seen.show([say("assistant", "line\n" * 10)])
    before = seen.item("m1").height
    theme.set_text_size(150)
    seen.settle()
    grown = seen.item("m1").height
    assert grown > before * 1.3
    seen.view.set_text_scale(150)  # the same size once more is no change
    seen.settle()
    assert seen.item("m1").height == grown


@pytest.mark.parametrize(
    "text", ["مرحبا بالعالم", "为什么天空是蓝色的？" * 40, "😀 `x` 😀 **b** 😀", "", "\n\n", "```"]
)
def test_any_script_and_nothing_at_all(seen, say, text):
    seen.show([say("user", text or " "), say("assistant", text)])
    assert seen.item("m2").height > 0
    seen.view.select_all()
    assert seen.selected().strip() or not text.strip("`\n ")


def test_right_to_left_text_stands_at_the_right(seen, say):
    seen.show([say("assistant", "مرحبا بالعالم")])
    item = seen.item("m1")
    origin = item.part(0).y
    image = seen.view.viewport().grab(seen.view.rect_of(item, item.rect)).toImage()
    dark = [
        x for x in range(image.width()) for y in range(int(origin), int(origin) + 24)
        if image.pixelColor(x, y).lightness() < 100
    ]  # fmt: skip
    assert dark
    assert min(dark) > image.width() / 2


def test_a_code_card_of_ten_thousand_lines_lays_out_few(seen, say):
    code = "\n".join(f"line {n}" for n in range(10_000))
    seen.show([say("assistant", f"```text\n{code}\n```")])
    layout = layouts.text_of(seen.item("m1")).layouts[0]
    assert isinstance(layout, CodeLayout)
    assert isinstance(layout.block, CodeBlock)
    assert layout.block.text == code
    assert 5 < len(layout._layouts) < 200


@pytest.mark.parametrize("width", [420, 900])
def test_deep_lists_and_quotations_keep_room_for_their_text(seen, say, width):
    lists = "\n".join(f"{'  ' * n}- level {n}" for n in range(31))
    quotes = "\n".join(f"{'>' * (n + 1)} reply {n}" for n in range(60))
    seen.view.resize(width, 600)
    seen.show([say("user", "q"), say("assistant", f"{lists}\n\n{quotes}\n\n{'> - ' * 15}both")])
    body = layouts.text_of(seen.item("m2"))
    depths = [layout.indentation for layout in body.layouts]
    assert len(depths) > 91 and max(depths) <= body.layouts[0].width / 2
    assert depths[:5] == sorted(depths[:5]) and depths[0] < depths[3] and depths[30] == depths[29]
    assert "level 30" in layouts.message_text(seen.view, "m2") and "reply 59" in layouts.message_text(seen.view, "m2")
