"""Any settings file that is valid TOML stays valid and keeps its meaning and its comments, whatever is set in it."""

from __future__ import annotations

import random
import re
import time
import tomllib
from pathlib import Path
from typing import Any

from qwen_desktop.core.errors import UserFacing
from qwen_desktop.core.settings import declared
from qwen_desktop.store.settings_file import SettingsFile, same
from tests.unit.store.test_settings_file import any_value

WORDS = ("a", "name", "context", "threads", "model", "x-1", "0", "ключ", "theme", "engine")
STRINGS = (
    '"plain"', "'literal # no comment'", '"esc \\" # \\u00e9 \\\\"', '"""two\n# no comment\n[engine]\ncontext = 7\n"""',
    "'''\nthree ' '' quotes\n'''", '""""quoted""""', "''''x''''", '"""a \\\n   b"""', '""', "''", '"[engine]"',
    '"}, {"',
)  # fmt: skip
PLAIN = (
    "1", "-17", "+0", "1_000", "0xFF", "0o17", "0b1", "3.14", "1e-7", "inf", "-inf", "nan", "true", "false",
    "1979-05-27", "07:32:00", "1979-05-27T07:32:00Z", "1979-05-27 07:32:00.5-07:00",
)  # fmt: skip


class Writer:
    """Writes one random TOML text; ``comments`` must all be there afterwards."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.comments: list[str] = []

    def blank(self) -> str:
        return self.chance.choice(("", "", " ", "\t", "  "))

    def comment(self) -> str:
        words = self.chance.choice(
            ("mine", "[engine]", "context = 5", "a = '''", "} ]", "threads =", "model = # why", "ünï 水")
        )
        text = f"#{self.chance.choice(('', ' '))}{words} {len(self.comments)}"
        self.comments.append(text.rpartition("# why")[1] + text.rpartition("# why")[2])  # "# model =" may be set
        return text

    def key(self, word: str) -> str:
        bare = re.fullmatch(r"[A-Za-z0-9_-]+", word)
        return self.chance.choice([f'"{word}"', f"'{word}'", *([word] * 4 if bare else [])])

    def dotted(self, *words: str) -> str:
        return f"{self.blank()}.{self.blank()}".join(self.key(word) for word in words)

    def value(self, depth: int = 0) -> str:
        kind = self.chance.random()
        if kind < 0.45 or depth > 2:
            return self.chance.choice(PLAIN)
        if kind < 0.7:
            return self.chance.choice(STRINGS)
        if kind < 0.85:
            between = [f"{self.gap()}{self.value(depth + 1)}{self.gap()}" for _ in range(self.chance.randrange(4))]
            return "[" + ",".join(between) + ("," + self.gap() if between and self.chance.random() < 0.3 else "") + "]"
        return self.braces(self.chance.sample(WORDS, self.chance.randrange(3)), depth)

    def gap(self) -> str:
        """Between the values of an array lines may end and comments stand."""
        return (
            self.chance.choice(("", "", " ", "\n", f" {self.comment()} [ ] }} ' \"\n  "))
            if self.chance.random() < 0.4
            else ""
        )

    def braces(self, words: list[str], depth: int = 0) -> str:
        inside = [
            f"{self.blank()}{self.key(w)}{self.blank()}={self.blank()}{self.flat(depth + 1)}{self.blank()}"
            for w in words
        ]
        return "{" + (",".join(inside) or self.blank()) + "}"

    def flat(self, depth: int) -> str:
        """A value without line ends of its own (inside braces)."""
        found = self.value(depth)
        return "1" if "\n" in found and "'''" not in found and '"""' not in found else found

    def line(self, key: str, value: str) -> str:
        end = f" {self.comment()}" if self.chance.random() < 0.3 else self.blank()
        return f"{self.blank()}{key}{self.blank()}={self.blank()}{value}{end}\n"

    def noise(self) -> str:
        kind = self.chance.random()
        return f"{self.blank()}{self.comment()}\n" if kind < 0.4 else self.blank() + "\n" if kind < 0.7 else ""

    def our_value(self, name: str, section: str) -> str:
        """Mostly of the right kind, sometimes nonsense."""
        return (
            self.value() if self.chance.random() < 0.6 or section not in SECTIONS else '"x"' if name == "model" else "4"
        )

    def section(self, name: str) -> tuple[str, str]:
        """A table in one of its spellings: what belongs above all sections, and what has a head."""
        own = [entry.name for entry in declared() if entry.section == name]
        words = self.chance.sample([*own, *WORDS], self.chance.randrange(5))
        words = list(dict.fromkeys(words))
        kind = self.chance.choice(("head", "head", "head", "dotted", "braces", "below", "repeated", "value"))
        if kind in ("below", "repeated", "head"):
            return "", self.with_head(kind, name, words, own)
        if kind == "dotted":
            return "".join(self.noise() + self.line(self.dotted(name, w), self.our_value(w, name)) for w in words), ""
        if kind == "braces":
            return self.line(self.key(name), self.braces(words)), ""
        return (self.line(self.key(name), self.value()) if self.chance.random() < 0.3 else ""), ""

    def with_head(self, kind: str, name: str, words: list[str], own: list[str]) -> str:
        if kind == "head":
            return self.head(self.key(name)) + self.body(words)
        if kind == "below":
            return self.head(self.dotted(name, self.chance.choice([*own, *WORDS]))) + self.body(words[:2])
        if self.chance.random() < 0.7:
            return self.head(self.dotted(name, "list"), 2) + self.body(words[:2])
        return self.head(self.key(name), 2) + self.body(words) + self.head(self.key(name), 2)

    def head(self, key: str, brackets: int = 1) -> str:
        end = f" {self.comment()}" if self.chance.random() < 0.3 else ""
        return f"{self.blank()}{'[' * brackets}{self.blank()}{key}{self.blank()}{']' * brackets}{end}\n"

    def body(self, words: list[str]) -> str:
        text = ""
        for word in words:
            key = self.dotted(word, "deep") if self.chance.random() < 0.15 else self.key(word)
            text += self.noise() + self.line(key, self.our_value(word, "engine"))
        return text + self.noise()

    def text(self) -> str:
        names = [*self.chance.sample(SECTIONS, self.chance.randrange(1, 4)), "future", "other"]
        self.chance.shuffle(names)
        parts = [self.section(name) for name in names]
        return self.noise() + "".join(root for root, _ in parts) + "".join(below for _, below in parts) + self.noise()


