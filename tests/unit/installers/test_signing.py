"""Signatures: left out with a warning without secrets, and no secret on a command line or in a message."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from dev_console import ROOT, Failed

sys.path.insert(0, str(ROOT / "installers"))

import product
import signing

posix_only = pytest.mark.skipif(os.name == "nt", reason="the paths of the stand-in programs are those of Linux")
SECRETS = {
    signing.PFX: base64.b64encode(b"the certificate of Windows").decode(),
    signing.PFX_PASSWORD: "password-of-windows",
    signing.P12: base64.b64encode(b"the certificate of macOS").decode(),
    signing.P12_PASSWORD: 'password "of" mac\\OS',
    signing.NOTARY_KEY: base64.b64encode(b"-----BEGIN PRIVATE KEY-----").decode(),
    signing.GPG_PASSPHRASE: "passphrase-of-gpg",
}


@pytest.fixture(autouse=True)
def no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """None but the test's own."""
    for name in (*SECRETS, signing.GPG_KEY, signing.SIGN_COMMAND, signing.REQUIRED, signing.TIMESTAMP):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """As much of an app as signing looks at."""
    programs = tmp_path / "Qwen Desktop.app" / "Contents" / "MacOS"
    programs.mkdir(parents=True)
    for name in (product.WINDOW_PROGRAM, product.CONSOLE_PROGRAM):
        (programs / name).write_bytes(b"\xcf\xfa\xed\xfe and code")
    return programs.parent.parent


