"""Copying from the transcript: the selection, one message, and what X11's middle click takes.

A text that is not known yet takes a while. The last wish wins: whatever is copied meanwhile, here or in another
program, stays on the clipboard.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from PySide6.QtCore import QObject
from PySide6.QtGui import QClipboard, QGuiApplication

from qwen_desktop.core.parts import TextPart
from qwen_desktop.ui.chat.plain_texts import Gathering
from qwen_desktop.ui.chat.transcript_items import MessageItem

if TYPE_CHECKING:
    from qwen_desktop.ui.chat.transcript import TranscriptView

#: Putting a text of this length onto the X11 selection after every drag would be slow.
_PRIMARY_MOST: Final = 200_000


class Copying(QObject):
    """Puts the texts of a view's messages onto the clipboard."""

    def __init__(self, view: TranscriptView) -> None:
        super().__init__(view)
        self._view = view
        self._copy: Gathering | None = None
        self._primary: Gathering | None = None
        clipboard = QGuiApplication.clipboard()
        clipboard.dataChanged.connect(self.forget)
        clipboard.selectionChanged.connect(self._forget_primary)

    @property
    def running(self) -> bool:
        """Whether a text is still being put together."""
        return self._copy is not None and self._copy.running

    def selection(self) -> None:
        """Copy what is selected, if anything is."""
        if not self._view.selection.empty:
            self.forget()
            self._copy = self._selected(self._view.put_on_clipboard)

    def message(self, item: MessageItem, feedback: tuple[str, str], told: Callable[[], object] | None) -> None:
        """Copy the clean text of a message, show a check on the button ``feedback``, then call ``told``."""

        def put(texts: Sequence[str]) -> None:
            self._view.put_on_clipboard(texts[0], feedback)
            if told is not None:
                told()

        self.forget()
        self._copy = self._view.texts.gather([item], put)

    def to_primary(self) -> None:
        """Put a selection of a bearable length where X11's middle click takes it from."""
        self._forget_primary()
        ends = self._view.selection.ends()
        if ends is None or not QGuiApplication.clipboard().supportsSelection():
            return
        length = 0
        for item in self._view.items[max(0, ends[0][0]) : ends[1][0] + 1]:
            length += sum(len(part.text) for part in item.message.parts if isinstance(part, TextPart))
            if length > _PRIMARY_MOST:
                return
        self._primary = self._selected(
            lambda text: QGuiApplication.clipboard().setText(text, QClipboard.Mode.Selection)
        )

    def forget(self) -> None:
        """Something else was copied: what is still being put together comes too late."""
        if self._copy is not None:
            self._copy.cancel()
            self._copy = None

    def _forget_primary(self) -> None:
        if self._primary is not None:
            self._primary.cancel()
            self._primary = None

    def _selected(self, put: Callable[[str], object]) -> Gathering | None:
        """Hand the selected text to ``put``, messages separated by blank lines; nothing when it is empty."""
        ends = self._view.selection.ends()
        if ends is None:
            return None
        (first, start), (last, stop) = ends

        def cut(texts: Sequence[str]) -> None:
            pieces = list(texts)
            if pieces:
                pieces[-1] = pieces[-1][:stop]
                pieces[0] = pieces[0][start:] if first >= 0 else pieces[0]
            text = "\n\n".join(filter(None, pieces))
            if text:
                put(text)

        return self._view.texts.gather(self._view.items[max(0, first) : last + 1], cut)
