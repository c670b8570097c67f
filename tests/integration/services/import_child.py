"""``python import_child.py DATA FILE``: imports a file, for a test that kills it."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from qwen_desktop.jobs.imports.job import import_file

if __name__ == "__main__":
    data, file = map(Path, sys.argv[1:])
    print("begun", flush=True)
    import_file(
        path=str(file),
        database=str(data / "history.sqlite3"),
        blobs=str(data / "blobs"),
        staging=str(data / "imports"),
        report=lambda done, total, **_: None,
    )
    print("done", flush=True)
