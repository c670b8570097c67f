"""The catalogue against a hub: what a reference finds, what a refresh keeps, and what people read when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from qwen_desktop.core.errors import AppError, Cancelled, Environment, UserFacing
from qwen_desktop.core.models import CatalogModel, DownloadRequest
from qwen_desktop.core.paths import find_paths
from qwen_desktop.core.shape import shape_of
from qwen_desktop.hub import catalog, catalog_jobs
from qwen_desktop.hub.access import Access, token_name
from qwen_desktop.jobs.client import JobWorker
from qwen_desktop.process.spawn import worker_command
from qwen_desktop.services.catalogue import Catalogue
from qwen_desktop.services.events import CatalogueChanged, EventBus
from qwen_desktop.services.preferences import Preferences
from qwen_desktop.store.settings_file import SettingsFile
from tests import gguf_files, gguf_raw
from tests.fake_hub import FakeHub, content
from tests.peak import forget, peak_bytes

QWEN3 = "Qwen/Qwen3-4B-GGUF"
FILES = {"Qwen3-4B-Q4_K_M.gguf": b"a" * 300, "Qwen3-4B-Q8_0.gguf": b"b" * 500, "README.md": b"Hello"}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    with FakeHub() as made:
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("HF_ENDPOINT", made.endpoint)
        monkeypatch.setenv("MODELSCOPE_DOMAIN", made.modelscope)
        for name in ("HF_TOKEN", "HF_HUB_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        yield made


class Direct:
    """The jobs in this process; one test below goes through the worker."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    async def call(
        self, name: str, params: dict[str, Any], *, progress: Callable[..., None] | None = None, **_: Any
    ) -> Any:
        self.calls.append(name)
        jobs: dict[str, Callable[..., Any]] = {
            "hub.lookup": catalog_jobs.lookup,
            "hub.refresh": catalog_jobs.refresh,
            "hub.merge": catalog_jobs.merge,
        }
        more = {"report": progress} if progress is not None else {}
        return await asyncio.to_thread(lambda: jobs[name](**params, **more))


class Set:
    """A catalogue service with its bus."""

    def __init__(self, jobs: Any = None) -> None:
        self.paths = find_paths()
        self.bus = EventBus()
        self.changes: list[CatalogueChanged] = []
        self.bus.subscribe(CatalogueChanged, self.changes.append)
        self.preferences = Preferences(SettingsFile(self.paths.settings_file), self.bus)
        self.jobs = jobs or Direct()
        self.catalogue = Catalogue(self.paths, self.jobs, self.preferences, self.bus)

    def lookup(self, reference: str) -> CatalogModel:
        return run(self.catalogue.lookup(reference))


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


@pytest.fixture
def made(hub: FakeHub) -> Set:
    return Set()


def names(model: CatalogModel) -> list[str]:
    return [q.name for q in model.quants]


# Looking up ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reference",
    [
        QWEN3,
        "qwen3-4b",
        "Qwen3 4B",
        f"https://huggingface.co/{QWEN3}",
        f"hf.co/{QWEN3}",
        "Qwen/Qwen3-4B",
        QWEN3.lower(),
    ],
)
def test_a_known_model_has_what_the_hub_has_now(hub: FakeHub, made: Set, reference: str) -> None:
    repo = hub.add(QWEN3, FILES)
    found = made.lookup(reference)
    assert found.id == "qwen3-4b"
    assert found.revision == repo.commit
    assert names(found) == ["Q4_K_M", "Q8_0"]
    assert [q.size_bytes for q in found.quants] == [300, 500]
    assert all(len(f.sha256) == 64 for q in found.quants for f in q.files)
    assert [q.recommended for q in found.quants] == [True, False]
    assert not any(q.inferred for q in found.quants)
    assert found.strengths.startswith("Thinks when asked")


def test_the_quant_that_was_named_is_the_recommended_one(hub: FakeHub, made: Set) -> None:
    hub.add(QWEN3, FILES)
    for reference in (f"{QWEN3}:q8_0", "qwen3-4b:Q8_0", f"https://huggingface.co/{QWEN3}/blob/main/Qwen3-4B-Q8_0.gguf"):
        recommended = made.lookup(reference).recommended_quant
        assert recommended is not None
        assert recommended.name == "Q8_0"


