"""The settings file: what people write into it stays, what is wrong is said."""

from __future__ import annotations

import os
import random
import re
import stat
import string
import sys
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.settings import Settings, declared, replaced, setting, value
from qwen_desktop.store import settings_edit
from qwen_desktop.store.settings_file import SettingsFile

EDITED = """\
# my own words
[future]
shape = "round"   # not known yet

[sampling]
temperature = 0.5   # I like it calm
[engine]
  threads = 3
context = 12
unknown_one = [1, 2]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "config" / "settings.toml"


def written(path: Path, text: str | bytes) -> SettingsFile:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return SettingsFile(path)


def sentences(file: SettingsFile) -> list[str]:
    return [problem.sentence() for problem in file.load().problems]


def test_no_file_means_defaults_and_no_complaint(path: Path) -> None:
    loaded = SettingsFile(path).load()
    assert loaded.settings == Settings() and loaded.problems == ()
    assert not path.exists()


def test_the_first_write_explains_every_setting(path: Path) -> None:
    file = SettingsFile(path)
    file.write({"appearance.theme": "dark"})
    text = path.read_text(encoding="utf-8")
    for entry in declared():
        assert f"# {entry.info.title}." in text
        assert (entry.info.help or "") in text
    assert 'theme = "dark"' in text
    assert "# A whole number from 512 to 1,048,576. Default: automatic.\n# context =\n" in text
    loaded = file.load()
    assert loaded.problems == () and loaded.settings == replaced(Settings(), "appearance.theme", "dark")


def test_only_the_line_that_was_set_changes(path: Path) -> None:
    file = SettingsFile(path)
    file.write({"engine.context": 4096})
    before = path.read_text(encoding="utf-8").splitlines()
    assert "context = 4096" in before
    file.write({"engine.context": None})
    file.write({"engine.context": 8192})
    file.write({"chat.send_with": "ctrl_enter"})
    after = path.read_text(encoding="utf-8").splitlines()
    changed = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert changed == [
        ('send_with = "enter"', 'send_with = "ctrl_enter"'),
        ("context = 4096", "context = 8192"),
    ]


def test_what_people_wrote_stays(path: Path) -> None:
    file = written(path, EDITED)
    file.write({"sampling.temperature": 0.7, "engine.kv_type": "q8_0", "appearance.text_size": 120})
    text = path.read_text(encoding="utf-8")
    for line in EDITED.splitlines():
        assert line.replace("0.5", "0.7") in text
    assert text.index("[future]") < text.index("[sampling]") < text.index("[engine]")
    loaded = file.load()
    assert loaded.settings.engine.kv_type == "q8_0" and loaded.settings.engine.threads == 3
    assert loaded.settings.appearance.text_size == 120
    file.write({"sampling.temperature": None})
    assert file.load().settings.sampling.temperature is None


def test_bad_values_are_said_defaulted_and_left_until_they_are_set(path: Path) -> None:
    file = written(path, EDITED)
    assert sentences(file) == [
        "engine.context is 12; it must be a whole number from 512 to 1,048,576. The default is used."
    ]
    assert file.load().settings.engine.context is None
    file.write({"engine.threads": 2})
    assert "context = 12\n" in path.read_text(encoding="utf-8")
    file.write({"engine.context": 1024})
    assert file.load().problems == () and file.load().settings.engine.context == 1024


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("[engine]\ncontext = 12.5", "engine.context is 12.5; it must be a whole number from 512 to 1,048,576."),
        ('[engine]\nthreads = "four"', 'engine.threads is "four"; it must be a whole number from 1 to 256.'),
        ("[engine]\nthreads = true", "engine.threads is true; it must be a whole number from 1 to 256."),
        ("[engine]\nthreads = 99999999999999999999999", "engine.threads is 99999999999999999999999; it must be"),
        ('[appearance]\ntheme = "pink"', 'appearance.theme is "pink"; it must be one of "system", "light", "dark"'),
        ("[appearance]\nsidelist = 1", "appearance.sidelist is 1; it must be true or false."),
        ("[sampling]\ntop_p = 0", "sampling.top_p is 0; it must be a number above 0 and up to 1."),
        ("[sampling]\ntemperature = nan", "sampling.temperature is nan; it must be a number from 0 to 2."),
        ("[sampling]\ntemperature = inf", "sampling.temperature is inf; it must be a number from 0 to 2."),
        ("[sampling]\nseed = -1", "sampling.seed is -1; it must be a whole number from 0 to 4,294,967,294."),
        ("[storage]\nrecent_models = [1]", "storage.recent_models is [1]; it must be a list of texts in quotes."),
        ("[chat]\nsystem_prompt = 5", "chat.system_prompt is 5; it must be text in quotes."),
        ("[chat]\nsystem_prompt = '" + "x" * 20_001 + "'", "chat.system_prompt is too long; it may have 20,000"),
        ("[chat]\nthinking = 1979-05-27", "chat.thinking is 1979-05-27; it must be one of"),
        ("engine = 3", "engine must be a section, written [engine]. The defaults are used."),
        ("engine = []", "engine must be a section, written [engine]. The defaults are used."),
    ],
)
def test_each_kind_of_bad_value_has_its_sentence(path: Path, line: str, sentence: str) -> None:
    file = written(path, line + "\n")
    loaded = file.load()
    assert loaded.settings == Settings()
    assert len(loaded.problems) == 1 and loaded.problems[0].sentence().startswith(sentence)
    assert len(loaded.problems[0].sentence()) < 250
    file.write({"engine.kv_type": "q8_0"})  # a bad line never hinders a write
    assert file.load().settings.engine.kv_type == "q8_0"


@pytest.mark.parametrize(
    "text",
    [
        b"[engine\ncontext = 4096\n",
        b"context = \n",
        b"[engine]\nthreads = 2\nthreads = 3\n",
        b"\xff\xfe[\x00e\x00",
        b"\x00",
        b"a = " + b"[" * 5000,
    ],
)
def test_a_syntax_error_is_said_and_the_file_kept_before_it_is_written(path: Path, text: bytes) -> None:
    file = written(path, text)
    loaded = file.load()
    assert loaded.settings == Settings()
    (problem,) = loaded.problems
    sentence = problem.sentence()
    assert sentence.startswith(f"The settings file {path} ")
    assert "has an error in line " in sentence or "is not a TOML text" in sentence
    assert "copied aside" in sentence
    assert path.read_bytes() == text
    assert file.write({"appearance.theme": "dark"}) == path.with_name("settings.toml.broken-1")
    assert path.with_name("settings.toml.broken-1").read_bytes() == text
    assert file.load() == type(loaded)(replaced(Settings(), "appearance.theme", "dark"))
    assert file.write({"appearance.theme": "light"}) is None
    path.write_bytes(text)  # the very same: one copy of it is enough
    assert file.write({"appearance.theme": "dark"}) == path.with_name("settings.toml.broken-1")
    path.write_bytes(text + b"?")
    assert file.write({"appearance.theme": "dark"}) == path.with_name("settings.toml.broken-2")
    assert path.with_name("settings.toml.broken-1").read_bytes() == text
    assert path.with_name("settings.toml.broken-2").read_bytes() == text + b"?"


def test_windows_line_ends_and_a_byte_order_mark(path: Path) -> None:
    file = written(path, b"\xef\xbb\xbf# mine\r\n[engine]\r\nthreads = 2\r\n# context =\r\n")
    assert file.load().settings.engine.threads == 2
    file.write({"engine.threads": 4, "engine.context": 2048})
    loaded = file.load()
    assert (loaded.settings.engine.threads, loaded.settings.engine.context) == (4, 2048)
    assert b"# mine\r\n" in path.read_bytes()


def test_a_folder_in_the_place_of_the_file_is_said(path: Path) -> None:
    path.mkdir(parents=True)
    (sentence,) = sentences(SettingsFile(path))
    assert sentence == f"The settings file {path} cannot be read. The defaults are used."
    with pytest.raises(OSError, match="directory"):
        SettingsFile(path).write({"engine.threads": 2})


def test_text_that_looks_like_settings_is_left_alone(path: Path) -> None:
    file = SettingsFile(path)
    trap = "Be brief.\n[engine]\n# context =\nthreads = 9\n'''\"\"\"\\"
    file.write({"chat.system_prompt": trap})
    file.write({"engine.context": 2048, "engine.threads": 2})
    loaded = file.load()
    assert loaded.problems == () and loaded.settings.chat.system_prompt == trap
    assert (loaded.settings.engine.context, loaded.settings.engine.threads) == (2048, 2)
    file = written(path, '[chat]\nsystem_prompt = """\n[engine]\n# context =\nthreads = 9\n"""\n')
    before = file.load().settings.chat.system_prompt
    file.write({"engine.context": 2048, "engine.threads": 2})
    assert file.load().settings.chat.system_prompt == before
    assert file.load().settings.engine.context == 2048


