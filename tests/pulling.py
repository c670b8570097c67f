"""Running the download job in this process against ``fake_hub``, and looking at what it left."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from qwen_desktop.core.errors import Cancelled
from qwen_desktop.core.models import DownloadRequest, RemoteFile
from qwen_desktop.core.text import Text
from qwen_desktop.hub.access import Access
from qwen_desktop.hub.download import job
from tests.fake_hub import FakeHub

REPO = "owner/Model-GGUF"
FILE = "model-Q4_K_M.gguf"
MIB = 1 << 20


def request(*files: str, mmproj: tuple[str, ...] = (), **more: Any) -> DownloadRequest:
    """A request that knows nothing but names."""
    return DownloadRequest(
        more.pop("repo", REPO),
        more.pop("quant", "Q4_K_M"),
        tuple(RemoteFile(name) for name in files or (FILE,)),
        tuple(RemoteFile(name) for name in mmproj),
        **more,
    )


class Watcher:
    """Takes the reports. ``at`` maps bytes to what shall be done once so many are there; it may raise."""

    def __init__(self, at: Mapping[int, Callable[[], object]] | None = None) -> None:
        self.seen: list[dict[str, Any]] = []
        self.told: dict[str, Any] = {}
        self._at = dict(at or {})

    def __call__(self, done: int, total: int, **detail: Any) -> dict[str, Any]:
        self.seen.append({"time": time.monotonic(), "done": done, "total": total, **detail})
        for place in sorted(self._at):
            if done >= place:
                self._at.pop(place)()
        return self.told

    @property
    def notes(self) -> list[str]:
        """The sentences that were shown, without repetitions."""
        found = [str(msgspec.convert(s["note"], Text)) for s in self.seen if s.get("note")]
        return list(dict.fromkeys(found))

    @property
    def states(self) -> list[str]:
        """The states in their order."""
        found = [s["state"] for s in self.seen]
        return [state for n, state in enumerate(found) if n == 0 or found[n - 1] != state]


def stop() -> None:
    """What a report raises when its caller has gone away."""
    raise Cancelled(Text("job.cancelled", "The job was stopped."))


def pull(
    hub: FakeHub,
    folder: Path,
    wanted: DownloadRequest | None = None,
    watcher: Watcher | None = None,
    *,
    access: Mapping[str, Any] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Run the job to its end."""
    options.setdefault("patience_s", 2.0)
    reached = {"endpoint": hub.endpoint, "modelscope": hub.modelscope, **(access or {})}
    return job.fetch(
        msgspec.to_builtins(wanted or request()),
        str(folder),
        Access(**reached).as_params(),
        options,
        watcher or Watcher(),
    )


def in_thread(work: Callable[[], Any]) -> Callable[[], Any]:
    """Start ``work`` beside the test; the returned function waits for its result (or its exception)."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append((work(), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def wait() -> Any:
        thread.join(30)
        assert not thread.is_alive(), "it does not end"
        value, error = outcome[0]
        if error is not None:
            raise error
        return value

    return wait


def sha256(path: str | Path) -> str:
    """The hash of a file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def whole(path: str | Path, body: bytes) -> bool:
    """Whether the file is exactly ``body``."""
    return sha256(path) == hashlib.sha256(body).hexdigest()


def left_over(folder: Path) -> list[str]:
    """What lies there besides models and manifests."""
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and p.suffix not in (".gguf", ".json"))
