"""Which models there are, and what is said of those that cannot be used."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from qwen_desktop.core.model_ref import LoadOptions
from qwen_desktop.core.models import InstalledModel
from qwen_desktop.hub import installed, library_errors
from qwen_desktop.hub.inventory import Inventory, TemplateNote
from tests.library_files import installed as install
from tests.library_files import mmproj, model, sha256, split_model


class Shelf:
    """A models folder and its ``library.json``."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "models"
        self.file = root / "data" / "library.json"
        self.inventory = Inventory(self.file)

    def scan(self) -> dict[str, InstalledModel]:
        """What a scan says, by name."""
        found = msgspec.convert(installed.scan(str(self.folder), str(self.file)), list[InstalledModel])
        return {m.name: m for m in found}

    def link(self, path: Path, **more: str) -> str:
        """Note a linked model."""
        entry = installed.new_entry(str(path), origin="file", **more)
        self.inventory.update(lambda e: {**e, entry.path: entry})
        return entry.path


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_nothing_there(shelf: Shelf) -> None:
    assert shelf.scan() == {} and not shelf.folder.exists()


def test_a_download_is_installed_with_its_manifest(shelf: Shelf) -> None:
    companion = mmproj(shelf.folder / "Qwen" / "Qwen3-0.6B-GGUF" / "mmproj-F16.gguf")
    path = install(shelf.folder, mmproj=companion)
    (shelf.folder / "Qwen" / "Qwen3-0.6B-GGUF" / "loose.gguf").write_bytes(path.read_bytes())  # has no manifest
    found = shelf.scan()
    assert set(found) == {"Qwen3 0.6B"}
    it = found["Qwen3 0.6B"]
    assert it.id == "Qwen/Qwen3-0.6B-GGUF/Qwen3-0.6B-Q8_0.gguf" and it.path == str(path) and it.owned
    assert (it.repo, it.quant, it.licence, it.origin) == ("Qwen/Qwen3-0.6B-GGUF", "Q8_0", "apache-2.0", "downloaded")
    assert (it.architecture, it.context_train, it.sha256) == ("qwen3", 2048, sha256(path))
    assert it.mmproj == str(companion) and it.problem is None and it.added == 1_700_000_000
    assert it.size_bytes == path.stat().st_size + companion.stat().st_size


def test_several_quants_of_a_model_and_a_split_one(shelf: Shelf) -> None:
    install(shelf.folder, quant="Q8_0")
    install(shelf.folder, quant="F16", seed=2)
    parts = split_model(shelf.folder / "Qwen" / "Big-GGUF", "Big-Q4_K_M", 3)
    install(shelf.folder, "Big-GGUF", "Q4_K_M", files=parts)
    found = msgspec.convert(installed.scan(str(shelf.folder), str(shelf.file)), list[InstalledModel])
    assert sorted(m.quant for m in found) == ["F16", "Q4_K_M", "Q8_0"]
    assert next(m for m in found if m.quant == "Q4_K_M").files == tuple(map(str, parts))


def _remove_part(shelf: Shelf, path: Path) -> None:
    path.unlink()


def _grow(shelf: Shelf, path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"more")


