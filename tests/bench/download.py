"""Downloads against curl, hash included, from a server on this computer: paced like a fast line, and unpaced.

    python tests/bench/download.py [GB] [rounds]

Both fetch the same file (2 GB) from the same server process, in turn; the best of the rounds counts, since other
programs share the machine. Wanted: 0.9 of curl at 125 MB/s, 0.3 of curl unpaced. What runs is the app's own job in its
worker process. Twice the file's size is needed on the disk of the temporary folder (TMPDIR).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

import msgspec  # noqa: E402 - the path comes first

from qwen_desktop.core.models import DownloadRequest, RemoteFile  # noqa: E402
from qwen_desktop.hub.access import Access  # noqa: E402
from qwen_desktop.jobs.client import JobWorker  # noqa: E402
from qwen_desktop.process.spawn import worker_command  # noqa: E402

SERVER = Path(__file__).with_name("download_server.py")
NAME = "model-Q8_0.gguf"
PACES = ((125e6, 0.9), (0.0, 0.3))


def make_file(path: Path, size: int) -> str:
    """Write a file without repetitions and return its SHA-256."""
    block = random.Random(1).randbytes(1 << 20)
    hashed = hashlib.sha256()
    with path.open("wb") as file:
        for number in range(0, size, 1 << 20):
            turned = (number >> 20) % len(block)
            piece = (block[turned:] + block[:turned])[: size - number]
            hashed.update(piece)
            file.write(piece)
    return hashed.hexdigest()


class Server:
    """The server process."""

    def __init__(self, file: Path, sha256: str, rate: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(SERVER), str(file), sha256, str(rate)], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.address = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()


def request_for(size: int, sha256: str) -> dict[str, Any]:
    """The job's request for the server's one file."""
    return msgspec.to_builtins(  # type: ignore[no-any-return]
        DownloadRequest("bench/Model", "Q8_0", (RemoteFile(NAME, size, sha256),), source="huggingface")
    )


def curl(server: Server, folder: Path, size: int) -> float:
    """curl's speed in bytes a second."""
    target = folder / "curl"
    began = time.perf_counter()
    subprocess.run(["curl", "-sf", "-o", str(target), f"{server.address}/file"], check=True)
    seconds = time.perf_counter() - began
    target.unlink()
    return size / seconds


async def ours(jobs: JobWorker, server: Server, folder: Path, size: int, sha256: str) -> float:
    """Our speed in bytes a second, from the call of the job to the installed and verified model."""
    home = folder / "models"
    began = time.perf_counter()
    result = await jobs.call(
        "hub.download",
        {
            "request": request_for(size, sha256),
            "folder": str(home),
            "access": Access(endpoint=server.address).as_params(),
            "options": {},
        },
    )
    seconds = time.perf_counter() - began
    await asyncio.to_thread(lambda: [Path(path).unlink() for path in (*result["files"], result["manifest"])])
    return size / seconds


async def compare(size: int, rounds: int) -> bool:
    """Measure and print; whether both goals are met."""
    good = True
    jobs = JobWorker(worker_command("jobs"))
    await jobs.call("gguf.header", {"path": str(ROOT / "resources/guide/guide.gguf")})  # started, like in the app
    with tempfile.TemporaryDirectory(prefix="qwen-desktop-bench-") as name:
        folder = Path(name)
        sha256 = await asyncio.to_thread(make_file, folder / "file", size)
        for rate, wanted in PACES:
            server = await asyncio.to_thread(Server, folder / "file", sha256, rate)
            theirs, own = [], []
            for _ in range(rounds):
                theirs.append(await asyncio.to_thread(curl, server, folder, size))
                own.append(await ours(jobs, server, folder, size, sha256))
            await asyncio.to_thread(server.close)
            ratio = max(own) / max(theirs)
            good &= ratio >= wanted
            print(
                f"{'paced at ' + format(rate / 1e6, '.0f') + ' MB/s' if rate else 'unpaced':18} "
                f"curl {', '.join(f'{v / 1e6:.0f}' for v in theirs)}   ours {', '.join(f'{v / 1e6:.0f}' for v in own)} "
                f"MB/s   {ratio:.2f} of curl (>= {wanted}): {'good' if ratio >= wanted else 'MISSED'}"
            )
    await jobs.aclose()
    return good


def main() -> int:
    """Print figures and a verdict; 1 when they are missed."""
    size = int(float(sys.argv[1]) * 1e9) if len(sys.argv) > 1 else 2_000_000_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    os.environ.setdefault("QWEN_DESKTOP_HOME", tempfile.gettempdir())
    return 0 if asyncio.run(compare(size, rounds)) else 1


if __name__ == "__main__":
    sys.exit(main())
