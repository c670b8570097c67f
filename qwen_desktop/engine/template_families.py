"""How the model families speak: the reference that chat templates are held against, and a template of our own for each.

What stands here are the forms that the models were trained on (marks, roles, where thinking begins), as facts; the
templates are written anew and as small as those facts allow. They repair files whose own template is faulty.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

#: "none": the model never thinks. "switch": it decides, and ``enable_thinking`` false forbids it. "open": the same, but
#: the prompt opens the thinking; "shut": the same, but only when asked. "always": the prompt opens it in any case.
Thinking = Literal["none", "switch", "open", "shut", "always"]


class Family(Struct, frozen=True):
    """One way to speak.

    ``chatml`` False: another form, of which only general things can be asked. ``thinking`` and ``tools`` are "" where
    nothing is known; ``drops`` says that thinking of earlier turns must not come again; ``default`` are the
    instructions when nobody gives any. ``official`` families have a template even when the file has none.
    """

    name: str
    chatml: bool = True
    thinking: Thinking | Literal[""] = ""
    drops: bool = False
    tools: Literal["json", "xml", ""] = ""
    default: str = ""
    official: bool = True
    examined: bool = True


_HELPFUL = "You are a helpful assistant."

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family("qwen2", thinking="none", default=_HELPFUL),
        Family("qwen2.5", thinking="none", tools="json", default=_HELPFUL),
        Family("qwen3", thinking="switch", drops=True, tools="json"),
        Family("qwen3-instruct", thinking="none", tools="json"),
        Family("qwen3-thinking", thinking="always", drops=True, tools="json"),
        Family("qwq", thinking="always", drops=True, tools="json"),
        Family("qwen3-coder", thinking="none", tools="xml"),
        Family("qwen3.5", thinking="open", drops=True, tools="xml"),
        Family("qwen3.5-small", thinking="shut", drops=True, tools="xml"),
        Family("qwen3.6", thinking="open", tools="xml"),
        Family("chatml", official=False),
        Family("other", chatml=False, official=False),
        Family("silent", chatml=False, official=False, examined=False),
    )
}

#: (pattern for the names, family), in order; only for models that call themselves Qwen.
_BY_NAME: tuple[tuple[str, str], ...] = (
    (r"qwq", "qwq"),
    (r"qwen[ _-]?3\.5[ _-]?(?:0\.8|2)b", "qwen3.5-small"),
    (r"qwen[ _-]?3\.5", "qwen3.5"),
    (r"qwen[ _-]?3\.[6-9]", "qwen3.6"),
    (r"qwen[ _-]?3.*coder", "qwen3-coder"),
    (r"qwen[ _-]?3.*(?:2507|next|vl|omni).*thinking|qwen[ _-]?3.*thinking.*(?:2507|next|vl|omni)", "qwen3-thinking"),
    (r"qwen[ _-]?3.*(?:2507|next|vl|omni).*instruct|qwen[ _-]?3.*instruct.*(?:2507|next|vl|omni)", "qwen3-instruct"),
    (r"qwen[ _-]?3(?:[ _-]|$)", "qwen3"),
    (r"qwen[ _-]?2\.5[ _-]?(?:vl|omni|math)", "qwen2"),
    (r"qwen[ _-]?2\.5", "qwen2.5"),
    (r"qwen[ _-]?(?:1\.5|2)", "qwen2"),
)
_QWEN_ENDS = ("<|im_end|>", "<|endoftext|>", "")
_NO_CHAT = re.compile(r"embed|rerank|\basr\b|guard", re.IGNORECASE)
#: Marks of another form: a distilled or otherwise retrained model keeps Qwen's name and architecture.
_OTHER_MARKS = ("<｜", "[INST]", "<start_of_turn>", "<|start_header_id|>", "<|user|>")


def family_of(architecture: str, names: Iterable[str], template: str | None, end: str) -> Family:
    """The family of a model by its architecture, its names, its template and the text of its end token."""
    name = " ".join(n for n in names if n)
    if _NO_CHAT.search(name):
        return FAMILIES["silent"]
    official = architecture.startswith("qwen") and re.search(r"qwen|qwq", name, re.IGNORECASE)
    foreign = template is not None and "<|im_start|>" not in template and any(m in template for m in _OTHER_MARKS)
    if official and end in _QWEN_ENDS and not (foreign and end != "<|im_end|>") and "distill" not in name.lower():
        for pattern, family in _BY_NAME:
            if re.search(pattern, name, re.IGNORECASE):
                return FAMILIES[family]
    if template is not None and "<|im_start|>" in template:
        return FAMILIES["chatml"]
    return FAMILIES["other"]


# Templates of our own ------------------------------------------------------------------------------------------------

_HEAD = """\
{%- set told = messages and messages[0].role == 'system' %}
{%- set instructions = messages[0].content if told else DEFAULT %}
{%- if tools %}
    {{- '<|im_start|>system\\n' + (instructions + '\\n\\n' if instructions else '') }}
    {{- '# Tools\\n\\nThese functions may be called to help with the request:\\n<tools>' }}
    {%- for tool in tools %}{{- '\\n' + (tool | tojson) }}{%- endfor %}
    {{- '\\n</tools>\\n\\n' + HOW + '<|im_end|>\\n' }}
{%- elif instructions %}
    {{- '<|im_start|>system\\n' + instructions + '<|im_end|>\\n' }}
{%- endif %}
{%- set last = namespace(question=-1) %}
{%- for message in messages %}
    {%- if message.role == 'user' %}{%- set last.question = loop.index0 %}{%- endif %}
{%- endfor %}
"""

_BODY = """\
{%- for message in messages %}
    {%- if message.role == 'tool' %}
        {%- if loop.first or messages[loop.index0 - 1].role != 'tool' %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
        {%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{- '<|im_end|>\\n' }}{%- endif %}
    {%- elif message.role == 'assistant' %}
        {{- '<|im_start|>assistant\\n' }}
        {%- if KEEPS and message.reasoning_content and loop.index0 > last.question %}
            {{- '<think>\\n' + message.reasoning_content + '\\n</think>\\n\\n' }}
        {%- endif %}
        {{- message.content or '' }}
        {%- for call in message.tool_calls or [] %}
            {%- set call = call.function or call %}
            {{- '\\n' if message.content or not loop.first else '' }}
            {{- '<tool_call>\\n' }}
CALL
            {{- '\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif not (loop.first and told) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}OPENING
{%- endif %}"""

_JSON_CALL = """\
            {{- '{"name": "' + call.name + '", "arguments": ' }}
            {{- (call.arguments if call.arguments is string else call.arguments | tojson) + '}' }}"""
_XML_CALL = """\
            {{- '<function=' + call.name + '>\\n' }}
            {%- for key, value in (call.arguments or {}).items() %}
                {{- '<parameter=' + key + '>\\n' }}
                {{- (value if value is string else value | tojson) + '\\n</parameter>\\n' }}
            {%- endfor %}
            {{- '</function>' }}"""
_HOW = {
    "json": "To call one, write its name and arguments as JSON between these marks:\\n<tool_call>\\n"
    '{"name": <function-name>, "arguments": <args-json-object>}\\n</tool_call>',
    "xml": "To call one, write it between these marks, each parameter in its own:\\n<tool_call>\\n<function=name>\\n"
    "<parameter=key>\\nvalue\\n</parameter>\\n</function>\\n</tool_call>",
}
_SHUT = "{{- '<think>\\n\\n</think>\\n\\n' }}"
_OPEN = "{{- '<think>\\n' }}"
_FORBIDDEN = "enable_thinking is defined and enable_thinking is false"
_OPENINGS: dict[str, str] = {
    "always": _OPEN,
    "switch": f"{{%- if {_FORBIDDEN} %}}{_SHUT}{{%- endif %}}",
    "open": f"{{%- if {_FORBIDDEN} %}}{_SHUT}{{%- else %}}{_OPEN}{{%- endif %}}",
    "shut": f"{{%- if enable_thinking is defined and enable_thinking %}}{_OPEN}{{%- else %}}{_SHUT}{{%- endif %}}",
}


def reference(family: Family) -> str | None:
    """A template of our own that speaks as this family does, None where its form is not known."""
    if not family.chatml:
        return None
    opening = _OPENINGS.get(family.thinking, "")
    return (
        (_HEAD + _BODY)
        .replace("DEFAULT", f"'{family.default}'")
        .replace("HOW", f"'{_HOW[family.tools or 'json']}'")
        .replace("KEEPS", "true" if family.thinking not in ("", "none") else "false")
        .replace("CALL", _XML_CALL if family.tools == "xml" else _JSON_CALL)
        .replace("OPENING", f"\n    {opening}" if opening else "")
    )
