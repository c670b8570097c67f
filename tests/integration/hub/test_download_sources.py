"""Several hubs have the same file: the fastest is taken, a failing or slow one left, bytes mixed only when alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec import structs

from qwen_desktop.core.errors import AppError
from qwen_desktop.core.models import RemoteFile
from tests.fake_hub import Drop, FakeHub, Refuse, Whole, content
from tests.integration.hub.conftest import BODY
from tests.pulling import FILE, MIB, REPO, Watcher, pull, request, sha256, whole

HF, MS = "huggingface", "modelscope"


@pytest.mark.parametrize(("fast", "slow"), [(HF, MS), (MS, HF)])
def test_the_fastest_is_found_by_a_short_probe(hub: FakeHub, folder: Path, fast: str, slow: str) -> None:
    body = content(28 * MIB, seed=3)
    hub.add(REPO, {FILE: body})
    hub.pace(24e6, fast)  # type: ignore[arg-type]
    hub.pace(2e6, slow)  # type: ignore[arg-type]
    result = pull(hub, folder)
    assert whole(result["files"][0], body)
    assert hub.sent() <= len(body) + 2 * MIB
    assert hub.sent(source=slow) <= 5 * MIB  # type: ignore[arg-type]


@pytest.mark.parametrize(("dies", "other"), [(HF, MS), (MS, HF)])
def test_a_source_that_dies_at_half_is_changed_for_another(hub: FakeHub, folder: Path, dies: str, other: str) -> None:
    hub.pace(20e6)
    hub.pace(4e6, other)  # type: ignore[arg-type]

    def die() -> None:
        hub.unplug(dies)  # type: ignore[arg-type]
        hub.pace(0, other)  # type: ignore[arg-type]

    watcher = Watcher({len(BODY) // 2: die})
    result = pull(hub, folder, watcher=watcher)
    assert whole(result["files"][0], BODY)
    assert hub.sent() <= len(BODY) + 3 * MIB
    assert result["source"] == "ModelScope, localhost"
    assert watcher.seen[-1]["time"] - watcher.seen[0]["time"] < 8


def test_a_source_that_becomes_much_slower_is_left_in_mid_file(
    hub: FakeHub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qwen_desktop.hub.download.file._COMPARE_S", 0.7)
    body = content(28 * MIB, seed=3)
    hub.add(REPO, {FILE: body})
    hub.pace(30e6, HF)
    hub.pace(8e6, MS)

    def slow_down() -> None:
        hub.pace(300_000, HF)
        hub.pace(0, MS)

    watcher = Watcher({12 * MIB: slow_down})
    result = pull(hub, folder, watcher=watcher)
    assert whole(result["files"][0], body)
    assert hub.sent() <= len(body) + 4 * MIB
    assert hub.sent(source=MS) > 8 * MIB
    assert watcher.seen[-1]["time"] - watcher.seen[0]["time"] < 12


def test_a_source_with_other_bytes_is_never_mixed_in(hub: FakeHub, folder: Path) -> None:
    hub.pace(20e6)
    hub.repos[REPO].listed_sha256 = {}
    with FakeHub() as other:
        other.add(REPO, {FILE: content(len(BODY), seed=99)})
        result = pull(hub, folder, access={"modelscope": other.modelscope})
        assert other.sent() == 0
    assert whole(result["files"][0], BODY)
    assert result["source"] == "localhost"


def test_what_the_catalogue_promised_decides_which_hub_is_right(hub: FakeHub, folder: Path) -> None:
    with FakeHub() as other:
        wrong = content(len(BODY), seed=99)
        other.add(REPO, {FILE: wrong})
        promised = RemoteFile(FILE, len(BODY), hub.sha256(hub.repos[REPO], FILE, BODY))
        wanted = structs.replace(request(), files=(promised,))
        result = pull(hub, folder, wanted, access={"endpoint": other.endpoint})
        assert other.sent() == 0 and result["source"] == "ModelScope"
    assert sha256(result["files"][0]) == promised.sha256


def test_modelscope_alone_serves_what_hugging_face_does_not_have(hub: FakeHub, folder: Path) -> None:
    hub.repos[REPO].sources = (MS,)
    assert whole(pull(hub, folder)["files"][0], BODY)
    with pytest.raises(AppError, match="no model"):
        pull(hub, folder / "other", request(source=HF))


def test_modelscope_without_redirect_and_ranges_works_too(hub: FakeHub, folder: Path) -> None:
    hub.redirects[MS] = False
    hub.fault(FILE, Whole(), source=MS)
    assert whole(pull(hub, folder, request(source=MS))["files"][0], BODY)


def test_a_source_that_serves_no_ranges_is_only_the_last_resort(hub: FakeHub, folder: Path) -> None:
    hub.fault(FILE, Whole(), source=MS)
    hub.pace(30e6)
    assert whole(pull(hub, folder)["files"][0], BODY)
    assert hub.sent() <= len(BODY) + 3 * MIB


def test_a_gated_model_comes_from_the_hub_that_gives_it(hub: FakeHub, folder: Path) -> None:
    hub.repos[REPO].gated = True
    result = pull(hub, folder)
    assert whole(result["files"][0], BODY) and result["source"] == "ModelScope"


def test_when_all_refuse_the_sentence_that_helps_most_is_said(hub: FakeHub, folder: Path) -> None:
    hub.repos[REPO].gated = True
    hub.repos[REPO].sources = (HF,)
    with pytest.raises(AppError, match="accepted its terms"):
        pull(hub, folder)


def test_two_flaky_sources_make_one_whole_file(hub: FakeHub, folder: Path) -> None:
    for source in (HF, MS):
        hub.fault(FILE, *[Drop(after=700_000) for _ in range(12)], Refuse(status=503), source=source)  # type: ignore[arg-type]
    result = pull(hub, folder, patience_s=20)
    assert whole(result["files"][0], BODY)
    assert hub.sent() <= len(BODY) + 3 * MIB


def test_another_owner_at_modelscope_is_taken_only_when_named(hub: FakeHub, folder: Path) -> None:
    hub.repos[REPO].sources = (HF,)
    hub.add("elsewhere/Copy", {FILE: BODY}, sources=(MS,))
    hub.pace(4e6, HF)
    result = pull(hub, folder, request(modelscope="elsewhere/Copy"))
    assert whole(result["files"][0], BODY) and hub.sent(source=MS) > 10 * MIB


def test_split_parts_and_companions_make_a_model_only_together(hub: FakeHub, folder: Path) -> None:
    files = {
        "Q8_0/big-00001-of-00002.gguf": content(3_000_000, 1),
        "Q8_0/big-00002-of-00002.gguf": content(2_500_000, 2),
        "mmproj-big-f16.gguf": content(1_200_000, 3),
    }
    hub.add(REPO, files)
    names = tuple(files)
    wanted = request(*names[:2], mmproj=names[2:], quant="Q8_0", source=HF)
    hub.fault(names[2], Refuse(status=404, code="EntryNotFound", times=0, stage="resolve"))
    with pytest.raises(AppError, match="no file"):
        pull(hub, folder, wanted)
    assert not list(folder.rglob("*.gguf")) and not list(folder.rglob("*.json"))
    hub.heal()
    watcher = Watcher()
    result = pull(hub, folder, wanted, watcher)
    assert hub.sent() == sum(map(len, files.values()))
    assert watcher.seen[-1]["total"] == hub.sent()
    assert [Path(p).name for p in result["files"]] == ["big-00001-of-00002.gguf", "big-00002-of-00002.gguf"]
    for path in (*result["files"], *result["mmproj"]):
        assert whole(path, files[Path(path).relative_to(folder / REPO).as_posix()])


def test_a_companion_that_another_quant_has_brought_is_not_fetched_again(hub: FakeHub, folder: Path) -> None:
    eyes = content(2_000_000, 5)
    hub.add(REPO, {FILE: BODY[:3_000_000], "model-Q8_0.gguf": BODY[:4_000_000], "mmproj-f16.gguf": eyes})
    pull(hub, folder, request(FILE, mmproj=("mmproj-f16.gguf",), source=HF))
    pull(hub, folder, request("model-Q8_0.gguf", mmproj=("mmproj-f16.gguf",), quant="Q8_0", source=HF))
    assert hub.sent("mmproj-f16.gguf") == len(eyes)
