"""The events of an answer as Qt signals. One object a window; ``close`` ends the subscriptions."""

from __future__ import annotations

from PySide6.QtCore import QObject, Signal

from qwen_desktop.services import events


class Bridge(QObject):
    """Each signal carries the event it is named after."""

    answer_delta = Signal(object)
    answer_thinking_done = Signal(object)
    answer_was_thinking = Signal(object)
    answer_prompt = Signal(object)
    answer_cut = Signal(object)
    answer_stage = Signal(object)
    answer_live = Signal(object)

    def __init__(self, bus: events.EventBus, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._ends = [
            bus.subscribe(events.AnswerDelta, self.answer_delta.emit, owner=self),
            bus.subscribe(events.AnswerThinkingDone, self.answer_thinking_done.emit, owner=self),
            bus.subscribe(events.AnswerWasThinking, self.answer_was_thinking.emit, owner=self),
            bus.subscribe(events.AnswerPrompt, self.answer_prompt.emit, owner=self),
            bus.subscribe(events.AnswerCut, self.answer_cut.emit, owner=self),
            bus.subscribe(events.AnswerStage, self.answer_stage.emit, owner=self),
            bus.subscribe(events.AnswerLive, self.answer_live.emit, owner=self),
        ]

    def close(self) -> None:
        """Stop listening. Safe to call twice."""
        for end in self._ends:
            end()
        self._ends = []
