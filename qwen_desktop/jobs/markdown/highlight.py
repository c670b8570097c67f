"""Colours for code: Pygments tokens to spans with colour roles of the theme.

Runs in the job worker; the window only falls back to it when it has no worker, a slice of tokens at a time.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import cast

from qwen_desktop.jobs.markdown.blocks import Span

#: Longer code is shown without colours: nobody reads it for them, and lexing it would hold the worker for seconds.
LONGEST = 200_000
_TOKENS_A_STEP = 300


def _is_a(kind: object, family: object) -> bool:
    """Whether a Pygments token type belongs to a family (its ``in`` is not what type checkers expect of a tuple)."""
    return kind in cast("Container[object]", family)


def span_steps(code: str, language: str) -> Iterator[tuple[Span, ...]]:
    """Coloured stretches of ``code``, none when the language is unknown; offsets count code points.

    In steps, for callers that must not hold an event loop: the last value is the whole result.
    """
    from pygments.lexers import get_lexer_by_name  # noqa: PLC0415 - costs 20 ms and most messages hold no code
    from pygments.token import Comment, Keyword, Name, Number, Operator, String  # noqa: PLC0415
    from pygments.util import ClassNotFound  # noqa: PLC0415

    if not language or len(code) > LONGEST:
        yield ()
        return
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        yield ()
        return
    roles = (
        (Comment, "code_comment"),
        (Keyword.Constant, "code_keyword"),
        (Keyword, "code_keyword"),
        (Operator.Word, "code_keyword"),
        (Name.Function, "code_function"),
        (Name.Class, "code_function"),
        (Name.Tag, "code_keyword"),
        (Name.Attribute, "code_function"),
        (Name.Decorator, "code_function"),
        (String, "code_string"),
        (Number, "code_number"),
    )
    known: dict[object, str] = {}
    found: list[Span] = []
    for count, (start, kind, text) in enumerate(lexer.get_tokens_unprocessed(code), 1):
        role = known.get(kind)
        if role is None:
            role = known[kind] = next((name for family, name in roles if _is_a(kind, family)), "")
        if role and text:
            last = found[-1] if found else None
            if last is not None and last.role == role and last.start + last.length == start:
                found[-1] = Span(last.start, last.length + len(text), role)
            else:
                found.append(Span(start, len(text), role))
        if count % _TOKENS_A_STEP == 0:
            yield ()
    yield tuple(found)