SECTIONS = list(dict.fromkeys(entry.section for entry in declared()))


def expected_after(tree: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    section, _, name = key.partition(".")
    group = tree.get(section)
    group = dict(group) if isinstance(group, dict) else {} if value is not None else group
    if value is None:
        if isinstance(group, dict):
            group.pop(name, None)
    else:
        group[name] = list(value) if isinstance(value, tuple) else value
    after = {**tree, section: group} if section in tree or value is not None else tree
    return {k: v for k, v in after.items() if v != {} or k not in SECTIONS}


def test_any_valid_file_keeps_its_meaning_and_its_comments(seconds: float, tmp_path: Path) -> None:
    deadline = time.monotonic() + seconds
    path = tmp_path / "settings.toml"
    keys = [entry.key for entry in declared()]
    tried = valid = 0
    while time.monotonic() < deadline:
        seed = random.randrange(1 << 48)
        chance = random.Random(seed)
        writer = Writer(chance)
        text = writer.text()
        tried += 1
        try:
            tree = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            continue
        if not text.strip():  # an empty file gets all settings, with their defaults
            continue
        valid += 1
        if chance.random() < 0.3:
            text = text.replace("\n", "\r\n")
        if chance.random() < 0.2 and text.endswith("\n"):
            text = text[: -2 if text.endswith("\r\n") else -1]
        comments = [comment for comment in writer.comments if comment in text]
        mark = b"\xef\xbb\xbf" if chance.random() < 0.2 else b""
        path.write_bytes(mark + text.encode())
        file = SettingsFile(path)
        for _ in range(3):
            key = chance.choice(keys)
            value = any_value(chance, key)
            try:
                assert file.write({key: value}) is None, seed
            except UserFacing as error:
                raise AssertionError(seed, key, value) from error
            raw = path.read_bytes()
            assert raw.startswith(mark), seed
            after_text = raw.decode("utf-8-sig")
            after = tomllib.loads(after_text)
            tree = expected_after(tree, key, value)
            assert same({k: v for k, v in after.items() if v != {} or k not in SECTIONS}, tree), (seed, key, value)
            assert b"\r\r" not in raw, seed
            assert all(comment in after_text for comment in comments), (seed, key, value)
    assert valid > tried / 10