def test_a_quant_that_is_not_there_names_those_that_are(hub: FakeHub, made: Set) -> None:
    hub.add(QWEN3, FILES)
    with pytest.raises(UserFacing, match=r"has no Q2_K\.$") as caught:
        made.lookup(f"{QWEN3}:Q2_K")
    assert str(caught.value.problem.hint) == "It has Q4_K_M, Q8_0."
    with pytest.raises(UserFacing, match=r"has no file Qwen3-4B-Q2_K\.gguf"):
        made.lookup(f"https://huggingface.co/{QWEN3}/blob/main/Qwen3-4B-Q2_K.gguf")


def test_an_unknown_model_is_read_from_its_own_header(hub: FakeHub, made: Set, tmp_path: Path) -> None:
    path = gguf_files.write(tmp_path / "m.gguf", vocab=600, layers=3, width=64, context=4096)
    hub.add(
        "somebody/Novel-7B-GGUF",
        {"Novel-7B-Q8_0.gguf": path.read_bytes(), "Novel-7B-mmproj-F16.gguf": b"m" * 10},
        licence="mit",
    )
    found = made.lookup("somebody/Novel-7B-GGUF")
    assert (found.id, found.name, found.family) == ("somebody/novel-7b-gguf", "Novel-7B", "Other")
    assert (found.licence, found.open_licence) == ("MIT", True)
    from qwen_desktop.core.gguf import read_header  # noqa: PLC0415

    assert found.shape == shape_of(read_header(path))
    assert found.shape.context_train == 4096
    assert found.thinking == "switch"
    assert [f.path for f in found.mmproj] == ["Novel-7B-mmproj-F16.gguf"]
    assert found.served
    assert "parameters" not in found.inferred
    assert made.catalogue.find(found.id) == found
    assert made.catalogue.by_repo("Somebody/novel-7b-gguf") == found
    assert found not in made.catalogue.models()


def test_a_header_with_impossible_numbers_is_not_believed(hub: FakeHub, made: Set, tmp_path: Path) -> None:
    for number, changes in enumerate(({"llama.block_count": (1 << 32) - 1}, {"llama.embedding_length": 1 << 62})):
        path = gguf_raw.model(tmp_path / "lie.gguf", changes)
        hub.add(f"somebody/Lie-{number}-7B-GGUF", {"Lie-7B-Q8_0.gguf": path.read_bytes()})
        before = forget()
        found = made.lookup(f"somebody/Lie-{number}-7B-GGUF")
        assert peak_bytes() - before < 100_000_000
        assert "layers" in found.inferred and 0 < found.shape.layers <= 512  # guessed, not read


def test_numbers_that_a_hub_tells_are_bounded(hub: FakeHub, made: Set) -> None:
    for number, total in enumerate((10**40, -5, True, "many", 1.5e30)):
        told = {"total": total, "context_length": 10**30, "architecture": "qwen3"}
        hub.add(f"somebody/Odd-{number}-GGUF", {"odd-Q4_K_M.gguf": content(2000)}, gguf=told)
        shape = made.lookup(f"somebody/Odd-{number}-GGUF").shape
        assert 0 < shape.parameters < 1 << 50 and 0 < shape.context_train < 1 << 28
    long = "9" * 80
    hub.add(f"somebody/M-{long}B-GGUF", {"m-Q4_K_M.gguf": content(2000)})
    assert made.lookup(f"somebody/M-{long}B-GGUF").parameters <= 1 << 50


def test_models_that_answer_nothing_are_listed_as_such_and_parts_of_models_refused(
    hub: FakeHub, made: Set, tmp_path: Path
) -> None:
    def added(name: str, changes: dict[str, object], file: str = "m-Q8_0.gguf") -> str:
        path = gguf_raw.model(tmp_path / "m.gguf", changes)
        hub.add(f"somebody/{name}-GGUF", {file: path.read_bytes()})
        return f"somebody/{name}-GGUF"

    assert made.lookup(added("Chat", {})).served
    for reference in (
        added("Text-Vectors", {"llama.pooling_type": 3}),
        added("Sorter", {"llama.pooling_type": 4}),
        added("Bert", {"general.architecture": "bert"}),
    ):
        found = made.lookup(reference)
        assert found.supported and not found.served and not found.purposes, reference
    painter = made.lookup(added("Painter", {"general.architecture": "flux"}))
    assert not painter.supported and not painter.served
    for name, changes, words in (
        ("Vision", {"general.architecture": "clip"}, "no model by itself"),
        ("Lora", {"general.type": "adapter"}, "an adapter"),
        ("Matrix", {"general.type": "imatrix"}, "an importance matrix"),
    ):
        with pytest.raises(UserFacing, match=words):
            made.lookup(added(name, changes))


