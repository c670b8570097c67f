"""Which models obey ``/think`` and ``/no_think`` in a user's message: the hybrid Qwen3 ones of April 2025.

They were trained to; no template mentions the words, and nothing in a file says it. So it follows from what the file
does say: the architecture, how its template begins an answer, and that it does not call itself one of the later ones,
which think always or never. The file's own name is not asked.
"""

from __future__ import annotations

from qwen_desktop.core.engine import ThinkingMode
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.gguf import GgufHeader
from qwen_desktop.engine.going_on import ends_in_empty
from qwen_desktop.engine.marks import OPEN
from qwen_desktop.engine.template_families import family_of
from qwen_desktop.engine.templates import Template

_ARCHITECTURES = ("qwen3", "qwen3moe")
#: "chatml": one that calls itself by another name (a finetune), in Qwen's form.
_FAMILIES = ("qwen3", "chatml")
_QUESTION = ({"role": "user", "content": "?"},)


def obeyed(header: GgufHeader, template: Template) -> bool:
    """Whether the model of this file, used with this template, obeys them."""
    if header.architecture not in _ARCHITECTURES or header.guide or ThinkingMode.DIRECT not in template.thinking:
        return False
    names = [str(header.metadata.get(f"general.{key}", "")) for key in ("name", "basename", "finetune")]
    if family_of(header.architecture, names, template.source, "").name not in _FAMILIES:
        return False
    try:
        free, direct = (template.render(_QUESTION, mode) for mode in (ThinkingMode.AUTO, ThinkingMode.DIRECT))
    except UserFacing:
        return False
    return OPEN not in free and ends_in_empty(direct)