def _zero(shelf: Shelf, path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


@pytest.mark.parametrize(
    ("harm", "sentence"),
    [(_remove_part, "is not in"), (_grow, "has changed since"), (_zero, "is not a GGUF model file")],
    ids=["gone", "grown", "zeroed"],
)
def test_a_harmed_model_of_ours_stays_listed_with_a_sentence(
    harm: Callable[[Shelf, Path], None], sentence: str, shelf: Shelf
) -> None:
    path = install(shelf.folder)
    assert shelf.scan()["Qwen3 0.6B"].problem is None
    harm(shelf, path)
    it = shelf.scan()["Qwen3 0.6B"]
    assert it.problem is not None and sentence in it.problem.sentence() and it.problem.hint is not None
    assert it.architecture == "qwen3"  # what was known is still shown


def test_a_model_without_its_mmproj_is_not_usable(shelf: Shelf) -> None:
    companion = mmproj(shelf.folder / "Qwen" / "Qwen3-0.6B-GGUF" / "mmproj-F16.gguf")
    install(shelf.folder, mmproj=companion)
    companion.unlink()
    problem = shelf.scan()["Qwen3 0.6B"].problem
    assert problem is not None and "mmproj-F16.gguf is not in" in problem.sentence()


def test_a_deleted_model_is_forgotten_but_an_unplugged_drive_is_not(shelf: Shelf, tmp_path: Path) -> None:
    install(shelf.folder)
    install(shelf.folder, "Other-GGUF", seed=2)
    assert len(shelf.scan()) == 2
    shutil.rmtree(shelf.folder / "Qwen" / "Other-GGUF")
    assert set(shelf.scan()) == {"Qwen3 0.6B"}
    shelf.folder.rename(tmp_path / "unplugged")
    for _ in range(2):  # and it is remembered for as long as it takes
        it = shelf.scan()["Qwen3 0.6B"]
        assert it.problem is not None and "models folder" in it.problem.sentence() and it.owned
    shelf.folder.mkdir()  # the empty place where it is mounted
    it = shelf.scan()["Qwen3 0.6B"]
    assert it.problem is not None and "is not there" in it.problem.sentence()
    shelf.folder.rmdir()
    (tmp_path / "unplugged").rename(shelf.folder)
    assert shelf.scan()["Qwen3 0.6B"].problem is None


def test_a_linked_model_that_vanished_is_shown_not_dropped(shelf: Shelf, tmp_path: Path) -> None:
    place = tmp_path / "elsewhere"
    path = shelf.link(model(place / "a-Q8_0.gguf", name="Linked"))
    assert shelf.scan()["Linked"].problem is None
    place.rename(tmp_path / "away")
    it = shelf.scan()["Linked"]
    assert it.path == path and not it.owned
    assert it.problem is not None and f"a-Q8_0.gguf is not in {place}" in it.problem.sentence()
    (tmp_path / "away").rename(place)
    assert shelf.scan()["Linked"].problem is None


def test_places_where_drives_appear(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"/", "/media", "/media/me", "/media/me/usb", "/mnt", "/Volumes", "/Volumes/Macintosh HD", "/run/media"}
    monkeypatch.setattr(os.path, "isdir", lambda path: str(path) in there)
    for path, missing in (
        ("/media/me/usb/a/x.gguf", False),
        ("/media/me/other/x.gguf", True),
        ("/run/media/me/usb/x.gguf", True),
        ("/mnt/nas/x.gguf", True),
        ("/Volumes/Macintosh HD/x.gguf", False),
        ("/Volumes/Stick/x.gguf", True),
        ("/home/me/gone/x.gguf", False),
    ):
        assert library_errors.drive_missing(Path(path)) is missing, path
    error = FileNotFoundError(2, "gone")
    assert "is not connected" in library_errors.gone(Path("/mnt/nas/x.gguf"), error).sentence()


def test_a_linked_file_that_was_replaced_starts_anew(shelf: Shelf, tmp_path: Path) -> None:
    file = model(tmp_path / "a-Q8_0.gguf", name="One")
    path = shelf.link(file)
    note = TemplateNote("1:x", override="{{ 1 }}")
    shelf.inventory.update(
        lambda e: {path: structs.replace(e[path], damaged=(path,), verified_at=5.0, template=note, last_used=7.0)}
    )
    assert "is damaged" in str(shelf.scan()["One"].problem)
    model(file, name="One", seed=5)
    os.utime(file, ns=(1, 1))
    it = shelf.scan()["One"]
    assert it.problem is None and it.verified_at == 0 and not it.template_repaired and it.last_used == 7.0


def test_what_another_process_noted_during_the_scan_stays(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(install(shelf.folder))
    shelf.scan()
    look = installed._look

    def slow_look(entry: installed.Entry) -> installed.Seen:
        note = TemplateNote("1:x", override="{{ 1 }}")
        Inventory(shelf.file).update(lambda e: {path: structs.replace(e[path], last_used=99.0, template=note)})
        return look(entry)

    monkeypatch.setattr(installed, "_look", slow_look)
    it = shelf.scan()["Qwen3 0.6B"]
    assert it.last_used == 99.0 and it.template_repaired


def test_alias_and_options_belong_to_the_model_whatever_its_file_is(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    linked, ours = model(tmp_path / "a-Q8_0.gguf", name="One"), install(shelf.folder)
    shelf.link(linked)
    shelf.scan()
    look = installed._look
    wished = {"alias": "mine", "options": LoadOptions(context=4096)}

    def slow_look(entry: installed.Entry) -> installed.Seen:
        seen = look(entry)  # what is wished while the scan runs counts
        shelf.inventory.update(lambda e: {key: structs.replace(value, **wished) for key, value in e.items()})
        return seen

    monkeypatch.setattr(installed, "_look", slow_look)
    shelf.scan()
    monkeypatch.undo()
    for file in (linked, ours):
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
        os.utime(file, ns=(1, 1))
    assert [(it.alias, it.options.context) for it in shelf.scan().values()] == [("mine", 4096)] * 2


def test_what_a_killed_import_left_is_swept_up(shelf: Shelf) -> None:
    path = install(shelf.folder)
    old, fresh = (path.with_name(f"{name}.gguf.copying") for name in ("old", "fresh"))
    for left in (old, fresh):
        left.write_bytes(b"half")
    os.utime(old, (1, 1))
    shelf.scan()
    assert not old.exists() and fresh.exists() and path.exists()


def test_names_for_people(tmp_path: Path) -> None:
    def name_of(file: str, name: str) -> str:
        return installed.new_entry(str(model(tmp_path / file, name=name)), origin="file").name

    assert name_of("a.gguf", "Qwen3 4B Instruct") == "Qwen3 4B Instruct"
    assert name_of("Qwen3-4B-Q8_0.gguf", "models") == "Qwen3-4B-Q8_0"
    assert name_of("b-Q8_0.gguf", "c" * 40) == "b-Q8_0"


@pytest.mark.skipif(os.name == "nt", reason="such names exist only elsewhere")
@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes there")
def test_a_name_that_is_no_text_is_kept_and_can_be_shown(tmp_path: Path) -> None:
    path = str(model(tmp_path / "a\udcff\n\u202eb.gguf", name="model"))
    entry = installed.new_entry(path, origin="file")
    assert entry.path == path and entry.name == "a\ufffd b"


def test_a_data_folder_that_cannot_be_written(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    install(shelf.folder)
    shelf.file.parent.parent.mkdir(exist_ok=True)
    shelf.file.parent.write_text("a file where the folder should be")
    assert shelf.scan()["Qwen3 0.6B"].problem is None
