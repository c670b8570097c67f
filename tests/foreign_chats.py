"""Conversations as other programs write them, made by hand after their forms; and ways to damage them."""

from __future__ import annotations

import copy
import random
from typing import Any

#: The smallest PNG there is.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001"
    "e221bc330000000049454e44ae426082"
)


class Mapping:
    """The tree of one conversation of ChatGPT's."""

    def __init__(self) -> None:
        self.nodes: dict[str, Any] = {"root": {"id": "root", "message": None, "parent": None, "children": []}}
        self.time = 1_700_000_000.0

    def add(self, key: str, parent: str, role: str, content: Any, **message: Any) -> str:
        """A node below ``parent``; a text as content is one of the simple kind."""
        self.time += 1
        if isinstance(content, str):
            content = {"content_type": "text", "parts": [content]}
        told = {"id": key, "author": {"role": role, "name": None, "metadata": {}}, "create_time": self.time}
        told |= {"content": content, "recipient": "all", "metadata": {}, "status": "finished_successfully", **message}
        self.nodes[key] = {"id": key, "message": told, "parent": parent, "children": []}
        self.nodes[parent]["children"].append(key)
        return key

    def conversation(self, current: str, **told: Any) -> dict[str, Any]:
        """All of it."""
        return {
            "id": "chat-1", "conversation_id": "chat-1", "title": "Pelicans", "create_time": 1_700_000_000.5,
            "update_time": self.time, "mapping": self.nodes, "current_node": current, **told,
        }  # fmt: skip


def chatgpt() -> dict[str, Any]:
    """With notes of the system, an edited question, a regenerated answer, thoughts, a picture that was sent, one that
    was made, code that was run, pages of the web, and a file."""
    m = Mapping()
    m.add("sys", "root", "system", "", metadata={"is_visually_hidden_from_conversation": True})
    m.add("own", "sys", "user", {"content_type": "user_editable_context", "user_profile": "I am Ada.",
          "user_instructions": "Be brief."}, metadata={"is_user_system_message": True})  # fmt: skip
    picture = {
        "content_type": "image_asset_pointer",
        "asset_pointer": "file-service://file-PIC",
        "width": 1,
        "height": 1,
    }
    m.add("u1", "own", "user", {"content_type": "multimodal_text", "parts": [picture, "What is this?"]},
          metadata={"attachments": [{"id": "file-PIC", "name": "bird.png", "mime_type": "image/png"},
                                    {"id": "file-DOC", "name": "notes.txt", "mime_type": "text/plain"},
                                    {"id": "file-GONE", "name": "gone.pdf", "mime_type": "a/b"}]})  # fmt: skip
    m.add(
        "t1",
        "u1",
        "assistant",
        {"content_type": "thoughts", "thoughts": [{"summary": "Looking", "content": "A bill."}]},
    )
    m.add("r1", "t1", "assistant", {"content_type": "reasoning_recap", "content": "Thought for 3 seconds"})
    m.add("a1", "r1", "assistant", "A pelican.", metadata={"model_slug": "gpt-5"})
    m.add("a1b", "u1", "assistant", "A stork.", metadata={"model_slug": "o3"})
    m.add("u2", "a1", "user", "Draw one.")
    m.add("c1", "u2", "assistant", {"content_type": "code", "language": "json", "text": '{"prompt": "pelican"}'},
          recipient="dalle.text2im")  # fmt: skip
    made = picture | {"asset_pointer": "sediment://file_made", "width": 2}
    m.add("d1", "c1", "tool", {"content_type": "multimodal_text", "parts": [made]})
    m.add("a2", "d1", "assistant", "Here it is.\ue200cite\ue202turn0search0\ue201",
          metadata={"content_references": [{"matched_text": "\ue200cite\ue202turn0search0\ue201",
                                            "alt": "([birds](https://example.org/))"}]})  # fmt: skip
    m.add("u2b", "a1", "user", "Count to 2 in Python.")
    m.add("c2", "u2b", "assistant", {"content_type": "code", "language": "python", "text": "print(1, 2)"},
          recipient="python")  # fmt: skip
    m.add("x2", "c2", "tool", {"content_type": "execution_output", "text": "1 2"})
    m.add("a3", "x2", "assistant", "It says 1 2.")
    m.add("a3b", "x2", "assistant", "One, two.")
    m.add("w1", "a3b", "system", "", metadata={"is_visually_hidden_from_conversation": True})
    return m.conversation("w1", is_archived=True, is_starred=True)


def open_webui() -> dict[str, Any]:
    """With two answers to one question, a thought, a call of a tool, a picture and a document."""

    def message(key: str, parent: str | None, role: str, content: str, **told: Any) -> dict[str, Any]:
        return {"id": key, "parentId": parent, "childrenIds": [], "role": role, "content": content,
                "timestamp": 1_700_000_000, **told}  # fmt: skip

    thought = (
        '<details type="reasoning" done="true" duration="5">\n<summary>Thought for 5 seconds</summary>\n'
        "&gt; I know &lt;it&gt;.\n&gt; Yes.\n</details>\n"
    )
    called = (
        '<details type="tool_calls" done="true" id="call_1" name="sum" arguments="&quot;{\\&quot;a\\&quot;: 1}&quot;" '
        'result="&quot;three&quot;" files="" embeds="">\n<summary>Tool Executed</summary>\n</details>\n'
    )
    import base64  # noqa: PLC0415

    image = {"type": "image", "url": "data:image/png;base64," + base64.b64encode(PNG).decode()}
    document = {
        "type": "file",
        "name": "a.txt",
        "file": {"data": {"content": "Words of A."}, "meta": {"content_type": "text/plain", "size": 11}},
    }
    messages = [
        message("u1", None, "user", "Add one and two.", files=[image, document]),
        message("a1", "u1", "assistant", thought + "Wait.\n" + called + "It is three.", model="qwen3", done=True),
        message("a2", "u1", "assistant", "Three.", model="llama", modelIdx=1),
        message("u2", "a1", "user", "Thanks."),
        message("a3", "u2", "assistant", "", output=[
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Polite."}]},
            {"type": "message", "content": [{"type": "output_text", "text": "Welcome."}]}]),
    ]  # fmt: skip
    history = {"messages": {entry["id"]: entry for entry in messages}, "currentId": "a3"}
    chat = {"title": "Sums", "models": ["qwen3"], "history": history, "messages": [], "params": {"system": "Be kind."}}
    return {
        "id": "w-1", "user_id": "u", "title": "Sums", "chat": chat, "created_at": 1_700_000_000, "pinned": True,
        "updated_at": 1_700_000_500, "folder_id": None, "archived": False, "meta": {"tags": ["maths", "easy"]},
    }  # fmt: skip