LETTERS = string.printable.replace("\r", "") + "äß水火\U0001f600'\"\\#=[]"


#: Texts that must look like something.
WITH_A_FORM = {"downloads.endpoint": "https://mirror.example", "downloads.proxy": "http://proxy.example:8080"}


def any_value(chance: random.Random, key: str) -> Any:
    """Something allowed for this setting."""
    entry = setting(key)
    low, high = entry.minimum or 0, entry.maximum or 1
    found: dict[str, Any] = {
        "bool": chance.random() < 0.5,
        "choice": chance.choice([choice for choice, _ in entry.choices] or [None]),
        "text": WITH_A_FORM.get(key) or "".join(chance.choices(LETTERS, k=chance.randrange(40))),
        "list": tuple("".join(chance.choices(LETTERS, k=9)) for _ in range(chance.randrange(4))),
        "int": chance.randint(int(low), int(high)),
        "float": chance.choice([chance.uniform(low + 1e-9, high), high, 1e-7 if low == 0 else high]),
    }
    return None if entry.optional and chance.random() < 0.3 else found[entry.kind]


@pytest.mark.parametrize("number", range(6))
def test_whatever_is_set_comes_back_and_nothing_else_moves(path: Path, number: int) -> None:
    chance = random.Random(number)
    file = SettingsFile(path) if number % 2 else written(path, EDITED)
    expected = file.load().settings
    keys = [entry.key for entry in declared()]
    for _ in range(12):
        changes = {key: any_value(chance, key) for key in chance.sample(keys, chance.randint(1, 3))}
        for key, new in changes.items():
            expected = replaced(expected, key, new)
        file.write(changes)
        assert file.load().settings == expected
    if number % 2 == 0:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
        assert tree["future"] == {"shape": "round"} and tree["engine"]["unknown_one"] == [1, 2]
        assert "# my own words" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("number", range(8))
