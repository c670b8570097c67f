"""The bus between services and faces."""

from __future__ import annotations

import pytest

from qwen_desktop.services.events import BranchChanged, ConversationRemoved, EventBus


def test_listeners_hear_their_kind_in_order_until_they_leave() -> None:
    bus = EventBus()
    heard: list[str] = []
    leave = bus.subscribe(ConversationRemoved, lambda e: heard.append(f"first {e.conversation_id}"))
    bus.subscribe(ConversationRemoved, lambda e: heard.append(f"second {e.conversation_id}"))
    bus.publish(BranchChanged("x"))
    bus.publish(ConversationRemoved("a"))
    leave()
    leave()
    bus.publish(ConversationRemoved("b"))
    assert heard == ["first a", "second a", "second b"]


@pytest.mark.expects_errors
def test_a_listener_that_fails_harms_nobody() -> None:
    bus = EventBus()
    heard: list[str] = []

    def fail(_: BranchChanged) -> None:
        raise ValueError

    bus.subscribe(BranchChanged, fail)
    bus.subscribe(BranchChanged, lambda e: heard.append(e.conversation_id))
    bus.publish(BranchChanged("a"))
    assert heard == ["a"]


def test_a_listener_may_leave_while_it_is_called() -> None:
    bus = EventBus()
    heard: list[str] = []

    def once(event: BranchChanged) -> None:
        heard.append(event.conversation_id)
        leave()

    leave = bus.subscribe(BranchChanged, once)
    bus.subscribe(BranchChanged, lambda e: heard.append("other"))
    bus.publish(BranchChanged("a"))
    bus.publish(BranchChanged("b"))
    assert heard == ["a", "other", "other"]
