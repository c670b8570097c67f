"""Chats: the list, messages of every kind, and an answer in each of its stages."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from msgspec import structs
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest

from qwen_desktop.core.chat import Status, new_id
from qwen_desktop.core.engine import FinishReason, LiveFigures, PromptProgress, Stats, ThinkingMode
from qwen_desktop.core.errors import Environment, Problem
from qwen_desktop.core.parts import TextPart, ThinkingPart
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.services.events import AnswerEvent
from tests.shots import seeds, words
from tests.shots.engine import CONTEXT, Answer, said
from tests.shots.parts import (
    chats,
    composer,
    drag,
    model_button,
    named,
    on_show,
    right_click,
    show_chat,
    shown,
    transcript,
)
from tests.shots.seeds import MADE, Chat, assistant, message_id, user
from tests.shots.stage import MODEL
from tests.shots.still import CLOCK
from tests.shots.table import state

if TYPE_CHECKING:
    from tests.shots.stage import Stage

_FAILURE = Problem(
    "environment",
    Text("engine.memory", QT_TRANSLATE_NOOP("tests", "The model ran out of memory.")),
    Text("engine.memory.hint", QT_TRANSLATE_NOOP("tests", "Close other programs, or choose a smaller model.")),
    details="ggml_backend_alloc: failed to allocate 1,208,221,696 bytes\nworker exit code 1",
    action="retry",
)


async def ask(stage: Stage, text: str = "Why is the sky blue?", *, until: type[Any] | None = None) -> str:
    """Ask in a new chat that is on show, and wait until its answer has told an event of a kind; the chat's id."""
    edit = composer(stage)
    edit.setPlainText(text)
    stage.key(edit, Qt.Key.Key_Return)
    await stage.until(lambda: stage.window.chat.current in stage.services.chat.running())
    chat = str(stage.window.chat.current)
    if until is not None:
        await stage.until(lambda: any(_is(event, chat, until) for event in stage.services.events(AnswerEvent)))
    return chat


def _is(told: AnswerEvent, chat: str, kind: type[Any]) -> bool:
    return told.conversation_id == chat and isinstance(told.event, kind)


async def thinks(stage: Stage, seconds: float) -> None:
    """Let an answer think for so long, and the window see it: it looks at the clock now and then."""
    await stage.still()
    CLOCK.advance(seconds)
    await stage.repainted()


async def finished(stage: Stage) -> None:
    """Wait until no answer runs."""
    await stage.services.chat.idle()
    await stage.rest()


# The list and the empty chat -----------------------------------------------------------------------------------------


@state("chat-empty")
async def empty(stage: Stage) -> None:
    await stage.open()


@state("chat-empty-guide")
async def empty_guide(stage: Stage) -> None:
    await stage.open(model=False)


@state("chat-list")
async def chat_list(stage: Stage) -> None:
    await stage.open(*seeds.several())


@state("chat-list-rename")
async def rename(stage: Stage) -> None:
    await stage.open(*seeds.several(), seeds.SHORT)
    await show_chat(stage, "short")
    stage.command("chat.rename")


@state("chat-list-menu")
async def list_menu(stage: Stage) -> None:
    await _list_menu(stage, "short")


@state("chat-list-menu-in-new-chat")
async def list_menu_new(stage: Stage) -> None:
    await _list_menu(stage, "")


async def _list_menu(stage: Stage, opened: str) -> None:
    await stage.open(*seeds.several(), seeds.SHORT)
    if opened:
        await show_chat(stage, opened)
    stage.window.chat.show_list(True)
    view = chats(stage)
    today = view.model().index(1, 0)
    right_click(view.viewport(), view.visualRect(view.model().index(0, 0, today)).center())


@state("chat-list-hidden")
async def list_hidden(stage: Stage) -> None:
    await stage.open(*seeds.several(), seeds.SHORT)
    await show_chat(stage, "short")
    stage.window.chat.show_list(False)


@state("chat-list-focus")
async def list_focus(stage: Stage) -> None:
    await stage.open(*seeds.several(), seeds.SHORT)
    await show_chat(stage, "short")
    stage.window.chat.show_list(True)
    chats(stage).setFocus(Qt.FocusReason.TabFocusReason)


