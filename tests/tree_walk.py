"""Random walks over the trees of conversations: what is asked of the services is predicted by a model in plain Python.

``Model`` is what must be on the disk; ``Walk`` asks at random and compares after each step, with a connection of its
own. Answers are either said at once, or go on until something stops them.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import random
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qwen_desktop.core.chat import new_id
from qwen_desktop.core.engine import FinishReason, GenerateRequest, Recipe, Sampling, ThinkingMode
from qwen_desktop.core.errors import Environment, UserFacing
from qwen_desktop.core.parts import TextPart, visible_text
from qwen_desktop.core.text import Text
from qwen_desktop.services.changes import Change
from qwen_desktop.services.events import MessageChanged
from tests.app import App, running_app
from tests.scripted_engine import Script, ScriptedEngine

RECIPE = Recipe("a", "b", "c", "scripted 1", "native", "f16", 0, 0, 1.0, Sampling())
BROKE = Environment(Text("engine.died", "The engine was killed."), None)  # type: ignore[arg-type]  # the engine's own
#: No more messages than these in one walk's conversations before it begins new ones.
MOST = 60


class RefusedError(Exception):
    """The services must say no, and nothing must change."""


# The model ------------------------------------------------------------------------------------------------------------


@dataclass
class Node:
    """A message. While it is ``writing``, and until it is known what it said when it was stopped, it says ``text`` and
    more, but not more than ``full``."""

    key: str
    chat: str
    parent: str | None
    role: str
    text: str = ""
    status: str = "user"
    gone: bool = False
    writing: bool = False
    full: str | None = None
    recipe: bool = False
    #: the number of the change that goes on with it
    change: int = -1


@dataclass
class Done:
    """A change. ``after`` is what the answer said when it had gone on."""

    kind: str
    chat: str
    made: list[str] = field(default_factory=list)
    leaf: str | None = None
    before: tuple[str, str, bool] = ("", "", False)
    after: str | None = None
    told: list[tuple[str, str]] = field(default_factory=list)
    undone: bool = False


class Model:
    """All conversations, in plain words. Nodes stand in the order in which they came."""

    def __init__(self) -> None:
        self.leaf: dict[str, str | None] = {}
        self.closed: set[str] = set()
        self.nodes: dict[str, Node] = {}
        self.changes: list[Done] = []
        #: the answer that is said at once in this step, and what it said before
        self.flying: tuple[str, str] = ("", "")
        self._count = 0

    def new(self, chat: str, parent: str | None, role: str, **more: Any) -> Node:
        self._count += 1
        node = Node(f"new{self._count}", chat, parent, role, **more)
        self.nodes[node.key] = node
        return node

    # What there is

    def way(self, key: str | None) -> list[Node]:
        """From a node up."""
        found = []
        while key is not None:
            found.append(self.nodes[key])
            key = found[-1].parent
        return found

    def lives(self, key: str | None) -> bool:
        way = self.way(key)
        return bool(way) and way[0].chat not in self.closed and not any(node.gone for node in way)

    def living(self, chat: str) -> list[Node]:
        return [node for node in self.nodes.values() if node.chat == chat and self.lives(node.key)]

    def below(self, key: str) -> list[Node]:
        """Living nodes at or below one, oldest first."""
        chat = self.nodes[key].chat
        return [node for node in self.living(chat) if self.nodes[key] in self.way(node.key)]

    def tip(self, key: str) -> str:
        return self.below(key)[-1].key

    def outline(self, chat: str) -> list[tuple[str, str]]:
        """How the messages of a conversation stand in a list of them."""
        return [(node.status, node.text[:120].strip()) for node in self.living(chat)]

    def writing(self, chat: str) -> Node | None:
        return next((node for node in self.nodes.values() if node.chat == chat and node.writing), None)

    def free(self, chat: str) -> None:
        if self.writing(chat) is not None:
            raise RefusedError

    def show_again(self, chat: str, leaf: str) -> None:
        if self.nodes[leaf] not in self.way(self.leaf[chat]):
            self.leaf[chat] = self.tip(leaf)

    # What can be asked

    def answer(self, node: Node, script: Script) -> None:
        """It says what the script says, at once or as long as it is let."""
        text = node.text + script.text
        self.flying = (node.key, node.text)
        if script.rate:
            node.writing, node.full, node.status = True, text, "streaming"
        elif script.error is not None:
            node.text += script.text[: script.piece * script.fail_after]
            node.status, node.recipe = "failed", False
        else:
            node.recipe = not node.text
            node.text, node.status = text, "done" if script.reason is FinishReason.STOP else "cut"

    def stop(self, node: Node) -> None:
        node.status, node.writing = "stopped", False

    def send(self, chat: str, parent: str | None, text: str, script: Script) -> None:
        if chat in self.leaf:
            self.free(chat)
        question = self.new(chat, parent, "user", text=text)
        answer = self.new(chat, question.key, "assistant")
        self.answer(answer, script)
        self.leaf[chat] = answer.key

    def version(self, kind: str, chat: str, nodes: list[Node], script: Script | None) -> None:
        self.changes.append(Done(kind, chat, [node.key for node in nodes], self.leaf[chat]))
        if script is not None:
            self.answer(nodes[-1], script)
        self.leaf[chat] = nodes[-1].key

    def edit(self, key: str, text: str, script: Script) -> None:
        node = self.nodes[key]
        self.free(node.chat)
        if node.role == "user":
            question = self.new(node.chat, node.parent, "user", text=text)
            self.version("edit", node.chat, [question, self.new(node.chat, question.key, "assistant")], script)
        else:
            edited = self.new(node.chat, node.parent, "assistant", text=text, status="edited")
            self.version("edit", node.chat, [edited], None)

    def regenerate(self, key: str, script: Script) -> None:
        node = self.nodes[key]
        self.free(node.chat)
        question = key if node.role == "user" else node.parent
        self.version("regenerate", node.chat, [self.new(node.chat, question, "assistant")], script)

    def again(self, key: str, script: Script) -> None:
        node = self.nodes[key]
        self.free(node.chat)
        if not node.recipe:
            raise RefusedError
        self.version("again", node.chat, [self.new(node.chat, node.parent, "assistant")], script)

    def go_on(self, key: str, script: Script) -> None:
        node = self.nodes[key]
        self.free(node.chat)
        if node.role == "user" or node.status == "done":
            raise RefusedError
        self.changes.append(Done("go_on", node.chat, [key], before=(node.text, node.status, node.recipe)))
        node.change = len(self.changes) - 1
        self.answer(node, script)
        self.changes[-1].after = None if node.writing else node.text

    def select(self, key: str) -> None:
        chat = self.nodes[key].chat
        self.changes.append(Done("select", chat, [key], self.leaf[chat]))
        self.leaf[chat] = self.tip(key)

    def delete(self, key: str) -> None:
        node = self.nodes[key]
        writing = self.writing(node.chat)
        if writing is not None and node in self.way(writing.key):
            self.stop(writing)
        shown = node in self.way(self.leaf[node.chat])
        self.changes.append(Done("delete", node.chat, [key], self.leaf[node.chat] if shown else None))
        node.gone = True
        if shown:
            siblings = [n for n in self.living(node.chat) if (n.parent, n.role) == (node.parent, node.role)]
            order = list(self.nodes)
            older = [n for n in siblings if order.index(n.key) < order.index(key)]
            beside = older[-1].key if older else siblings[0].key if siblings else node.parent
            self.leaf[node.chat] = None if beside is None else self.tip(beside)

    def fork(self, key: str, chat: str) -> None:
        copies: dict[str | None, str | None] = {None: None}
        for node in reversed(self.way(key)):
            made = self.new(chat, copies[node.parent], node.role, text=node.text, status=node.status)
            made.recipe, made.full = node.recipe, node.full
            if node.writing:
                self.stop(made)
            copies[node.key] = made.key
        self.leaf[chat] = copies[key]
        self.changes.append(Done("fork", chat))

    def undo(self, number: int) -> None:
        change = self.changes[number]
        if change.undone:
            return
        chat = change.chat
        if change.kind == "fork":
            if chat in self.closed or self.outline(chat) != change.told:
                raise RefusedError
            self.closed.add(chat)
        elif change.kind == "select":
            if not self.lives(change.leaf):
                raise RefusedError
            assert change.leaf is not None
            self.show_again(chat, change.leaf)
        elif change.kind == "delete":
            self.restore(change.made[0], change.leaf)
        elif change.kind == "go_on":
            self.put_back(number)
        else:
            self.withdraw(change.made, change.leaf)
        change.undone = True

    def restore(self, key: str, leaf: str | None) -> None:
        node = self.nodes[key]
        if node.chat in self.closed or (node.parent is not None and not self.lives(node.parent)):
            raise RefusedError
        node.gone = False
        if leaf is not None:
            self.show_again(node.chat, leaf)
        elif self.leaf[node.chat] in (None, *(above.key for above in self.way(node.parent))):
            self.leaf[node.chat] = self.tip(key)

    def put_back(self, number: int) -> None:
        change = self.changes[number]
        node = self.nodes[change.made[0]]
        if node.writing and node.change != number:
            raise RefusedError
        if not node.writing and (not self.lives(node.key) or node.text != change.after):
            raise RefusedError
        node.text, node.status, node.recipe = change.before
        node.writing, node.full = False, None

    def withdraw(self, made: list[str], leaf: str | None) -> None:
        top = self.nodes[made[0]]
        if not self.lives(top.key) or {node.key for node in self.below(top.key)} - set(made):
            raise RefusedError
        shown = top in self.way(self.leaf[top.chat])
        if shown:
            left = next((node for node in self.way(leaf) if self.lives(node.key) and node is not top), None)
            if left is None or (left.key != leaf and left in self.way(top.key)):
                raise RefusedError
        top.gone = True
        if shown:
            assert left is not None
            self.leaf[top.chat] = self.tip(left.key)
        writing = self.writing(top.chat)
        if writing is not None and writing.key in made:
            self.stop(writing)

    # As it must be found

    def told(self, *, flying: bool = False) -> list[Any]:
        """What lives, without ids: of each conversation the place of the leaf, and of each message the place of its
        parent, its role, status, text and the most that it says."""
        found: list[Any] = []
        for chat, leaf in self.leaf.items():
            if chat in self.closed:
                continue
            nodes = self.living(chat)
            place = {node.key: index for index, node in enumerate(nodes)}
            told = []
            for node in nodes:
                text, full = node.text, node.full
                if flying and node.key == self.flying[0]:
                    text, full = self.flying[1], full or text
                told.append([None if node.parent is None else place[node.parent], node.role, node.status, text, full])
            found.append([None if leaf is None else place[leaf], told])
        return found


# What is on the disk --------------------------------------------------------------------------------------------------


@dataclass
class Row:
    """A message as it is stored."""

    key: str
    chat: str
    parent: str | None
    role: str
    status: str
    text: str
    recipe: bool
    marked: bool


def stored(path: Path) -> tuple[dict[str, str | None], dict[str, Row]]:
    """Leaves of the conversations that are there, in the order they came, and all messages, by a new connection."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        leaves = dict(
            connection.execute("SELECT id, leaf_id FROM conversations WHERE deleted_at IS NULL ORDER BY rowid")
        )
        found = connection.execute(
            "SELECT id, conversation_id, parent_id, role, status, finish_reason, parts, provenance, deleted_at "
            "FROM messages ORDER BY seq"
        )
        return leaves, {row[0]: _row(row) for row in found}


