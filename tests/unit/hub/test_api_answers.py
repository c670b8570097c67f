"""What hubs may answer: whatever it is, data or one sentence comes of it, and nobody else is asked."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from qwen_desktop.core.errors import AppError
from qwen_desktop.hub import api
from qwen_desktop.hub.access import Access

MIRROR = "https://mirror.example/hub"
ACCESS = Access(endpoint=MIRROR, modelscope="https://scope.example", token="hf_mine")  # noqa: S106 - of nobody
FILE = {"rfilename": "m-Q4_K_M.gguf", "size": 5, "lfs": {"sha256": "A" * 64, "size": 5}}
GOOD: dict[str, Any] = {
    "id": "owner/Name", "sha": "c" * 40, "gated": "auto", "tags": ["gguf", "license:mit", 3], "downloads": 7,
    "lastModified": "2026-01-02T03:04:05.000Z", "siblings": [FILE, {"rfilename": "README.md", "size": 2}],
    "cardData": {"license": "apache-2.0", "base_model": ["Qwen/Qwen3-4B"], "license_link": "https://l.example"},
    "gguf": {"total": 4_000_000_000, "architecture": "qwen3"},
}  # fmt: skip


def answering(answer: Callable[[httpx2.Request], httpx2.Response]) -> httpx2.Client:
    """A client whose requests are answered here."""
    return httpx2.Client(transport=httpx2.MockTransport(answer))


def said(value: Any, status: int = 200, **headers: str) -> httpx2.Client:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return answering(lambda _request: httpx2.Response(status, content=body, headers=headers))


def test_a_repository_is_read_as_the_hub_describes_it() -> None:
    info = api.repo_info("owner/Name", access=ACCESS, http=said(GOOD))
    assert (info.repo, info.commit, info.gated, info.licence) == ("owner/Name", "c" * 40, True, "apache-2.0")
    assert (info.base_repo, info.licence_url) == ("Qwen/Qwen3-4B", "https://l.example")
    assert info.tags == ("gguf", "license:mit") and info.updated == "2026-01-02T03:04:05.000Z"
    assert [(f.path, f.size_bytes, f.sha256) for f in info.files] == [
        ("m-Q4_K_M.gguf", 5, "a" * 64),
        ("README.md", 2, ""),
    ]
    assert info.gguf["total"] == 4_000_000_000


def test_what_is_asked_is_the_least() -> None:
    asked: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(200, json=[] if request.url.path.endswith("/models") else GOOD)

    with answering(answer) as http:
        api.repo_info("owner/Name", "a/b", access=ACCESS, http=http)
        api.search_models(author="Qwen", limit=1, access=ACCESS, http=http)
    assert [str(request.url) for request in asked] == [
        f"{MIRROR}/api/models/owner/Name/revision/a%2Fb?blobs=true",
        f"{MIRROR}/api/models?author=Qwen&filter=gguf&sort=downloads&limit=1",
    ]


def test_the_next_page_is_asked_of_the_same_hub() -> None:
    asked: list[httpx2.URL] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url)
        number = len(asked)
        link = f'<https://huggingface.co/api/models?filter=gguf&filter=x&cursor={number}>; rel="next"'
        return httpx2.Response(200, json=[{"id": f"o/n{number}"}], headers={"Link": link} if number < 4 else {})

    with answering(answer) as http:
        found = api.search_models(search="n", access=ACCESS, http=http)
    assert [line.repo for line in found] == ["o/n1", "o/n2", "o/n3", "o/n4"]
    assert {str(url.copy_with(query=None)).rstrip("?") for url in asked} == {f"{MIRROR}/api/models"}
    assert asked[-1].params.multi_items() == [("filter", "gguf"), ("filter", "x"), ("cursor", "3")]


def test_pages_that_never_end_end() -> None:
    with said([{"id": "o/n"}], Link=f'<{MIRROR}/api/models?cursor=1>; rel="next"') as http:
        assert len(api.search_models(search="n", access=ACCESS, http=http)) <= 500


@pytest.mark.parametrize(
    ("status", "headers", "code"),
    [
        (401, {"X-Error-Code": "GatedRepo"}, "hub.gated"),
        (403, {"X-Error-Code": "GatedRepo"}, "hub.gated"),
        (404, {"X-Error-Code": "RevisionNotFound"}, "hub.revision"),
        (401, {"X-Error-Code": "RepoNotFound"}, "hub.repository"),
        (404, {}, "hub.repository"),
        (401, {}, "hub.token"),
        (403, {}, "hub.forbidden"),
        (407, {}, "hub.proxy.login"),
        (429, {"Retry-After": "7"}, "hub.limited"),
        (503, {}, "hub.trouble"),
        (418, {}, "hub.strange"),
    ],
)
def test_refusals_have_their_sentences(status: int, headers: dict[str, str], code: str) -> None:
    with said(b"", status, **headers) as http, pytest.raises(AppError) as caught:
        api.repo_info("owner/Name", access=ACCESS, http=http)
    assert caught.value.problem.what.code == code and caught.value.problem.hint is not None


def test_an_answer_without_an_end_is_not_read_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "_LONGEST", 10_000)
    with said(b"[" * 20_000) as http, pytest.raises(AppError, match="something else than asked"):
        api.repo_info("owner/Name", access=ACCESS, http=http)


def test_whatever_a_hub_answers_is_data_of_the_right_form_or_a_sentence() -> None:
    draw = random.Random(9)
    leaves = [None, True, -1, 1 << 62, 0.5, "", "x" * 9000, "\x00\ud800", [], {}, [[]], "owner/Name", "a" * 64]

    def change(value: Any, depth: int = 0) -> Any:
        if draw.random() < 0.15 or depth > 4:
            return draw.choice(leaves)
        if isinstance(value, dict):
            return {name: change(entry, depth + 1) for name, entry in value.items() if draw.random() > 0.1}
        if isinstance(value, list):
            return [change(entry, depth + 1) for entry in value]
        return value

    scope = {"Data": {"Files": [{"Path": "a.gguf", "Type": "blob", "Size": 3, "Sha256": "b" * 64}]}}
    for _ in range(250):
        body = draw.choice([json.dumps(change(GOOD)), json.dumps(change([GOOD])), json.dumps(change(scope))]).encode()
        if draw.random() < 0.2:
            body = body[: draw.randrange(len(body) + 1)]
        for ask in (
            lambda http: api.repo_info("owner/Name", access=ACCESS, http=http),
            lambda http: api.search_models(search="n", access=ACCESS, http=http),
            lambda http: api.modelscope_files("owner/Name", access=ACCESS, http=http),
        ):
            try:
                found: Any = ask(said(body))
            except AppError:
                continue
            if isinstance(found, api.RepoInfo):
                assert all(type(f.size_bytes) is int and 0 <= f.size_bytes < 1 << 50 for f in found.files)
                assert all(isinstance(text, str) for text in (found.repo, found.licence, found.base_repo, *found.tags))
                assert isinstance(found.gguf, dict)
            else:
                assert isinstance(found, list)
