"""What the real programs do besides what they were asked to: nothing. A mirror and a proxy are set; every command and
every page runs, in processes that note each connection, each question for a name, each file that is written and each
program that is started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qwen_desktop.core.paths import find_paths
from tests.fake_hub import FakeHub
from tests.logging_proxy import LoggingProxy

ROOT = Path(__file__).resolve().parents[3]
REPO, FILE = "owner/Tiny-GGUF", "tiny-Q8_0.gguf"
LARGE, LARGE_FILE = "owner/Large-GGUF", "large-Q4_K_M.gguf"
TOKEN = "hf_of_nobody"  # noqa: S105
#: Put before everything else in each process; C code is seen by the proxy and by what lies in the folders afterwards.
_AUDIT = """
import json, os, sys
_file = os.open(os.environ["AUDIT_FILE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
_writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND

def _hook(event, args):
    if event == "socket.connect":
        said = ["connect", str(args[1])]
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        said = ["name", str(args[0])]
    elif event == "open" and isinstance(args[0], str) and args[2] is not None and args[2] & _writes:
        said = ["write", os.path.abspath(args[0])]
    elif event == "subprocess.Popen":
        said = ["start", str(args[0] or args[1][0])]
    else:
        return
    os.write(_file, (json.dumps(said) + "\\n").encode())

sys.addaudithook(_hook)
"""
#: Programs of the system that are asked about this computer.
ASKED = {"busctl", "nmcli", "lscpu", "sysctl", "nvidia-smi", "uname", "ldconfig"}


class World:
    """A mirror, a proxy, and empty folders."""

    def __init__(self, folder: Path, hub: FakeHub, proxy: LoggingProxy) -> None:
        self.hub, self.proxy = hub, proxy
        self.user, self.data, self.temporary = (folder / name for name in ("user", "data", "temporary"))
        tools = folder / "tools"
        for each in (self.user, self.data, self.temporary, tools):
            each.mkdir()
        (tools / "sitecustomize.py").write_text(_AUDIT, encoding="utf-8")
        self.notes = folder / "notes"
        (self.data / "settings.toml").write_text(
            f'[downloads]\nendpoint = "{hub.endpoint}"\nproxy = "{proxy.address}"\n', encoding="utf-8"
        )
        kept = ("PATH", "LANG", "LD_LIBRARY_PATH", "SYSTEMROOT", "QT_QPA_PLATFORM", "SSL_CERT_FILE", "SSL_CERT_DIR")
        self.environment = {
            **{name: os.environ[name] for name in kept if name in os.environ},
            "HOME": str(self.user),
            "USERPROFILE": str(self.user),
            "TMPDIR": str(self.temporary),
            "QWEN_DESKTOP_HOME": str(self.data),
            "MODELSCOPE_DOMAIN": hub.modelscope,
            "HF_ENDPOINT": hub.endpoint,
            "HF_TOKEN": TOKEN,
            "AUDIT_FILE": str(self.notes),
            "PYTHONPATH": str(tools),
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *arguments], cwd=self.user, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8",
        )  # fmt: skip

    def command(self, *arguments: str) -> subprocess.Popen[str]:
        return self.start("-m", "qwen_desktop", *arguments)

    def audit(self) -> Iterator[tuple[str, str]]:
        for line in self.notes.read_text(encoding="utf-8").splitlines():
            kind, what = json.loads(line)
            yield kind, what


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with FakeHub() as hub, LoggingProxy() as proxy:
        guide = find_paths().guide_file.read_bytes()
        hub.add(REPO, {FILE: guide, "README.md": b"# Tiny"})
        hub.add("Qwen/Qwen3-0.6B-GGUF", {"Qwen3-0.6B-Q8_0.gguf": guide})  # of the list, so that a refresh has an answer
        hub.add(LARGE, {LARGE_FILE: guide})  # large enough to be interrupted
        yield World(tmp_path, hub, proxy)


def done(process: subprocess.Popen[str]) -> str:
    """What a command printed."""
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0, err
    return out


def hosts_of(address: str) -> set[str]:
    """The fake hub's host and that of its files."""
    port = address.rpartition(":")[2]
    return {f"{host}:{port}" for host in ("localhost", "127.0.0.1")}


def check(world: World, *named: str) -> None:
    """Only the mirror was asked (and the hubs that a command ``named``), only our folders written, and no token was in
    sight of the proxy."""
    assert world.proxy.hosts() == set().union(*map(hosts_of, (world.hub.endpoint, *named)))
    assert not [wish.path for wish in world.proxy.asked if "harness" in wish.path or "whoami" in wish.path]
    assert TOKEN not in str([wish.headers for wish in world.proxy.asked])  # plain HTTP through a proxy: none
    door = world.proxy.address.rpartition(":")[2]
    strange: list[tuple[str, str]] = []
    for kind, what in world.audit():
        good: Any = {
            "connect": f"'127.0.0.1', {door})" in what or what.startswith(("/", "\\0", "b'")),  # Unix sockets
            "name": what == "127.0.0.1",
            "write": Path(what).is_relative_to(world.data)
            or Path(what).is_relative_to(world.temporary)
            or what.startswith(("/dev/", "/proc/self/")),
            "start": what == sys.executable or Path(what).name in ASKED,
        }[kind]
        if not good:
            strange.append((kind, what))
    assert not strange, sorted(set(strange))
    fonts = world.user / ".cache" / "fontconfig"  # kept there by the system's own font library, where it has no other
    found = [path for path in world.user.rglob("*") if path.is_file() and not path.is_relative_to(fonts)]
    assert found == []
    assert [path for path in world.temporary.rglob("*") if path.is_file()] == []


@pytest.mark.skipif(sys.platform == "win32", reason="a child cannot be sent Ctrl+C there")
def test_no_command_does_more_than_it_was_asked_to(world: World) -> None:
    looking = [
        world.command("models", "fit", f"{REPO}:Q8_0", "--json"),
        world.command("doctor"),
        world.command("probe"),
    ]
    world.hub.pace(4_000_000)
    pulling = world.command("models", "pull", f"{LARGE}:Q4_K_M", "--json")
    until = time.monotonic() + 60
    while world.hub.sent(LARGE_FILE) < 2_000_000 and time.monotonic() < until:
        time.sleep(0.02)
    pulling.send_signal(signal.SIGINT)
    pulling.communicate(timeout=60)
    assert pulling.returncode == 130
    for each in looking:
        done(each)
    world.hub.pace(0)
    again = world.command("models", "pull", f"{LARGE}:Q4_K_M", "--json")
    others = [
        world.command("models", "pull", f"{REPO}:Q8_0"),
        world.command("models", "recommend"),
        world.command("models", "list"),
        world.command("chat", "How do I start a new chat?"),
    ]
    assert json.loads(done(again))["status"] == "done"
    for each in others:
        done(each)
    check(world)
    done(world.command("models", "pull", "Qwen/Qwen3-0.6B-GGUF:Q8_0", "--source", "modelscope"))
    check(world, world.hub.modelscope)
    world.proxy.asked.clear()
    world.hub.unplug("huggingface")  # the mirror is away: nobody else is asked in its place
    assert world.command("models", "fit", f"{REPO}:Q8_0").wait(60) == 1
    assert world.command("models", "fit", "qwen3-4b").wait(60) == 1  # one that is known to be at ModelScope
    assert world.proxy.hosts() <= hosts_of(world.hub.endpoint)


def test_no_page_does_more_than_it_was_asked_to(world: World) -> None:
    assert done(world.start(str(ROOT / "tests" / "private_window.py"), REPO)).strip() == "done"
    check(world)


def test_outside_of_a_portable_folder_only_our_own_folders_are_written(world: World) -> None:
    del world.environment["QWEN_DESKTOP_HOME"]
    done(world.command("chat", "--save", "How do I start a new chat?"))
    places = [path.relative_to(world.user) for path in world.user.rglob("*") if path.is_file()]
    assert places and all("qwen-desktop" in place.parts for place in places), places


def test_with_the_network_switched_off_nobody_is_asked_anything(world: World) -> None:
    done(world.command("offline", "on"))
    running = [
        world.command(*words)
        for words in (
            ("models", "pull", "qwen3-0.6b"),  # of the list, so that nothing has to be looked up
            ("models", "fit", f"{world.hub.endpoint}/{REPO}/resolve/main/{FILE}"),
        )
    ]
    advice = world.command("models", "recommend")
    for each in running:
        _, err = each.communicate(timeout=60)
        assert each.returncode == 1 and err.count("\n") == 1, err
        assert "The network is switched off" in err and "qwen-desktop offline off" in err
    done(advice)
    assert world.proxy.asked == [] and world.hub.requests == []
    assert not [what for kind, what in world.audit() if kind in ("connect", "name")]
    assert done(world.command("offline", "off"))
    assert json.loads(done(world.command("models", "fit", f"{REPO}:Q8_0", "--json")))["architecture"] == "qwen3"
