"""Answers that grow: deltas, thinking, progress, the end; and rendering by a worker."""

from __future__ import annotations

import asyncio
import itertools
import random
import time

import msgspec
import pytest
from PySide6.QtWidgets import QApplication

from qwen_desktop.core.chat import Status
from qwen_desktop.core.engine import FinishReason, PromptProgress
from qwen_desktop.core.errors import Problem
from qwen_desktop.core.parts import PartDone, PartWasThinking, TextPart, ThinkingPart
from qwen_desktop.core.text import Text
from qwen_desktop.jobs.markdown.blocks import from_builtins
from qwen_desktop.jobs.markdown.growing import grow_job
from qwen_desktop.jobs.markdown.parser import Markdown
from qwen_desktop.jobs.markdown.rendering import plain, render
from qwen_desktop.services.events import AnswerEvent, RunState
from qwen_desktop.ui.chat import markdown_source
from qwen_desktop.ui.chat.blocks_code import CodeLayout
from qwen_desktop.ui.chat.section_chrome import ProgressSection
from qwen_desktop.ui.chat.section_text import TextSection
from tests import layouts

ANSWER = """# Title

Some **bold** and `code` text
with two lines.

1. one
2. two
   - nested

```python
def f(x):
    return "a"
```

| a | b |
|---|---|
| 1 | 2 |

The end."""


def progress(item):
    return next((section for section in item.sections if isinstance(section, ProgressSection)), None)


@pytest.fixture
def live(seen, say):
    seen.show([say("user", "q"), say("assistant", status=Status.STREAMING)])
    return seen


def frame(seen, key: str) -> None:
    """Wait until all that has come of an answer is on show."""
    seen.qtbot.waitUntil(lambda: not seen.view.live._live.get(key).dirty)


def feed(seen, text: str, seed: int = 1) -> None:
    chance = random.Random(seed)
    place = 0
    while place < len(text):
        step = chance.randint(1, 9)
        layouts.more(seen.view, "m2", text[place : place + step])
        place += step
        if chance.random() < 0.2:
            frame(seen, "m2")
    frame(seen, "m2")


def test_streamed_text_appears_as_it_comes(live):
    layouts.more(live.view, "m2", "Hello ")
    layouts.more(live.view, "m2", "**world**")
    live.qtbot.waitUntil(lambda: layouts.message_text(live.view, "m2") == "Hello world")
    assert live.view.theme.color("text").name() in live.colours("m2")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_streamed_answer_ends_up_as_if_rendered_at_once(live, seed):
    feed(live, ANSWER, seed)
    item = live.item("m2")
    streamed = [msgspec.structs.replace(b, spans=None) if hasattr(b, "spans") else b for b in layouts.blocks(item)]
    assert tuple(streamed) == Markdown().blocks(ANSWER)
    height = item.height
    live.view.replace(msgspec.structs.replace(item.message, status=Status.DONE, finish_reason=FinishReason.STOP))
    live.settle()
    assert item.height == pytest.approx(height, abs=1)
    assert tuple(layouts.blocks(item)) == from_builtins(render(ANSWER))


def test_code_gets_its_colours_while_it_grows(live):
    layouts.more(live.view, "m2", "```python\nimport os\nx")
    keyword = live.view.theme.color("code_keyword").name()
    live.qtbot.waitUntil(lambda: keyword in live.colours("m2"), timeout=3000)
    for n in range(400):
        layouts.more(live.view, "m2", f"x{n} = 'text'  # {n}\n")
        if n % 50 == 0:
            frame(live, "m2")
    layout = layouts.text_of(live.item("m2")).layouts[0]
    assert isinstance(layout, CodeLayout)
    end = len("import os\nx") + sum(len(f"x{n} = 'text'  # {n}\n") for n in range(400))
    live.qtbot.waitUntil(lambda: bool(layout.spans) and layout.spans[-1].start > end - 60, timeout=5000)
    assert {span.role for span in layout.spans} >= {"code_keyword", "code_string", "code_comment"}
    starts = [span.start for span in layout.spans]
    assert starts == sorted(set(starts))


def test_finished_blocks_keep_their_layout(live):
    feed(live, "First paragraph.\n\nSecond paragraph.\n\nThird ")
    kept = layouts.text_of(live.item("m2")).layouts[:2]
    feed(live, "goes on and on.\n\nFourth.")
    assert layouts.text_of(live.item("m2")).layouts[:2] == kept


