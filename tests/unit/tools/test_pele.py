"""What draws diagrams is fetched once, checked, laid beside its README, and missed without an error."""

from __future__ import annotations

import io
import stat
import sys
import tarfile
from pathlib import Path

import dev_cache
import dev_download
import dev_pele
import dev_steps
import pytest
from dev_console import ROOT, Failed
from dev_download import Download
from dev_pele import Member

SCRIPT, LICENCE = b"var pele = {}", b"MIT License"


def packed(path: Path, *others: tarfile.TarInfo, script: bytes = SCRIPT) -> Path:
    """An archive as npm makes them."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in (("package/dist/pele.global.js", script), ("package/LICENSE", LICENCE)):
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        for other in others:
            tar.addfile(other, io.BytesIO(b"x" * other.size))
    return path


class Registry:
    """Stands in for npm's: counts who asks, and can be out of reach."""

    def __init__(self, archive: Path) -> None:
        self.archive = archive
        self.asked = 0
        self.down = False

    def fetch(self, file: Download, folder: Path, what: str, *, timeout_s: float) -> Path:
        self.asked += 1
        if self.down:
            raise Failed(f"{what} cannot be downloaded (no network): check the network, then try again.")
        return dev_cache.place(self.archive, folder / file.name)


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A registry with a small Pele, and a build cache of the test's own."""
    archive = packed(tmp_path / "small.tgz")
    for name, content in {"script": SCRIPT, "licence": LICENCE}.items():
        (tmp_path / name).write_bytes(content)
    members = {
        path: Member(member.name, (tmp_path / name).stat().st_size, dev_cache.sha256_of(tmp_path / name))
        for (path, member), name in zip(dev_pele.MEMBERS.items(), ("script", "licence"), strict=True)
    }
    found = Registry(archive)
    monkeypatch.setenv(dev_cache.OVERRIDE, str(tmp_path / "cache"))
    monkeypatch.setattr(dev_pele, "MEMBERS", members)
    monkeypatch.setattr(dev_pele, "ARCHIVE", Download(dev_pele.ARCHIVE.url, dev_cache.sha256_of(archive)))
    monkeypatch.setattr(dev_download, "fetch", found.fetch)
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder as git brings it."""
    made = tmp_path / "diagrams"
    made.mkdir()
    (made / "README.md").write_text("what comes here")
    monkeypatch.setattr(dev_pele, "FOLDER", made)
    return made


def test_two_files_are_laid_there_once_and_kept(registry: Registry, folder: Path) -> None:
    dev_pele.ensure()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "README.md": b"what comes here", "pele.js": SCRIPT, "LICENSE": LICENCE,
    }  # fmt: skip
    before = (folder / "pele.js").stat()
    dev_pele.ensure()
    after = (folder / "pele.js").stat()
    assert registry.asked == 1 and (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    if sys.platform != "win32":
        assert stat.S_IMODE(after.st_mode) == stat.S_IMODE((folder / "README.md").stat().st_mode)


def test_a_lost_or_changed_file_comes_back_from_the_cache_without_a_network(registry: Registry, folder: Path) -> None:
    dev_pele.ensure()
    registry.down = True
    (folder / "LICENSE").unlink()
    (folder / "pele.js").write_bytes(SCRIPT[:5])
    (folder / ".part-left").write_bytes(b"of a set-up that was killed")
    dev_pele.ensure()
    assert sorted(path.name for path in folder.iterdir()) == ["LICENSE", "README.md", "pele.js"]
    assert dev_pele.complete() and registry.asked == 1


def test_a_damaged_archive_in_the_cache_is_fetched_again(registry: Registry, folder: Path) -> None:
    dev_pele.cache_path().parent.mkdir(parents=True)
    dev_pele.cache_path().write_bytes(b"half of it")
    dev_pele.ensure()
    assert registry.asked == 1 and dev_pele.complete()


def test_an_archive_that_was_brought_by_hand_is_used(registry: Registry, folder: Path) -> None:
    registry.down = True
    dev_cache.place(registry.archive, dev_pele.cache_path())
    dev_pele.ensure()
    assert dev_pele.complete() and registry.asked == 0


def test_without_a_network_the_set_up_says_so_and_goes_on(
    registry: Registry, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.down = True
    went_on: list[str] = []
    monkeypatch.setattr(dev_steps, "preflight", lambda *_, **__: None)
    monkeypatch.setattr(dev_steps, "make_venv", lambda: went_on.append("made") or sys.exit(0))
    with pytest.raises(SystemExit):
        dev_steps.setup()
    assert went_on == ["made"] and registry.asked == 1
    assert "cannot be downloaded (no network)" in (said := capsys.readouterr().out) and "diagrams as code" in said
    assert [path.name for path in folder.iterdir()] == ["README.md"]


def test_a_folder_that_is_none_is_one_sentence(
    registry: Registry, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dev_pele, "FOLDER", folder / "README.md")
    with pytest.raises(Failed, match="cannot be laid into"):
        dev_pele.ensure()


def test_names_in_the_archive_lead_nowhere(registry: Registry, folder: Path, tmp_path: Path) -> None:
    up, absolute, link = (tarfile.TarInfo(name) for name in ("../up.js", str(tmp_path / "absolute.js"), "package/l"))
    up.size = absolute.size = 3
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    work = tmp_path / "work"
    work.mkdir()
    before = set(tmp_path.iterdir())
    dev_pele.unpack(packed(tmp_path / "evil.tgz", up, absolute, link), work)
    assert set(tmp_path.iterdir()) - before == {tmp_path / "evil.tgz"}
    assert sorted(path.name for path in folder.iterdir()) == ["LICENSE", "README.md", "pele.js"]


@pytest.mark.parametrize("script", [b"var other = {}", SCRIPT + b" " * 1000, b""])
def test_another_file_under_the_right_name_is_not_used(
    registry: Registry, folder: Path, tmp_path: Path, script: bytes
) -> None:
    with pytest.raises(Failed, match=r"pele\.global\.js in other\.tgz is not the expected file"):
        dev_pele.unpack(packed(tmp_path / "other.tgz", script=script), tmp_path)
    assert [path.name for path in folder.iterdir()] == ["README.md"]


def test_git_knows_the_readme_alone() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"/resources/diagrams/*", "!/resources/diagrams/README.md"} <= set(ignored)
    assert (ROOT / "resources" / "diagrams" / "README.md").is_file()
