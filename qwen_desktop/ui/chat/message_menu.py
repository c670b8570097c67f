"""The entries of a message's menu: all that can be done with it, each with its key."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtGui import QAction

from qwen_desktop.core.commands import command
from qwen_desktop.core.engine import Sampling, ThinkingMode
from qwen_desktop.core.model_ref import FileRef, GuideRef, ModelRef
from qwen_desktop.core.text import shown
from qwen_desktop.services.changes import ChangeKind
from qwen_desktop.ui import texts
from qwen_desktop.ui.actions import native_keys
from qwen_desktop.ui.chat.transcript_items import MessageItem
from qwen_desktop.ui.texts import fill, translate
from qwen_desktop.ui.widgets.select import Menu

if TYPE_CHECKING:
    from qwen_desktop.ui.chat.message_commands import MessageCommands

#: Models that are offered for another answer.
_MODELS = 8
#: The temperature that is assumed where none is known, the step away from it, and how far the steps go.
_TEMPERATURE, _STEP, _COOLEST, _HOTTEST = 0.7, 0.3, 0.2, 1.5


def fill_menu(menu: Menu, item: MessageItem, commands: MessageCommands) -> None:
    """Add what can be done with a message. What needs that no answer runs is off while one does."""
    message, free, key = item.message, not commands.running, item.message.id

    def add(name: str, act: Callable[[], object], *, on: bool = True) -> None:
        keys = command(name).keys_on() if commands.meant(name) is item else ()  # else they mean another message
        title = texts.marked(command(name).title)
        menu.addAction(f"{title}\t{native_keys(keys[0])}" if keys else title, act).setEnabled(on)

    menu.addSeparator()
    add("message.edit", lambda: commands.edit(key), on=not item.streaming)
    if not item.user:
        add("answer.regenerate", lambda: commands.regenerate(key), on=free)
        again = _regenerate_with(menu, item, commands)
        again.setEnabled(free)
        if not (item.streaming or message.at_its_end):
            add("answer.continue", lambda: commands.go_on(key), on=free)
        if message.provenance is not None and message.provenance.recipe is not None:
            add("answer.again", lambda: commands.run_again(key), on=free)
    menu.addSeparator()
    add("message.fork", lambda: commands.fork(key))
    add("chat.versions", lambda: commands.versions_wanted.emit(key))
    menu.addSeparator()
    if (kind := commands.undoable) is not None:
        menu.addAction(f"{undo_title(kind)}\t{native_keys(command('toast.undo').shortcut)}", commands.undo)
    add("message.delete", lambda: commands.delete(key))


def undo_title(kind: ChangeKind) -> str:
    """What undoing a change is called."""
    titles = {
        ChangeKind.EDIT: translate("messages", "Undo edit"),
        ChangeKind.REGENERATE: translate("messages", "Undo regenerate"),
        ChangeKind.CONTINUE: translate("messages", "Undo continue"),
        ChangeKind.AGAIN: translate("messages", "Undo run again"),
        ChangeKind.DELETE: translate("messages", "Undo delete"),
        ChangeKind.SWITCH: translate("messages", "Undo switch of versions"),
        ChangeKind.FORK: translate("messages", "Undo fork"),
    }
    return titles[kind]


def _regenerate_with(menu: Menu, item: MessageItem, commands: MessageCommands) -> Menu:
    """The submenu with other models, ways of thinking and degrees of chance."""
    more, key = Menu(menu), item.message.id
    more.setTitle(translate("messages", "Regenerate with…"))
    menu.addMenu(more)

    def add(title: str, act: Callable[[], object]) -> QAction:
        return more.addAction(title.replace("&", "&&"), act)

    for name, ref in _models(commands):
        add(name, partial(commands.regenerate, key, model=ref))
    more.addSeparator()
    modes = {
        ThinkingMode.AUTO: translate("messages", "Thinking: Auto"),
        ThinkingMode.THINK: translate("messages", "Thinking: Think"),
        ThinkingMode.DIRECT: translate("messages", "Thinking: Direct"),
    }
    possible = commands.thinking_modes
    for mode in possible if len(possible) > 1 else ():
        add(modes[mode], partial(commands.regenerate, key, thinking=mode))
    more.addSeparator()
    made = item.message.provenance
    known = made.sampling.temperature if made is not None else None
    usual = _TEMPERATURE if known is None else known
    hotter, cooler = round(min(_HOTTEST, usual + _STEP), 1), round(max(_COOLEST, usual - _STEP), 1)
    for temperature, is_so, title in (
        (hotter, hotter > usual, translate("messages", "A little more random (temperature {value})")),
        (cooler, cooler < usual, translate("messages", "More exact (temperature {value})")),
    ):
        sampling = Sampling(temperature=temperature)
        if is_so:  # an answer may have been made beyond the ends
            add(fill(title, value=temperature), partial(commands.regenerate, key, sampling=sampling))
    return more


def _models(commands: MessageCommands) -> list[tuple[str, ModelRef]]:
    """The guide, the files that were opened last, and others that are installed; each once, by name."""
    services = commands.services
    usable = (model for model in services.library.models() if model.problem is None and model.chats)
    installed = {model.path: model.name for model in usable}
    paths = list(dict.fromkeys((*services.models.recent(), *installed)))[:_MODELS]
    stems = [installed.get(path) or shown(Path(path).stem) for path in paths]
    names = [
        stem if stems.count(stem) == 1 else f"{stem} ({shown(Path(path).parent.name)})"
        for stem, path in zip(stems, paths, strict=True)
    ]
    files: list[tuple[str, ModelRef]] = [(name, FileRef(path)) for name, path in zip(names, paths, strict=True)]
    return [*files, (translate("messages", "The guide"), GuideRef())]
