"""Finding a text in the conversation on show: counted, marked, gone through; also in what is not laid out or loaded."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from qwen_desktop.core.chat import Status
from qwen_desktop.core.find_text import TextPattern
from qwen_desktop.core.parts import TextPart, ThinkingPart
from qwen_desktop.ui.chat.finding import MOST, Finder
from tests import layouts, random_messages

if TYPE_CHECKING:
    from tests.ui.transcript.conftest import Seen

RICH = "A **ne**edle here.\n\n```py\nneedle = 1\n```\n\n| a | needle |\n|---|---|\n| b | Needle |\n\n> quoted needle"


@pytest.fixture
def finder(seen: Seen) -> Finder:
    return Finder(seen.view, seen.view)


def look(seen: Seen, finder: Finder, text: str, **more: Any) -> None:
    finder.look_for(TextPattern(text, **more))
    seen.qtbot.waitUntil(lambda: finder.whole, timeout=10_000)


def found(seen: Seen, message_id: str) -> list[str]:
    """What the marks of a message cover."""
    text = layouts.message_text(seen.view, message_id)
    return [text[start:end] for start, end, _ in seen.view.matches.get(message_id, ())]


def seen_at(seen: Seen, finder: Finder) -> float:
    """The y in the viewport of the line in which the current place begins."""
    here = finder.current
    assert here is not None
    item = seen.item(here.message_id)
    assert item.ready
    section = next(
        s
        for s in reversed(item.sections)
        if (s.name == here.section if here.section else s.length and s.start <= here.start)
    )
    start = here.start - (0 if here.section else section.start)
    return float(seen.view.top_of(item) + section.y + section.band(start, start + here.end - here.start)[0])


def in_view(seen: Seen, finder: Finder) -> bool:
    here = finder.current
    if here is None or not seen.item(here.message_id).ready:
        return False
    return 0 <= seen_at(seen, finder) < seen.view.viewport().height() - 10


def test_all_kinds_of_blocks_are_counted_and_marked(seen, say, finder):
    seen.show([say("user", "my NEEDLE"), say("assistant", RICH)])
    look(seen, finder, "needle")
    assert finder.total == 6
    assert found(seen, "m1") == ["NEEDLE"]
    assert found(seen, "m2") == ["needle", "needle", "needle", "Needle", "needle"]
    roles = [role for key in ("m1", "m2") for *_, role in seen.view.matches[key]]
    assert roles.count("current_match") == 1
    finder.stop()
    assert not seen.view.matches


def test_capitals_and_accents_count_only_where_asked(seen, say, finder):
    seen.show([say("user", "Café cafe CAFE\u0301")])
    look(seen, finder, "cafe")
    assert finder.total == 3
    look(seen, finder, "cafe", exact=True)
    assert found(seen, "m1") == ["cafe"]


def test_going_on_goes_around_and_shows_each_place(seen, say, finder):
    messages = [say("user" if n % 2 else "assistant", f"{'filler ' * 60}needle {n}") for n in range(30)]
    seen.show(messages)
    look(seen, finder, "needle")
    assert finder.total == 30
    first = finder.number
    numbers = []
    for _ in range(30):
        finder.step(1)
        seen.qtbot.waitUntil(lambda: in_view(seen, finder))
        numbers.append(finder.number)
    assert numbers == [*range(first + 1, 31), *range(1, first + 1)]
    finder.step(-1)
    assert finder.number == (first - 2) % 30 + 1


def test_the_first_place_is_the_next_one_from_where_the_reader_is(seen, say, finder):
    seen.show([say("user", f"needle {n} {'filler ' * 80}") for n in range(20)])
    seen.view.hold(seen.item("m7"), 0.0, 0.0)
    seen.settle()
    look(seen, finder, "needle")
    assert finder.current is not None and finder.current.message_id == "m7"
    seen.view.hold(seen.item("m12"), 0.0, 0.0)
    look(seen, finder, "needle 3 ")
    assert finder.current.message_id == "m4", "nothing stands below: the nearest above"


def test_a_place_deep_in_a_long_message_and_far_to_the_side_comes_into_view(seen, say, finder):
    wide = "x = " + "1 + " * 200 + "needle"
    text = "\n\n".join(["word " * 40] * 200 + [f"```py\n{wide}\n```"] + ["word " * 40] * 50)
    seen.show([say("user", "question"), say("assistant", text), say("user", "end")])
    look(seen, finder, "needle")
    seen.qtbot.waitUntil(lambda: in_view(seen, finder), timeout=10_000)
    item = seen.item("m2")
    section = item.part(0)
    layout = next(each for each in section.layouts if getattr(each, "overflow", 0))
    assert layout.scroll > layout.overflow * 0.9


def test_open_thoughts_are_looked_into_and_closed_ones_are_not(seen, say, finder):
    thought = ThinkingPart("a needle? a needle!", 2.0, 9)
    seen.show([say("assistant", thought, "the needle"), say("user", "why?")])
    look(seen, finder, "needle")
    assert finder.total == 1
    seen.click("m1", "thinking")
    seen.qtbot.waitUntil(lambda: finder.total == 3)
    assert len(seen.view.options.marks[("m1", "part0.")]) == 2
    finder.step(1)
    finder.step(1)
    seen.click("m1", "thinking")
    seen.qtbot.waitUntil(lambda: finder.total == 1)
    assert not seen.view.options.marks


def test_an_answer_that_grows_is_looked_into_again(seen, say, finder):
    seen.show([say("assistant", "one needle", status=Status.STREAMING)])
    look(seen, finder, "needle")
    assert finder.total == 1
    layouts.more(seen.view, "m1", " and a needle")
    seen.qtbot.waitUntil(lambda: finder.total == 2)
    assert found(seen, "m1") == ["needle", "needle"]
    message = seen.item("m1").message
    seen.view.replace(structs.replace(message, parts=(TextPart("needle"),), status=Status.DONE))
    seen.qtbot.waitUntil(lambda: finder.total == 1)


def test_what_comes_in_above_is_counted_and_what_goes_is_not(seen, say, finder):
    older = [say("user", f"needle {n}") for n in range(5)]
    seen.show([say("user", "needle")], more_above=True)
    finder.look_for(TextPattern("needle"))
    seen.qtbot.waitUntil(lambda: finder.total == 1)
    assert not finder.whole
    seen.view.prepend(older, more_above=False)
    seen.qtbot.waitUntil(lambda: finder.total == 6 and finder.whole)
    assert finder.number == 6
    seen.view.replace_tail("m4", ())
    seen.qtbot.waitUntil(lambda: finder.total == 3)


def test_ten_thousand_messages_are_counted_without_holding_the_loop(seen, say, finder):
    messages = [
        say("user" if n % 2 else "assistant", f"*message* {n} {'word ' * 30}{'needle' if n % 10 == 0 else ''}")
        for n in range(10_000)
    ]
    seen.show(messages)
    finder.look_for(TextPattern("needle"))
    seen.qtbot.waitUntil(lambda: finder.whole, timeout=20_000)
    assert finder.total == 1000
    look(seen, finder, "word")
    assert finder.total == MOST and finder.more


@pytest.mark.parametrize("seed", range(6))
def test_marks_cover_what_is_looked_for_in_random_messages(seen, finder, seed):
    chance = random.Random(seed)
    messages = [layouts.message(chance, f"m{n}") for n in range(12)]
    seen.show(messages)
    words = random_messages.text(chance).split()
    for needle in [chance.choice(words)[: chance.randint(1, 6)] for _ in range(5)]:
        pattern = TextPattern(needle)
        if not pattern:
            continue
        look(seen, finder, needle)
        wanted = {
            m.id: pattern.ranges(
                seen.view.texts.read(m) if m.role == "assistant" else layouts.message_text(seen.view, m.id)
            )
            for m in messages
        }
        marked = {m.id: [(s, e) for s, e, _ in seen.view.matches.get(m.id, ())] for m in messages}
        assert marked == wanted, needle


def test_the_marks_of_one_message_go_when_it_leaves_the_view(seen, say, finder):
    seen.show([say("user", f"needle {n} {'filler ' * 80}") for n in range(20)])
    finder.look_for(TextPattern("needle"), only="m3")
    seen.qtbot.waitUntil(lambda: in_view(seen, finder))
    assert finder.total == 1
    seen.view.scroll_by(60)
    seen.qtbot.wait(300)
    assert seen.view.matches
    seen.view.scroll_to_end()
    seen.qtbot.waitUntil(lambda: not seen.view.matches)
