"""Headers by ranges from a hub on this computer: exact, with few bytes, and a sentence for whatever goes wrong."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qwen_desktop.core.errors import AppError
from qwen_desktop.core.gguf import GgufHeader, read_header
from qwen_desktop.core.shape import shape_of
from qwen_desktop.hub import range_source
from qwen_desktop.hub.access import Access
from qwen_desktop.hub.api import file_url
from qwen_desktop.hub.remote_header import as_job, read_remote
from tests import gguf_files
from tests.fake_hub import Circle, Drop, FakeHub, Page, Refuse, Short, Whole, WrongRange

REPO, NAME = "Qwen/Test-GGUF", "test-Q8_0.gguf"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Qwen's number of tokens and merges over few weights."""
    path = tmp_path_factory.mktemp("remote") / NAME
    return gguf_files.write(path, vocab=gguf_files.FULL_VOCABULARY, width=32, heads=1, kv_heads=1, hidden=64)


@pytest.fixture
def hub(model: Path) -> Iterator[FakeHub]:
    with FakeHub() as hub:
        hub.add(REPO, {NAME: model.read_bytes()})
        yield hub


def access(hub: FakeHub, **more: str) -> Access:
    return Access(endpoint=hub.endpoint, modelscope=hub.modelscope, **more)


def read(hub: FakeHub, path: str = NAME) -> tuple[GgufHeader, int]:
    url = file_url("huggingface", REPO, path, "main", access=access(hub))
    return read_remote([url], access(hub), repo=REPO, path=path)


def sent(hub: FakeHub, fetched: int, path: str = "") -> int:
    """What the hub has sent. Its threads count a piece after it is on its way, so the client may be a moment ahead."""
    end = time.monotonic() + 5
    while hub.sent(path) < fetched and time.monotonic() < end:
        time.sleep(0.01)
    return hub.sent(path)


def refusal(hub: FakeHub, path: str = NAME) -> str:
    with pytest.raises(AppError) as caught:
        read(hub, path)
    sentence = caught.value.problem.sentence()
    assert caught.value.problem.hint is not None and "!" not in sentence
    return sentence


def test_the_shape_is_exact_and_every_byte_is_counted(hub: FakeHub, model: Path) -> None:
    header, fetched = read(hub)
    local = read_header(model)
    assert shape_of(header) == shape_of(local)
    assert header.size_bytes == model.stat().st_size and header.quant == "Q8_0"
    assert fetched == sent(hub, fetched, NAME)
    assert fetched < local.data_offset + 4_200_000


def test_a_known_vocabulary_is_stepped_over(hub: FakeHub, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    local = read_header(model)
    tokens, merges = (_list_bytes(model, local, f"tokenizer.ggml.{name}") for name in ("tokens", "merges"))
    from qwen_desktop.hub import remote_header  # noqa: PLC0415

    near = {151_936: tokens + 3000, 151_387: merges - 7000}  # other names for some tokens: about there, not exactly
    monkeypatch.setattr(remote_header, "_KNOWN_LISTS", near)
    header, fetched = read(hub)
    assert shape_of(header) == shape_of(local) and header.chat_template == local.chat_template
    assert fetched == sent(hub, fetched, NAME) < 1_000_000 < local.data_offset


def test_a_wrong_guess_falls_back_to_reading_all(hub: FakeHub, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from qwen_desktop.hub import remote_header  # noqa: PLC0415

    monkeypatch.setattr(remote_header, "_KNOWN_LISTS", {151_936: 900_000, 151_387: 1_200_000})
    assert shape_of(read(hub)[0]) == shape_of(read_header(model))


def _list_bytes(path: Path, header: GgufHeader, key: str) -> int:
    place = header.arrays[key]
    data = path.read_bytes()
    at = place.offset
    for _ in range(place.count):
        at += 8 + struct.unpack_from("<Q", data, at)[0]
    return at - place.offset


def test_all_parts_of_a_split_model(hub: FakeHub, tmp_path: Path) -> None:
    files = {}
    for number in (1, 2, 3):
        extra = {"split.no": number - 1, "split.count": 3, "split.tensors.count": 60}
        path = tmp_path / f"big-{number:05d}-of-00003.gguf"
        files[path.name] = gguf_files.write(path, vocab=700, extra=extra).read_bytes()
    hub.add(REPO, files)
    header, fetched = read(hub, "big-00001-of-00003.gguf")
    local = read_header(tmp_path / "big-00001-of-00003.gguf")
    assert shape_of(header) == shape_of(local) and header.size_bytes == local.size_bytes
    assert fetched == sent(hub, fetched)
    assert "Open the first part" in refusal(hub, "big-00002-of-00003.gguf")


def test_a_server_that_knows_no_ranges_is_read_from_the_start(hub: FakeHub, model: Path) -> None:
    hub.fault(NAME, Whole())
    header, fetched = read(hub)
    assert shape_of(header) == shape_of(read_header(model))
    assert fetched < model.stat().st_size  # no further than needed


def test_a_server_that_sends_less_than_asked_for_is_asked_again(hub: FakeHub, model: Path) -> None:
    hub.fault(NAME, Short(times=0))
    assert shape_of(read(hub)[0]) == shape_of(read_header(model))


def test_the_signed_address_may_expire_on_the_way(hub: FakeHub, model: Path) -> None:
    hub.fault(NAME, Refuse(status=403, from_byte=100_000, times=1))
    assert shape_of(read(hub)[0]) == shape_of(read_header(model))


def test_the_token_stays_with_the_hub(hub: FakeHub) -> None:
    hub.repos[REPO].gated = True
    hub.accepted = True
    url = file_url("huggingface", REPO, NAME, "main", access=access(hub))
    read_remote([url], access(hub, token=hub.token), repo=REPO, path=NAME)
    for seen in hub.requests:
        assert ("authorization" in seen.headers) == seen.host.startswith("localhost")
    assert "gated" in refusal(hub) or "terms" in refusal(hub)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Refuse(status=404, code="EntryNotFound", stage="resolve", times=0), "has no file"),
        (Refuse(status=404, code="RepoNotFound", stage="resolve", times=0), "There is no model"),
        (Refuse(status=404, code="RevisionNotFound", stage="resolve", times=0), "has no version"),
        (Refuse(status=429, retry_after="30", stage="resolve", times=0), "asks to wait"),
        (Refuse(status=503, times=0), "trouble"),
        (Refuse(status=416, times=0), "empty"),
        (Circle(), "circle"),
        (Page(times=0), "something else"),
        (Drop(after=1000, times=0), "cannot be reached"),
        (WrongRange(times=0), "something else"),
    ],
)
def test_faults_are_told_in_a_sentence(hub: FakeHub, fault: object, words: str) -> None:
    hub.fault(NAME, fault)  # type: ignore[arg-type]
    assert words in refusal(hub)


