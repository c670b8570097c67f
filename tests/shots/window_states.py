"""What belongs to no page: the first paint, toasts, and dialogs of the window itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qwen_desktop.core.engine import LiveFigures
from qwen_desktop.core.errors import Problem
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Text
from qwen_desktop.services import events
from qwen_desktop.ui import texts
from tests.shots import seeds, words
from tests.shots.chat_states import ask
from tests.shots.engine import said
from tests.shots.parts import show_chat
from tests.shots.table import state

if TYPE_CHECKING:
    from tests.shots.stage import Stage


_FULL = QT_TRANSLATE_NOOP("tests", "The disk is full. The answer is kept in memory; free some space to have it saved.")
_TOASTS = (
    QT_TRANSLATE_NOOP("tests", "Qwen3 4B is here and checked."),
    QT_TRANSLATE_NOOP("tests", "No program on this computer shows folders."),
    QT_TRANSLATE_NOOP("tests", "The answer is copied."),
    QT_TRANSLATE_NOOP("tests", "Use it"),
)


@state("window-first-paint")
async def first_paint(stage: Stage) -> None:
    stage.open_frame(("window", "rail", "border"))


@state("window-first-paint-ever")
async def first_paint_ever(stage: Stage) -> None:
    stage.open_frame(())


@state("window-toasts")
async def toasts(stage: Stage) -> None:
    await stage.open(seeds.SHORT)
    await show_chat(stage, "short")
    notify = stage.window.notify
    here, folders, copied, use = map(texts.marked, _TOASTS)
    notify.toast(here, kind="good", action=use, act=lambda: None)
    notify.toast(folders, kind="bad")
    notify.toast(copied)
    stage.services.bus.publish(
        events.Notified(
            Text("a", _FULL),
            action="view.settings",
            hint=Text("b", QT_TRANSLATE_NOOP("tests", "Or copy what you want to keep.")),
        )
    )


@state("window-toast-undo")
async def toast_undo(stage: Stage) -> None:
    await stage.open(*seeds.several()[:5], seeds.SHORT)
    await show_chat(stage, "short")
    stage.command("chat.delete")
    await stage.rest()


@state("window-toast-page")
async def toast_page(stage: Stage) -> None:
    await stage.open()
    stage.command("view.settings")
    stage.window.notify.toast(texts.marked(QT_TRANSLATE_NOOP("tests", "The access token is saved.")), kind="good")


@state("window-close-while-answering")
async def close_while_answering(stage: Stage) -> None:
    await stage.open()
    stage.scene.answer = lambda _request: said(words.SKY, held=True)
    await ask(stage, until=LiveFigures)
    stage.window.close()
    await stage.dialog()


@state("window-crash-offer")
async def crash_offer(stage: Stage) -> None:
    await stage.open()
    stage.window.offer_crash_report(_report())


@state("window-crash-report")
async def crash_report(stage: Stage) -> None:
    await stage.open()
    stage.window.offer_crash_report(_report())
    stage.window.notify.toasts.shown[-1].act()
    await stage.dialog()


def _report() -> str:
    frames = "\n".join(f'  File "qwen_desktop/ui/some_module.py", line {n} in function_{n}' for n in range(40, 60))
    return f"Fatal Python error: Segmentation fault\n\nThread 0x1 (most recent call first):\n{frames}"


@state("window-shortcuts")
async def shortcuts(stage: Stage) -> None:
    await stage.open()
    stage.command("help.shortcuts")


@state("window-about")
async def about(stage: Stage) -> None:
    await stage.open()
    stage.command("help.about")


@state("window-link")
async def link(stage: Stage) -> None:
    await stage.open()
    stage.window.notify.link("https://example.org/a/rather/long/address/of/a/page?with=parameters&and=more#part")


@state("window-link-refused")
async def link_refused(stage: Stage) -> None:
    await stage.open()
    stage.window.notify.link("javascript:alert(1)")


_BUG = Problem(
    "bug",
    Text("bug", QT_TRANSLATE_NOOP("tests", "Something in Qwen Desktop went wrong.")),
    Text("bug.hint", QT_TRANSLATE_NOOP("tests", "Your chats are kept. Please report it with the details below.")),
    details='Traceback (most recent call last):\n  File "page.py", line 12, in show\nValueError: a value',
)


@state("window-bug")
async def bug(stage: Stage) -> None:
    await stage.open()
    stage.window.notify.problem(_BUG)


@state("window-bug-details")
async def bug_details(stage: Stage) -> None:
    await stage.open()
    stage.window.notify.problem(_BUG)
    stage.click("Show details", await stage.dialog())


@state("window-wrong-file")
async def wrong_file(stage: Stage) -> None:
    await stage.open()
    stage.window.open_files(("/home/ada/notes.txt",))