@state("chat-menu")
async def menu(stage: Stage) -> None:
    await stage.open(seeds.SHORT)
    await show_chat(stage, "short")
    stage.click("What to do with this chat")


# Messages ------------------------------------------------------------------------------------------------------------


async def read(stage: Stage, chat: Chat, *, top: bool = False, **settings: Any) -> None:
    """Open a chat at its end, or at its ``top``."""
    await stage.open(chat, **settings)
    await show_chat(stage, chat.id)
    if top:
        await stage.still()
        transcript(stage).verticalScrollBar().setValue(0)
    await stage.still()
    await drawn(stage)


@state("chat-markdown")
async def markdown(stage: Stage) -> None:
    await read(stage, Chat("texts", "Everything in Markdown", said=seeds.RICH.said[:2]), top=True)


@state("chat-markdown-end")
async def markdown_end(stage: Stage) -> None:
    await read(stage, Chat("texts", "Everything in Markdown", said=seeds.RICH.said[:2]))


@state("chat-formulas")
async def formulas(stage: Stage) -> None:
    await read(stage, seeds.MATHS, top=True)


@state("chat-formulas-end")
async def formulas_end(stage: Stage) -> None:
    await read(stage, seeds.MATHS)


@state("chat-code")
async def code(stage: Stage) -> None:
    await read(stage, seeds.RICH)


@state("chat-code-large-text")
async def large_text(stage: Stage) -> None:
    await read(stage, seeds.RICH)
    await stage.services.preferences.set("appearance.text_size", 150)


@state("chat-diagrams")
async def diagrams(stage: Stage) -> None:
    await read(stage, Chat("diagrams", "How a login works", said=seeds.DIAGRAMS.said[:2]), top=True)
    await drawn(stage)


@state("chat-diagrams-end")
async def diagrams_end(stage: Stage) -> None:
    await read(stage, Chat("diagrams", "How a login works", said=seeds.DIAGRAMS.said[:2]))
    await drawn(stage)


@state("chat-charts")
async def charts(stage: Stage) -> None:
    await read(stage, seeds.DIAGRAMS)
    await drawn(stage)


@state("chat-diagrams-large-text")
async def diagrams_large_text(stage: Stage) -> None:
    await read(stage, Chat("diagrams", "How a login works", said=seeds.DIAGRAMS.said[:2]))
    await stage.services.preferences.set("appearance.text_size", 200)
    await drawn(stage)
    transcript(stage).verticalScrollBar().setValue(130)


@state("chat-diagram-zoom")
async def diagram_zoom(stage: Stage) -> None:
    await read(stage, Chat("diagrams", "How a login works", said=seeds.DIAGRAMS.said[:2]))
    await drawn(stage)
    view: Any = transcript(stage)
    item, wish = next(
        (item, target) for item in view.items for target in item.targets() if target.action == "diagram_zoom"
    )
    view.activated.emit(item, wish)
    await stage.rest()


async def drawn(stage: Stage) -> None:
    """Wait until no formula and no diagram is still being drawn."""
    view: Any = transcript(stage)
    await stage.until(lambda: not view.drawings.waiting)
    await stage.rest()


@state("chat-tables")
async def tables(stage: Stage) -> None:
    await read(stage, seeds.TABLES)


@state("chat-languages")
async def languages(stage: Stage) -> None:
    await read(stage, seeds.LANGUAGES)


@state("chat-languages-top")
async def languages_top(stage: Stage) -> None:
    await read(stage, seeds.LANGUAGES, top=True)


@state("chat-long-question")
async def long_question(stage: Stage) -> None:
    await read(stage, seeds.LONG_QUESTION)


def _thought(**more: Any) -> Chat:
    made = assistant(ThinkingPart(words.THOUGHT, 6.4, 118), words.SKY, **more)
    return Chat("thought", "Why is the sky blue?", said=(user("Why is the sky blue?"), made))


@state("chat-thinking-closed")
async def thinking_closed(stage: Stage) -> None:
    await read(stage, _thought())