def _row(row: tuple[Any, ...]) -> Row:
    key, chat, parent, role, status, finish, parts, made, deleted = row
    text = "".join(part["text"] for part in json.loads(parts) if part["type"] == "text")
    if role == "user":
        status = "user"
    elif status == "done":
        status = {"stop": "done", "length": "cut", None: "edited"}[finish]
    recipe = made is not None and json.loads(made).get("recipe") is not None
    return Row(key, chat, parent, role, status, text, recipe, deleted is not None)


def alive(rows: dict[str, Row], key: str | None) -> bool:
    while key is not None:
        if rows[key].marked:
            return False
        key = rows[key].parent
    return True


def found_after(path: Path) -> list[Any]:
    """What is on the disk, as ``Model.told`` says it."""
    leaves, rows = stored(path)
    found = []
    for chat, leaf in leaves.items():
        nodes = [row for row in rows.values() if row.chat == chat and alive(rows, row.key)]
        place = {row.key: index for index, row in enumerate(nodes)}
        told = [[None if row.parent is None else place[row.parent], row.role, row.status, row.text] for row in nodes]
        found.append([None if leaf is None else place[leaf], told])
    return found


def fits(told: list[Any], found: list[Any]) -> bool:
    """Whether what was found after an end by SIGKILL is what was told. Of an answer that was being written there may be
    any beginning of what it would say, and it may have ended or not."""
    if [(leaf, len(nodes)) for leaf, nodes in told] != [(leaf, len(nodes)) for leaf, nodes in found]:
        return False
    pairs = [pair for (_, one), (_, two) in zip(told, found, strict=True) for pair in zip(one, two, strict=True)]
    return all(
        (parent, role) == there[:2]
        and ((status, text) == there[2:] if full is None else full.startswith(there[3]) and there[3].startswith(text))
        for (parent, role, status, text, full), there in ((one, tuple(two)) for one, two in pairs)
    )


