"""The hub's own library as a peer: it reads the same of a repository, and what it leaves in its cache is found.

It runs in a process of its own with the fake hub as its only address, since it asks and writes more than it is told to.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from qwen_desktop.hub import api, other_apps
from qwen_desktop.hub.access import Access
from qwen_desktop.hub.other_apps import Surroundings
from tests.fake_hub import FakeHub, content

REPO, FILE = "owner/Small-GGUF", "small-Q4_K_M.gguf"

_PEER = """
import json, sys
from huggingface_hub import HfApi, hf_hub_download
repo, file = sys.argv[1:]
info = HfApi(token=False).model_info(repo, files_metadata=True)
path = hf_hub_download(repo, file, token=False)
files = [[s.rfilename, s.size, s.lfs.sha256 if s.lfs else ""] for s in info.siblings]
print(json.dumps({"commit": info.sha, "gated": bool(info.gated), "files": files, "path": path}))
"""


@pytest.fixture
def peer(hub: FakeHub, tmp_path: Path) -> dict[str, Any]:
    """What the library says of the repository, once it has fetched the file into its cache."""
    hub.add(REPO, {FILE: content(300_000), "README.md": b"# Small", "deep/small-Q8_0.gguf": content(200_000, 1)})
    ours = {
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_XET": "1",
        "HOME": str(tmp_path),
        "USERPROFILE": str(tmp_path),
    }
    kept = {name: value for name, value in os.environ.items() if not name.upper().endswith("_PROXY")}
    done = subprocess.run(
        [sys.executable, "-c", _PEER, REPO, FILE],
        env=kept | ours,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_our_requests_and_the_library_read_the_same(hub: FakeHub, peer: dict[str, Any], tmp_path: Path) -> None:
    info = api.repo_info(REPO, access=Access(endpoint=hub.endpoint))
    assert (info.commit, info.gated) == (peer["commit"], peer["gated"])
    assert sorted([f.path, f.size_bytes, f.sha256] for f in info.files) == sorted(peer["files"])
    # and what it has fetched is offered for import, under the repository's name
    environ = {"HF_HOME": str(tmp_path / "hf")}
    found = list(other_apps.hugging_face(Surroundings(tmp_path, environ)))
    assert [(f.repo, f.path.name) for f in found] == [(REPO, FILE)]
    assert found[0].path.read_bytes() == Path(peer["path"]).read_bytes() == content(300_000)
