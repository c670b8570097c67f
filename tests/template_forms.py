"""Chat templates in the forms of real ones, as small as the form allows, by the name of the model that has it."""

from __future__ import annotations

from tests.gguf_files import THINKING_TEMPLATE

#: The prompt opens the thought, or closes an empty one; earlier turns have none, the last one's always has its marks.
_OPEN = """\
{%- set ns = namespace(last=-1) %}
{%- for message in messages %}{%- if message.role == 'user' %}{%- set ns.last = loop.index0 %}{%- endif %}{%- endfor %}
{%- for message in messages %}
    {%- if message.role == 'assistant' and loop.index0 > ns.last %}
        {{- '<|im_start|>assistant\n<think>\n' + message.reasoning_content|default('') + '\n</think>\n\n' }}
        {{- message.content + '<|im_end|>\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\n\n</think>\n\n' }}
    {%- else %}
        {{- '<think>\n' }}
    {%- endif %}
{%- endif %}"""

#: It never thinks.
_PLAIN = """\
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %}"""

FORMS = {"Qwen3.5": _OPEN, "Qwen3": THINKING_TEMPLATE, "Qwen3-Coder": _PLAIN}
