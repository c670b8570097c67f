"""The template doctor: right templates pass, each typical fault is named, and its repair is without fault."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from qwen_desktop.core.engine import ThinkingMode
from qwen_desktop.engine.template_families import FAMILIES, family_of, reference
from qwen_desktop.engine.templates import Template
from qwen_desktop.jobs import template_doctor
from qwen_desktop.jobs.template_checks import CASES, FAULTS, turns_of
from tests import gguf_files
from tests.library_files import model

CHATML = [family for family in FAMILIES.values() if family.chatml]

#: As publishers write them, small: default instructions, trimmed text, roles by name.
PLAIN = """\
{%- if messages[0].role != 'system' %}{{- '<|im_start|>system\\nYou are kind.<|im_end|>\\n' }}{%- endif %}
{%- for message in messages %}
    {{- '<|im_start|>' + message.role + '\\n' + message.content | trim + '<|im_end|>' + '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"""
TOOLS = """\
{%- set system = messages[0].content if messages[0].role == 'system' else '' %}
{%- if tools %}
    {{- '<|im_start|>system\\n' + system + '\\n<tools>' }}{% for tool in tools %}{{ tool | tojson }}{% endfor %}
    {{- '</tools><|im_end|>\\n' }}
{%- elif system %}{{- '<|im_start|>system\\n' + system + '<|im_end|>\\n' }}{%- endif %}
{%- for message in messages if message.role != 'system' %}
    {%- if message.role == 'tool' %}
        {{- '<|im_start|>user\\n<tool_response>\\n' + message.content + '\\n</tool_response><|im_end|>\\n' }}
    {%- elif message.tool_calls %}
        {{- '<|im_start|>assistant' }}
        {%- for call in message.tool_calls %}
            {{- '\\n<tool_call>\\n' + CALL + '\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- else %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}OPENING{%- endif %}"""
JSON_CALL = """'{"name": "' + call.function.name + '", "arguments": ' + call.function.arguments | tojson + '}'"""
XML_CALL = """'<function=' + call.function.name + '>\\n<parameter=town>\\n' + call.function.arguments.town +
    '\\n</parameter>\\n</function>'"""
SHUT, OPEN = "{{- '<think>\\n\\n</think>\\n\\n' }}", "{{- '<think>\\n' }}"
SWITCH = f"{{%- if enable_thinking is defined and enable_thinking is false %}}{SHUT}{{%- endif %}}"


def with_tools(call: str = JSON_CALL, opening: str = "") -> str:
    """A right template with tools; ``opening`` is what it adds to the model's turn."""
    return TOOLS.replace("CALL", call).replace("OPENING", opening)


RIGHT = {
    "qwen2": PLAIN,
    "qwen2.5": with_tools(),
    "qwen3": with_tools(opening=SWITCH),
    "qwen3-instruct": with_tools(),
    "qwen3-thinking": with_tools(opening=OPEN),
    "qwq": with_tools(opening=OPEN),
    "qwen3-coder": with_tools(XML_CALL),
    "qwen3.5": with_tools(XML_CALL, SWITCH.replace("{%- endif", f"{{%- else %}}{OPEN}{{%- endif")),
    "chatml": PLAIN,
    "other": "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}",
}


def faults(source: str | None, family: str) -> list[str]:
    """The codes of what is wrong."""
    found = template_doctor.diagnose(source, FAMILIES[family]).faults
    return [fault.code.removeprefix("template.fault.") for fault in found]


def test_there_are_twelve_conversations() -> None:
    assert len(CASES) == 12


@pytest.mark.parametrize("family", RIGHT)
def test_right_templates_pass(family: str) -> None:
    assert faults(RIGHT[family], family) == []


@pytest.mark.parametrize("family", CHATML, ids=lambda f: f.name)
def test_every_repair_is_without_fault(family: object) -> None:
    name = family.name  # type: ignore[attr-defined]
    source = reference(FAMILIES[name])
    assert source is not None and faults(source, name) == []


#: What people find in the wild: (family, how the right template is spoilt, what must be said first).
SPOILT: dict[str, tuple[str, Callable[[str], str], str]] = {
    "no generation prompt": ("qwen2", lambda s: s.split("{%- if add_gen", maxsplit=1)[0], "no_prompt"),
    "always a generation prompt": (
        "qwen2",
        lambda s: s.replace("{%- if add_generation_prompt %}", "{%- if true %}"),
        "always_prompt",
    ),
    "wrong end mark": ("qwen2", lambda s: s.replace("<|im_end|>", "</s>"), "end"),
    "no end mark for answers": (
        "qwen2",
        lambda s: s.replace("'<|im_end|>' + '\\n'", "('<|im_end|>\\n' if message.role != 'assistant' else '')"),
        "end",
    ),
    "system dropped": ("qwen2.5", lambda s: s.replace("messages[0].content if", "'' if"), "system_lost"),
    "system raises": (
        "qwen2.5",
        lambda s: "{%- if messages[0].role == 'system' %}{{ raise_exception('no system') }}{%- endif %}" + s,
        "system_refused",
    ),
    "empty system raises": (
        "qwen2",
        lambda s: "{%- for m in messages if not m.content %}{{ raise_exception('empty') }}{%- endfor %}" + s,
        "system_refused",
    ),
    "only one turn": ("qwen2", lambda s: s.replace("in messages %}", "in messages[-1:] %}"), "text"),
    "refuses several turns": (
        "qwen2",
        lambda s: "{%- if messages | length > 3 %}{{ raise_exception('too long') }}{%- endif %}" + s,
        "refuses",
    ),
    "text in ASCII": ("qwen2", lambda s: s.replace("message.content | trim", "message.content | tojson(true)"), "text"),
    "text escaped": ("qwen2", lambda s: s.replace("message.content | trim", "message.content | e | string"), "text"),
    "roles exchanged": (
        "qwen2",
        lambda s: s.replace("+ message.role +", "+ ('user' if message.role == 'assistant' else message.role) +"),
        "roles",
    ),
    "another model's": ("qwen3", lambda _: RIGHT["other"], "foreign"),
    "switch ignored": ("qwen3", lambda s: s.replace(SWITCH, ""), "switch_ignored"),
    "switch the wrong way round": ("qwen3", lambda s: s.replace("is false", "is true"), "switch_ignored"),
    "thinking kept": (
        "qwen3",
        lambda s: s.replace("message.role + '\\n' +", "message.role + '\\n' + (message.reasoning_content or '') +"),
        "kept",
    ),
    "thinking not opened": ("qwq", lambda s: s.replace(OPEN, ""), "not_opened"),
    "thinking shut unless asked": (
        "qwq",
        lambda s: s.replace(OPEN, f"{OPEN}{{%- if not enable_thinking %}}{{{{- '</think>' }}}}{{%- endif %}}"),
        "not_opened",
    ),
    "thinks unasked": ("qwen3-instruct", lambda _: RIGHT["qwen3-thinking"], "unasked"),
    "a switch that is none": ("qwen3-instruct", lambda _: RIGHT["qwen3"], "no_switch"),
    "no tools": ("qwen3", lambda _: PLAIN.replace("assistant\\n' }}", "assistant\\n' }}" + SWITCH), "tools_lost"),
    "tools in the other form": ("qwen3-coder", lambda _: RIGHT["qwen2.5"], "tool_form"),
    "tools in the other form, JSON": ("qwen3", lambda _: with_tools(XML_CALL, SWITCH), "tool_form"),
    "does not compile": ("qwen3", lambda s: s + "{% if %}", "syntax"),
    "takes for ever": (
        "qwen3",
        lambda s: "{%- for a in range(99999) %}{%- for b in range(99999) %}{%- endfor %}{%- endfor %}" + s,
        "endless",
    ),
    "doubles for ever": (
        "qwen2",
        lambda s: "{%- set n = namespace(t='x') %}{%- for i in range(99) %}{%- set n.t = n.t + n.t %}{%- endfor %}" + s,
        "endless",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", SPOILT)
def test_typical_faults_are_named_and_can_be_repaired(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_doctor, "LIMIT_S", 0.4)
    family, spoil, expected = SPOILT[what]
    source = spoil(RIGHT[family])
    assert source != RIGHT[family]
    began = time.monotonic()
    note = template_doctor.diagnose(source, FAMILIES[family])
    assert time.monotonic() - began < 4  # twelve endless conversations would take longer
    codes = [fault.code.removeprefix("template.fault.") for fault in note.faults]
    assert codes[:1] == [expected], codes
    assert note.repairable and str(note.faults[0]) == FAULTS[expected]


def test_a_model_without_a_template() -> None:
    assert faults(None, "qwen3") == ["missing"] and faults(None, "chatml") == []


def test_what_is_not_known_is_not_blamed() -> None:
    for family in ("chatml", "other"):
        assert faults("{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
                      "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}", family) == []  # fmt: skip
    no_system = "{% if messages[0].role == 'system' %}{{ raise_exception('x') }}{% endif %}" + RIGHT["other"]
    assert faults(no_system, "other") == []  # the engine puts instructions into the first question
    thinking = PLAIN.replace("assistant\\n' }}", "assistant\\n<think>\\n' }}").replace("<|im_end|>", "</s>")
    assert not template_doctor.diagnose(thinking, FAMILIES["chatml"]).repairable  # ours would take its thinking away
    assert faults(None, "silent") == faults(RIGHT["other"], "silent") == []


@pytest.mark.parametrize(
    ("architecture", "name", "end", "family"),
    [
        ("qwen2", "Qwen1.5 7B Chat", "<|im_end|>", "qwen2"),
        ("qwen2", "Qwen2.5 7B Instruct", "<|im_end|>", "qwen2.5"),
        ("qwen2", "Qwen2.5-Coder-7B-Instruct", "<|im_end|>", "qwen2.5"),
        ("qwen2vl", "Qwen2.5 VL 7B Instruct", "<|im_end|>", "qwen2"),
        ("qwen2", "QwQ 32B", "<|im_end|>", "qwq"),
        ("qwen3", "Qwen3 0.6B", "<|im_end|>", "qwen3"),
        ("qwen3", "qwen3-8b-q4_k_m", "", "qwen3"),
        ("qwen3moe", "Qwen3 30B A3B Instruct 2507", "<|im_end|>", "qwen3-instruct"),
        ("qwen3", "Qwen3-4B-Thinking-2507", "<|im_end|>", "qwen3-thinking"),
        ("qwen3vl", "Qwen3 VL 8B Thinking", "<|im_end|>", "qwen3-thinking"),
        ("qwen3next", "Qwen3-Next-80B-A3B-Instruct", "<|im_end|>", "qwen3-instruct"),
        ("qwen3next", "Qwen3 Coder Next", "<|im_end|>", "qwen3-coder"),
        ("qwen35", "Qwen3.5 4B", "<|im_end|>", "qwen3.5"),
        ("qwen35", "Qwen3.5-0.8B", "<|im_end|>", "qwen3.5-small"),
        ("qwen35moe", "Qwen3.6 35B A3B", "<|im_end|>", "qwen3.6"),
        ("qwen3", "DeepSeek R1 0528 Qwen3 8B", "<｜end▁of▁sentence｜>", "other"),
        ("qwen2", "DeepSeek R1 Distill Qwen 32B", "<｜end▁of▁sentence｜>", "other"),
        ("qwen3", "Qwen3 Embedding 0.6B", "<|im_end|>", "silent"),
        ("llama", "SmolLM2 135M Instruct", "<|im_end|>", "chatml"),
        ("qwen2", "Somebody's Finetune", "<|im_end|>", "chatml"),
        ("llama", "Llama 3.2 3B", "<|eot_id|>", "other"),
    ],
)
def test_families_by_name(architecture: str, name: str, end: str, family: str) -> None:
    template = RIGHT["other"] if family == "other" else PLAIN
    assert family_of(architecture, [name], template, end).name == family


def test_what_a_repaired_template_renders() -> None:
    """The reference itself, once in full: what a Qwen3 model is given."""
    template = Template(reference(FAMILIES["qwen3"]))
    talk = CASES["earlier"].messages
    begin = "<|im_start|>user\nWhat is 9 + 8?<|im_end|>\n<|im_start|>assistant\n17<|im_end|>\n"
    asked = begin + "<|im_start|>user\nAnd 9 + 9?<|im_end|>\n<|im_start|>assistant\n"
    assert template.render(talk, ThinkingMode.AUTO) == asked
    assert template.render(talk, ThinkingMode.DIRECT) == asked + "<think>\n\n</think>\n\n"
    assert template.thinking == tuple(ThinkingMode)
    used = CASES["tool_use"]
    turns = turns_of(template.render(used.messages, ThinkingMode.AUTO, tools=used.tools))
    assert [turn.role for turn in turns] == ["system", "user", "assistant", "user", "assistant"]
    assert '<tool_call>\n{"name": "look_at_sky", "arguments": {"town": "Zürich"}}\n</tool_call>' in turns[2].body
    both = template.render([{"role": "user", "content": "a"}, *used.messages[1:], used.messages[2]], ThinkingMode.AUTO)
    assert turns_of(both)[2].body.count("<tool_response>") == 2  # results that follow one another share a turn


def test_a_file_is_examined_by_its_header(tmp_path: Path) -> None:
    right = model(tmp_path / "a.gguf", name="Qwen3 0.6B", template=RIGHT["qwen3"])
    found = template_doctor.check_file(str(right))
    assert (found["family"], len(found["faults"]), found["repairable"]) == ("qwen3", 0, False)
    wrong = model(tmp_path / "b.gguf", name="Qwen3 0.6B", template=PLAIN)
    found = template_doctor.check_file(str(wrong))
    assert found["faults"][0]["code"] == "template.fault.switch_ignored" and found["repairable"]
    assert found["checked"] != template_doctor.check_file(str(right))["checked"]
    assert template_doctor.repair(str(wrong)) == reference(FAMILIES["qwen3"])
    none = model(tmp_path / "c.gguf", name="Qwen3 0.6B", template=None)
    assert template_doctor.check_file(str(none))["faults"][0]["code"] == "template.fault.missing"


def test_the_end_token_is_read_from_a_long_vocabulary(tmp_path: Path) -> None:
    path = gguf_files.write(tmp_path / "long.gguf", vocab=3000, layers=1, name="Qwen3 8B", template=RIGHT["other"])
    assert template_doctor.check_file(str(path))["faults"][0]["code"] == "template.fault.foreign"
