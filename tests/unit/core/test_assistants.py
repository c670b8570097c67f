"""Assistants: what their fields come to in instructions, what can be kept, and what files say."""

from __future__ import annotations

import json
import random
import re
import time
from pathlib import Path

import pytest
from msgspec import structs

from qwen_desktop.core import assistant_files
from qwen_desktop.core.assistants import (
    COLOURS,
    ICONS,
    LONGEST_INSTRUCTIONS,
    Assistant,
    AssistantField,
    FieldKind,
    Values,
    checked,
    filled,
    render,
    values_of,
)
from qwen_desktop.core.chat import LARGEST_SCALE, MOST_ADAPTERS
from qwen_desktop.core.engine import Adapter, Sampling, ThinkingMode
from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.gguf import adapters
from qwen_desktop.core.paths import resources_folder
from qwen_desktop.core.shipped_assistants import ASSISTANTS, LANGUAGES

BY_ID = {assistant.id.removeprefix("shipped."): assistant for assistant in ASSISTANTS}
#: Pieces of what people write, with all that could be taken for something else.
PIECES = (
    "a",
    "{{one}}",
    "{{ two }}",
    "{{",
    "}}",
    "{x}",
    "\\1",
    "%n",
    "\n",
    "## ",
    "- ",
    ", ",
    "中文",
    " ",
    "$&",
    "{{}}",
)


def words(rng: random.Random, most: int = 8) -> str:
    return "".join(rng.choices(PIECES, k=rng.randint(1, most))).strip() or "a"


def made_up(rng: random.Random) -> tuple[Assistant, Values]:
    """Any assistant, with any values that its fields allow."""
    fields, values = [], {}
    for name in ("one", "two", "three"):
        kind = rng.choice(tuple(FieldKind))
        choices = tuple(dict.fromkeys(words(rng).replace("\n", " ") for _ in range(4)))
        fields.append(AssistantField(name, name, kind, () if kind is FieldKind.TEXT else choices))
        some = (words(rng),) if kind is FieldKind.TEXT else tuple(rng.sample(choices, rng.randint(0, len(choices))))
        values[name] = some[:1] if kind is FieldKind.CHOICE else some
    kinds = ("{{one}}", "Say {{one}}: {{ two }}.", "## {{three}}", "- {{three}}", "")
    lines = [rng.choice((*kinds, words(rng))) for _ in range(5)]
    asked = Assistant("", "x", system_prompt="\n".join(lines), fields=tuple(fields))
    return asked, {field.name: values.get(field.name, (words(rng),)) for field in asked.asked}


def test_every_value_stands_where_its_field_does_and_is_no_field_again() -> None:
    rng = random.Random(15)
    for _ in range(1000):
        assistant, values = made_up(rng)
        marked = {name: tuple(f"⟦{name}:{value}⟧" for value in found) for name, found in values.items()}
        prompt = render(assistant, marked)
        for name, found in marked.items():
            places = len(re.findall(r"\{\{[ \t]*" + name + r"[ \t]*\}\}", assistant.system_prompt))
            assert [prompt.count(value) for value in found] == [places] * len(found), (assistant, values)
        assert prompt.count("⟦") == prompt.count("⟧")


