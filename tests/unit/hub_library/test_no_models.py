"""Files that are no models to chat with: told apart, or never offered, and a companion given to its model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from qwen_desktop.core.gguf import Kind
from qwen_desktop.core.models import InstalledModel
from qwen_desktop.hub import importers, installed
from qwen_desktop.hub.inventory import Inventory, LibraryEntry
from qwen_desktop.hub.other_apps import FoundFile
from tests.library_files import mmproj, model


def embedding(path: Path) -> Path:
    return model(path, extra={"qwen3.pooling_type": 3})


def inspected(*paths: Path) -> tuple[dict[str, LibraryEntry], dict[str, str]]:
    """Entries and sentences, by the files' names."""
    found = importers.inspect([str(path) for path in paths], {})
    entries = {Path(r["path"]).name: msgspec.convert(r["entry"], LibraryEntry) for r in found if "entry" in r}
    return entries, {Path(r["path"]).name: str(r["problem"]["what"]["code"]) for r in found if "problem" in r}


def test_only_what_the_engine_loads_is_offered_from_other_programs(tmp_path: Path) -> None:
    paths = [
        model(tmp_path / "chat.gguf"),
        embedding(tmp_path / "nomic-embed.gguf"),
        model(tmp_path / "ranker.gguf", extra={"qwen3.pooling_type": 4}),
        mmproj(tmp_path / "vision.gguf", kind="model"),
        mmproj(tmp_path / "lora.gguf", kind="adapter", of="qwen3"),
    ]
    offered = importers.candidates([FoundFile(path, "lm_studio") for path in paths], [])
    assert [Path(candidate.path).name for candidate in offered] == ["chat.gguf", "nomic-embed.gguf", "ranker.gguf"]


def test_chosen_by_hand_each_is_said_to_be_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "page.gguf").write_text("<html><body>Sign in</body></html>")
    files = [embedding(tmp_path / "e.gguf"), tmp_path / "page.gguf", mmproj(tmp_path / "lora.gguf", kind="adapter")]
    entries, problems = inspected(*files)
    assert {name: entry.kind for name, entry in entries.items()} == {"e.gguf": Kind.EMBEDDING}
    assert problems == {"page.gguf": "gguf.page", "lora.gguf": "gguf.adapter"}


def test_a_folder_gives_its_models_and_no_parts(tmp_path: Path) -> None:
    model(tmp_path / "chat.gguf")
    embedding(tmp_path / "embed.gguf")
    mmproj(tmp_path / "mmproj-chat.gguf", kind="model")
    entries, problems = inspected(tmp_path)
    assert sorted(entries) == ["chat.gguf", "embed.gguf"] and not problems
    assert [entries[name].kind for name in sorted(entries)] == [Kind.CHAT, Kind.EMBEDDING]
    assert entries["chat.gguf"].mmproj is not None


def test_an_mmproj_alone_names_the_model_beside_it(tmp_path: Path) -> None:
    part = mmproj(tmp_path / "mmproj-Qwen2.5-VL-3B-f16.gguf", kind="model")
    lonely = importers.inspect([str(part)], {})[0]["problem"]
    assert lonely["what"]["code"] == "gguf.mmproj" and lonely["hint"]["code"] == "gguf.mmproj.hint"
    model(tmp_path / "Qwen2.5-VL-7B-Q4_K_M.gguf", name="Qwen2.5 VL 7B")
    model(tmp_path / "Qwen2.5-VL-3B-Q4_K_M.gguf")
    beside = importers.inspect([str(part)], {})[0]["problem"]
    assert beside["hint"]["params"] == {"model": "Qwen2.5-VL-3B-Q4_K_M.gguf"}


def test_an_mmproj_chosen_with_its_model_is_given_to_it(tmp_path: Path) -> None:
    beside = mmproj(tmp_path / "one" / "mmproj-A.gguf")
    entries, problems = inspected(model(tmp_path / "one" / "A-Q8_0.gguf"), beside)
    assert not problems and entries["A-Q8_0.gguf"].mmproj is not None
    elsewhere = mmproj(tmp_path / "two" / "mmproj-f16.gguf")
    entries, problems = inspected(elsewhere, model(tmp_path / "three" / "A-Q8_0.gguf"))
    given = entries["A-Q8_0.gguf"].mmproj
    assert not problems and given is not None and elsewhere.samefile(given.path)
    other = mmproj(tmp_path / "two" / "wide.gguf", width=48)
    entries, problems = inspected(other, model(tmp_path / "three" / "A-Q8_0.gguf"))
    assert problems == {"wide.gguf": "gguf.mmproj"} and entries["A-Q8_0.gguf"].mmproj is None


def test_another_programs_word_does_not_make_a_file_an_mmproj(tmp_path: Path) -> None:
    told = model(tmp_path / "elsewhere" / "draft.gguf")
    entry = installed.new_entry(str(model(tmp_path / "A-Q8_0.gguf")), origin="jan", mmproj=str(told))
    assert entry.mmproj is None


def test_what_an_older_edition_took_for_a_model_is_looked_at_again(tmp_path: Path) -> None:
    inventory = Inventory(tmp_path / "library.json")
    noted: dict[str, LibraryEntry] = {}
    for path in (model(tmp_path / "chat.gguf"), embedding(tmp_path / "embed.gguf")):
        plain: Any = model(tmp_path / "plain.gguf")
        entry = installed.new_entry(str(plain), origin="file")
        file = structs.replace(entry.files[0], path=str(path), size_bytes=path.stat().st_size)
        verified = {"verified_at": 5.0, "reader": 0, "stamp": installed.stamp_of(path), "name": path.stem}
        noted[str(path)] = structs.replace(entry, files=(file,), **verified)
    inventory.update(lambda _entries: noted)

    def scan() -> dict[str, InstalledModel]:
        found = installed.scan(str(tmp_path / "models"), str(inventory.file))
        return {m.name: m for m in msgspec.convert(found, list[InstalledModel])}

    for _ in range(2):
        found = scan()
        assert found["embed"].problem is None and not found["embed"].chats
        assert found["chat"].problem is None and found["chat"].chats and found["chat"].verified_at == 5.0
    assert inventory.read()[str(tmp_path / "chat.gguf")].reader == 1
