"""Keys as each system has and writes them. What Qt writes on macOS ("⌘N") only macOS itself can show."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent, QKeySequence
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from qwen_desktop.core.chat import Message, new_id
from qwen_desktop.core.drafts import Draft, QueuedPrompt
from qwen_desktop.core.parts import Role, TextPart
from qwen_desktop.core.paths import resources_folder
from qwen_desktop.ui import actions
from qwen_desktop.ui.actions import native_keys, pressed, with_native_keys
from qwen_desktop.ui.chat import edit_section
from qwen_desktop.ui.chat.prompt_line import PromptChip
from qwen_desktop.ui.theme import Theme

D, B = Qt.Key.Key_Delete, Qt.Key.Key_Backspace
NONE, PAD, SHIFT = (
    Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.KeypadModifier, Qt.KeyboardModifier.ShiftModifier,
)  # fmt: skip


def key(code: Qt.Key, modifiers: Qt.KeyboardModifier = NONE) -> QKeyEvent:
    return QKeyEvent(QEvent.Type.KeyPress, code, modifiers)


def test_sentences_name_keys_as_the_system_writes_them(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    sentence = "Ctrl+Enter to send · Enter for a new line"
    assert with_native_keys(sentence) == sentence
    monkeypatch.setattr(actions, "native_keys", lambda keys: f"<{keys}>")
    assert with_native_keys(sentence) == "<Ctrl+Enter> to send · Enter for a new line"
    assert with_native_keys("Enter to send · Shift+Enter") == "Enter to send · <Shift+Enter>"
    assert with_native_keys("No keys, 1 + 1, C++") == "No keys, 1 + 1, C++"


def test_boxes_and_chips_name_keys_so_too(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    theme = Theme(resources_folder())
    for where in (actions, edit_section):
        monkeypatch.setattr(where, "native_keys", lambda keys: f"<{keys}>")
    parent = QWidget()
    question = Message(new_id(), "", None, Role.USER, (TextPart("Why?"),), 1.0)
    assert edit_section.EditBox(theme, question, None, parent).save.toolTip() == "<Ctrl+Enter>"
    said = PromptChip(theme, QueuedPrompt(new_id(), Draft("Why?")), parent).prompt.accessibleDescription()
    assert "<Alt+Up> and <Alt+Down>" in said


def test_macos_gets_its_own_words_and_its_own_delete_key(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    assert native_keys("Ctrl+Enter") == "Ctrl+Enter"
    assert pressed(key(D), "list.delete") and pressed(key(D, PAD), "list.delete")
    assert not pressed(key(B), "list.delete") and not pressed(key(D, SHIFT), "list.delete")
    native = QKeySequence.SequenceFormat.NativeText
    with monkeypatch.context() as macos:
        macos.setattr(sys, "platform", "darwin")
        assert native_keys("Ctrl+Enter") == QKeySequence("Ctrl+Return").toString(native)


def test_a_mac_deletes_in_the_list_with_backspace(tmp_path: object) -> None:
    """The keys of the table are those of the system at import, so the system is another one from the start."""
    code = """
        import sys
        from PySide6.QtCore import QEvent, Qt
        from PySide6.QtGui import QKeyEvent
        from PySide6.QtWidgets import QApplication, QWidget
        sys.platform = "darwin"
        from qwen_desktop.ui.actions import Actions, pressed
        app = QApplication([])
        for code in (Qt.Key.Key_Backspace, Qt.Key.Key_Delete, Qt.Key.Key_A):
            print(pressed(QKeyEvent(QEvent.Type.KeyPress, code, Qt.KeyboardModifier.NoModifier), "list.delete"))
        window = QWidget()
        for name in ("view.fullscreen", "chat.next", "model.choose"):
            print([keys.toString() for keys in Actions(window)[name].shortcuts()])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "True", "True", "False", "['Meta+Ctrl+F']", "['Meta+Tab', 'Ctrl+PgDown']", "['Ctrl+Shift+M']",
    ]  # fmt: skip


def test_only_a_log_out_quits_without_a_question(tmp_path: object) -> None:
    """macOS sends the same event for the Dock's Quit; then the window decides, as after a click on close."""
    code = """
        from PySide6.QtCore import QCoreApplication, QEvent
        from qwen_desktop.ui import qt_application
        app = qt_application.Application([])
        heard = []
        app.session_over.connect(lambda: heard.append("over"))
        app.quit_chosen.connect(lambda: heard.append("chosen"))
        for ends in (True, False):
            qt_application.session_ends = lambda: ends
            event = QEvent(QEvent.Type.Quit)
            QCoreApplication.sendEvent(app, event)
            print(heard[-1], event.isAccepted())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["over True", "chosen False"]