def test_thinking_runs_then_folds(live):
    item = live.item("m2")
    layouts.more(live.view, "m2", thinking="I must think.\nThe last line of it")
    live.qtbot.waitUntil(lambda: item.part(0) is not None)
    title, last = layouts.thinking(item).title()
    assert title.startswith("Thinking… 0 s")
    assert last == "The last line of it"
    live.view.live.take(AnswerEvent("c", "m2", PartDone(0, 3.2, 40)))
    layouts.more(live.view, "m2", "Answer")
    live.qtbot.waitUntil(lambda: layouts.message_text(live.view, "m2") == "Answer")
    assert layouts.thinking(item).title()[0].startswith("Thought for 3.2")
    assert layouts.thinking(item).title()[1] == "40 tokens"


def test_text_that_turns_out_to_be_thinking_moves_into_the_thought(live):
    item = live.item("m2")
    layouts.more(live.view, "m2", "Two and **two**:\n\n```python\nprint(2 + 2)\n```\n\nhm")
    live.qtbot.waitUntil(lambda: "hm" in layouts.message_text(live.view, "m2"))
    layouts.more(live.view, "m2", ", four.\n")
    live.view.live.take(AnswerEvent("c", "m2", PartWasThinking(0, 2.5, 30)))
    layouts.more(live.view, "m2", "It is **4**.")
    live.qtbot.waitUntil(lambda: layouts.message_text(live.view, "m2") == "It is 4.")
    assert layouts.thinking(item).title()[0].startswith("Thought for 2.5")
    assert layouts.thinking(item).title()[1] == "30 tokens"
    assert layouts.thinking(item).part.text == "Two and **two**:\n\n```python\nprint(2 + 2)\n```\n\nhm, four."
    assert [type(part) for part in item.message.parts] == [ThinkingPart, TextPart]


def test_reading_the_prompt_is_shown_until_the_first_word(live):
    item = live.item("m2")
    live.view.set_run(RunState("m2", read=PromptProgress(1024, 4096, 12.0)))
    assert progress(item).text().replace(",", "").startswith("Reading 1024 of 4096 tokens · 12 s left")
    assert live.view.theme.color("accent").name() in live.colours("m2")
    layouts.more(live.view, "m2", "Word")
    live.qtbot.waitUntil(lambda: progress(item) is None)


def test_a_failure_keeps_what_was_said(live):
    layouts.more(live.view, "m2", "Half an ans")
    live.qtbot.waitUntil(lambda: not live.view.live._live.get("m2").dirty)
    item = live.item("m2")
    problem = Problem("environment", Text("x", "The engine stopped."), action="retry")
    live.view.replace(msgspec.structs.replace(item.message, status=Status.FAILED, problem=problem))
    live.settle()
    assert layouts.message_text(live.view, "m2") == "Half an ans"
    assert live.target("m2", "problem").label == "Try again"


def test_deltas_are_shown_at_most_thirty_times_a_second(live):
    updates = []
    live.view.live.changed.connect(lambda item, y: updates.append(y))
    for _ in range(100):
        layouts.more(live.view, "m2", "word ")
        live.qtbot.wait(2)
    live.qtbot.waitUntil(lambda: not live.view.live._live.get("m2").dirty)
    assert 2 <= len(updates) <= 40
    assert layouts.message_text(live.view, "m2").count("word") == 100


def test_a_slow_frame_is_followed_by_a_pause_of_ten_times_that(live, monkeypatch):
    shown: list[tuple[float, float]] = []
    set_blocks, slow = TextSection.set_blocks, True

    def slowed(self, blocks, stable=0):
        began = time.perf_counter()
        time.sleep(0.02 if slow else 0)
        made = set_blocks(self, blocks, stable)
        shown.append((began, time.perf_counter()))
        return made

    def follow(enough, seconds: float = 20) -> None:
        """Have words come until that is so, however busy the machine is with something else."""
        end = time.monotonic() + seconds
        while not enough():
            assert time.monotonic() < end
            layouts.more(live.view, "m2", "word ")
            live.qtbot.wait(5)

    monkeypatch.setattr(TextSection, "set_blocks", slowed)
    follow(lambda: len(shown) > 2)
    for (began, ended), (after, _) in itertools.pairwise(shown):
        assert after - began >= 10 * (ended - began)
    slow = False
    follow(lambda: shown[-1][0] - shown[-2][0] < 0.15)  # and a quick one is not


