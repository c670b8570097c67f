"""What other programs hold is found where they keep it, on each system, and bad files do no harm."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import msgspec
import pytest

from qwen_desktop.core.models import ImportCandidate
from qwen_desktop.hub import importers
from tests.library_files import hub_cache_model, mmproj, model, ollama_model, sha256, split_model


@pytest.fixture
def user(tmp_path: Path) -> Path:
    """A home folder."""
    folder = tmp_path / "user"
    folder.mkdir()
    return folder


def found(
    user: Path, system: str = "linux", known: tuple[str, ...] = (), ours: Path | None = None, **environ: str
) -> list[ImportCandidate]:
    """All candidates, by path."""
    plain = importers.find(
        home=str(user), environ=environ, system=system, known=list(known), folder=str(ours or user / "no models")
    )
    candidates = msgspec.convert(plain, list[ImportCandidate])
    return sorted((c for c in candidates if c.path.startswith(str(user.parent))), key=lambda c: c.path)


def one(candidates: list[ImportCandidate]) -> ImportCandidate:
    assert len(candidates) == 1, candidates
    return candidates[0]


# LM Studio -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", [".lmstudio/models", ".cache/lm-studio/models"])
@pytest.mark.parametrize("system", ["linux", "darwin", "win32"])
def test_lm_studio(place: str, system: str, user: Path) -> None:
    home = user / place / "lmstudio-community" / "Qwen3-4B-GGUF"
    path = model(home / "Qwen3-4B-Q4_K_M.gguf", name="Qwen3 4B")
    companion = mmproj(home / "mmproj-model-f16.gguf")
    candidate = one(found(user, system))
    assert (candidate.origin, candidate.path, candidate.name) == ("lm_studio", str(path), "Qwen3 4B")
    assert (candidate.repo, candidate.quant) == ("lmstudio-community/Qwen3-4B-GGUF", "Q4_K_M")
    assert candidate.mmproj == str(companion) and candidate.files == (str(path),)
    assert candidate.size_bytes == path.stat().st_size + companion.stat().st_size


def test_lm_studio_with_a_folder_of_its_own(user: Path, tmp_path: Path) -> None:
    path = model(tmp_path / "drive" / "a" / "b" / "x-Q8_0.gguf")
    (user / "elsewhere").mkdir()
    (user / ".lmstudio-home-pointer").write_text(str(user / "elsewhere"))
    (user / "elsewhere" / "settings.json").write_text(json.dumps({"downloadsFolder": str(tmp_path / "drive")}))
    assert one(found(user)).path == str(path)
    (user / "elsewhere" / "settings.json").write_text('{"downloadsFolder": ["x"')
    assert found(user) == []


# Ollama --------------------------------------------------------------------------------------------------------------


def test_ollama_names_its_blobs_by_their_manifests(user: Path, tmp_path: Path) -> None:
    store = user / ".ollama" / "models"
    source = model(tmp_path / "source.gguf", name="Qwen3 8B")
    blob = ollama_model(store, "registry.ollama.ai/library/qwen3/8b", source)
    candidate = one(found(user))
    assert (candidate.origin, candidate.name, candidate.path) == ("ollama", "qwen3:8b", str(blob))
    assert candidate.quant == "Q8_0" and candidate.mmproj == "" and candidate.problem is None


def test_ollama_elsewhere_with_a_projector_and_from_the_hub(user: Path, tmp_path: Path) -> None:
    seeing = model(tmp_path / "a.gguf", name="Qwen2.5 VL 7B", seed=3)
    blob = ollama_model(
        tmp_path / "store", "registry.ollama.ai/me/sees/latest", seeing, projector=mmproj(tmp_path / "p.gguf")
    )
    hub = ollama_model(
        tmp_path / "store", "hf.co/Qwen/Qwen3-4B-GGUF/Q4_K_M", model(tmp_path / "b.gguf", name="Qwen3 4B", seed=4)
    )
    candidates = {c.path: c for c in found(user, OLLAMA_MODELS=str(tmp_path / "store"))}
    assert candidates[str(blob)].name == "me/sees"
    assert Path(candidates[str(blob)].mmproj).name == f"sha256-{sha256(tmp_path / 'p.gguf')}"
    fetched = candidates[str(hub)]
    assert (fetched.name, fetched.repo, fetched.quant) == ("Qwen3 4B", "Qwen/Qwen3-4B-GGUF", "Q4_K_M")


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes there")
def test_ollama_in_a_folder_whose_name_is_no_text(user: Path, tmp_path: Path) -> None:
    store = tmp_path / "st\udce9re"
    blob = ollama_model(store, "registry.ollama.ai/library/qwen3/8b", model(tmp_path / "source.gguf"))
    assert one(found(user, OLLAMA_MODELS=str(store))).path == str(blob)


def test_ollamas_own_form_is_shown_with_what_is_wrong(user: Path, tmp_path: Path) -> None:
    inside = mmproj(tmp_path / "both.gguf", kind="model", of="qwen25vl")  # pictures and text in one file
    ollama_model(user / ".ollama" / "models", "registry.ollama.ai/library/qwen2.5vl/7b", inside)
    candidate = one(found(user))
    assert candidate.problem is not None and "only Ollama can read" in candidate.problem.sentence()


def test_ollama_with_broken_manifests(user: Path, tmp_path: Path) -> None:
    store = user / ".ollama" / "models"
    good = ollama_model(store, "registry.ollama.ai/library/good/1b", model(tmp_path / "a.gguf"))
    place = store / "manifests" / "registry.ollama.ai" / "library" / "bad"
    place.mkdir(parents=True)
    layer = {"mediaType": "application/vnd.ollama.image.model"}
    for number, content in enumerate(
        (
            "",
            "{",
            "[]",
            '{"layers": 5}',
            '{"layers": [5, {"mediaType": 7}]}',
            json.dumps({"layers": [{**layer, "digest": "sha256:../../../../etc/passwd"}]}),
            json.dumps({"layers": [{**layer, "digest": "sha256:" + "e" * 64}]}),
        )
    ):
        (place / f"t{number}").write_text(content)
    (store / "manifests" / "loose").write_text("{}")
    assert one(found(user)).path == str(good)


# Jan -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("system", "data"),
    [
        ("linux", ".config/Jan/data"),
        ("linux", ".local/share/Jan/data"),
        ("linux", "jan"),
        ("darwin", "Library/Application Support/Jan/data"),
        ("win32", "AppData/Roaming/Jan/data"),
    ],
)
def test_jan(system: str, data: str, user: Path) -> None:
    home = user / data / "llamacpp" / "models" / "Qwen" / "Qwen3-VL-4B"
    path, companion = model(home / "model.gguf"), mmproj(home / "mmproj.gguf")
    inside = home.relative_to(user / data).as_posix()
    (home / "model.yml").write_text(
        f"name: 'Qwen3 VL 4B'\nmodel_path: {inside}/model.gguf # here\nmmproj_path: {inside}/mmproj.gguf\nsize: 5\n"
    )
    candidate = one(found(user, system))
    assert (candidate.origin, candidate.path, candidate.name) == ("jan", str(path), "Qwen3 VL 4B")
    assert candidate.mmproj == str(companion) and candidate.repo == "Qwen/Qwen3-VL-4B"


def test_jan_without_or_with_strange_notes(user: Path, tmp_path: Path) -> None:
    data = tmp_path / "jan data"
    (user / ".config" / "Jan").mkdir(parents=True)
    (user / ".config" / "Jan" / "settings.json").write_text(json.dumps({"data_folder": str(data)}))
    plain = model(data / "models" / "old" / "old-Q4_K_M.gguf")
    listed = model(data / "llamacpp" / "models" / "b" / "m.gguf", seed=2)
    (listed.parent / "model.yml").write_text("files:\n  - m.gguf\nname: Listed\n")
    strange = model(data / "llamacpp" / "models" / "c" / "model.gguf", seed=3, name="")
    (strange.parent / "model.yml").write_text("model_path: /etc/passwd\n: :\n\x00")
    names = {c.path: c.name for c in found(user)}
    assert set(names) == {str(plain), str(listed), str(strange)} and names[str(listed)] == "Listed"


# GPT4All -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("system", "place"),
    [
        ("linux", ".local/share/nomic.ai/GPT4All"),
        ("darwin", "Library/Application Support/nomic.ai/GPT4All"),
        ("win32", "AppData/Local/nomic.ai/GPT4All"),
    ],
)
def test_gpt4all(system: str, place: str, user: Path) -> None:
    path = model(user / place / "qwen2.5-7b-Q4_0.gguf")
    model(user / place / "incomplete-other.gguf", seed=9)
    candidate = one(found(user, system))
    assert (candidate.origin, candidate.path, candidate.quant) == ("gpt4all", str(path), "Q4_0")


def test_gpt4all_with_a_folder_in_its_ini(user: Path) -> None:
    path = model(user / "Modèle" / "a.gguf")
    ini = user / ".config" / "nomic.ai" / "GPT4All.ini"
    ini.parent.mkdir(parents=True)
    ini.write_text(f"[General]\nmodelPath={user}/Mod\\xe8le\nother=1\n")
    assert one(found(user)).path == str(path)


# Hugging Face --------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name == "nt", reason="links need a right there that users rarely have")
def test_the_hugging_face_cache(user: Path, tmp_path: Path) -> None:
    source = model(tmp_path / "s.gguf", name="Qwen3 4B")
    hub = user / ".cache" / "huggingface" / "hub"
    link = hub_cache_model(hub, "Qwen/Qwen3-4B-GGUF", "Qwen3-4B-Q8_0.gguf", source)
    hub_cache_model(
        hub, "Qwen/Qwen3-4B-GGUF", "Qwen3-4B-Q8_0.gguf", model(tmp_path / "old.gguf", seed=7), revision="b" * 40
    )
    (hub / "models--Qwen--Qwen3-4B-GGUF" / "refs" / "main").write_text("a" * 40)
    nested = hub_cache_model(hub, "o/n--x", "Q4_K_M/a-Q4_K_M.gguf", model(tmp_path / "n.gguf", seed=8))
    (hub / "datasets--o--n" / "snapshots" / "c").mkdir(parents=True)
    broken = hub / "models--o--gone" / "snapshots" / "d" / "gone.gguf"
    broken.parent.mkdir(parents=True)
    broken.symlink_to(hub / "nothing")
    candidates = found(user)
    assert [c.path for c in candidates] == [str(link), str(nested)]
    assert [c.repo for c in candidates] == ["Qwen/Qwen3-4B-GGUF", "o/n--x"]
    assert {c.origin for c in candidates} == {"huggingface_cache"}


@pytest.mark.skipif(os.name == "nt", reason="links need a right there that users rarely have")
@pytest.mark.parametrize("variable", ["HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME"])
def test_the_cache_where_the_environment_says(variable: str, user: Path, tmp_path: Path) -> None:
    root = tmp_path / "cache"
    hub = {"HF_HOME": root / "hub", "XDG_CACHE_HOME": root / "huggingface" / "hub"}.get(variable, root)
    link = hub_cache_model(hub, "o/n", "a-Q8_0.gguf", model(tmp_path / "s.gguf"))
    assert one(found(user, **{variable: str(root)})).path == str(link)


# All of them ---------------------------------------------------------------------------------------------------------


def test_one_file_in_two_programs_is_offered_once(user: Path) -> None:
    path = model(user / ".lmstudio" / "models" / "a" / "b" / "x.gguf")
    ini = user / ".config" / "nomic.ai" / "GPT4All.ini"
    ini.parent.mkdir(parents=True)
    ini.write_text(f"modelPath={path.parent}\n")
    assert one(found(user)).origin == "lm_studio"
    assert one(found(user, known=(str(path),))).known


def test_damaged_files_are_shown_with_a_problem_and_others_left_out(user: Path) -> None:
    home = user / ".lmstudio" / "models" / "a" / "b"
    whole = model(home / "whole.gguf").read_bytes()
    (home / "cut.gguf").write_bytes(whole[: len(whole) // 2])
    (home / "lies.gguf").write_bytes(whole[:8] + (2**60).to_bytes(8, "little") + whole[16:])
    (home / "empty.gguf").write_bytes(b"")
    (home / "page.gguf").write_text("<html>not found</html>")
    (home / "fetching.gguf.part").write_bytes(whole)
    mmproj(home / "adapter.gguf", kind="adapter", of="qwen3")
    split_model(home, "big", 2)
    split_model(home, "half", 2)[1].unlink()
    shown = {Path(c.path).name: c for c in found(user)}
    assert set(shown) == {"whole.gguf", "cut.gguf", "lies.gguf", "big-00001-of-00002.gguf", "half-00001-of-00002.gguf"}
    assert shown["whole.gguf"].problem is None and len(shown["big-00001-of-00002.gguf"].files) == 2
    for name in ("cut.gguf", "lies.gguf", "half-00001-of-00002.gguf"):
        problem = shown[name].problem
        assert problem is not None and problem.hint is not None, name


def test_what_somebody_put_into_our_folder_is_offered_and_what_is_being_fetched_is_not(user: Path) -> None:
    ours = user / "models"
    path = model(ours / "by hand" / "x-Q8_0.gguf")
    model(ours / "Qwen" / "Big" / "big-00001.gguf", seed=2)
    (ours / "Qwen" / "Big" / "big-00002.gguf.part").write_bytes(b"")
    assert one(found(user, ours=ours)).path == str(path)
    assert found(user, ours=ours, known=(str(path),)) == []


@pytest.mark.skipif(os.name == "nt", reason="links need a right there that users rarely have")
def test_folders_that_cannot_be_read_are_passed_over(user: Path) -> None:
    models = user / ".lmstudio" / "models"
    good = model(models / "open" / "b" / "x.gguf", seed=2)
    (models / "itself").symlink_to("itself")
    (models / "itself.gguf").symlink_to("itself.gguf")
    (models / "open" / "back").symlink_to(models, target_is_directory=True)
    assert one(found(user)).path == str(good)
