"""The message box: what is attached, prompts in line, and what was sent with a long paste."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt

from qwen_desktop.core.drafts import Draft, QueuedPrompt, pasted
from qwen_desktop.core.engine import LiveFigures
from qwen_desktop.core.parts import FilePart, ImagePart
from tests.shots import seeds, words
from tests.shots.chat_states import ask, finished, read
from tests.shots.engine import said
from tests.shots.parts import composer, show_chat
from tests.shots.seeds import Chat, assistant, user
from tests.shots.table import state

if TYPE_CHECKING:
    from tests.shots.stage import Stage

_LOG = FilePart("", "text/plain", "minutes-2019.txt", 41_200, "The minutes of the meeting. " * 1_400)


def _take(stage: Stage, draft: Draft) -> None:
    stage.window.chat.pane.composer.take(draft)


@state("chat-composer-attached")
async def attached(stage: Stage) -> None:
    await stage.open(seeds.SHORT)
    await show_chat(stage, "short")
    picture = ImagePart("ab" * 32, "image/png", 1920, 1080, "screenshot.png")
    _take(
        stage, Draft("What do these say?", (pasted(words.PASTED), pasted("def f():\n    pass\n" * 40), _LOG, picture))
    )


@state("chat-queue")
async def queue(stage: Stage) -> None:
    await stage.open()
    stage.scene.answer = lambda _request: said(words.SKY, held=True)
    await ask(stage, until=LiveFigures)
    for draft in (
        Draft("And why is it red in the evening?"),
        Draft("", (pasted(words.PASTED),)),
        Draft(words.LONG_QUESTION),
    ):
        stage.services.queue.add(stage.window.chat.current, draft)
    composer(stage).setPlainText("One more thing")


@state("chat-queue-large-text")
async def queue_large(stage: Stage) -> None:
    await stage.open(seeds.SHORT, appearance__text_size=200)
    await show_chat(stage, "short")
    stage.services.drafts.put_queue("short", tuple(QueuedPrompt(str(n), Draft(f"Question {n}")) for n in range(1, 4)))
    _take(stage, Draft("What does this say?", (pasted(words.PASTED),)))


@state("chat-queue-long")
async def queue_long(stage: Stage) -> None:
    await stage.open()
    stage.scene.answer = lambda _request: said(words.SKY, held=True)
    await ask(stage, until=LiveFigures)
    for number in range(9):
        stage.services.queue.add(stage.window.chat.current, Draft(f"Question {number + 1} of the line"))
    stage.window.chat.pane.composer.line.chips[1].prompt.setFocus(Qt.FocusReason.TabFocusReason)


@state("chat-queue-waiting")
async def queue_waiting(stage: Stage) -> None:
    await stage.open()
    stage.scene.answer = lambda _request: said(words.SKY, held=True)
    chat = await ask(stage, until=LiveFigures)
    stage.services.queue.add(chat, Draft("And why is it red in the evening?"))
    stage.services.queue.add(chat, Draft("Compare it to Mars."))
    await stage.services.chat.stop(chat)
    await finished(stage)


@state("chat-paste-sent")
async def paste_sent(stage: Stage) -> None:
    log = pasted(words.PASTED)
    said_ = (
        user(log, _LOG, "What do these say?"),
        assistant("They say that all is well."),
        user(log),
        assistant("The same log once more."),
    )
    await read(stage, Chat("pasted", "What a log says", said=said_))


@state("chat-paste-read")
async def paste_read(stage: Stage) -> None:
    await attached(stage)
    stage.window.chat.pane.composer.attached.chips[0].body.click()