def test_reading_above_is_not_disturbed_by_a_growing_answer(seen, say):
    seen.show([say("assistant", "text " * 300) for _ in range(8)] + [say("assistant", status=Status.STREAMING)])
    seen.view.scroll_by(-900)
    seen.settle()
    first = seen.view.visible_items()[0]
    before = seen.view.top_of(first)
    for _ in range(10):
        layouts.more(seen.view, "m9", "more and more words\n\n")
        frame(seen, "m9")
    assert seen.view.top_of(first) == pytest.approx(before, abs=1)


def test_what_comes_while_the_layout_is_made_is_shown_with_it(live):
    layouts.more(live.view, "m2", "One two")
    live.qtbot.waitUntil(lambda: layouts.message_text(live.view, "m2") == "One two")
    item = live.item("m2")
    item.evict()
    live.view.arrange(0.0)
    layouts.more(live.view, "m2", " three")
    live.view.live._frame.stop()
    live.view.live._show()
    live.settle()
    live.qtbot.waitUntil(lambda: item.projection() == "One two three")


def test_opening_in_mid_answer_goes_on_from_there(seen, say):
    parts = (ThinkingPart("Hm.", 1.0, 2), TextPart("It **began"))
    seen.show([say("assistant", *parts, status=Status.STREAMING)])
    layouts.more(seen.view, "m1", "** and goes on")
    seen.qtbot.waitUntil(lambda: layouts.message_text(seen.view, "m1") == "It began and goes on")


# With a worker -------------------------------------------------------------------------------------------------------