def test_what_instructions_were_filled_with_is_found_again_or_nothing_is_said() -> None:
    rng, found_again = random.Random(16), 0
    for _ in range(1000):
        assistant, values = made_up(rng)
        prompt = render(assistant, values)
        found = values_of(assistant, prompt)
        if found is not None:
            assert render(assistant, found) == prompt
            found_again += 1
        changed = prompt[: len(prompt) // 2] + "≠" + prompt[len(prompt) // 2 :]
        other = values_of(assistant, changed)
        assert other is None or render(assistant, other) == changed.strip()
    assert found_again > 450


@pytest.mark.parametrize("assistant", ASSISTANTS, ids=lambda assistant: assistant.id)
def test_those_that_come_with_the_app_can_be_filled_and_read_back(assistant: Assistant) -> None:
    rng = random.Random(assistant.id)
    for _ in range(200):
        values: dict[str, tuple[str, ...]] = {}
        for field in assistant.asked:
            some = tuple(rng.sample(field.choices, min(len(field.choices), rng.randint(1, 9))))
            values[field.name] = {
                FieldKind.TEXT: rng.choice(((), ("No {{braces}} {x},\nnor this.",))),
                FieldKind.CHOICE: some[:1],
                FieldKind.CHOICES: some,
            }[field.kind]
        assert values_of(assistant, render(assistant, values)) == values
    assert checked(assistant).fields == assistant.fields
    assert len(assistant.system_prompt) < 900, "short, for small models"
    assert assistant.asked == assistant.fields


def test_a_field_that_nobody_has_described_is_called_by_its_name_in_words() -> None:
    asked = Assistant("x", "X", system_prompt="By {{due_date}}, for {{reader}}: {{тема}} {{API}} {{_}}").asked
    assert [field.label for field in asked] == ["Due date", "Reader", "Тема", "API", "_"]


def test_many_languages_are_marked_with_their_own_names_in_order() -> None:
    chosen = ("日本語", "English", "العربية", "Français")
    prompt = render(BY_ID["multilingual"], {"languages": chosen})
    assert [line for line in prompt.splitlines() if line.startswith("## ")] == [f"## {name}" for name in chosen]
    assert "日本語, English, العربية, Français" in prompt
    assert len(set(LANGUAGES)) == len(LANGUAGES) > 60


def test_a_line_whose_fields_are_empty_is_left_out() -> None:
    prompt = render(BY_ID["coder"], {"language": ("Rust",), "constraints": (), "context": ("  ",)})
    assert "Rust" in prompt and "constraints" not in prompt and "Context" not in prompt and "{{" not in prompt


def test_braces_that_are_no_field_stay() -> None:
    assistant = Assistant("", "x", system_prompt="Use {{ 1x }}, {name} and {{}}: {{real}}", fields=())
    assert [field.name for field in assistant.asked] == ["real"]
    assert render(assistant, {"real": ("{{real}}",)}) == "Use {{ 1x }}, {name} and {{}}: {{real}}"


def test_finding_values_takes_as_long_as_the_instructions_are() -> None:
    fields = tuple(AssistantField(f"f{n}") for n in range(12))
    lines = "\n".join(f"{{{{f{n}}}}} a {{{{f{(n + 1) % 12}}}}}" for n in range(12))
    assistant = Assistant("", "x", system_prompt=lines, fields=fields)
    began = time.perf_counter()
    values_of(assistant, "a \n" * 30_000)
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"colour": ("red",)}, "Translator has no field “colour”. Its fields are: language, tone, glossary."),
        ({"tone": ("rude",)}, "“rude” is none of the choices of Tone."),
        ({"tone": ("plain", "formal")}, "Tone takes one value."),
        ({"glossary": ("x" * 20_001,)}, "What was entered for Words to use has more than 20,000 characters."),
    ],
)
def test_values_that_fields_do_not_allow_are_refused(values: Values, sentence: str) -> None:
    with pytest.raises(UserFacing) as refused:
        filled(BY_ID["translator"], values)
    assert refused.value.problem.sentence().startswith(sentence)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": " \n"}, "An assistant needs a name."),
        ({"name": "x" * 81}, "The name may have 80 characters at most."),
        ({"system_prompt": "x" * (LONGEST_INSTRUCTIONS + 1)}, "The instructions may have 100,000 characters at most."),
        ({"context": 511}, "The context cannot be 511. Enter a number from 512 to"),
        ({"thinking_budget": -2}, "The thinking budget cannot be -2."),
        ({"sampling": Sampling(temperature=float("nan"))}, "Temperature cannot be nan."),
        ({"adapters": (Adapter("/a.gguf", 2.5),)}, "The strength of an adapter cannot be 2.5."),
        ({"adapters": (Adapter("/a.gguf"),) * 9}, "x has more than 8 entries."),
        ({"sampling": Sampling(top_p=1.5)}, "Top P cannot be 1.5. Enter a number from 0 to 1."),
        ({"fields": (AssistantField("1st"),)}, "A field cannot be called “1st”."),
        ({"fields": (AssistantField("a"), AssistantField("a"))}, "A field cannot be called “a”."),
        ({"fields": tuple(AssistantField(f"f{n}") for n in range(21))}, "x has more than 20 entries."),
    ],
)
def test_what_cannot_be_kept_is_said(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(UserFacing) as refused:
        checked(structs.replace(Assistant("", "x"), **changes))
    assert refused.value.problem.sentence().startswith(sentence)


def test_looks_exist() -> None:
    assert {assistant.icon for assistant in ASSISTANTS} <= set(ICONS)
    assert {assistant.colour for assistant in ASSISTANTS} <= set(COLOURS)
    assert all((resources_folder() / "icons" / f"{icon}.svg").is_file() for icon in ICONS)
    unknown = checked(Assistant("", "x", icon="../secret", colour="ultraviolet"))
    assert (unknown.icon, unknown.colour) == ("bot", "indigo")


# Files ----------------------------------------------------------------------------------------------------------------


OWN = Assistant(
    "id", "Köchin", "What to cook.", "utensils", "amber", "Cook {{what}}.", Sampling(temperature=0.9, seed=7),
    ThinkingMode.THINK, 512, 8192, "Qwen3 4B", (AssistantField("what", "What", FieldKind.CHOICE, ("a", "b"), ("a",)),),
    (Adapter("/home/köchin/Soup.gguf", 0.5, "0f" * 32), Adapter("C:\\a\\Pie.gguf")),
)  # fmt: skip
#: As it comes out of a file: an adapter's path is nobody else's business.
CARRIED = structs.replace(OWN, adapters=(Adapter("Soup.gguf", 0.5, "0f" * 32), Adapter("Pie.gguf")))


def test_a_file_holds_all_of_an_assistant_but_its_id() -> None:
    found = assistant_files.read(assistant_files.as_file([OWN, *map(checked, ASSISTANTS)]), "x")
    assert found == tuple(structs.replace(entry, id="") for entry in (CARRIED, *map(checked, ASSISTANTS)))
    assert b"home" not in assistant_files.as_file([OWN])
    again = assistant_files.read(b"\xef\xbb\xbf" + assistant_files.as_file(found), "x")
    assert again == found


def plain(**changes: object) -> bytes:
    entry = json.loads(assistant_files.as_file([OWN]))
    entry["assistants"][0] |= changes
    return json.dumps(entry).encode()


def test_the_adapters_of_a_strangers_file_lead_nowhere() -> None:
    strange = [
        {"path": path, "scale": scale, "sha256": sha256}
        for path, scale, sha256 in (
            ("/etc/a.gguf", 1.0, "x"), ("..\\..\\b.gguf", 2, ""), ("//else/c.gguf", 0.1, "A" * 64),
            ("d.gguf", -9, ""), ("e.gguf", 1e30, ""), ("https:", 1, ""), ("", 1, ""), ("/", 1, ""), ("f\0.gguf", 1, ""),
        )
    ]  # fmt: skip
    (found,) = assistant_files.read(plain(adapters=strange), "x")
    assert found.adapters == (Adapter("a.gguf"), Adapter("b.gguf", 2.0), Adapter("c.gguf", 0.1))
    assert (adapters.MOST, adapters.STRONGEST) == (MOST_ADAPTERS, LARGEST_SCALE)
    (found,) = assistant_files.read(plain(adapters=[{"path": f"{number}.gguf"} for number in range(99)]), "x")
    assert len(found.adapters) == MOST_ADAPTERS


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "x holds no assistants."),
        (b"GGUF", "x holds no assistants."),
        (b"[" * 100_000, "x holds no assistants."),
        (b'{"format": "qwen-desktop-assistants", "version": 2}', "x was made by a newer version of Qwen Desktop."),
        (b'{"format": "qwen-desktop-assistants", "version": 1, "assistants": []}', "There is no assistant in x."),
        (b" " * (assistant_files.LARGEST + 1), "x is too large for a file of assistants."),
        (plain(name=7), "x is damaged: name of assistant 1 cannot be read."),
        (plain(sampling={"top_k": "x"}), "x is damaged: sampling.top_k of assistant 1 cannot be read."),
        (plain(context=10**30), "The context cannot be 1e+30."),
        (plain(context=7), "The context cannot be 7."),
        (plain(name=""), "An assistant needs a name."),
        (plain(adapters=[{"scale": 1}]), "x is damaged: adapters[0] of assistant 1 cannot be read."),
    ],
)
def test_a_file_that_is_none_is_refused_with_a_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(UserFacing) as refused:
        assistant_files.read(data, "x")
    assert refused.value.problem.sentence().startswith(sentence)