def test_what_cannot_be_read_is_told_by_tags_and_names(hub: FakeHub, made: Set) -> None:
    hub.add("somebody/Qwen3-Embedding-4B-GGUF", {"e-Q8_0.gguf": content(2000)})
    hub.add("somebody/Vectors-GGUF", {"e-Q8_0.gguf": content(2000)}, tags=("gguf", "sentence-similarity"))
    hub.add("somebody/Qwen3-Reranker-4B-GGUF", {"e-Q8_0.gguf": content(2000)})
    hub.add("somebody/Pangu-Embedded-7B-GGUF", {"e-Q8_0.gguf": content(2000)})
    names_ = ("Qwen3-Embedding-4B", "Vectors", "Qwen3-Reranker-4B", "Pangu-Embedded-7B")
    assert [made.lookup(f"somebody/{name}-GGUF").served for name in names_] == [False, False, False, True]


def test_a_repository_of_pieces_says_so(hub: FakeHub, made: Set) -> None:
    hub.add("somebody/Cut-GGUF", {f"Big.Q8_0.gguf.part{n}of2": b"x" * 10 for n in (1, 2)})
    with pytest.raises(UserFacing, match=r"cut into pieces, such as Big\.Q8_0\.gguf\.part1of2"):
        made.lookup("somebody/Cut-GGUF")


def test_a_file_with_an_unreadable_header_is_guessed_and_says_so(hub: FakeHub, made: Set) -> None:
    hub.add("somebody/Qwen3-7B-Story-GGUF", {"story-Q4_K_M.gguf": content(2000)}, licence="other")
    found = made.lookup("somebody/Qwen3-7B-Story-GGUF")
    assert found.family == "Qwen3"
    assert found.parameters == 7_000_000_000
    assert {"parameters", "layers", "kv_heads"} <= set(found.inferred)
    assert "layers" in found.shape.inferred
    assert not found.open_licence


def test_another_publishers_files_of_a_known_model_keep_its_shape(hub: FakeHub, made: Set) -> None:
    hub.add(
        "bartowski/Qwen_Qwen3-4B-GGUF",
        {"Qwen_Qwen3-4B-IQ4_XS.gguf": b"x" * 100},
        tags=(
            "gguf",
            "base_model:Qwen/Qwen3-4B",
        ),
    )
    found = made.lookup("bartowski/Qwen_Qwen3-4B-GGUF:iq4_xs")
    known = made.catalogue.find("qwen3-4b")
    assert known is not None
    assert found.name == "Qwen3 4B (bartowski)"
    assert (found.shape, found.purposes) == (known.shape, known.purposes)
    assert names(found) == ["IQ4_XS"]


def test_a_split_model_is_whole_or_not_there(hub: FakeHub, made: Set) -> None:
    parts = {f"m-Q4_K_M-0000{n}-of-00003.gguf": bytes([n]) * 40 for n in (1, 2, 3)}
    hub.add("somebody/Split-GGUF", {**parts, "m-Q8_0-00001-of-00002.gguf": b"x" * 40})
    found = made.lookup("somebody/Split-GGUF")
    assert names(found) == ["Q4_K_M"]
    assert [f.path for f in found.quants[0].files] == sorted(parts)
    assert found.quants[0].size_bytes == 120


def test_a_repository_without_gguf_says_where_to_look(hub: FakeHub, made: Set) -> None:
    hub.add("somebody/Model", {"model.safetensors": b"x" * 10, "config.json": b"{}"})
    hub.add("other/Qwen3-4B", {"model.safetensors": b"x" * 10})
    with pytest.raises(UserFacing, match="has no GGUF model in it") as caught:
        made.lookup("somebody/Model")
    assert "GGUF" in str(caught.value.problem.hint)
    with pytest.raises(UserFacing) as caught:
        made.lookup("other/Qwen3-4B")
    assert str(caught.value.problem.hint) == f"Its GGUF files are in {QWEN3}."


