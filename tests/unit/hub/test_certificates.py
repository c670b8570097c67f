"""Whom connections trust, and which file or variable is named when that cannot be used."""

from __future__ import annotations

import os
import ssl
import sys
from pathlib import Path

import pytest

from qwen_desktop.core.errors import UserFacing
from qwen_desktop.hub import certificates


@pytest.fixture
def pem(tmp_path: Path) -> Path:
    """A PEM file with one certificate of the system's."""
    context = ssl.create_default_context()
    found = context.get_ca_certs(binary_form=True)
    if not found:
        pytest.skip("this system has no certificates in one file")
    path = tmp_path / "good.pem"
    path.write_text(ssl.DER_cert_to_PEM_cert(found[0]))
    return path


@pytest.mark.parametrize("text", [None, "", "not a certificate", "folder"])
def test_a_wrong_file_of_the_environment_is_named(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "wrong.pem"
    if text == "folder":
        path.mkdir()
    elif text is not None:
        path.write_text(text)
    with pytest.raises(UserFacing) as caught:
        certificates.trust("", {"SSL_CERT_FILE": str(path)})
    assert str(caught.value) == f"SSL_CERT_FILE names {path}, which cannot be used as certificates."
    assert "SSL_CERT_FILE" in str(caught.value.problem.hint)


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes with names there")
@pytest.mark.timeout(10)
def test_a_pipe_is_no_file_to_wait_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserFacing, match="SSL_CERT_FILE names"):
        certificates.trust("", {"SSL_CERT_FILE": str(tmp_path / "pipe")})
    with pytest.raises(UserFacing, match="cannot be used as certificates"):
        certificates.trust(str(tmp_path / "pipe"), {})


def test_the_folder_of_somebody_unknown_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserFacing, match="cannot be used as certificates"):
        certificates.trust("~nobody-of-this-name/mine.pem", {})


def test_a_wrong_folder_of_the_environment_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserFacing, match=f"SSL_CERT_DIR names {tmp_path / 'none'}, which"):
        certificates.trust("", {"SSL_CERT_DIR": str(tmp_path / "none")})


def test_what_cannot_be_used_is_passed_over_where_another_serves(tmp_path: Path, pem: Path) -> None:
    wrong = {"SSL_CERT_FILE": str(tmp_path / "none.pem")}
    assert certificates.trust("", {**wrong, "SSL_CERT_DIR": str(tmp_path)})
    assert certificates.trust(str(pem), wrong)
    assert certificates.trust(str(pem), {"SSL_CERT_DIR": str(tmp_path / "none")})
    only = certificates.trust("", {"SSL_CERT_FILE": str(pem), "SSL_CERT_DIR": str(tmp_path / "none")})
    assert len(only.get_ca_certs()) == 1  # in the place of the system's
    both = certificates.trust(str(pem), {})
    assert len(both.get_ca_certs()) >= 1 and both.verify_mode is ssl.CERT_REQUIRED and both.check_hostname


def test_the_file_of_the_settings_is_named_when_it_is_at_fault(tmp_path: Path, pem: Path) -> None:
    with pytest.raises(UserFacing, match=r"^.*mine\.pem cannot be used as certificates"):
        certificates.trust(str(tmp_path / "mine.pem"), {"SSL_CERT_FILE": str(pem)})


def test_a_file_that_is_mended_is_read_again(tmp_path: Path, pem: Path) -> None:
    path = tmp_path / "later.pem"
    with pytest.raises(UserFacing):
        certificates.trust("", {"SSL_CERT_FILE": str(path)})
    path.write_bytes(pem.read_bytes())
    assert certificates.trust("", {"SSL_CERT_FILE": str(path)})


def test_only_a_variable_that_holds_is_named_as_the_one_that_is_trusted(tmp_path: Path, pem: Path) -> None:
    wrong = {"SSL_CERT_FILE": str(tmp_path / "none.pem")}
    assert certificates.variable({}) == certificates.variable(wrong) == ""  # then the settings' own are in use
    assert certificates.variable({**wrong, "SSL_CERT_DIR": str(tmp_path)}) == "SSL_CERT_DIR"
    assert certificates.variable({"SSL_CERT_FILE": str(pem), "SSL_CERT_DIR": str(tmp_path)}) == "SSL_CERT_FILE"