def test_no_bytes_at_all_can_stop_the_start(path: Path, number: int) -> None:
    chance = random.Random(number)
    for _ in range(30):
        noise = bytearray(EDITED.encode())
        for _ in range(chance.randint(1, 6)):
            noise[chance.randrange(len(noise))] = chance.randrange(256)
        loaded = written(path, bytes(noise)).load()
        for entry in declared():  # whatever was taken over is allowed
            msgspec.convert(value(loaded.settings, entry.key), entry.type, strict=True)


def test_a_file_that_is_no_text_names_no_line(path: Path) -> None:
    (problem,) = written(path, b"\xff\xfe\x00").load().problems
    assert "UTF-8" in problem.sentence() and "?" not in problem.sentence()


SPELLINGS = {
    "braces": ('appearance = {theme = "dark"}\n', 'appearance = {theme = "dark", text_size = 120}\n'),
    "empty braces": ("appearance = {}  # mine\n", "appearance = { text_size = 120 }  # mine\n"),
    "dotted": ('appearance.theme = "dark" # a\n\n[x]\ny = 1\n',
               'appearance.theme = "dark" # a\nappearance.text_size = 120\n\n[x]\ny = 1\n'),
    "quoted": ('["appearance"]\n\'text_size\' = 90 # a\n', '["appearance"]\n\'text_size\' = 120 # a\n'),
    "note": ("[appearance]\ntext_size = 90    # for my eyes\n", "[appearance]\ntext_size = 120    # for my eyes\n"),
    "a table for a value": ("[appearance.text_size]\na = 1\n[x]\n", None),
    "a list for a section": ("[[appearance]]\na = 1 # b\n", None),
    "a value over lines": ("[appearance]\ntext_size = [\n  1, # one\n]\ntheme = 'dark'\n",
                           "[appearance]\n# one\ntext_size = 120\ntheme = 'dark'\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", SPELLINGS)
def test_each_spelling_is_changed_in_its_own_way(path: Path, name: str) -> None:
    text, expected = SPELLINGS[name]
    file = written(path, text)
    before = tomllib.loads(text)
    assert file.write({"appearance.text_size": 120}) is None
    after = path.read_text(encoding="utf-8")
    if expected is not None:
        assert after == expected
    assert file.load().settings.appearance.text_size == 120
    assert {k: v for k, v in tomllib.loads(after).items() if k != "appearance"} == {
        k: v for k, v in before.items() if k != "appearance"
    }
    assert all(words in after for words in re.findall(r"# (?:a|b|mine|for my eyes)$", text, re.MULTILINE))
    file.write({"appearance.text_size": 120})
    assert path.read_text(encoding="utf-8") == after


def test_what_is_not_set_is_not_taken_away(path: Path) -> None:
    text = "[[sampling]]\nseed = 'x'\n[[sampling]]\n"
    written(path, text).write({"sampling.seed": None})
    assert path.read_text(encoding="utf-8") == text


def test_a_value_goes_from_between_braces(path: Path) -> None:
    file = written(path, "engine = {context = 2048, threads = 3, kv_type = 'q8_0'} # mine\n")
    for key in ("engine.context", "engine.threads"):
        file.write({key: None})
    assert path.read_text(encoding="utf-8") == "engine = {kv_type = 'q8_0'} # mine\n"


def test_what_cannot_be_changed_safely_is_not_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the editing gets wrong: another meaning never replaces the file."""
    file = written(path, EDITED)
    for wrong in ("", "[", EDITED.replace("[1, 2]", "[1, 2.0]").replace("12", "1024"), EDITED):
        monkeypatch.setattr(settings_edit, "with_value", lambda *_, text=wrong: text)
        with pytest.raises(UserFacing, match="cannot be changed without harm") as told:
            file.write({"engine.context": 1024})
        assert "Write context = 1024 below [engine] yourself" in told.value.problem.sentence()
        assert path.read_text(encoding="utf-8") == EDITED


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right there")
def test_a_linked_file_stays_a_link_and_a_dangling_one_is_said(path: Path, tmp_path: Path) -> None:
    dotfiles = tmp_path / "dotfiles" / "qwen.toml"
    path.parent.mkdir()
    path.symlink_to(dotfiles)
    (sentence,) = sentences(SettingsFile(path))
    assert sentence == f"The settings file {path} is a link to {dotfiles}, which does not exist. The defaults are used."
    with pytest.raises(FileNotFoundError):
        SettingsFile(path).write({"engine.threads": 2})
    dotfiles.parent.mkdir()
    dotfiles.write_text("# mine\n[engine]\nthreads = 3\n", encoding="utf-8")
    dotfiles.chmod(0o644)
    SettingsFile(path).write({"engine.threads": 2})
    assert path.is_symlink() and dotfiles.read_text(encoding="utf-8") == "# mine\n[engine]\nthreads = 2\n"
    assert stat.S_IMODE(dotfiles.stat().st_mode) == 0o644


@pytest.mark.skipif(sys.platform == "win32", reason="pipes as POSIX has them")
def test_a_pipe_in_the_place_of_the_file_is_said(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path)
    assert sentences(SettingsFile(path)) == [f"The settings file {path} cannot be read. The defaults are used."]
    with pytest.raises(OSError, match=r"."):
        SettingsFile(path).write({"engine.threads": 2})
    assert path.is_fifo()


@pytest.mark.skipif(sys.platform == "win32", reason="names are bytes elsewhere")
def test_paths_that_are_no_text_are_remembered(path: Path) -> None:
    file = SettingsFile(path)
    file.write({"engine.model": "/m/mod\udce9le.gguf", "storage.recent_models": ("/a\udcff", "/b c", "/水")})
    assert 'model = "file:///m/mod%E9le.gguf"' in path.read_text(encoding="utf-8")
    loaded = file.load()
    assert loaded.problems == () and loaded.settings.engine.model == "/m/mod\udce9le.gguf"
    assert loaded.settings.storage.recent_models == ("/a\udcff", "/b c", "/水")
