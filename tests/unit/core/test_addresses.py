"""Where an address leads, as the question before it is opened says."""

from __future__ import annotations

import pytest

from qwen_desktop.core.addresses import address, visible


@pytest.mark.parametrize(
    ("host", "reads", "alike"),
    [
        ("example.org", "", False),
        ("xn--mnchen-3ya.de", "münchen.de", False),
        ("xn--r8jz45g.jp", "例え.jp", False),
        ("xn--d1abbgf6aiiy.xn--p1ai", "президент.рф", False),
        ("xn--80ak6aa92e.com", "аррӏе.com", True),
        ("xn--pple-43d.com", "аpple.com", True),
        ("xn--zzzzzzzzzzz.com", "", False),
    ],
)
def test_letters_that_pass_for_others(host: str, reads: str, alike: bool) -> None:
    found = address(host, "", f"https://{host}/")
    assert (found.host, found.reads, found.alike) == (host, reads, alike)
    assert found.deceives is alike


def test_a_name_before_an_at_and_signs_that_cannot_be_seen() -> None:
    assert address("evil.org", "bank.com", "https://bank.com@evil.org").deceives
    assert address("x.org", "", "https://x.org/\u202egnp.exe").hidden
    assert address("x.org", "", "https://x.org/%E2%80%AEgnp.exe").hidden
    assert not address("x.org", "", "https://x.org/a%0Ab%20c?q=ä").deceives
    assert visible("a\u202eb\u200bc") == "a\\u202eb\\u200bc"