def test_a_file_that_changes_meanwhile(hub: FakeHub, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.redirects["huggingface"] = False  # a signed address would go on giving the old bytes
    real = range_source.RangeSource._take_range

    def change(self: range_source.RangeSource, *args: object) -> None:
        real(self, *args)  # type: ignore[arg-type]
        hub.add(REPO, {NAME: model.read_bytes() + b"more"})

    monkeypatch.setattr(range_source.RangeSource, "_take_range", change)
    assert "was changed" in refusal(hub)


def test_headers_that_lie_are_refused(hub: FakeHub, model: Path) -> None:
    data = model.read_bytes()
    huge = struct.pack("<Q", 1 << 60)
    first = data.index(b"token_embd.weight") + len("token_embd.weight") + 4
    lies = {
        "tensors": data[:8] + huge + data[16:],
        "entries": data[:16] + huge + data[24:],
        "a dimension": data[:first] + huge + data[first + 8 :],
        "weights beyond the file": data[: read_header(model).data_offset + 100],
    }
    for what, lie in lies.items():
        hub.add(REPO, {NAME: lie})
        sentence = refusal(hub)
        assert "is damaged" in sentence or "ends inside its header" in sentence, what
    for other in (b"PK\x03\x04" + bytes(100_000), b"GGUF"):
        hub.add(REPO, {NAME: other})
        assert "not a GGUF" in refusal(hub) or "ends inside" in refusal(hub)


def test_no_more_is_fetched_than_a_header_may_have(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(range_source, "MOST", 300_000)
    assert "impossibly long" in refusal(hub)
    assert hub.sent(NAME) <= 300_000


def test_the_job_takes_the_next_source_when_the_first_is_away(hub: FakeHub, model: Path) -> None:
    here = access(hub)
    urls = [[file_url(kind, REPO, NAME, access=here)] for kind in ("huggingface", "modelscope")]
    hub.unplug("huggingface")
    found = as_job(urls=urls, access=here.as_params(), repo=REPO, path=NAME)
    assert found["size_bytes"] == model.stat().st_size
    assert found["fetched_bytes"] == hub.sent(NAME, "modelscope") > 0
    hub.unplug("modelscope")
    with pytest.raises(AppError, match="cannot be reached"):
        as_job(urls=urls, access=here.as_params(), repo=REPO, path=NAME)


def test_the_job_reads_files_that_are_only_partly_there(model: Path, tmp_path: Path) -> None:
    part = tmp_path / "test-Q8_0.gguf.part"
    part.write_bytes(model.read_bytes()[: read_header(model).data_offset + 1000])
    found = as_job(file=str(part))
    whole = as_job(file=str(model))
    assert found["shape"] == whole["shape"] and found["size_bytes"] == whole["size_bytes"]
    assert found["fetched_bytes"] == 0 and len(whole["fingerprint"]) == 64
