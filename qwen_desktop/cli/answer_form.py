"""``--schema FILE`` and ``--grammar FILE``: the form of an answer, read and looked at before anything is loaded."""

from __future__ import annotations

from qwen_desktop.core.engine import Grammar
from qwen_desktop.core.errors import Failure, UserFacing
from qwen_desktop.core.files import read_file
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.engine import gbnf, grammar, json_schema

#: Of a file, in bytes; the limits on what it says are smaller (characters of four bytes).
_MOST = 4 * max(json_schema.LONGEST, gbnf.LONGEST)

# fmt: off
_too_large = Failure(
    UserFacing, "form.large", "file",
    QT_TRANSLATE_NOOP("cli", "{file} is too large for a schema or a grammar."),
    QT_TRANSLATE_NOOP("cli", "Name the file that describes the answer."),
)
_no_text = Failure(
    UserFacing, "form.encoding", "file", QT_TRANSLATE_NOOP("cli", "{file} is no text in UTF-8."),
    QT_TRANSLATE_NOOP("cli", "Name the file that describes the answer."),
)
# fmt: on


def read_form(schema: str | None, gbnf_file: str | None) -> Grammar | None:
    """What the answer must look like, by the file of a JSON schema or of a GBNF grammar; None without either.

    Raises ``UserFacing`` with what is wrong with it, and ``OSError`` where it cannot be read.
    """
    path = schema or gbnf_file
    if path is None:
        return None
    data = read_file(path, _MOST + 1)
    if len(data) > _MOST:
        raise _too_large(path)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _no_text(path) from None
    form = Grammar("json_schema" if schema else "gbnf", text)
    grammar.rules(form)
    return form
