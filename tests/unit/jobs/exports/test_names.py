"""Names of exported files."""

from __future__ import annotations

import random

import pytest

from qwen_desktop.jobs.exports.names import Names, safe


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Heaps", "Heaps"),
        ('a/b\\c:d*e?f"g<h>i|j', "a b c d e f g h i j"),
        ("CON", "_CON"),
        ("com1.txt", "_com1.txt"),
        ("nul", "_nul"),
        ("..", "chat"),
        (" . ", "chat"),
        ("end. ", "end"),
        ("\x00\n\t", "chat"),
        ("e\u0301te\u0301", "été"),
        ("../../etc/passwd", "etc passwd"),
    ],
)
def test_names_are_safe_on_every_system(title: str, name: str) -> None:
    assert safe(title, "chat") == name


def test_any_title_gives_a_name_that_can_be_made(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("names")
    chance = random.Random(3)
    names = Names()
    for _ in range(300):
        title = "".join(
            chr(chance.choice((chance.randrange(128), chance.randrange(0xD7FF)))) for _ in range(chance.randint(0, 150))
        )
        path = names.of("", safe(title, "chat"), ".md")
        assert len(path.encode()) < 120
        (folder / path).open("xb").close()


def test_the_same_name_is_given_once_also_where_case_does_not_count() -> None:
    names = Names()
    assert [names.of("a", name, ".md") for name in ("Heap", "heap", "HEAP")] == [
        "a/Heap.md",
        "a/heap (2).md",
        "a/HEAP (3).md",
    ]
    assert names.of("b", "Heap", ".md") == "b/Heap.md"