def test_names_that_leave_their_folder_are_not_offered(hub: FakeHub, made: Set) -> None:
    hub.add("bad/Names-GGUF", {"../up-Q4_K_M.gguf": b"x" * 9, "con.gguf": b"x" * 9, "C:a-Q8_0.gguf": b"x" * 9})
    with pytest.raises(UserFacing, match="has no GGUF model in it"):
        made.lookup("bad/Names-GGUF")


def test_what_is_not_there_or_closed_has_its_sentence(hub: FakeHub, made: Set) -> None:
    hub.add("closed/Model-GGUF", FILES, private=True)
    with pytest.raises(UserFacing, match="There is no model nobody/Nothing-GGUF"):
        made.lookup("nobody/Nothing-GGUF")
    with pytest.raises(UserFacing, match="There is no model closed/Model-GGUF"):
        made.lookup("closed/Model-GGUF")
    with pytest.raises(UserFacing, match="does not name a model"):
        made.lookup("what is a model?")
    assert made.jobs.calls == ["hub.lookup"] * 2, "nothing is asked for a text that names nothing"


def test_a_gated_model_is_marked(hub: FakeHub, made: Set) -> None:
    hub.add(QWEN3, FILES, gated=True)
    assert made.lookup(QWEN3).gated


def test_without_a_connection_the_list_still_answers(hub: FakeHub, made: Set) -> None:
    hub.unplug("huggingface")
    hub.unplug("modelscope")
    found = made.lookup(f"{QWEN3}:Q8_0")
    assert found.recommended_quant is not None
    assert found.recommended_quant.name == "Q8_0"
    assert found.revision == "main"
    with pytest.raises(Environment, match="cannot be reached"):
        made.lookup("somebody/Unknown-GGUF")


def test_what_was_looked_up_once_is_known_without_a_connection(hub: FakeHub, made: Set) -> None:
    hub.add("somebody/Novel-GGUF", {"n-Q4_K_M.gguf": b"x" * 40, "n-Q8_0.gguf": b"x" * 80})
    first = made.lookup("somebody/Novel-GGUF")
    hub.unplug("huggingface")
    hub.unplug("modelscope")
    again = Set()
    assert again.catalogue.find("somebody/novel-gguf") == first
    recommended = again.lookup("somebody/Novel-GGUF:Q8_0").recommended_quant
    assert recommended is not None
    assert recommended.size_bytes == 80
    assert first not in again.catalogue.models()


