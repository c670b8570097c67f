"""The library as a user meets it: real files, real workers."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from qwen_desktop.core.engine import LoadRequest
from qwen_desktop.core.errors import Environment, UserFacing
from qwen_desktop.core.model_ref import FileRef, GuideRef, LoadOptions
from qwen_desktop.core.models import Download, DownloadRequest, DownloadStatus
from qwen_desktop.engine.local import LocalWorkerEngine
from qwen_desktop.hub.inventory import Inventory
from qwen_desktop.process.spawn import worker_command
from qwen_desktop.services.events import EngineChanged, EngineState, ModelChanged, ModelState, ModelStatus
from tests.app import run
from tests.integration.library.rig import running
from tests.library_files import hub_cache_model, installed, mmproj, model, ollama_model, sha256, tree

#: ChatML without the thinking switch: for a Qwen3 model that is a fault.
FAULTY = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def test_link_use_and_forget(user: Path, tmp_path: Path) -> None:
    path = model(tmp_path / "elsewhere" / "a-Q8_0.gguf", name="Mine")

    async def main() -> None:
        async with running(user) as app:
            library = app.library
            (added,) = await library.import_files([str(path)])
            assert (added.name, added.quant, added.origin, added.owned) == ("Mine", "Q8_0", "file", False)
            assert library.models() == (added,) and app.changes > 0
            again = await library.import_files([str(path)])
            assert again == (added,) and len(library.models()) == 1
            ref = FileRef(str(path), LoadOptions(context=512))  # of a conversation, whatever the app's choice is
            app.bus.publish(EngineChanged(ref, EngineState(ModelStatus.LOADING)))
            assert library.models()[0].last_used == 0
            app.bus.publish(EngineChanged(ref, EngineState(ModelStatus.READY)))
            used = library.models()[0].last_used
            assert used > 0
            app.bus.publish(EngineChanged(GuideRef(), EngineState(ModelStatus.READY)))
            app.bus.publish(ModelChanged(ModelState(ModelStatus.READY, str(path), "Mine", guide=False)))
            chosen = library.models()[0].last_used
            assert chosen > used  # it was in memory
            used = chosen
        async with running(user) as app:  # the next start
            assert (await app.library.scan())[0].last_used == used
            await app.library.delete(added.id)
            assert app.library.models() == () and path.is_file()
            with pytest.raises(UserFacing, match="There is no model"):
                await app.library.delete(added.id)

    run(main())


def test_options_are_given_to_the_next_load_and_only_allowed_ones(user: Path, tmp_path: Path) -> None:
    path = model(tmp_path / "a-Q8_0.gguf", name="Mine")

    async def main() -> None:
        async with running(user) as app:
            library = app.library
            assert library.options(str(path)) == LoadOptions()
            (added,) = await library.import_files([path])
            changes = app.changes
            await library.set_options(added.id, LoadOptions(context=4096, flash_attention="on"))
            assert app.changes == changes + 1 and library.models()[0].options.context == 4096
            with pytest.raises(UserFacing, match=r"engine\.threads is 0"):
                await library.set_options(added.id, LoadOptions(threads=0))
            assert library.options(str(path)) == LoadOptions(context=4096, flash_attention="on")
            await library.set_options(added.id, alias="mine")
            assert library.named("MINE").id == added.id
            notes = Inventory(app.paths.data / "library.json")  # by hand, or by a version that knows more
            strange = LoadOptions(context=4096, kv_type="q9")
            notes.update(lambda e: {key: structs.replace(value, options=strange) for key, value in e.items()})
            assert library.options(str(path)) == LoadOptions(context=4096)

    run(main())


def test_an_mmproj_that_comes_later_is_given_to_its_model(user: Path, tmp_path: Path) -> None:
    path = model(tmp_path / "elsewhere" / "a-Q8_0.gguf", name="Mine")

    async def main() -> None:
        async with running(user) as app:
            (first,) = await app.library.import_files([path])
            assert first.mmproj == ""
            part = mmproj(path.with_name("mmproj-a.gguf"), kind="model")
            with pytest.raises(UserFacing, match="no model by itself") as caught:
                await app.jobs.call("gguf.header", {"path": str(part)})  # as when it is opened in the window
            assert "Choose a-Q8_0.gguf, which it belongs to." in caught.value.problem.sentence()
            with pytest.raises(UserFacing, match="no model by itself") as caught:
                await app.library.import_files([part])
            assert "Choose a-Q8_0.gguf, which it belongs to." in caught.value.problem.sentence()
            (second,) = await app.library.import_files([path])
            assert second.mmproj == str(part) and len(app.library.models()) == 1

    run(main())


def test_what_other_programs_hold_is_linked_without_a_copy(user: Path, tmp_path: Path) -> None:
    blob = ollama_model(
        user / ".ollama" / "models",
        "registry.ollama.ai/library/qwen3/8b",
        model(tmp_path / "o.gguf", seed=2),
        projector=mmproj(tmp_path / "p.gguf"),
    )
    studio = model(user / ".lmstudio" / "models" / "Qwen" / "Qwen3-4B-GGUF" / "Qwen3-4B-Q8_0.gguf", name="Qwen3 4B")
    cached = hub_cache_model(
        user / ".cache" / "huggingface" / "hub", "o/n", "n-Q8_0.gguf", model(tmp_path / "c.gguf", seed=3)
    )
    cut = studio.parent / "cut.gguf"
    cut.write_bytes(studio.read_bytes()[:20_000])

    async def main() -> None:
        async with running(user) as app:
            found = await app.library.find_importable()
            good = [c for c in found if c.problem is None]
            assert {c.path for c in good} == {str(blob), str(studio), str(cached)}
            assert [c.path for c in found if c.problem] == [str(cut)]
            before = tree(user)
            added = await app.library.import_files([c.path for c in good])
            assert tree(user) == before and not app.paths.models.exists()  # nothing was copied
            names = {m.path: (m.name, m.origin, m.repo) for m in added}
            assert names[str(blob)] == ("qwen3:8b", "ollama", "")
            assert names[str(studio)] == ("Qwen3 4B", "lm_studio", "Qwen/Qwen3-4B-GGUF")
            ollamas = app.library.find(str(blob))
            assert ollamas is not None and ollamas.mmproj and ollamas.sha256 == sha256(blob)
            assert all(c.known for c in await app.library.find_importable() if c.problem is None)
            shutil.rmtree(user / ".lmstudio")  # the other program was removed
            await app.library.scan()
            studios = app.library.find(str(studio))
            assert studios is not None and studios.problem is not None

    run(main())


def test_import_by_copy_and_of_a_folder_with_one_bad_file(user: Path, tmp_path: Path) -> None:
    place = tmp_path / "my models"
    first, second = model(place / "a-Q8_0.gguf", name="A"), model(place / "sub" / "b-Q8_0.gguf", name="B", seed=2)
    bad = place / "bad.gguf"
    bad.write_bytes(first.read_bytes()[:20_000])

    async def main() -> None:
        async with running(user) as app:
            seen: list[tuple[int, int]] = []
            added = await app.library.import_files([place], copy=True, progress=lambda d, t: seen.append((d, t)))
            assert {m.name for m in added} == {"A", "B"} and all(m.owned and m.origin == "imported" for m in added)
            assert sorted(sha256(Path(m.path)) for m in added) == sorted(map(sha256, (first, second)))
            assert all(app.paths.models in Path(m.path).parents for m in added)
            assert all(done <= total for done, total in seen)
            assert len(app.told) == 1 and "bad.gguf" in app.told[0]
            with pytest.raises(UserFacing, match=r"bad\.gguf"):
                await app.library.import_files([bad])
            with pytest.raises(UserFacing, match="does not exist"):
                await app.library.import_files([tmp_path / "no.gguf"])

    run(main())


def test_a_file_put_into_the_models_folder_becomes_ours(user: Path) -> None:
    async def main() -> None:
        async with running(user) as app:
            path = model(app.paths.models / "by hand" / "x-Q8_0.gguf", name="By Hand")
            (candidate,) = await app.library.find_importable()
            (added,) = await app.library.import_files([candidate.path])
            assert added.owned and added.path == str(path) and added.id == "by hand/x-Q8_0.gguf"
            assert await app.library.find_importable() == ()

    run(main())


def test_a_download_that_ended_is_listed_and_examined(user: Path) -> None:
    async def main() -> None:
        async with running(user) as app:
            path = installed(app.paths.models, name="Qwen3-0.6B-GGUF", template=FAULTY)
            request = DownloadRequest("Qwen/Qwen3-0.6B-GGUF", "Q8_0")
            added = await app.library.add_download(Download("1", request, DownloadStatus.DONE, path=str(path)))
            assert added is not None and added.owned and added.template_fault is not None
            found = [
                app.library.named(text).id for text in (added.id, path.name, "qwen/qwen3-0.6b-gguf:q8_0", "Qwen3 0.6B")
            ]
            assert found == [added.id] * 4
            gone = await app.library.add_download(Download("2", DownloadRequest("a/b", "Q"), DownloadStatus.DONE))
            assert gone is None

    run(main())


def test_verify_finds_one_changed_bit(user: Path) -> None:
    async def main() -> None:
        async with running(user) as app:
            path = installed(app.paths.models)
            (it,) = await app.library.scan()
            seen: list[tuple[int, int]] = []
            assert await app.library.verify(it.id, lambda d, t: seen.append((d, t)))
            assert seen[-1] == (path.stat().st_size,) * 2 and app.library.models()[0].verified_at > 0
            status, data = path.stat(), bytearray(path.read_bytes())
            data[-5] ^= 1
            path.write_bytes(data)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # as a failing disk does it
            assert not await app.library.verify(it.id)
            problem = app.library.models()[0].problem
            assert problem is not None and "is damaged" in problem.sentence()
            await app.library.scan()
            assert app.library.models()[0].problem == problem  # and it is remembered
            data[-5] ^= 1
            path.write_bytes(data)
            assert await app.library.verify(it.id) and app.library.models()[0].problem is None

    run(main())


def test_the_first_verify_of_an_unknown_file_notes_its_hash(user: Path, tmp_path: Path) -> None:
    path = model(tmp_path / "a.gguf")

    async def main() -> None:
        async with running(user) as app:
            (it,) = await app.library.import_files([path])
            assert it.sha256 == "" and await app.library.verify(it.id)
            (it,) = await app.library.scan()
            assert it.sha256 == sha256(path) and await app.library.verify(it.id)
            path.unlink()
            with pytest.raises(Environment, match="does not exist"):
                await app.library.verify(it.id)

    run(main())


@pytest.mark.skipif(sys.platform != "linux", reason="the bin of this test is the one of freedesktop.org")
def test_delete_goes_to_the_bin(user: Path) -> None:
    async def main() -> None:
        async with running(user) as app:
            path = installed(app.paths.models)
            digest = sha256(path)
            (it,) = await app.library.scan()
            freed: list[tuple[str, bool]] = []

            async def free(loaded: str) -> None:
                freed.append((loaded, path.is_file()))

            app.library.before_delete(free)
            await app.library.delete(it.id)
            assert freed == [(str(path), True)]  # it may be in memory, which would keep its place on the disk
            assert app.library.models() == () and not path.exists()
        binned = tree(user / ".local" / "share" / "Trash" / "files")
        assert digest in binned.values() and any(name.endswith("model-Q8_0.json") for name in binned)

    run(main())


@pytest.mark.skipif(sys.platform != "linux", reason="the bin of this test is the one of freedesktop.org")
def test_where_there_is_no_bin_nothing_goes_until_it_is_meant(user: Path) -> None:
    (user / ".local").write_text("no folder for a bin")

    async def main() -> None:
        async with running(user) as app:
            path = installed(app.paths.models)
            (it,) = await app.library.scan()
            with pytest.raises(Environment, match="cannot go to the bin") as caught:
                await app.library.delete(it.id)
            assert caught.value.problem.action == "delete_permanently" and path.is_file()
            await app.library.delete(it.id, permanent=True)
            assert app.library.models() == () and not path.exists()

    run(main())


def test_a_model_on_an_unplugged_drive_can_be_forgotten(user: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with running(user) as app:
            installed(app.paths.models)
            await app.library.scan()
            app.paths.models.rename(tmp_path / "unplugged")
            (it,) = await app.library.scan()
            assert it.problem is not None
            await app.library.delete(it.id)
            assert app.library.models() == ()

    run(main())


def test_a_faulty_template_is_repaired_at_load_without_touching_the_file(user: Path, tmp_path: Path) -> None:
    path = model(tmp_path / "Qwen3-0.6B-Q8_0.gguf", name="Qwen3 0.6B", template=FAULTY)
    digest = sha256(path)

    async def main() -> None:
        engine = LocalWorkerEngine(worker_command("engine"))
        try:
            async with running(user) as app:
                library = app.library
                (it,) = await library.import_files([path])
                assert it.template_repairable and not it.template_repaired
                assert "ignores the thinking switch" in str(it.template_fault)
                assert library.template_override(it.path) is None
                await library.repair_template(it.id)
                assert library.models()[0].template_repaired and sha256(path) == digest
            async with running(user) as app:  # the next start, before any scan
                override = app.library.template_override(it.path)
                async for _ in engine.load(LoadRequest(str(path), context=256)):
                    pass
                plain = engine.info
                async for _ in engine.load(LoadRequest(str(path), context=256, template=override)):
                    pass
                repaired = engine.info
                assert plain is not None and repaired is not None
                assert plain.local is not None and repaired.local is not None
                assert (plain.local.template_source, len(plain.capabilities.thinking)) == ("file", 0)
                assert (repaired.local.template_source, len(repaired.capabilities.thinking)) == ("repaired", 3)
                assert plain.local.template_sha256 != repaired.local.template_sha256
                await app.library.scan()
                await app.library.unrepair_template(it.id)
                assert app.library.template_override(it.path) is None
                now = app.library.models()[0]
                assert now.template_fault is not None and not now.template_repaired
        finally:
            await engine.aclose()

    run(main())


def test_of_several_choices_of_a_template_the_last_one_counts(user: Path, tmp_path: Path) -> None:
    path = model(tmp_path / "a.gguf", name="Qwen3 0.6B", template=FAULTY)

    async def main() -> None:
        async with running(user) as app:
            library = app.library
            (it,) = await library.import_files([path])
            for seed in range(6):
                rng = random.Random(seed)
                tasks: list[asyncio.Task[Any]] = []
                for _ in range(rng.randint(2, 5)):
                    repaired = rng.random() < 0.5
                    ask = library.repair_template if repaired else library.unrepair_template
                    tasks.append(asyncio.create_task(ask(it.id)))
                    tasks += [asyncio.create_task(library.scan())] if rng.random() < 0.5 else []
                    await asyncio.sleep(rng.choice([0.0, 0.0, 0.003]))
                await asyncio.gather(*tasks)
                assert (library.template_override(it.path) is not None) == repaired, f"seed {seed}"
                assert library.models()[0].template_repaired == repaired, f"seed {seed}"

    run(main())


def test_old_finds_are_examined_in_the_background(user: Path) -> None:
    async def main() -> None:
        async with running(user) as app:
            installed(app.paths.models, name="Qwen3-0.6B-GGUF", template=FAULTY)
            assert (await app.library.scan())[0].template_fault is None
            for _ in range(200):
                if app.library.models()[0].template_fault is not None:
                    break
                await asyncio.sleep(0.02)
            assert app.library.models()[0].template_fault is not None
            await app.library.scan()  # and not again
            assert app.library.models()[0].template_fault is not None

    run(main())


def test_two_windows_see_what_the_other_does(user: Path, tmp_path: Path) -> None:
    path = model(tmp_path / "a.gguf", name="Qwen3 0.6B", template=FAULTY)

    async def main() -> None:
        async with running(user) as one, running(user) as two:
            (it,) = await one.library.import_files([path])
            assert [m.id for m in await two.library.scan()] == [it.id]
            await two.library.repair_template(it.id)
            assert one.library.template_override(it.path)
            await one.library.delete(it.id)
            await two.library.scan()
            assert two.library.models() == ()
            assert Inventory(one.paths.data / "library.json").read() == {}

    run(main())


def test_the_catalogues_id_of_a_repository(user: Path) -> None:
    async def main() -> None:
        ids = {"Qwen/Qwen3-0.6B-GGUF": "qwen3-0.6b"}
        async with running(user, catalog_id=lambda repo: ids.get(repo, "")) as app:
            installed(app.paths.models)
            assert (await app.library.scan())[0].catalog_id == "qwen3-0.6b"

    run(main())


def test_a_damaged_list_of_models_is_kept_and_told(user: Path) -> None:
    async def main() -> None:
        async with running(user) as rig:
            file = rig.paths.data / "library.json"
            file.parent.mkdir(parents=True)
            for number in (1, 2):
                damage = b'{"schema": 1, "models": {"cut' + b" " * number
                file.write_bytes(damage)
                await rig.library.scan()
                kept = file.with_name(f"library.json.damaged-{number}")
                assert kept.read_bytes() == damage
                assert rig.told[-1].startswith(f"The list of models was damaged. It is kept as {kept};")
            await rig.library.scan()
            assert len(rig.told) == 2

    run(main())


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes there")
@pytest.mark.parametrize("copy", [True, False])
def test_names_that_no_manifest_can_hold(user: Path, copy: bool) -> None:
    """Linked they stay as they are, copied they get a name that every system takes; also in our own folder."""

    async def main() -> None:
        async with running(user) as rig:
            names = ("mod\udce9le.gguf", 'a:b?\n"c".gguf')
            paths = [str(model(user / "here" / name, name=f"Model {n}")) for n, name in enumerate(names)]
            ours = str(model(rig.library.folder / "in\udcffside.gguf", name="Inside"))
            added = await rig.library.import_files([*paths, ours], copy=copy)
            assert len(added) == 3 and all(found.problem is None for found in added)
            await rig.library.scan()
            found = {Path(m.path).name for m in rig.library.models()}
            assert found == (
                {"mod_le.gguf", "a_b___c_.gguf", "in_side.gguf"} if copy else {*names, "in\udcffside.gguf"}
            )
            for listed in rig.library.models():
                assert await rig.library.verify(listed.id)

    run(main())