@state("chat-thinking-budget")
async def thinking_budget(stage: Stage) -> None:
    made = structs.replace(MADE, budget_spent=True, stopped_loop=True)
    await read(stage, _thought(provenance=made), chat__open_thinking=True)


@state("chat-thinking-open")
async def thinking_open(stage: Stage) -> None:
    await read(stage, _thought(), chat__open_thinking=True)


@state("chat-no-speed")
async def no_speed(stage: Stage) -> None:
    await read(stage, _thought(), chat__show_speed=False)


@state("chat-notes")
async def notes(stage: Stage) -> None:
    full = Stats(context_used=CONTEXT, context_size=CONTEXT)
    question = user("Go on.")
    await read(
        stage,
        Chat(
            "notes",
            "Answers that ended early",
            said=(
                question,
                assistant("This one was stopped by", status=Status.STOPPED, finish_reason=FinishReason.CANCELLED),
                question,
                assistant("This one ended with the app", status=Status.INTERRUPTED),
                question,
                assistant("This one got too long", finish_reason=FinishReason.LENGTH),
                question,
                assistant("This one filled the context", finish_reason=FinishReason.LENGTH, stats=full),
                question,
                assistant("This one thought for long", provenance=structs.replace(MADE, budget_spent=True)),
                question,
                assistant("This one went round and round", provenance=structs.replace(MADE, stopped_loop=True)),
            ),
        ),
    )


def _failed(**more: Any) -> Chat:
    made = assistant("The sky is", status=Status.FAILED, problem=_FAILURE, stats=None, **more)
    return Chat("failed", "Why is the sky blue?", said=(user("Why is the sky blue?"), made))


@state("chat-failed")
async def failed(stage: Stage) -> None:
    await read(stage, _failed())


@state("chat-failed-details")
async def failed_details(stage: Stage) -> None:
    await read(stage, _failed())
    await stage.still()
    view = transcript(stage)
    view.setFocus(Qt.FocusReason.OtherFocusReason)
    for _ in range(5):  # three actions of the question, the card's button, its details
        stage.key(view, Qt.Key.Key_Tab)
    stage.key(view, Qt.Key.Key_Space)


@state("chat-failed-live")
async def failed_live(stage: Stage) -> None:
    await stage.open()
    error = Environment(_FAILURE.what, _FAILURE.hint, details=_FAILURE.details, action="retry")
    stage.scene.answer = lambda _request: Answer(said("The sky is", held=True).events, error=error)
    await ask(stage)
    await finished(stage)


@state("chat-cut")
async def cut(stage: Stage) -> None:
    chat = Chat("cut", "A long conversation", said=seeds.LONG.said[:6])
    last = assistant(words.SKY, context_cut=message_id(chat, 2))
    await read(stage, chat._replace(said=(*chat.said, user("And then?"), last)), top=True)


@state("chat-more-above")
async def more_above(stage: Stage) -> None:
    await stage.open(seeds.LONG)
    stage.services.history.before = _never
    stage.window.chat.open("long")
    await shown(stage)
    await stage.still()
    transcript(stage).verticalScrollBar().setValue(0)


@state("chat-versions")
async def versions(stage: Stage) -> None:
    await stage.open(seeds.SHORT)
    await show_chat(stage, "short")
    answers = iter(("The second answer.", "The third answer."))
    stage.scene.answer = lambda _request: said(next(answers))
    first = message_id(seeds.SHORT, 1)
    for _ in range(2):
        await stage.services.chat.regenerate(first)
        await finished(stage)
    shown = (await stage.services.history.tail("short", 10))[-1].id
    ids = (await stage.services.history.versions((shown,)))[shown].ids
    await stage.services.history.select_version(ids[1])
    await stage.rest()


