"""A release: sums and feed can be checked, nobody else can sign, builds are locked, and the workflow is careful."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
INSTALLERS = ROOT / "installers"
sys.path[:0] = [str(INSTALLERS), str(INSTALLERS / "requirements"), str(ROOT / "tools")]

import checksums  # noqa: E402 - installers/ is on the path only now
import dev_steps  # noqa: E402
import feed  # noqa: E402
import lock  # noqa: E402
import product  # noqa: E402
from dev_console import Failed  # noqa: E402
from linux import deb  # noqa: E402


def _has_openssl() -> bool:
    try:
        said = subprocess.run(["openssl", "version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return False
    return re.match(r"OpenSSL [3-9]", said) is not None  # macOS brings LibreSSL, which cannot do it


needs_openssl = pytest.mark.skipif(not _has_openssl(), reason="OpenSSL 3 is not installed")

# Sums and the feed ---------------------------------------------------------------------------------------------------

NAMES = tuple(
    name.replace("V", product.version())
    for name in (
        "qwen-desktop_V-1_amd64.deb", "qwen-desktop_V-1_arm64.deb",
        "Qwen_Desktop-V-x86_64.AppImage", "Qwen_Desktop-V-aarch64.AppImage",
        "qwen-desktop-V-windows-x64-setup.exe", "qwen-desktop-V-windows-arm64-setup.exe",
        "qwen-desktop-V-windows-x64-portable.zip", "qwen-desktop-V-windows-arm64-portable.zip",
        "qwen-desktop-V-macos-x64.dmg", "qwen-desktop-V-macos-arm64.dmg",
    )
)  # fmt: skip


@pytest.fixture
def release(tmp_path: Path) -> Path:
    folder = tmp_path / "release"
    folder.mkdir()
    for name in (*NAMES, f"{NAMES[0]}.cdx.json", f"{NAMES[2]}.zsync"):
        (folder / name).write_text(name, encoding="utf-8")
    return folder


def test_sums_are_those_of_sha256sum_and_find_every_change(release: Path) -> None:
    checksums.write(release)
    assert checksums.verify(release) == len(NAMES) + 2
    if shutil.which("sha256sum"):
        done = subprocess.run(["sha256sum", "--check", "--strict", checksums.NAME], cwd=release, check=False)
        assert done.returncode == 0
    (release / NAMES[0]).write_text("other")
    (release / NAMES[1]).unlink()
    (release / "more").write_text("")
    with pytest.raises(Failed, match="more is in no line") as failure:
        checksums.verify(release)
    assert f"{NAMES[0]} is not the file" in str(failure.value)
    assert f"{NAMES[1]} is missing" in str(failure.value)


def test_sums_of_files_elsewhere_are_refused(tmp_path: Path) -> None:
    (tmp_path / checksums.NAME).write_text(f"{'0' * 64}  ../other\n")
    with pytest.raises(Failed, match="no sum of a file in its folder"):
        checksums.verify(tmp_path)


def test_the_feed_names_every_download_and_nothing_else(release: Path) -> None:
    path = feed.make(release, "https://example.org/v/")
    found = json.loads(path.read_text(encoding="utf-8"))
    assert (found["schema"], found["version"]) == (1, product.version())
    assert {file["name"] for file in found["files"]} == set(NAMES)
    deb = next(file for file in found["files"] if file["name"] == NAMES[0])
    assert (deb["system"], deb["architecture"], deb["kind"]) == ("linux", "x64", "deb")
    assert deb["url"] == f"https://example.org/v/{NAMES[0]}"
    assert deb["size"] == len(NAMES[0])
    assert deb["minimum"] == {"glibc": "2.35"}
    assert feed.complete(path) == len(NAMES)
    (release / NAMES[7]).unlink()
    with pytest.raises(Failed, match="windows arm64 portable"):
        feed.complete(feed.make(release, "https://example.org/v/"))


def test_a_version_before_a_release_has_files_that_github_does_not_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(product, "version", lambda: "1.0.0rc1")
    package = deb.file_name()
    assert "1.0.0.rc1-1" in package
    (tmp_path / package).write_text("package")
    (tmp_path / "Qwen_Desktop-1.0.0rc1-x86_64.AppImage").write_text("image")
    found = json.loads(feed.make(tmp_path, "https://example.org/v/").read_text(encoding="utf-8"))
    assert [file["kind"] for file in found["files"]] == ["appimage", "deb"]
    (tmp_path / package.replace("rc1", "rc2")).write_text("other")
    with pytest.raises(Failed, match="rc2"):
        feed.make(tmp_path, "https://example.org/v/")


def test_a_file_of_another_version_stops_the_feed(release: Path) -> None:
    (release / "qwen-desktop_0.0.1-1_amd64.deb").write_text("old")
    with pytest.raises(Failed, match=r"not of version .*: qwen-desktop_0\.0\.1-1_amd64\.deb"):
        feed.make(release, "https://example.org/v/")
    with pytest.raises(Failed, match="https"):
        feed.make(release, "http://example.org/v/")


@needs_openssl
def test_what_was_signed_is_accepted_and_nothing_else(
    tmp_path: Path, release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, public = feed.keygen(tmp_path / "keys")
    path = feed.make(release, "https://example.org/v/")
    with pytest.raises(Failed, match=feed.KEY):
        feed.sign(path)
    monkeypatch.setenv(feed.KEY, private.read_text())
    feed.sign(path)
    assert feed.verify(path, public, release)["version"] == product.version()
    good = path.read_bytes()
    path.write_bytes(good.replace(b'"linux"', b'"Linux"', 1))
    with pytest.raises(Failed, match="not what the holder of the key has signed"):
        feed.verify(path, public)
    path.write_bytes(good)
    _, other = feed.keygen(tmp_path / "others")
    with pytest.raises(Failed, match="not what the holder of the key has signed"):
        feed.verify(path, other)
    (release / NAMES[0]).write_text("x" * len(NAMES[0]))
    with pytest.raises(Failed, match="not the file that the feed names"):
        feed.verify(path, public, release)
    with pytest.raises(Failed, match="has keys already"):
        feed.keygen(tmp_path / "keys")


@pytest.mark.parametrize("change", [{"schema": 2}, {"files": []}, {"product": "other"}, {"version": None}])
def test_a_feed_of_another_form_is_refused(release: Path, change: dict[str, Any]) -> None:
    found = json.loads(feed.make(release, "https://example.org/v/").read_text(encoding="utf-8"))
    with pytest.raises(Failed):
        feed.check(json.dumps(found | change).encode())


def test_the_notes_are_those_of_the_version() -> None:
    log = "# Changelog\n\n## [Unreleased]\n\nnew\n\n## [1.2.0] - 2026-01-01\n\n- good\n\n## [1.1.0]\n\n- old\n"
    assert feed.notes("1.2.0", log) == "- good"
    assert feed.notes("1.3.0", log) == "new"


# Locked requirements -------------------------------------------------------------------------------------------------


def test_the_lock_covers_what_pyproject_needs() -> None:
    text = (INSTALLERS / "requirements" / "build.txt").read_text(encoding="utf-8")
    locked = lock.pins(text)
    project = product.pyproject()["project"]
    assert isinstance(project, dict)
    for line in project["dependencies"]:
        name = re.match(r"[A-Za-z0-9._-]+", line)
        assert name is not None
        key = re.sub(r"[-_.]+", "-", name[0]).lower()
        assert (key in locked) is (key not in lock.OWN), key
    assert "pyinstaller" in locked
    assert lock.unsafe(text) == ""
    broken = "6.12.0"  # on Python 3.11, see pyproject.toml
    assert f"pyside6-essentials=={broken} ; python_full_version >= '3.12'" in text
    assert set(locked["pyside6-essentials"]) >= {broken}


def test_a_release_is_tested_with_locked_packages_of_the_same_versions() -> None:
    text = (INSTALLERS / "requirements" / "test.txt").read_text(encoding="utf-8")
    tested, built = lock.pins(text), lock.pins((INSTALLERS / "requirements" / "build.txt").read_text(encoding="utf-8"))
    assert lock.unsafe(text) == ""
    groups = product.pyproject()["dependency-groups"]
    assert isinstance(groups, dict)
    wanted = {re.split(r"[\[<>=]", line)[0].lower() for line in groups["dev"]} | {"hatchling", "editables"}
    assert wanted <= tested.keys()
    assert {name for name in tested.keys() & built.keys() if tested[name] != built[name]} == set()
    step = next(step for step in workflow()["jobs"]["build"]["steps"] if "dev.py test" in step.get("run", ""))
    assert step["env"][dev_steps.LOCKED] == "1"


def test_what_resolves_the_locks_is_locked_itself() -> None:
    text = (INSTALLERS / "requirements" / "uv.txt").read_text(encoding="utf-8")
    wanted = (INSTALLERS / "requirements" / "uv.in").read_text(encoding="utf-8").split()[-1]
    assert list(lock.pins(text)) == ["uv"]
    assert f"{wanted} \\\n" in text
    assert lock.unsafe(text) == ""


def test_a_lock_without_sums_or_with_an_address_is_refused() -> None:
    good = "a==1 \\\n    --hash=sha256:" + "0" * 64 + "\n"
    assert lock.unsafe(good) == ""
    assert lock.unsafe(good + "b==2\n") == "b==2 has no SHA-256"
    assert "address" in lock.unsafe("--index-url https://example.org/simple\n" + good)
    assert lock.unsafe("") == "it pins nothing"


# The workflow --------------------------------------------------------------------------------------------------------

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def workflow(name: str = "release.yml") -> dict[Any, Any]:
    loaded: dict[Any, Any] = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text(encoding="utf-8"))
    return loaded


def test_the_release_has_every_platform() -> None:
    rows = workflow()["jobs"]["build"]["strategy"]["matrix"]["include"]
    there = {(row["system"], row["arch"]) for row in rows}
    assert there == {(system, arch) for system in feed.COMPLETE for arch in ("x64", "arm64")}
    linux = [row["runner"] for row in rows if row["system"] == "linux"]
    assert all(runner.startswith("ubuntu-22.04") for runner in linux)  # glibc 2.35
    assert workflow()["env"]["PYTHON_VERSION"] == lock.RELEASE_PYTHON


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_trust_as_little_as_they_can(path: Path) -> None:
    found = workflow(path.name)
    assert found["permissions"] == {"contents": "read"}
    assert "concurrency" in found
    for job in found["jobs"].values():
        assert "secrets." not in json.dumps({key: value for key, value in job.items() if key != "steps"})
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", step["uses"])
            if "secrets." in json.dumps(step):
                assert re.search(r"\bsign\b", step["name"], re.IGNORECASE), step["name"]
            assert not re.search(r"\$\{\{\s*(github|vars|secrets|inputs)\.", step.get("run", "")), step.get("name")


def test_what_the_workflow_calls_is_there() -> None:
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    called = set(re.findall(r"python\"? ((?:installers|tools)/[\w/]+\.py)", text))
    assert {"installers/build.py", "installers/smoke_test.py", "installers/llama.py", "tools/dev.py"} <= called
    assert [name for name in called if not (ROOT / name).is_file()] == []
    for sum_ in ("APPIMAGE_RUNTIME_X86_64", "APPIMAGE_RUNTIME_AARCH64"):
        assert re.fullmatch(r"[0-9a-f]{64}", workflow()["env"][sum_])
