"""The template doctor: is the chat template of a file what its family of models was trained on?

Called when a model comes into the library. A fault is a sentence with, where the family is known, a repair: a template
of our own that is used at load while the file stays as it is.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from qwen_desktop.core.errors import Failure, UserFacing
from qwen_desktop.core.gguf import MODELS, GgufHeader, Kind, read_header
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.engine.template_families import Family, family_of, reference
from qwen_desktop.engine.templates import Template
from qwen_desktop.hub.inventory import DOCTOR, TemplateNote
from qwen_desktop.jobs.template_checks import examine, sentence

#: One rendering takes milliseconds; a template that needs longer than this many seconds is of no use to a chat.
LIMIT_S = 1.0
_LONGEST_TOKEN = 1 << 16
#: The engine's sentence about a template that cannot be used -> ours.
_CODES = {"template.syntax": "syntax", "template.endless": "endless", "template.loses": "text"}

# fmt: off
_no_repair = Failure(
    UserFacing, "template.no_repair", "",
    QT_TRANSLATE_NOOP("library", "There is no repair for this chat template."),
    QT_TRANSLATE_NOOP("library", "Choose another file of this model."),
)
# fmt: on


def check_file(path: str) -> dict[str, Any]:
    """The job ``template.check``: a ``TemplateNote`` (without an override) as plain data. Raises ``UserFacing`` for a
    file that cannot be read."""
    header = read_header(path, kinds=MODELS)
    if header.kind is not Kind.CHAT:  # it needs none
        return dict(msgspec.to_builtins(TemplateNote(checked=f"{DOCTOR}:{header.template_sha256}")))
    family = _family(header)
    note = diagnose(header.chat_template, family, begin=_token(header, "bos"), end=_token(header, "eos"))
    checked = f"{DOCTOR}:{header.template_sha256}"
    return dict(msgspec.to_builtins(msgspec.structs.replace(note, checked=checked)))


def repair(path: str) -> str:
    """The job ``template.repair``: the template to use for this file instead of its own. Raises ``UserFacing`` where
    its family's form is not known."""
    header = read_header(path)
    found = reference(_family(header))
    if found is None:
        raise _no_repair()
    return found


def diagnose(source: str | None, family: Family, *, begin: str = "", end: str = "") -> TemplateNote:
    """What is wrong with a template for a model of ``family``."""
    if not family.examined or (source is None and not family.official):
        return TemplateNote(family=family.name)
    codes = ["missing"] if source is None else _faults(source, family, begin, end)
    # Our plain template for ChatML knows nothing of thinking: it would take that away from a model that has it.
    lossy = not family.official and source is not None and "<think>" in source
    repairable = bool(codes) and not lossy and reference(family) is not None
    return TemplateNote(family=family.name, faults=tuple(sentence(code) for code in codes), repairable=repairable)


def _faults(source: str, family: Family, begin: str, end: str) -> list[str]:
    try:
        template = Template(source, bos=begin, eos=end, limit_s=LIMIT_S)
        template.fit()
        return examine(template, family)
    except UserFacing as error:
        return [_CODES.get(error.problem.what.code, "refuses")]


def _family(header: GgufHeader) -> Family:
    keys = ("name", "basename", "finetune", "size_label")
    names = [str(header.metadata.get(f"general.{key}", "")) for key in keys]
    return family_of(header.architecture, [*names, Path(header.path).stem], header.chat_template, _token(header, "eos"))


def _token(header: GgufHeader, kind: str) -> str:
    """The text of the token that begins ("bos") or ends ("eos") a text, "" when the file does not say."""
    number = header.metadata.get(f"tokenizer.ggml.{kind}_token_id")
    place = header.arrays.get("tokenizer.ggml.tokens")
    kept = header.metadata.get("tokenizer.ggml.tokens")
    if not isinstance(number, int) or number < 0:
        return ""
    if isinstance(kept, list):
        return str(kept[number]) if number < len(kept) else ""
    if place is None or number >= place.count:
        return ""
    with Path(header.path).open("rb") as file:  # the header was checked: lengths stay inside the file
        file.seek(place.offset)
        for _ in range(number):
            file.seek(int.from_bytes(file.read(8), "little"), 1)
        length = int.from_bytes(file.read(8), "little")
        return file.read(length).decode("utf-8", "replace") if length <= _LONGEST_TOKEN else ""