@pytest.fixture
def no_mirror(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fake hub is Hugging Face itself."""
    monkeypatch.delenv("HF_ENDPOINT")
    monkeypatch.setattr("qwen_desktop.hub.access.HUGGING_FACE", hub.endpoint)


def test_in_the_place_of_a_mirror_that_is_away_nobody_is_asked(hub: FakeHub, made: Set) -> None:
    hub.add("somebody/Novel-GGUF", {"n-Q4_K_M.gguf": b"x" * 40})
    hub.unplug("huggingface")
    with pytest.raises(AppError):
        made.lookup("somebody/Novel-GGUF")
    with pytest.raises(AppError):
        run(made.catalogue.refresh())
    assert hub.requests == []


@pytest.mark.usefixtures("no_mirror")
def test_modelscope_answers_where_hugging_face_is_away(hub: FakeHub, made: Set) -> None:
    hub.add("somebody/Novel-GGUF", {"n-Q4_K_M.gguf": b"x" * 40})
    hub.unplug("huggingface")
    assert made.lookup("somebody/Novel-GGUF").quants[0].size_bytes == 40


def test_an_address_of_modelscope_is_asked_there(hub: FakeHub, made: Set) -> None:
    hub.add("somebody/Novel-GGUF", {"n-Q4_K_M.gguf": b"x" * 40}, sources=("modelscope",))
    found = made.lookup("https://modelscope.cn/models/somebody/Novel-GGUF")
    assert found.quants[0].size_bytes == 40
    request = DownloadRequest.of(found, found.quants[0])  # with a mirror set, too, it is fetched where it was named
    assert (request.source, request.modelscope) == ("modelscope", "somebody/Novel-GGUF")
    with pytest.raises(UserFacing):
        made.lookup("somebody/Novel-GGUF")


def test_the_offline_switch_is_obeyed(hub: FakeHub, made: Set, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.add(QWEN3, FILES)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert made.lookup(QWEN3).revision == "main"
    with pytest.raises(UserFacing, match="network is switched off"):
        made.lookup("somebody/Other-GGUF")
    assert hub.requests == []


# Refreshing ----------------------------------------------------------------------------------------------------------


def test_a_refresh_keeps_what_the_hub_has(hub: FakeHub, made: Set) -> None:
    repo = hub.add(QWEN3, {**FILES, "Qwen3-4B-Q2_K.gguf": b"c" * 100})
    hub.add("Qwen/Qwen9-5B-GGUF", {"Qwen9-5B-Q4_K_M.gguf": b"n" * 50})
    hub.add("Qwen/Qwen9-5B-Base-GGUF", {"Qwen9-5B-Base-Q4_K_M.gguf": b"n" * 50})
    hub.add(
        "unsloth/Qwen9-80B-GGUF",
        {"Qwen9-80B-Q4_K_M.gguf": b"n" * 50},
        tags=(
            "gguf",
            "base_model:quantized:Qwen/Qwen9-80B",
        ),
    )
    hub.add(
        "unsloth/Llama-GGUF",
        {"Llama-Q4_K_M.gguf": b"n" * 50},
        tags=(
            "gguf",
            "base_model:meta/Llama",
        ),
    )
    shipped = len(made.catalogue.models())
    steps: list[tuple[int, int]] = []
    said = run(made.catalogue.refresh(lambda done, total: steps.append((done, total))))
    assert said["answered"] == 1
    assert said["new"] == 2
    assert made.changes
    assert steps
    assert steps[-1][0] <= steps[-1][1]
    fresh = made.catalogue.find("qwen3-4b")
    assert fresh is not None
    assert names(fresh) == ["Q2_K", "Q4_K_M", "Q8_0"]
    assert fresh.revision == repo.commit
    assert fresh.shape.weights_bytes == 300
    assert made.catalogue.updated_at > 1.7e9
    new = [m.id for m in made.catalogue.models()[shipped:]]
    assert new == ["qwen/qwen9-5b-gguf", "unsloth/qwen9-80b-gguf"]
    untouched = made.catalogue.find("qwen3-8b")
    assert untouched is not None
    assert "Q4_K_M" in names(untouched)

    again = Set()  # the next start, offline
    hub.unplug("huggingface")
    hub.unplug("modelscope")
    run(again.catalogue.load())
    assert again.catalogue.models() == made.catalogue.models()
    assert again.jobs.calls == []
    with pytest.raises(Environment, match="cannot be reached"):
        run(again.catalogue.refresh())
    assert again.catalogue.models() == made.catalogue.models(), "the list stays as it was"
    assert not again.changes


def test_a_refresh_does_not_forget_what_does_not_answer_now(hub: FakeHub, made: Set) -> None:
    hub.add(QWEN3, FILES)
    run(made.catalogue.refresh())
    del hub.repos[QWEN3]
    hub.add("Qwen/Qwen3-8B-GGUF", {"Qwen3-8B-Q4_K_M.gguf": b"x" * 70})
    run(made.catalogue.refresh())
    for name, sizes in (("qwen3-4b", [300, 500]), ("qwen3-8b", [70])):
        model = made.catalogue.find(name)
        assert model is not None
        assert [q.size_bytes for q in model.quants] == sizes


@pytest.mark.usefixtures("no_mirror")
def test_a_refresh_through_modelscope_alone(hub: FakeHub, made: Set) -> None:
    hub.add(QWEN3, FILES)
    hub.unplug("huggingface")
    said = run(made.catalogue.refresh())
    assert said["answered"] == 1
    model = made.catalogue.find("qwen3-4b")
    assert model is not None
    assert [q.size_bytes for q in model.quants] == [300, 500]
    assert model.revision == "main"


def test_an_update_of_the_app_joins_anew(hub: FakeHub, made: Set, tmp_path: Path) -> None:
    """The shipped list is another one: what the hub said is laid over that."""
    hub.add(QWEN3, FILES)
    run(made.catalogue.refresh())
    newer = tmp_path / "resources"
    newer.mkdir()
    text = (made.paths.resources / catalog.FILE).read_text(encoding="utf-8")
    (newer / catalog.FILE).write_text(text.replace("Thinks when asked, answers at once", "New words: answers at once"))
    again = Set()
    again.catalogue = Catalogue(structs.replace(again.paths, resources=newer), again.jobs, again.preferences, again.bus)
    run(again.catalogue.load())
    model = again.catalogue.find("qwen3-4b")
    assert model is not None
    assert model.strengths.startswith("New words")
    assert [q.size_bytes for q in model.quants] == [300, 500]
    assert again.jobs.calls == ["hub.merge"]


@pytest.mark.parametrize("damage", ["head", "line", "empty", "long"])
def test_a_damaged_copy_is_no_obstacle(hub: FakeHub, made: Set, damage: str) -> None:
    hub.add(QWEN3, FILES)
    run(made.catalogue.refresh())
    kept = made.paths.cache / catalog.KEPT_FILE
    lines = kept.read_bytes().splitlines(keepends=True)
    kept.write_bytes(
        {
            "head": b"{" + b"".join(lines[1:]),
            "line": b"".join([*lines[:5], lines[5][:40] + b"\n", *lines[6:]]),
            "empty": b"",
            "long": lines[0] + b"\xff\xfe" * 1000,
        }[damage]
    )
    (made.paths.cache / catalog.HUB_FILE).write_bytes(b"[]")
    again = Set()
    run(again.catalogue.load())
    model = again.catalogue.find("qwen3-4b")
    assert model is not None
    assert model.revision == "main", "the list that came with the app"
    assert len(Set().catalogue.models()) == len(again.catalogue.models())


def test_a_damaged_list_of_the_app_says_so(made: Set, tmp_path: Path) -> None:
    empty = structs.replace(made.paths, resources=tmp_path)
    broken = Catalogue(empty, made.jobs, made.preferences, made.bus)
    assert broken.models() == ()
    with pytest.raises(Environment, match="list of models that belongs to this app is damaged"):
        run(broken.load())


def test_a_cancelled_refresh_leaves_the_list_alone(hub: FakeHub, made: Set) -> None:
    hub.add(QWEN3, FILES)
    sentence = catalog_jobs.no_gguf("a/b").problem.what

    def stop(_done: int, _total: int) -> None:
        raise Cancelled(sentence)

    params = {"access": access(hub).as_params(), "resources": str(made.paths.resources), "cache": str(made.paths.cache)}
    with pytest.raises(Cancelled):
        catalog_jobs.refresh(**params, report=stop)
    assert not (made.paths.cache / catalog.KEPT_FILE).exists()


def test_it_works_through_the_real_worker(hub: FakeHub) -> None:
    hub.add(QWEN3, FILES)

    async def test() -> None:
        jobs = JobWorker(worker_command("jobs"))
        made = Set(jobs)
        try:
            found = await made.catalogue.lookup(f"{QWEN3}:Q8_0")
            assert names(found) == ["Q4_K_M", "Q8_0"]
            with pytest.raises(UserFacing, match="There is no model"):
                await made.catalogue.lookup("nobody/Nothing-GGUF")
            said = await made.catalogue.refresh()
            assert said["answered"] == 1
            model = made.catalogue.find("qwen3-4b")
            assert model is not None
            assert model.quants[0].size_bytes == 300
        finally:
            await jobs.aclose()

    run(test())


def test_the_token_goes_to_its_own_hub_only(hub: FakeHub, made: Set) -> None:
    class Safe:
        name = "hf_token"

        async def get(self, name: str, /) -> str | None:
            return hub.token if name == self.name else None

    hub.add("closed/Model-GGUF", FILES, private=True)
    safe = Safe()
    made.catalogue = Catalogue(made.paths, made.jobs, made.preferences, made.bus, safe)
    with pytest.raises(AppError, match="or it is private"):  # the hub is a mirror: it never sees that of Hugging Face
        made.lookup("closed/Model-GGUF")
    assert not [r for r in hub.requests if "authorization" in {name.lower() for name in r.headers}]
    safe.name = token_name(hub.endpoint)
    assert names(made.lookup("closed/Model-GGUF")) == ["Q4_K_M", "Q8_0"]
    sent = [r for r in hub.requests if "authorization" in {name.lower() for name in r.headers}]
    assert sent
    assert all(r.host.startswith("localhost") for r in sent)


def access(hub: FakeHub) -> Access:
    return Access(endpoint=hub.endpoint, modelscope=hub.modelscope)


def test_problems_have_sentences_with_advice(hub: FakeHub, made: Set) -> None:
    for reference in ("nobody/Nothing-GGUF", "", "https://example.org/x.gguf", "https://huggingface.co/datasets/a/b"):
        with pytest.raises(AppError) as caught:
            made.lookup(reference)
        assert str(caught.value.problem.what).endswith(".")
        assert caught.value.problem.hint is not None
