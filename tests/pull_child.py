"""A process that is killed in the middle of downloads: for each line ``FOLDER ENDPOINT MODELSCOPE SOURCE`` that it
reads it forks a child, prints its process id, and "end CODE" when that has ended. Imports are paid for once.
"""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx2  # noqa: F401 - the path comes first; imported before the fork

from qwen_desktop.hub import api  # noqa: F401 - the same
from qwen_desktop.hub.download import job, sources  # noqa: F401 - the same
from tests import pulling


def child(folder: str, endpoint: str, modelscope: str, source: str) -> None:
    wanted = pulling.request(source="" if source == "auto" else source)
    hub = type("Hub", (), {"endpoint": endpoint, "modelscope": modelscope})()
    pulling.pull(hub, Path(folder), wanted, patience_s=30.0)  # type: ignore[arg-type]


def main() -> None:
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            try:
                child(*line.split())
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        print(process, flush=True)
        _, status = os.waitpid(process, 0)
        print("end", os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
