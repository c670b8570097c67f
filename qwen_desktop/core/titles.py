"""Titles: from the beginning of a conversation, and from what a model says when it is asked for one. Pure."""

from __future__ import annotations

import re
import unicodedata

#: Longest title made of a message, in characters.
TITLE_LENGTH = 60
#: Longest title of a model, in words and characters.
WORDS, CHARACTERS = 6, 60

#: What asks for a title, behind the conversation.
ASK = (
    "Give this conversation a short title: at most five words, in the language of my first message. Answer with the "
    "title alone, without quotation marks."
)

#: What stands before a title that was announced, in the languages that models announce in.
_ANNOUNCED = re.compile(
    r"^(?:(?:conversation |chat )?title|titre|titel|t[ií]tulo|titolo|заголовок|название|标题|標題|タイトル|제목)"
    r"\s*[:\uff1a]\s*",
    re.IGNORECASE,
)
_QUOTES = "\"'`“”„‟‘’‚«»‹›「」『』《》*_#"
#: How an answer begins that is no title.
_TALK = re.compile(
    r"(?:i|i'm|i’m|i'd|as an|sure|certainly|of course|okay|ok|here is|here's|here’s|sorry|the title|this conversation|"
    r"конечно|вот|извините|好的|当然|抱歉)\b",
    re.IGNORECASE,
)
_SCRIPTS = ("CYRILLIC", "GREEK", "ARABIC", "HEBREW", "DEVANAGARI", "THAI", "HANGUL", "CJK", "HIRAGANA", "KATAKANA")


def title_of(text: str) -> str:
    """A title from a message: its first line with words in it, at most 60 characters, cut at the end of a word."""
    line = next((" ".join(row.split()) for row in text.splitlines() if row.strip()), "")
    if len(line) <= TITLE_LENGTH:
        return line
    head = line[: TITLE_LENGTH - 1]
    if not line[TITLE_LENGTH - 1].isspace() and " " in head[TITLE_LENGTH // 2 :]:
        head = head[: head.rindex(" ")]
    return head.rstrip(" ,;:.-") + "…"


def title_from(said: str, asked: str) -> str:
    """The title in what a model said, "" where that is none: empty, too long, several lines, talk about a title, a
    repetition, what was ``asked`` once more, or in another script than that."""
    lines = [line.strip() for line in said.strip().splitlines() if line.strip()]
    if len(lines) != 1:
        return ""
    title = " ".join(_bare(_ANNOUNCED.sub("", _bare(lines[0]))).rstrip(" .\u3002:").split())
    words = title.casefold().split()
    if not title or len(title) > CHARACTERS or len(words) > WORDS or not any(c.isalpha() for c in title):
        return ""
    if any(unicodedata.category(c)[0] == "C" for c in title) or re.search(r"[<>{}|\\]|https?:", title):
        return ""
    if _TALK.match(title) or _circles(title.casefold()) or _same(title, asked):
        return ""
    script = _script(asked)
    if script:
        return title if any(_script(letter) == script for letter in title) else ""
    return "" if _script(title) else title


def _bare(text: str) -> str:
    """Without quotation marks and the marks of Markdown around it."""
    return text.strip().strip(_QUOTES).strip()


def _circles(title: str) -> bool:
    """Whether it says the same again and again."""
    words = title.split()
    if len(words) > 2 and len(set(words)) <= len(words) // 2:
        return True
    return re.search(r"(.)\1{4}|(.{2,}?)\2{2}", title) is not None


def _same(title: str, asked: str) -> bool:
    """Whether it is the first line of what was asked, or how that begins."""
    plain, first = (re.sub(r"\W+", " ", text.casefold()).strip() for text in (title, asked))
    return not plain or plain == first


def _script(text: str) -> str:
    """The script of most of its letters where that is not Latin, "" otherwise. Chinese and Japanese count as one."""
    counted: dict[str, int] = {}
    letters = 0
    for letter in text[:400]:
        if not letter.isalpha():
            continue
        letters += 1
        name = unicodedata.name(letter, "")
        script = next((script for script in _SCRIPTS if name.startswith(script)), "")
        script = "CJK" if script in ("HIRAGANA", "KATAKANA") else script
        if script:
            counted[script] = counted.get(script, 0) + 1
    most = max(counted, key=lambda script: counted[script], default="")
    return most if most and counted[most] * 2 > letters else ""
