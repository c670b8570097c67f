"""What is shown after anything that may happen is what is shown when the conversation is opened then."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import pytest
from msgspec import structs

from qwen_desktop.core.chat import Message, Versions
from qwen_desktop.core.parts import Role, TextPart
from qwen_desktop.ui.chat.shown_messages import ShownMessages

TAIL, CHUNK = 4, 5


class Entry:
    """What is shown of a message."""

    def __init__(self, message: Message) -> None:
        self.message = message
        self.index = -1
        self.versions: Versions | None = None
        self.cut_above = False
        self.last = False

    @property
    def facts(self) -> tuple[Versions | None, bool, bool]:
        """What others are told of when it changes."""
        return self.versions, self.cut_above, self.last


class Tree:
    """A conversation as it is stored, with what can happen to it."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.messages: dict[str, Message] = {}
        self.leaf: str | None = None
        for _ in range(chance.randint(0, 12)):
            self.add(self.leaf)

    def add(self, parent: str | None) -> Message:
        above = self.messages.get(parent or "")
        role = Role.ASSISTANT if above is not None and above.role is Role.USER else Role.USER
        made = Message(f"m{len(self.messages)}", "c", parent, role, (TextPart("x"),), 0.0)
        self.messages[made.id] = made
        self.leaf = made.id
        return made

    def branch(self) -> list[Message]:
        found: list[Message] = []
        key = self.leaf
        while key is not None:
            found.insert(0, self.messages[key])
            key = self.messages[key].parent_id
        return found

    def before(self, message_id: str) -> list[Message]:
        branch = self.branch()
        place = [message.id for message in branch].index(message_id)
        return branch[max(0, place - CHUNK) : place]

    def versions(self, ids: Iterable[str]) -> dict[str, Versions]:
        found = {}
        for key in ids:
            same = [m.id for m in self.messages.values() if m.parent_id == self.messages[key].parent_id]
            if len(same) > 1:
                found[key] = Versions(tuple(same), same.index(key))
        return found

    def switch(self, message_id: str) -> None:
        below = {message_id}
        for message in self.messages.values():
            if message.parent_id in below:
                below.add(message.id)
        self.leaf = max(below, key=list(self.messages).index)


class Window:
    """Follows a tree as the window does."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.shown = ShownMessages(Entry)
        self.open()

    def change(self, act: Callable[[], list[Entry]]) -> None:
        """Every entry that stays is the same object, and those with other facts are named."""
        before = {entry.message.id: (entry, entry.facts) for entry in self.shown.items}
        named = act()
        for entry in self.shown.items:
            old, facts = before.get(entry.message.id, (entry, entry.facts))
            assert old is entry
            assert facts == entry.facts or entry in named

    def _ask_versions(self, messages: Iterable[Message]) -> None:
        found = self.tree.versions([message.id for message in messages])
        self.change(lambda: self.shown.set_versions(found))

    def open(self) -> None:
        tail = self.tree.branch()[-TAIL:]
        self.shown.open(tail, more_above=bool(tail) and tail[0].parent_id is not None)
        self._ask_versions(tail)

    def older(self) -> None:
        if self.shown.more_above:
            chunk = self.tree.before(self.shown.items[0].message.id)
            self.change(lambda: self.shown.prepend(chunk, more_above=chunk[0].parent_id is not None))
            self._ask_versions(chunk)

    def follow(self) -> None:
        read = self.tree.branch()[-TAIL:]
        while (fork := self.shown.fork(read)) is None:
            read = [*self.tree.before(read[0].id), *read]
        from_id, fresh = fork
        kept = len(self.shown.items) if from_id is None else [e.message.id for e in self.shown.items].index(from_id)
        assert not {e.message.id for e in self.shown.items[:kept]} & {message.id for message in fresh}
        self.change(lambda: self.shown.replace_tail(from_id, fresh))
        self._ask_versions(fresh)


def happen(window: Window, chance: random.Random) -> None:
    """Something."""
    tree, shown = window.tree, window.shown
    known = list(tree.messages.values())
    match chance.choice(["send", "again", "elsewhere", "switch", "cut", "older", "older", "open"]):
        case "send":
            for _ in range(2):
                message = tree.add(tree.leaf)
                window.change(lambda: shown.replace_tail(None, (message,)))  # noqa: B023 - at once
        case "again" if any(answers := [m for m in known if m.role is Role.ASSISTANT]):
            tree.add(chance.choice(answers).parent_id)
            window.follow()
        case "elsewhere":
            tree.add(chance.choice([None, *(m.id for m in known if m.role is Role.ASSISTANT)]))
            tree.add(tree.leaf)
            window.follow()
        case "switch" if known:
            tree.switch(chance.choice(known).id)
            window.follow()
        case "cut" if any(answers := [m for m in known if m.role is Role.ASSISTANT]):
            answer = chance.choice(answers)
            cut = structs.replace(answer, context_cut=chance.choice([None, *tree.messages]))
            tree.messages[answer.id] = cut
            if shown.get(answer.id) is not None:
                window.change(lambda: shown.replace(cut))
        case "older":
            window.older()
        case "open":
            window.open()


@pytest.mark.parametrize("seed", range(60))
def test_any_history_ends_as_if_opened_anew(seed: int) -> None:
    chance = random.Random(seed)
    tree = Tree(chance)
    window = Window(tree)
    for _ in range(40):
        happen(window, chance)
        shown = window.shown
        anew = ShownMessages(Entry)
        branch = tree.branch()[-len(shown.items) :] if shown.items else []
        anew.open(branch, more_above=bool(branch) and branch[0].parent_id is not None)
        anew.set_versions(tree.versions([message.id for message in branch]))
        assert [vars(entry) for entry in shown.items] == [vars(entry) for entry in anew.items]
        assert shown.more_above == anew.more_above
        cut = next((m.context_cut for m in reversed(branch) if m.context_cut is not None), None)
        lines = [entry.message.id for entry in shown.items if entry.cut_above]
        above = [message.id for message in tree.branch()[1:] if message.id == cut and shown.get(cut) is not None]
        assert lines == above  # the model does not see what is further up
        assert all(shown.get(entry.message.id) is entry for entry in shown.items)
        answers = [entry for entry in shown.items if entry.message.role is Role.ASSISTANT]
        assert [entry for entry in shown.items if entry.last] == answers[-1:]
        assert shown.newest(Role.ASSISTANT) is (answers[-1] if answers else None)


def test_what_is_the_same_keeps_its_entry_when_it_is_opened_again() -> None:
    tree = Tree(random.Random(3))
    shown = ShownMessages(Entry)
    branch = tree.branch()
    shown.open(branch, more_above=False)
    before = list(shown.items)
    changed = structs.replace(branch[-1], parts=(TextPart("another"),))
    shown.open([*branch[1:-1], changed], more_above=True)
    assert shown.items[:-1] == before[1:-1] and shown.items[-1] is not before[-1]
