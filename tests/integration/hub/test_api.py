"""What hubs say of models, and how their failures are said."""

from __future__ import annotations

import time

import pytest
from msgspec import structs

from qwen_desktop.core.errors import AppError
from qwen_desktop.hub import api
from qwen_desktop.hub.access import Access
from tests.fake_hub import FakeHub
from tests.integration.hub.conftest import BODY
from tests.pulling import FILE, REPO


@pytest.fixture
def access(hub: FakeHub) -> Access:
    return Access(endpoint=hub.endpoint, modelscope=hub.modelscope)


def test_a_repository_with_sizes_and_hashes(hub: FakeHub, access: Access) -> None:
    info = api.repo_info(REPO, access=access)
    assert (info.repo, info.commit, info.gated) == (REPO, hub.repos[REPO].commit, False)
    assert (info.licence, info.updated[:10]) == ("apache-2.0", "2026-01-02")
    assert [(f.path, f.size_bytes) for f in info.files] == [(FILE, len(BODY)), ("README.md", 7)]
    assert info.files[0].sha256 == hub.sha256(hub.repos[REPO], FILE, BODY)
    assert api.modelscope_files(REPO, access=access) == list(info.files)


def test_a_search_follows_the_pages(hub: FakeHub, access: Access) -> None:
    for number in range(7):
        hub.add(f"Qwen/M{number}-GGUF", {})
    hub.add("Qwen/Other", {}, tags=("safetensors",))
    hub.page_size = 3
    found = api.search_models(author="Qwen", access=access)
    assert [f.repo for f in found] == [f"Qwen/M{n}-GGUF" for n in range(7)]
    assert len(api.search_models(author="Qwen", limit=2, access=access)) == 2
    assert [f.repo for f in api.search_models(search="m5", access=access)] == ["Qwen/M5-GGUF"]


@pytest.mark.parametrize(
    ("repo", "revision", "code"),
    [
        ("owner/none", "main", "hub.repository"),
        (REPO, "no-such-version", "hub.revision"),
        ("../etc/passwd", "main", "hub.repository"),
        ("a/b/c", "main", "hub.repository"),
    ],
)
def test_what_is_not_there_is_said(access: Access, repo: str, revision: str, code: str) -> None:
    with pytest.raises(AppError) as caught:
        api.repo_info(repo, revision, access=access)
    assert caught.value.problem.what.code == code and caught.value.problem.hint


def test_a_private_model_needs_the_token(hub: FakeHub, access: Access) -> None:
    hub.repos[REPO].private = True
    with pytest.raises(AppError, match="or it is private"):
        api.repo_info(REPO, access=access)
    assert api.repo_info(REPO, access=structs.replace(access, token=hub.token)).files


def test_no_connection_is_said_at_once_and_not_after_retries(hub: FakeHub, access: Access) -> None:
    hub.unplug()
    hub.unplug("modelscope")
    began = time.monotonic()
    for ask in (
        lambda: api.repo_info(REPO, access=access),
        lambda: api.search_models(author="Qwen", access=access),
        lambda: api.modelscope_files(REPO, access=access),
    ):
        with pytest.raises(AppError, match="cannot be reached"):
            ask()
    assert time.monotonic() - began < 2
