"""Each fault of a hub: the download completes with the right bytes, or says in one sentence what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from qwen_desktop.core.errors import AppError, Cancelled, UserFacing
from tests.fake_hub import (
    Circle,
    Corrupt,
    Drop,
    FakeHub,
    Page,
    Refuse,
    Short,
    Stall,
    Whole,
    WrongRange,
    content,
)
from tests.integration.hub.conftest import BODY
from tests.pulling import FILE, MIB, REPO, Watcher, left_over, pull, request, stop, whole

HF = "huggingface"


def test_a_download_is_whole_verified_and_a_model(hub: FakeHub, folder: Path) -> None:
    watcher = Watcher()
    result = pull(hub, folder, request(source=HF), watcher)
    assert result["files"] == [str(folder / REPO / FILE)]
    assert whole(result["files"][0], BODY)
    assert left_over(folder) == []
    assert Path(result["manifest"]).name == "model-Q4_K_M.json"
    assert hub.sent() == len(BODY) == result["fetched_bytes"]
    assert (watcher.seen[-1]["done"], watcher.seen[-1]["total"]) == (len(BODY), len(BODY))
    # asked for again, nothing is fetched
    assert pull(hub, folder, request(source=HF))["fetched_bytes"] == 0
    assert hub.sent() == len(BODY)


@pytest.mark.parametrize(
    "fault",
    [
        Drop(after=300_000, times=5),
        Drop(after=0, times=3),
        Short(fewer=500_000, times=3),
        Refuse(status=500, times=2),
        Refuse(status=503, times=1, retry_after="1"),
        Refuse(status=429, times=1, retry_after="1"),
        Refuse(status=416, times=1),
        Refuse(status=403, times=2),
        Refuse(status=502, times=1, stage="resolve"),
        WrongRange(shift=5, times=2),
    ],
    ids=lambda fault: f"{type(fault).__name__.lower()}-{getattr(fault, 'status', '')}",
)
def test_a_passing_fault_costs_little(hub: FakeHub, folder: Path, fault: Drop) -> None:
    hub.fault(FILE, fault)
    result = pull(hub, folder, request(source=HF), patience_s=20)
    assert whole(result["files"][0], BODY)
    assert hub.sent() <= len(BODY) + 3 * MIB


def test_the_servers_wish_to_wait_is_obeyed(hub: FakeHub, folder: Path) -> None:
    hub.fault(FILE, Refuse(status=429, times=4, retry_after="2"))
    watcher = Watcher()
    result = pull(hub, folder, request(source=HF), watcher, patience_s=20)
    assert whole(result["files"][0], BODY)
    assert watcher.seen[-1]["time"] - watcher.seen[0]["time"] >= 1.9
    assert any("asks to wait" in note for note in watcher.notes)


def test_a_stalled_stream_is_cut_and_taken_over(hub: FakeHub, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qwen_desktop.hub.download.file._SILENCE_S", 0.5)
    hub.fault(FILE, Stall(after=100_000, times=2, seconds=30))
    watcher = Watcher()
    assert whole(pull(hub, folder, request(source=HF), watcher)["files"][0], BODY)
    assert watcher.seen[-1]["time"] - watcher.seen[0]["time"] < 6


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Refuse(status=404, code="EntryNotFound", times=0, stage="resolve"), "hub.file"),
        (Refuse(status=401, code="GatedRepo", times=0, stage="resolve"), "hub.gated"),
        (Refuse(status=403, times=0, stage="resolve"), "hub.forbidden"),
        (Refuse(status=500, times=0, stage="resolve"), "hub.trouble"),
        (Refuse(status=416, times=0), "hub.trouble"),
        (Refuse(status=403, times=0), "hub.trouble"),
        (Circle(), "hub.circle"),
        (Page(times=0), "hub.strange"),
        (WrongRange(times=0), "hub.strange"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_lasting_fault_ends_in_one_sentence(hub: FakeHub, folder: Path, fault: Drop, code: str) -> None:
    hub.fault(FILE, fault)
    with pytest.raises(AppError) as caught:
        pull(hub, folder, request(source=HF), patience_s=1)
    problem = caught.value.problem
    assert problem.what.code == code
    assert problem.hint is not None and str(problem.hint).endswith(".")
    assert not list(folder.rglob("model-*.json"))


def test_a_gated_model_says_how_to_get_access_and_works_with_it(hub: FakeHub, folder: Path) -> None:
    hub.repos[REPO].gated = True
    with pytest.raises(UserFacing) as caught:
        pull(hub, folder, request(source=HF))
    hint = str(caught.value.problem.hint)
    assert f"{hub.endpoint}/{REPO}" in hint and "access token" in hint and "/settings/tokens" in hint
    with pytest.raises(UserFacing) as caught:
        pull(hub, folder, request(source=HF), access={"token": hub.token})
    assert "accept the terms" in str(caught.value.problem.hint) and "/settings/tokens" not in str(
        caught.value.problem.hint
    )
    hub.accepted = True
    assert whole(pull(hub, folder, request(source=HF), access={"token": hub.token})["files"][0], BODY)


def test_the_token_stays_with_its_own_host(hub: FakeHub, folder: Path) -> None:
    hub.repos[REPO].gated, hub.accepted = True, True
    pull(hub, folder, access={"token": hub.token})
    own, others = [], []
    for seen in hub.requests:
        port = hub.endpoint.rpartition(":")[2]
        mine = seen.host == f"localhost:{port}"
        (own if mine else others).append(hub.token in repr(seen.headers))
    assert all(own) and others and not any(others)


def test_a_signed_address_that_ends_is_renewed(hub: FakeHub, folder: Path) -> None:
    body = content(90_000_000, seed=9)  # so large that each stream asks for several runs, one after the other
    hub.add("Qwen/Long-GGUF", {FILE: body})
    hub.lives_s = 0.3
    hub.pace(45e6)
    result = pull(hub, folder, request(source=HF, repo="Qwen/Long-GGUF"))
    assert whole(result["files"][0], body)
    # Nothing again but what was on its way (a socket's buffers) to a stream whose rest another took over.
    assert hub.sent() - len(body) < 2_000_000
    assert sum("/resolve/" in seen.path for seen in hub.requests) >= 3


@pytest.mark.parametrize("redirects", [True, False])
def test_a_server_without_ranges_serves_one_stream(hub: FakeHub, folder: Path, redirects: bool) -> None:
    hub.redirects[HF] = redirects
    hub.fault(FILE, Whole())
    result = pull(hub, folder, request(source=HF))
    assert whole(result["files"][0], BODY)
    assert hub.sent() <= 2 * len(BODY)


def test_one_damaged_byte_is_found_and_mended(hub: FakeHub, folder: Path) -> None:
    hub.fault(FILE, Corrupt(places=(9_000_000,), times=3))
    watcher = Watcher()
    result = pull(hub, folder, request(source=HF), watcher)
    assert whole(result["files"][0], BODY)
    assert "repairing" in watcher.states


def test_a_damaging_source_is_mended_from_another(hub: FakeHub, folder: Path) -> None:
    hub.fault(FILE, Corrupt(places=(500_000, 15_000_000)))
    result = pull(hub, folder)
    assert whole(result["files"][0], BODY)
    assert hub.sent(source="modelscope") > 0


def test_stopped_while_it_is_fetched_anew_it_goes_on(hub: FakeHub, folder: Path) -> None:
    hub.fault(FILE, Corrupt(places=(9_000_000,), times=3))

    class Pressing(Watcher):
        def __call__(self, done: int, total: int, **detail: Any) -> dict[str, Any]:
            if detail["state"] == "repairing" and done > 4_000_000:
                stop()
            elif detail["state"] == "repairing":
                hub.pace(20e6)
            return super().__call__(done, total, **detail)

    with pytest.raises(Cancelled):
        pull(hub, folder, request(source=HF), Pressing())
    hub.pace(0)
    assert whole(pull(hub, folder, request(source=HF))["files"][0], BODY)
    assert hub.sent() <= 2 * len(BODY) + 2 * MIB


def test_a_wrong_hash_is_a_clear_failure_and_no_model(hub: FakeHub, folder: Path) -> None:
    hub.repos[REPO].listed_sha256[FILE] = "ab" * 32
    with pytest.raises(AppError, match="checksum"):
        pull(hub, folder, request(source=HF))
    assert hub.sent() <= 2 * len(BODY) + MIB
    assert not list(folder.rglob("*.gguf")) and not list(folder.rglob("model-*.json"))
    hub.repos[REPO].listed_sha256.clear()  # mended at the hub: the next try begins anew and succeeds
    assert whole(pull(hub, folder, request(source=HF))["files"][0], BODY)


@pytest.mark.parametrize("name", ["../evil.gguf", "/etc/evil.gguf", "a/../../evil.gguf", "C:evil.gguf", "nul.gguf"])
def test_names_that_leave_the_folder_are_refused(hub: FakeHub, folder: Path, name: str) -> None:
    hub.add(REPO, {name: BODY[:1000]})
    with pytest.raises(UserFacing, match="stored safely"):
        pull(hub, folder, request(name))
    assert not folder.exists()
    assert hub.requests == []


@pytest.mark.parametrize("repo", ["../x", "a/..", "a/b/c", "", "a\\b/c"])
def test_repositories_that_leave_the_folder_are_refused(hub: FakeHub, folder: Path, repo: str) -> None:
    with pytest.raises(UserFacing):
        pull(hub, folder, request(repo=repo))
    assert not folder.exists()


def test_offline_means_no_request_at_all(hub: FakeHub, folder: Path) -> None:
    with pytest.raises(UserFacing, match="switched off"):
        pull(hub, folder, access={"offline": True})
    assert hub.requests == []