def test_mutated_files_are_read_or_refused() -> None:
    rng, whole = random.Random(17), assistant_files.as_file([OWN, *map(checked, ASSISTANTS)])
    read = refused = 0
    for _ in range(900):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            place = rng.randrange(len(data))
            match rng.randrange(4):
                case 0:
                    data[place] = rng.randrange(256)
                case 1:
                    del data[place : place + rng.randint(1, 60)]
                case 2:
                    data[place:place] = rng.choice((b'"', b"{", b"null", b"1e999", b"\\ud800", b"\x00", b"[[[["))
                case _:
                    data[place:place] = data[place : place + rng.randint(1, 60)]
        try:
            for entry in assistant_files.read(bytes(data), "x"):
                assert checked(entry) == entry  # what is read can be kept
                render(entry, entry.defaults).encode()
            read += 1
        except UserFacing as error:
            assert error.problem.hint is not None
            refused += 1
    assert read > 30 and refused > 300


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b\\c:d*?", "...", "x" * 80, "Köchin", "\u202e"])
def test_a_name_becomes_the_name_of_one_file(name: str) -> None:
    file = assistant_files.file_name([structs.replace(OWN, name=name)], "assistants")
    assert Path(file).name == file and file.endswith(".qwen-assistant.json") and len(file) <= 90