class Turns:
    """An asyncio loop whose turns are taken between Qt's, as qasync does in one."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()

    def turn(self, seconds: float = 0.0) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))


def test_long_texts_are_rendered_by_the_worker_and_kept(seen, say):
    turns = Turns()
    asked = []

    async def renderer(text):
        asked.append(text)
        await asyncio.sleep(0.01)
        return render(text)

    seen.view.markdown.set_jobs(render=renderer)
    long = "Some **bold** text. " * 200 + "\n\n```python\nimport os\n```"

    async def opened():
        seen.view.set_messages([say("user", "q"), say("assistant", long)], more_above=False)
        while not seen.item("m2").ready:
            await asyncio.sleep(0.01)
            seen.qtbot.wait(1)

    turns.loop.run_until_complete(asyncio.wait_for(opened(), 30))
    seen.settle()
    assert asked == [long]
    assert tuple(layouts.blocks(seen.item("m2"))) == from_builtins(render(long))
    seen.item("m2").evict()
    seen.view.arrange()
    seen.settle()
    assert asked == [long], "scrolling back does not ask again"
    turns.loop.close()


def test_a_slow_worker_shows_plain_text_meanwhile_and_a_broken_one_harms_nothing(seen, say):
    turns = Turns()
    asked = []

    async def renderer(text):
        asked.append(text)
        await asyncio.sleep(0.4)
        raise RuntimeError("crashed")

    async def plainer(texts):
        raise RuntimeError("crashed")

    seen.view.markdown.set_jobs(render=renderer, plain=plainer)
    long = "Some **bold** text.\n\n" * 200

    async def opened():
        seen.view.set_messages([say("assistant", long)], more_above=False)
        await asyncio.sleep(0.05)
        seen.qtbot.wait(200)
        assert not seen.item("m1").ready
        assert seen.item("m1").laid_out, "plain text is on show"
        assert layouts.message_text(seen.view, "m1") == long
        while not seen.item("m1").ready:
            await asyncio.sleep(0.01)
            seen.qtbot.wait(1)

    turns.loop.run_until_complete(asyncio.wait_for(opened(), 10))
    seen.settle()
    assert asked == [long, long], "once more, since another text may have been to blame"
    assert layouts.message_text(seen.view, "m1") == long, "not a character is lost"
    turns.loop.close()


def test_what_was_never_drawn_is_parsed_by_the_worker_to_be_copied(seen, say):
    turns = Turns()
    crash = "crash"
    calls = []

    async def plainer(texts):
        calls.append(list(texts))
        await asyncio.sleep(0.001)
        if any(crash in text for text in texts):
            raise RuntimeError("crashed")
        return plain(texts)

    messages = [say("assistant", f"a_b `__init__` *{n}*" + " word" * 200) for n in range(150)]
    messages.insert(20, say("assistant", f"**{crash}** it"))
    seen.show(messages)
    seen.view.markdown.set_jobs(plain=plainer)

    async def copied():
        seen.view.select_all()
        seen.view.copying.selection()
        while layouts.copying(seen.view):
            await asyncio.sleep(0.001)
            seen.qtbot.wait(1)

    turns.loop.run_until_complete(copied())
    texts = QApplication.clipboard().text().split("\n\n")
    assert texts.pop(20) == "**crash** it", "what cannot be parsed is copied as it stands"
    assert texts == [f"a_b __init__ {n}" + " word" * 200 for n in range(150)]
    assert len(calls) < 150
    turns.loop.run_until_complete(copied())
    assert len(calls) > 2
    turns.loop.close()


def test_leaving_and_coming_back_in_the_moment_an_answer_ends(live):
    """Its last layout was still to be made then, and never was."""
    layouts.more(live.view, "m2", "A **half")
    live.qtbot.waitUntil(lambda: layouts.message_text(live.view, "m2") == "A half")
    item = live.item("m2")
    done = msgspec.structs.replace(item.message, status=Status.STOPPED)
    live.view.replace(done)
    live.view.set_messages([live.item("m1").message, done], more_above=False)
    live.settle()
    assert layouts.message_text(live.view, "m2") == "A **half"


def test_blocks_that_come_in_one_frame_are_all_painted(live):
    layouts.more(live.view, "m2", "One\n\n")
    live.qtbot.waitUntil(lambda: layouts.message_text(live.view, "m2") == "One")
    places = []
    live.view.live.changed.connect(lambda _item, y: places.append(y))
    layouts.more(live.view, "m2", "Two\n\nThree\n\nFour\n\nFive\n\nSix")
    live.qtbot.waitUntil(lambda: bool(places))
    item = live.item("m2")
    assert places[0] <= item.part(0).y + item.part(0).layouts[1].y


def test_a_column_that_turns_right_in_mid_table_stands_right(live, theme):
    layouts.more(live.view, "m2", "> | a | b |\n> |---|--")
    live.qtbot.waitUntil(lambda: layouts.message_text(live.view, "m2") == "a\tb")
    layouts.more(live.view, "m2", "-:|\n> | words | 1 |")
    live.qtbot.waitUntil(lambda: layouts.message_text(live.view, "m2") == "a\tb\nwords\t1")
    item = live.item("m2")
    streamed = layouts.seen(live.view, item).pixels
    item.evict()
    layouts.settle(live.view, "m2")
    assert layouts.seen(live.view, item).pixels == streamed


def test_the_clock_of_a_thought_that_was_cut_off_is_forgotten(live):
    layouts.more(live.view, "m2", thinking="Hm.")
    item = live.item("m2")
    live.view.set_run(RunState("m2", thinking_since=time.monotonic() - 12))
    live.qtbot.waitUntil(lambda: item.part(0) is not None and layouts.thinking(item).title()[0] == "Thinking… 12 s")
    live.view.replace(msgspec.structs.replace(item.message, status=Status.STOPPED))
    live.settle()
    assert layouts.thinking(item).title()[0] == "Thoughts"


def test_reading_goes_on_where_it_was_in_another_theme(live):
    live.view.set_run(RunState("m2", read=PromptProgress(1024, 4096, 12.0)))
    live.view.restyle()
    live.settle()
    assert "1,024 of 4,096" in progress(live.item("m2")).text()


def test_a_long_open_block_is_parsed_by_the_worker_while_it_grows(live, monkeypatch):
    turns = Turns()
    here = []
    asked = []
    open_tail = Markdown.open_tail
    monkeypatch.setattr(Markdown, "open_tail", lambda *args: here.append(len(args[1])) or open_tail(*args))

    async def grower(text, number, known):
        asked.append(len(text))
        await asyncio.sleep(0.01)
        count = len(here)
        grown = grow_job(text, number, known)
        del here[count:]
        return grown

    live.view.markdown.set_jobs(grow=grower)
    item = live.item("m2")
    rows = "".join(f"| row {n} | **{n}** |\n" for n in range(250))
    table = "Before.\n\n| a | b |\n|---|---|\n" + rows

    async def fed():
        for place in range(0, len(table), 150):
            layouts.more(live.view, "m2", table[place : place + 150])
            live.qtbot.wait(1)
            await asyncio.sleep(0.005)
        for _ in range(200):
            live.qtbot.wait(5)
            await asyncio.sleep(0.005)
            if not live.view.live._live.get("m2").texts[0].asking and not live.view.live._live.get("m2").dirty:
                break

    turns.loop.run_until_complete(fed())
    assert max(here, default=0) < 3200
    assert max(asked) > 4000
    assert tuple(layouts.blocks(item)) == Markdown().blocks(table)
    live.view.resize(700, 600)
    item.evict()

    async def seen_again():
        live.view.arrange()
        while not item.ready:
            await asyncio.sleep(0.005)
            live.qtbot.wait(1)

    turns.loop.run_until_complete(asyncio.wait_for(seen_again(), 30))
    live.settle()
    assert max(here, default=0) < 3200
    assert tuple(layouts.blocks(item)) == Markdown().blocks(table)
    turns.loop.close()


def test_the_open_end_of_an_answer_that_has_ended_is_not_parsed_any_more(live):
    turns = Turns()
    asked = []

    async def grower(text, number, known):
        asked.append(text)
        return grow_job(text, number, known)

    live.view.markdown.set_jobs(grow=grower)
    item = live.item("m2")
    table = "| a | b |\n|---|---|\n" + "".join(f"| row {n} | {n} |\n" for n in range(300))

    async def ended():
        layouts.more(live.view, "m2", table)
        while not asked or live.view.live._live.get("m2").texts[0].asking:
            live.qtbot.wait(1)
            await asyncio.sleep(0.001)
        layouts.more(live.view, "m2", "| last | row |\n")
        live.view.replace(msgspec.structs.replace(item.message, status=Status.STOPPED))
        await asyncio.sleep(0.01)

    turns.loop.run_until_complete(asyncio.wait_for(ended(), 30))
    assert asked == [table]
    turns.loop.close()


def test_an_answer_that_nothing_can_parse_grows_on_as_it_stands(live):
    turns = Turns()

    async def grower(text, number, known):
        raise RuntimeError("crashed")

    live.view.markdown.set_jobs(grow=grower)

    async def fed():
        for n in range(100):
            layouts.more(live.view, "m2", f"[**{n}** " * 10)
            live.qtbot.wait(1)
            await asyncio.sleep(0.002)
        while not live.view.live._live.get("m2").texts[0].growing.plain:
            live.qtbot.wait(1)
            await asyncio.sleep(0.002)

    turns.loop.run_until_complete(fed())
    live.qtbot.waitUntil(
        lambda: layouts.message_text(live.view, "m2") == "".join(f"[**{n}** " * 10 for n in range(100))
    )
    turns.loop.close()


def test_a_text_that_the_parser_fails_on_is_shown_and_copied_as_it_stands(live, monkeypatch):
    def fail(*_args, **_more):
        raise RecursionError

    monkeypatch.setattr(Markdown, "iter_blocks", fail)
    monkeypatch.setattr(Markdown, "open_tail", fail)
    feed(live, "Some **bold** text.\n\nAnd more.")
    item = live.item("m2")
    assert layouts.message_text(live.view, "m2") == item.source
    live.view.replace(msgspec.structs.replace(item.message, status=Status.DONE))
    live.settle()
    assert item.projection() == item.source
    item.evict()
    live.view.select_all()
    assert live.selected() == "q\n\n" + item.source


def test_a_worker_that_hangs_holds_up_neither_reading_nor_copying(seen, say, monkeypatch):
    turns = Turns()
    monkeypatch.setattr(markdown_source, "PATIENCE_S", 0.05)

    async def never(_text):
        await asyncio.sleep(60)

    seen.view.markdown.set_jobs(render=never, plain=never)
    long = "Some **bold** text.\n\n" * 100

    async def opened():
        seen.view.set_messages([say("assistant", long)], more_above=False)
        seen.view.select_all()
        seen.view.copying.selection()
        while layouts.copying(seen.view) or not seen.item("m1").ready:
            await asyncio.sleep(0.01)
            seen.qtbot.wait(1)

    turns.loop.run_until_complete(asyncio.wait_for(opened(), 10))
    assert QApplication.clipboard().text() == long
    assert layouts.message_text(seen.view, "m1") == long
    turns.loop.close()
