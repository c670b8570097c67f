"""The bus between services and faces."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any

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


def test_who_ends_or_begins_while_an_event_is_told_does_not_hear_it() -> None:
    bus = EventBus()
    heard: list[str] = []

    def first(_: BranchChanged) -> None:
        leave()
        bus.subscribe(BranchChanged, lambda e: heard.append(f"new {e.conversation_id}"))

    bus.subscribe(BranchChanged, first)
    leave = bus.subscribe(BranchChanged, lambda e: heard.append(f"old {e.conversation_id}"))
    bus.publish(BranchChanged("a"))
    assert heard == []
    bus.publish(BranchChanged("b"))
    assert heard == ["new b"]


def test_the_error_of_a_listener_reaches_the_loops_handler() -> None:
    bus = EventBus()
    told: list[dict[str, Any]] = []
    error = ValueError("text of a chat")

    def fail(_: BranchChanged) -> None:
        raise error

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))
        bus.publish(BranchChanged("a"))

    bus.subscribe(BranchChanged, fail)
    asyncio.run(main())
    assert [context["exception"] for context in told] == [error]


class Window:
    """An owner as Qt has them: ``delete`` ends its C++ half, whatever Python still holds."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._slots: list[Callable[[], object]] = []
        self._deleted = False

    @property
    def destroyed(self) -> Window:
        if self._deleted:
            raise RuntimeError("Signal source has been deleted")
        return self

    def connect(self, slot: Callable[[], object]) -> None:
        self._slots.append(slot)

    def delete(self) -> None:
        self._deleted = True
        for slot in self._slots:
            slot()

    def hear(self, event: BranchChanged) -> None:
        assert not self._deleted
        self.heard.append(event.conversation_id)


def test_a_subscription_ends_with_its_owner() -> None:
    bus, window = EventBus(), Window()
    elsewhere: list[str] = []
    bus.subscribe(BranchChanged, window.hear, owner=window)
    bus.subscribe(BranchChanged, lambda e: elsewhere.append(e.conversation_id), owner=window)
    leave = bus.subscribe(BranchChanged, window.hear, owner=window)
    bus.publish(BranchChanged("a"))
    leave()
    bus.publish(BranchChanged("b"))
    window.delete()
    bus.publish(BranchChanged("c"))
    leave()
    assert window.heard == ["a", "a", "b"]
    assert elsewhere == ["a", "b"]


def test_an_owner_that_is_deleted_while_an_event_is_told_does_not_hear_it() -> None:
    bus, window = EventBus(), Window()
    after: list[str] = []
    bus.subscribe(BranchChanged, lambda _: window.delete())
    bus.subscribe(BranchChanged, window.hear, owner=window)
    bus.subscribe(BranchChanged, lambda e: after.append(e.conversation_id))
    bus.publish(BranchChanged("a"))
    assert (window.heard, after) == ([], ["a"])


def test_an_owner_that_is_gone_already_hears_nothing() -> None:
    bus, window = EventBus(), Window()
    window.delete()
    leave = bus.subscribe(BranchChanged, window.hear, owner=window)
    bus.publish(BranchChanged("a"))
    leave()
    assert window.heard == []


def test_the_bus_keeps_no_owner_alive() -> None:
    bus, window = EventBus(), Window()
    bus.subscribe(BranchChanged, window.hear, owner=window)
    gone = weakref.ref(window)
    gc.disable()
    try:
        del window
        assert gone() is None  # by its last reference, not by a search for cycles
    finally:
        gc.enable()
    bus.publish(BranchChanged("a"))
