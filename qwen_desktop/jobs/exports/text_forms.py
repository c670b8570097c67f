"""A conversation as Markdown and as plain text: what was said stands as it was written, code as code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from qwen_desktop.core.chat import Message
from qwen_desktop.core.drafts import pasted_texts
from qwen_desktop.core.exchange import Record
from qwen_desktop.core.parts import markdown_text, thinking_text
from qwen_desktop.jobs.exports.form import Look, attached, broken_off, date, models, speaker, title

_ESCAPED = re.compile(r"([\\`*_\[\]<>#])")


def markdown(record: Record, look: Look, beside: Mapping[str, str]) -> str:
    """Markdown with a front matter; ``beside`` are the files that lie beside it, by the hashes of what is attached."""
    words = look.words
    front: dict[str, str | list[str]] = {"title": title(record, words), "date": date(record.conversation.created)}
    if made_by := ", ".join(models(record)):
        front["model"] = made_by
    if record.conversation.tags:
        front["tags"] = list(record.conversation.tags)
    lines = (f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in front.items())
    pieces = ["\n".join(("---", *lines, "---")), f"# {_plain(title(record, words))}"]
    if instructions := record.conversation.system_prompt.strip():
        quoted = "\n".join(f"> {line}".rstrip() for line in instructions.splitlines())
        pieces.append(f"> **{words.instructions}**\n>\n{quoted}")
    for message in record.messages:
        pieces += (f"## {_plain(speaker(message, words))}", *_said(message, look, beside))
    return "\n\n".join(pieces) + "\n"


def answer_markdown(message: Message, look: Look) -> str:
    """One message as Markdown, as it is copied."""
    return "\n\n".join(_said(message, look, {}))


def _said(message: Message, look: Look, beside: Mapping[str, str]) -> Iterator[str]:
    if look.thoughts and (thought := thinking_text(message.parts).strip()):
        yield f"<details>\n<summary>{_plain(look.words.thoughts)}</summary>\n\n{thought}\n\n</details>"
    yield from (text.strip("\n") for text in pasted_texts(message.parts) if text.strip())
    if text := markdown_text(message.parts).strip("\n"):
        yield text
    entries = []
    for part in attached(message):
        name = _plain(part.name or part.media_type)
        place = beside.get(part.sha256)
        entries.append(f"- [{name}](<{place}>)" if place else f"- {name}")
    if entries:
        yield f"**{look.words.attachments}**\n\n" + "\n".join(entries)
    if broken_off(message):
        yield f"*{look.words.stopped}*"


def plain(record: Record, look: Look, beside: Mapping[str, str]) -> str:
    """Plain text."""
    words = look.words
    pieces = [title(record, words)]
    about = [date(record.conversation.created), *models(record)]
    pieces[0] += f"\n{' · '.join(filter(None, about))}"
    if instructions := record.conversation.system_prompt.strip():
        pieces.append(f"{words.instructions}:\n{instructions}")
    for message in record.messages:
        said: list[str] = []
        if look.thoughts and (thought := thinking_text(message.parts).strip()):
            said.append(f"[{words.thoughts}]\n{thought}\n[/{words.thoughts}]")
        said += [text.strip("\n") for text in pasted_texts(message.parts) if text.strip()]
        said.append(markdown_text(message.parts).strip("\n"))
        names = [beside.get(part.sha256) or part.name or part.media_type for part in attached(message)]
        if names:
            said.append(f"{words.attachments}: {', '.join(names)}")
        if broken_off(message):
            said.append(words.stopped)
        pieces.append(f"{speaker(message, words)}:\n" + "\n\n".join(filter(None, said)))
    return "\n\n".join(pieces) + "\n"


def _plain(text: str) -> str:
    """A name as Markdown that shows it."""
    return _ESCAPED.sub(r"\\\1", " ".join(text.split()))