# The walk -------------------------------------------------------------------------------------------------------------


class Walk:
    """Asks at random. ``tell`` is told before each step: what there is, and what there will be."""

    def __init__(
        self, app: App, chance: random.Random, tell: Callable[[list[Any], list[Any]], None] | None = None
    ) -> None:
        self.app = app
        self.model = Model()
        self.done: list[Change] = []
        self.asked: dict[str, int] = {}
        self._chance = chance
        self._tell = tell
        self._scripts: dict[str, Script] = {}
        self._numbers = 0
        self._ended: dict[str, str] = {}
        app.bus.subscribe(MessageChanged, self._on_end)

    def script(self, request: GenerateRequest) -> Script:
        """What the engine says next in a conversation."""
        return self._scripts[request.cache_key]

    def _on_end(self, told: MessageChanged) -> None:
        self._ended[told.message.id] = visible_text(told.message.parts)

    def _words(self) -> str:
        self._numbers += 1
        return f"<{self._numbers}>" + " word" * self._chance.randint(1, 9)

    def _next(self) -> Script:
        """Something to say: at once, or for longer than any walk takes."""
        kind = self._chance.choice(["whole", "whole", "cut", "failed", "long", "long"])
        text = self._words()
        if kind == "long":
            return Script(text + " word" * 5000, rate=self._chance.choice([100, 400]), piece=3, recipe=RECIPE)
        if kind == "failed":
            return Script(text, piece=5, error=BROKE, fail_after=self._chance.choice([0, 2]))
        reason = FinishReason.LENGTH if kind == "cut" else FinishReason.STOP
        return Script(text, piece=5, reason=reason, recipe=RECIPE)

    def _choose(self) -> tuple[str, tuple[Any, ...], Script | None]:
        """What is asked for next: the name of the model's method, with its values."""
        chance, model = self._chance, self.model
        chats = [chat for chat in model.leaf if chat not in model.closed]
        script = self._next()
        if not chats or (len(chats) < 2 and chance.random() < 0.1):
            return "send", (new_id(), None, self._words(), script), script
        chat = chance.choice(chats[-3:])
        nodes, writing = model.living(chat), model.writing(chat)
        asks = {"send": 6, "undo": 9 if model.changes else 0, "stop": 4 if writing is not None else 0}
        if nodes:
            full = sum(len(model.living(chat)) for chat in chats) > MOST
            asks |= {"edit": 3, "regenerate": 3, "again": 2, "go_on": 4, "select": 2, "delete": 20 if full else 3}
            asks["fork"] = 1 if len(chats) < 4 else 0
        ask = chance.choices(list(asks), list(asks.values()))[0]
        key = chance.choice(nodes[-6:] if chance.random() < 0.7 else nodes).key if nodes else ""
        answers = [node.key for node in nodes if node.role == "assistant"]
        values: dict[str, tuple[Any, ...]] = {
            "send": (chat, chance.choice([*[model.leaf[chat]] * 2, None, *answers[:2]]), self._words(), script),
            "undo": (chance.choice([-1, chance.randrange(len(model.changes) or 1)]) % (len(model.changes) or 1),),
            "stop": (writing,),
            "edit": (key, self._words(), script),
            "select": (key,),
            "delete": (key,),
            "fork": (key, new_id()),
        }
        makes = ask in ("send", "edit", "regenerate", "again", "go_on")
        return ask, values.get(ask, (key, script)), script if makes else None

    def pause(self) -> float:
        """How long somebody looks before the next step, in seconds."""
        return self._chance.choices([0, 0.01, 0.1, 1.2], [8, 8, 2, 1])[0]

    async def step(self) -> None:
        """Ask for something, and compare."""
        ask, values, script = self._choose()
        self.asked[ask] = self.asked.get(ask, 0) + 1
        before, after = self.model, copy.deepcopy(self.model)
        after.flying, refused = ("", ""), False
        if ask == "stop":
            values = (after.nodes[values[0].key],)
        try:
            getattr(after, ask)(*values)
        except RefusedError:
            refused, after = True, before
        if self._tell is not None:
            self._tell(before.told(), after.told(flying=True))
        chat = values[0] if ask == "send" else self._chat_of(ask, values[0])
        if script is not None and before.writing(chat) is None:
            self._scripts[chat] = script
        try:
            await self._do(ask, values)
            assert not refused, f"{ask} {values} was not refused"
        except UserFacing as error:
            assert refused, f"{ask} {values} was refused: {error}"
        self.model = after
        if script is not None and not script.rate and not refused:
            with contextlib.suppress(Environment):
                await self.app.chat.ended(chat)
        if script is not None and script.rate:
            await asyncio.sleep(self._chance.choice([0, 0, 0.02]))
        await self._compare(f"{ask} {values}")
        if ask == "fork" and not refused:
            self.model.changes[-1].told = self.model.outline(self.model.changes[-1].chat)

    def _chat_of(self, ask: str, value: Any) -> str:
        if ask == "undo":
            return self.model.changes[value].chat
        return str(value.chat if ask == "stop" else self.model.nodes[value].chat)

    async def _do(self, ask: str, values: tuple[Any, ...]) -> None:
        chat, history = self.app.chat, self.app.history
        match ask, values:
            case "send", (where, parent, text, _):
                new = where not in self.model.leaf
                await chat.send(
                    (TextPart(text),), conversation_id=where, new=new, parent_id=parent, thinking=ThinkingMode.AUTO
                )
            case "edit", (key, text, _):
                self.done.append(await chat.edit(key, (TextPart(text),)))
            case "regenerate", (key, _):
                self.done.append(await chat.regenerate(key))
            case "again", (key, _):
                self.done.append(await chat.run_again(key))
            case "go_on", (key, _):
                self.done.append(await chat.continue_answer(key))
            case "select", (key,):
                self.done.append(await history.select_version(key))
            case "delete", (key,):
                self.done.append(await history.delete_message(key))
            case "fork", (key, _):
                self.done.append((await history.fork(key))[1])
            case "undo", (number,):
                await self.done[number].undo()
            case "stop", (node,):
                await chat.stop(node.chat)

    async def _compare(self, step: str) -> None:
        """The disk has what the model says; and so do the services."""
        path = self.app.paths.database_file
        leaves, rows = stored(path)
        self._name(leaves, rows)
        model = self.model
        assert leaves == {chat: leaf for chat, leaf in model.leaf.items() if chat not in model.closed}, step
        assert list(rows) == list(model.nodes), step
        for key, node in model.nodes.items():
            row = rows[key]
            if node.full is not None and not node.writing:
                self._settle(node, row, step)
            assert (row.chat, row.parent, row.role, row.marked) == (node.chat, node.parent, node.role, node.gone), step
            if node.writing:
                assert node.full is not None and row.status == "streaming", step
                assert node.full.startswith(row.text) and row.text.startswith(node.text), step
            else:
                assert (row.status, row.text, row.recipe) == (node.status, node.text, node.recipe), step
        for chat in leaves:
            nodes = model.living(chat)
            tree = await self.app.history.tree(chat)
            assert [(n.id, n.parent_id, str(n.role)) for n in tree] == [(n.key, n.parent, n.role) for n in nodes], step
            shown = await self.app.history.tail(chat, 999)
            assert [m.id for m in shown] == [n.key for n in reversed(model.way(model.leaf[chat]))], step
        writing = {chat for chat in model.leaf if model.writing(chat) is not None}
        assert self.app.chat.running() == writing, step

    def _name(self, leaves: dict[str, str | None], rows: dict[str, Row]) -> None:
        """Give what is new in the model the ids that it has."""
        model = self.model
        names = dict(zip(model.nodes, rows, strict=True))
        chats = {chat: rows[names[node.key]].chat for node in model.nodes.values() for chat in (node.chat,)}
        for node in model.nodes.values():
            node.key, node.chat = names[node.key], chats[node.chat]
            node.parent = None if node.parent is None else names[node.parent]
        model.nodes = {node.key: node for node in model.nodes.values()}
        model.leaf = {chats[chat]: leaf and names[leaf] for chat, leaf in model.leaf.items()}
        model.closed = {chats[chat] for chat in model.closed}
        for change in model.changes:
            change.chat = chats[change.chat]
            change.made = [names[key] for key in change.made]
            change.leaf = change.leaf and names[change.leaf]

    def _settle(self, node: Node, row: Row, step: str) -> None:
        """An answer was stopped, or copied while it was written: what it says is what was on show."""
        assert node.full is not None and node.full.startswith(row.text) and row.text.startswith(node.text), step
        assert row.text == self._ended.get(node.key, row.text), step
        node.text, node.full, node.recipe = row.text, None, row.recipe
        if node.change >= 0 and self.model.changes[node.change].after is None:
            self.model.changes[node.change].after = node.text


@contextlib.asynccontextmanager
async def walking(
    chance: random.Random, tell: Callable[[list[Any], list[Any]], None] | None = None
) -> AsyncIterator[Walk]:
    """A walk over the trees of a new app."""
    walks: list[Walk] = []

    def script(request: GenerateRequest) -> Script:
        return walks[0].script(request)

    engine = ScriptedEngine(script, parallel=8)
    async with running_app(lambda: engine) as app:
        walks.append(Walk(app, chance, tell))
        yield walks[0]
