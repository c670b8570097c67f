"""Pages of memory: what a worker is told of large ones."""

from __future__ import annotations

import sys

import pytest

from qwen_desktop.engine.pages import huge_pages


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "glibc.malloc.hugetlb=1"),
        ("glibc.malloc.check=3", "glibc.malloc.check=3:glibc.malloc.hugetlb=1"),
        ("glibc.malloc.hugetlb=0", None),
        ("glibc.malloc.check=3:glibc.malloc.hugetlb=2", None),
    ],
)
def test_large_pages_are_asked_for_unless_the_user_has_decided(
    before: str, after: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    environment = {"GLIBC_TUNABLES": before} if before else {}
    assert huge_pages(environment) == ({} if after is None else {"GLIBC_TUNABLES": after})


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_only_linux_is_asked(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", system)
    assert huge_pages({}) == {}