@pytest.mark.parametrize("kind", [signing.windows, signing.macos_dmg, signing.detached])
def test_without_secrets_it_is_one_warning(
    kind: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "artefact.bin"
    path.write_bytes(b"x")
    assert kind(path) is False
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and said.startswith("warning: artefact.bin is not signed, since QWEN_DESKTOP_")
    assert path.read_bytes() == b"x" and [entry.name for entry in tmp_path.iterdir()] == ["artefact.bin"]
    monkeypatch.setenv(signing.REQUIRED, "1")
    with pytest.raises(Failed, match=r"artefact\.bin must be signed"):
        kind(path)


class Recorder:
    """Takes the place of ``subprocess.run``: keeps command lines, says what the real programs would, fails at will."""

    def __init__(self, fail: str = "") -> None:
        self.lines: list[str] = []
        self.fail = fail
        self.inputs = ""

    def __call__(self, words: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        line = " ".join(words)
        self.lines.append(line)
        self.inputs += options.get("input") or ""
        if "-out" in words:
            Path(words[words.index("-out") + 1]).write_bytes(b"signed")
        said = {
            "find-identity": '  1) ABCDEF "Developer ID Application: Someone"',
            "submit": 'x {"status": "Accepted"}',
            "powershell": "AB" * 20,
        }
        out = next((text for word, text in said.items() if word in line), "")
        if self.fail and self.fail in line:
            return subprocess.CompletedProcess(words, 1, "it failed: " + " ".join(SECRETS.values()))
        return subprocess.CompletedProcess(words, 0, out)


def _everything(path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signing.windows(path)  # osslsigncode
    monkeypatch.setattr(product, "system", lambda: "windows")
    monkeypatch.setattr(shutil, "which", lambda name: name)
    signing.windows(path)  # signtool
    monkeypatch.setenv(signing.NOTARY_KEY_ID, "KEYID")
    monkeypatch.setenv(signing.NOTARY_ISSUER, "ISSUER")
    assert signing.macos_app(bundle) and signing.macos_dmg(path)
    monkeypatch.setenv(signing.GPG_KEY, "-----BEGIN PGP PRIVATE KEY BLOCK-----")
    signing.detached(path)


@posix_only
def test_secrets_stand_on_no_command_line(tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "artefact.exe"
    path.write_bytes(b"x")
    recorder = Recorder()
    monkeypatch.setattr(subprocess, "run", recorder)
    _everything(path, bundle, monkeypatch)
    said = "\n".join(recorder.lines)
    for program in ("osslsigncode sign", "signtool sign", "codesign", "notarytool submit", "stapler", "gpg --batch"):
        assert program in said
    for value in SECRETS.values():
        assert value not in said
    assert '-P "password \\"of\\" mac\\\\OS"' in recorder.inputs  # as `security -i` reads it
    assert said.count("list-keychains -d user -s") == 4  # each time changed, each time put back


@pytest.mark.parametrize(
    "fail", ["osslsigncode", "powershell", "codesign", "security -i", "notarytool", "--detach-sign"]
)
@posix_only
def test_secrets_stand_in_no_message(
    fail: str, tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "artefact.exe"
    path.write_bytes(b"x")
    monkeypatch.setattr(subprocess, "run", Recorder(fail))
    with pytest.raises(Failed, match="it failed") as failure:
        _everything(path, bundle, monkeypatch)
    said = str(failure.value) + "".join(capfd.readouterr())
    for value in SECRETS.values():
        assert value not in said
    assert "***" in said


@posix_only
def test_a_certificate_without_its_key_never_reaches_the_clean_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a thumbprint the clean-up would name the user's whole store."""
    monkeypatch.setenv(signing.PFX, SECRETS[signing.PFX])
    monkeypatch.setattr(product, "system", lambda: "windows")
    lines: list[str] = []

    def silent(words: list[str], **_options: Any) -> subprocess.CompletedProcess[str]:
        lines.append(" ".join(words))
        return subprocess.CompletedProcess(words, 0, "\n")

    monkeypatch.setattr(subprocess, "run", silent)
    with pytest.raises(Failed, match="no certificate with its private key"):
        signing.windows(tmp_path / "x.exe")
    assert not [line for line in lines if "Remove-Item" in line]


@posix_only
def test_held_secrets_reach_only_the_programs_that_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(signing, "_held", {})
    signing.hold()
    assert not [name for name in SECRETS if name in os.environ]
    code = f"import os; print(sum(name in os.environ for name in {list(SECRETS)}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
    assert signing.run([sys.executable, "-c", code], "counting").strip() == str(len(SECRETS))
    assert all(signing.secret(name) == value.strip() for name, value in SECRETS.items())


def test_a_secret_that_is_no_base64_is_said_without_showing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(signing.PFX, "§ not base64 §")
    with pytest.raises(Failed, match="does not hold base64") as failure:
        signing.windows(tmp_path / "x.exe")
    assert "§" not in str(failure.value)


@pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is missing")
@posix_only
def test_a_detached_signature_verifies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Path("/tmp") / f"gpg-{os.getpid()}"  # noqa: S108 - a socket's path is short
    home.mkdir(mode=0o700)
    (home / "gpg-agent.conf").write_text("s2k-count 65536\n")  # it would measure for seconds what is slow enough
    base = ["gpg", "--homedir", str(home), "--batch", "--pinentry-mode", "loopback", "--passphrase", "secret-word"]
    try:
        subprocess.run([*base, "-q", "--quick-generate-key", "test <t@example.org>", "ed25519"], check=True)
        key = subprocess.run([*base, "--armor", "--export-secret-keys"], check=True, capture_output=True, text=True)
        monkeypatch.setenv(signing.GPG_KEY, key.stdout)
        monkeypatch.setenv(signing.GPG_PASSPHRASE, "secret-word")
        path = tmp_path / "SHA256SUMS"
        path.write_text("0  x\n")
        assert signing.detached(path)
        verify = ["gpg", "--homedir", str(home), "--batch", "-q", "--verify", f"{path}.asc", str(path)]
        assert subprocess.run(verify, capture_output=True, check=False).returncode == 0
        path.write_text("1  x\n")
        assert subprocess.run(verify, capture_output=True, check=False).returncode != 0
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)
        shutil.rmtree(home, ignore_errors=True)