def lm_studio() -> dict[str, Any]:
    """With a regenerated answer, a thought, a call of a tool and an attached file."""

    def block(text: str, **style: Any) -> dict[str, Any]:
        return {
            "type": "contentBlock",
            "content": [{"type": "text", "text": text}],
            **({"style": style} if style else {}),
        }

    call = {
        "type": "contentBlock",
        "content": [{"type": "toolCallRequest", "callId": 7, "name": "clock", "parameters": {"zone": "UTC"}}],
    }
    given = {"type": "contentBlock", "content": [{"type": "toolCallResult", "callId": 7, "content": "12:00"}]}
    file = {"type": "file", "fileIdentifier": "1700 - notes.txt", "fileType": "text/plain", "sizeBytes": 5}
    first = {"type": "multiStep", "role": "assistant", "senderInfo": {"senderName": "qwen3-4b"}, "steps": [
        {"type": "contentBlock", "content": [{"type": "text", "text": "<think>", "isStructural": True}]},
        block("What time?", type="thinking", ended=True, title="Thought for 1.2 seconds"), call, given, block("Noon."),
        {"type": "debugInfoBlock", "debugInfo": "x"}]}  # fmt: skip
    second = {"type": "multiStep", "role": "assistant", "steps": [block("Twelve.")]}
    said = {"type": "singleStep", "role": "user", "content": [{"type": "text", "text": "What time is it?"}, file]}
    last = {"type": "singleStep", "role": "user", "content": [{"type": "text", "text": "Ok."}]}
    fields = [{"key": "llm.prediction.systemPrompt", "value": "Be exact."}]
    return {
        "name": "Time", "pinned": False, "createdAt": 1_700_000_000_000, "systemPrompt": "", "tokenCount": 9,
        "perChatPredictionConfig": {"fields": fields}, "lastUsedModel": {"identifier": "qwen3-8b"},
        "assistantLastMessagedAt": 1_700_000_060_000,
        "messages": [{"versions": versions, "currentlySelected": 0} for versions in ([said], [first, second], [last])],
    }  # fmt: skip


def jan() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A thread and its messages, with a thought, a call of a tool in the newer and in the older way."""
    thread = {"id": "t1", "object": "thread", "title": "Rain", "created": 1_700_000_000, "updated": 1_700_000_900_000,
              "assistants": [{"assistant_id": "jan", "assistant_name": "Jan", "instructions": "Be dry.",
                              "model": {"id": "qwen3:4b"}}],
              "metadata": {"project": {"id": "p", "name": "Weather"}}}  # fmt: skip

    def message(key: str, role: str, content: list[dict[str, Any]], **told: Any) -> dict[str, Any]:
        return {"id": key, "object": "thread.message", "thread_id": "t1", "role": role, "content": content,
                "status": "ready", "created_at": 1_700_000_000_000 + len(key), **told}  # fmt: skip

    def text(words: str) -> dict[str, Any]:
        return {"type": "text", "text": {"value": words, "annotations": []}}

    older = {"tool_calls": [{"tool": {"id": "c2", "function": {"name": "radar", "arguments": "{}"}},
                             "response": {"content": [{"type": "text", "text": "dry"}]}}]}  # fmt: skip
    return thread, [
        message("m1", "user", [text("Will it rain?")]),
        message("m2", "assistant", [
            {"type": "reasoning", "text": {"value": "Ask.", "annotations": []}},
            {"type": "tool_call", "tool_call_id": "c1", "tool_name": "sky", "input": {"at": "noon"}, "output": "clear"},
            text("No.")]),
        message("m3", "user", [text("Sure?")]),
        message("m4", "assistant", [text("<think>\nHm.\n</think>\n\nYes.")], metadata=older, status="stopped"),
    ]  # fmt: skip


_ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    10**30,
    1e308,
    "",
    "\ud800\x00x",
    [],
    {},
    [[]],
    {"a": {}},
    "u1",
    "root",
    ["u1"],
)


def damaged(value: Any, chance: random.Random) -> Any:
    """A copy with some of its values replaced by others, or gone."""
    value = copy.deepcopy(value)
    for _ in range(chance.randint(1, 8)):
        place, holder = value, None
        key: Any = None
        for _ in range(chance.randint(1, 7)):
            if isinstance(place, dict) and place:
                holder, key = place, chance.choice(sorted(place, key=str))
            elif isinstance(place, list) and place:
                holder, key = place, chance.randrange(len(place))
            else:
                break
            place = holder[key]
        if holder is None:
            continue
        what = chance.random()
        if what < 0.3:
            del holder[key]
        elif what < 0.8:
            holder[key] = copy.deepcopy(chance.choice(_ODD))
        elif isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        else:
            holder[str(chance.random())] = copy.deepcopy(holder[key])
    return value