@state("chat-selection")
async def selection(stage: Stage) -> None:
    await read(stage, seeds.LANGUAGES)
    await stage.still()
    view = transcript(stage)
    height = view.viewport().height()
    middle = view.viewport().width() // 2
    drag(view, QPoint(middle, height // 4), QPoint(middle + 40, height * 3 // 4))


@state("chat-selection-all")
async def selection_all(stage: Stage) -> None:
    await read(stage, seeds.RICH)
    view = transcript(stage)
    view.setFocus()
    stage.key(view, Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)


@state("chat-focus")
async def focus(stage: Stage) -> None:
    await read(stage, _thought())
    await stage.still()
    view = transcript(stage)
    view.setFocus(Qt.FocusReason.OtherFocusReason)
    for _ in range(4):  # three actions of the question, the thought
        stage.key(view, Qt.Key.Key_Tab)


@state("chat-speed-focus")
async def speed_focus(stage: Stage) -> None:
    await read(stage, _thought())
    await stage.still()
    view = transcript(stage)
    view.setFocus(Qt.FocusReason.OtherFocusReason)
    stage.key(view, Qt.Key.Key_Backtab)  # the last thing that leads somewhere


@state("chat-speed-hover")
async def speed_hover(stage: Stage) -> None:
    await read(stage, _thought())
    await stage.still()
    view: Any = transcript(stage)
    item = view.items[-1]
    speed = next(target for target in item.targets() if target.action == "slow")
    QTest.mouseMove(view.viewport(), view.rect_of(item, speed.rect).center())


@state("chat-jump")
async def jump(stage: Stage) -> None:
    await read(stage, seeds.LONG)
    await stage.still()
    bar = transcript(stage).verticalScrollBar()
    bar.setValue(bar.maximum() // 2)


@state("chat-message-menu")
async def message_menu(stage: Stage) -> None:
    await read(stage, seeds.SHORT)
    await stage.still()
    view = transcript(stage).viewport()
    right_click(view, QPoint(view.width() // 2, view.height() - 120))


# An answer in the making ---------------------------------------------------------------------------------------------


@state("chat-loading")
async def loading(stage: Stage) -> None:
    await stage.open(seeds.SHORT, model=False)
    await show_chat(stage, "short")
    stage.scene.load_at = 0.42
    stage.window.open_files((stage.services.model_file(MODEL),))
    await stage.until(lambda: on_show(stage.window, "LoadingRow"))


@state("chat-load-failed")
async def load_failed(stage: Stage) -> None:
    await stage.open(seeds.SHORT, model=False)
    await show_chat(stage, "short")
    stage.scene.load_error = Environment(_FAILURE.what, _FAILURE.hint, action="model.get")
    stage.window.open_files((stage.services.model_file(MODEL),))
    await stage.until(lambda: stage.window.notify.toasts.shown)


@state("chat-queued")
async def queued(stage: Stage) -> None:
    await stage.open()
    stage.scene.answer = lambda _request: said("One moment.", held=True)
    for number in range(4):
        await stage.services.chat.send(
            (TextPart(f"Question {number + 1}"),), conversation_id=new_id(), new=True, thinking=ThinkingMode.AUTO
        )
    await stage.until(lambda: len(stage.services.chat.running()) == 4)
    await ask(stage)
    await stage.until(lambda: len(stage.services.chat.running()) == 5)
    await stage.still()


@state("chat-queued-seen-again")
async def queued_again(stage: Stage) -> None:
    await queued(stage)
    await _away_and_back(stage)


async def _away_and_back(stage: Stage) -> None:
    """Open a new chat and then the one again that was on show."""
    chat = stage.window.chat.current
    stage.command("chat.new")
    await stage.still()
    await show_chat(stage, chat)


@state("chat-reading")
async def reading(stage: Stage) -> None:
    await stage.open()
    stage.scene.answer = lambda _request: Answer((PromptProgress(5_120, 12_288, 21.0),), held=True)
    await ask(stage, until=PromptProgress)


@state("chat-reading-seen-again")
async def reading_again(stage: Stage) -> None:
    await reading(stage)
    await _away_and_back(stage)


@state("chat-thinking-running")
async def thinking_running(stage: Stage) -> None:
    await stage.open()
    stage.scene.answer = lambda _request: said("", thinking=words.THOUGHT, held=True)
    await ask(stage, until=LiveFigures)
    await thinks(stage, 7.0)


@state("chat-thinking-running-open")
async def thinking_running_open(stage: Stage) -> None:
    await stage.open(chat__open_thinking=True)
    stage.scene.answer = lambda _request: said("", thinking=words.THOUGHT, held=True)
    await ask(stage, until=LiveFigures)
    await thinks(stage, 7.0)


@state("chat-streaming")
async def streaming(stage: Stage) -> None:
    await stage.open()
    text = words.SKY + "\n\n```python\nfor wave in spectrum:\n    print(wave"
    stage.scene.answer = lambda _request: said(text, thinking=words.THOUGHT, held=True)
    await ask(stage, until=LiveFigures)


@state("chat-streaming-elsewhere")
async def streaming_elsewhere(stage: Stage) -> None:
    await stage.open(*seeds.several()[:6])
    stage.scene.answer = lambda _request: said(words.SKY, held=True)
    await ask(stage, until=LiveFigures)
    stage.command("chat.new")


@state("chat-streaming-seen-again")
async def streaming_again(stage: Stage) -> None:
    await streaming(stage)
    await _away_and_back(stage)


@state("chat-stopped")
async def stopped(stage: Stage) -> None:
    await stage.open()
    stage.scene.answer = lambda _request: said(words.SKY, held=True)
    chat = await ask(stage, until=LiveFigures)
    await stage.services.chat.stop(chat)
    await finished(stage)


@state("chat-answered")
async def answered(stage: Stage) -> None:
    await stage.open()
    stage.scene.answer = lambda _request: said(words.SKY, thinking=words.THOUGHT)
    await ask(stage)
    await finished(stage)


@state("chat-guide-answered")
async def guide_answered(stage: Stage) -> None:
    await stage.open(model=False)
    stage.scene.answer = lambda _request: said("Press **Ctrl+N** for a new chat.")
    await ask(stage, "How do I start a new chat?")
    await finished(stage)


# The message box -----------------------------------------------------------------------------------------------------


@state("chat-composer-much")
async def composer_much(stage: Stage) -> None:
    await stage.open(seeds.SHORT)
    await show_chat(stage, "short")
    composer(stage).setPlainText(words.LONG_QUESTION + "\n\n" + words.LONG_QUESTION)


@state("chat-composer-paste")
async def composer_paste(stage: Stage) -> None:
    await stage.open()
    QGuiApplication.clipboard().setText(words.PASTED)
    edit = composer(stage)
    edit.setFocus()
    edit.paste()
    edit.setPlainText("What does this log say?")


@state("chat-composer-up")
async def composer_up(stage: Stage) -> None:
    await stage.open(seeds.SHORT)
    await show_chat(stage, "short")
    stage.key(composer(stage), Qt.Key.Key_Up)


@state("chat-composer-think")
async def composer_think(stage: Stage) -> None:
    await stage.open(chat__thinking="think", chat__send_with="ctrl_enter")


@state("chat-context-warn")
async def context_warn(stage: Stage) -> None:
    await _context(stage, 0.86)


@state("chat-context-bad")
async def context_bad(stage: Stage) -> None:
    await _context(stage, 0.97)


async def _context(stage: Stage, share: float) -> None:
    stats = Stats(context_used=int(share * CONTEXT), context_size=CONTEXT, decode_tokens_per_s=11.2, ttft_s=3.1)
    await read(stage, Chat("full", "Nearly full", said=(user("And?"), assistant(words.SKY, stats=stats))))


@state("chat-model-menu")
async def model_menu(stage: Stage) -> None:
    recent = tuple(f"/models/{name}.gguf" for name in ("Qwen3-8B-Q4_K_M", "Qwen2.5-Coder-7B-Instruct-Q4_K_M"))
    await stage.open(storage__recent_models=recent)
    model_button(stage).click()


@state("chat-app-menu")
async def app_menu(stage: Stage) -> None:
    await stage.open()
    named(stage.window, "Rail").menu_button.click()


@state("chat-skeleton")
async def skeleton(stage: Stage) -> None:

    await stage.open_early(lambda app: setattr(app.history, "list", _never))


@state("chat-skeleton-list")
async def skeleton_list(stage: Stage) -> None:
    await stage.open_early(lambda app: setattr(app.history, "list", _never), conversation="short")


async def _never(*_: object) -> tuple[()]:
    await asyncio.Event().wait()
    return ()
