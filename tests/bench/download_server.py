"""The server of ``download.py``, a process of its own: one repository with one file, sent by sendfile, paced or not.

    python tests/bench/download_server.py FILE SHA256 [BYTES_PER_S]

Prints its port. Speaks as much of Hugging Face's API as a download needs.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PIECE = 256 * 1024
COMMIT = "1" * 40


class Pace:
    """All connections together send no more than ``rate`` bytes a second (0: as fast as it goes)."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._due = 0.0

    def wait(self, count: int) -> None:
        """Sleep until ``count`` more bytes may go."""
        if not self._rate:
            return
        with self._lock:
            now = time.perf_counter()
            self._due = max(self._due, now - 0.02) + count / self._rate
            pause = self._due - now
        if pause > 0:
            time.sleep(pause)


class Handler(BaseHTTPRequestHandler):
    """GET only."""

    protocol_version = "HTTP/1.1"
    path_on_disk: Path
    sha256: str
    pace: Pace

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path.startswith("/api/models/"):
            self._info()
        else:
            self._file()

    def do_HEAD(self) -> None:
        self._file()

    def _info(self) -> None:
        size = self.path_on_disk.stat().st_size
        lfs = {"sha256": self.sha256, "size": size, "pointerSize": 134}
        siblings = [{"rfilename": "model-Q8_0.gguf", "size": size, "blobId": "0" * 40, "lfs": lfs}]
        body = json.dumps({"id": "bench/Model", "sha": COMMIT, "gated": False, "siblings": siblings}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _file(self) -> None:
        size = self.path_on_disk.stat().st_size
        found = re.match(r"bytes=(\d+)-(\d*)$", self.headers.get("Range", ""))
        start = int(found[1]) if found else 0
        end = min(size, int(found[2]) + 1 if found and found[2] else size)
        self.send_response(206 if found else 200)
        self.send_header("Content-Length", str(end - start))
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("ETag", f'"{self.sha256}"')
        self.send_header("X-Repo-Commit", COMMIT)
        if found:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.flush()
        with self.path_on_disk.open("rb") as file:
            try:
                while start < end:
                    count = min(PIECE, end - start)
                    self.pace.wait(count)
                    start += os.sendfile(self.connection.fileno(), file.fileno(), start, count)
            except OSError:
                self.close_connection = True


def main() -> None:
    Handler.path_on_disk = Path(sys.argv[1])
    Handler.sha256 = sys.argv[2]
    Handler.pace = Pace(float(sys.argv[3]) if len(sys.argv) > 3 else 0.0)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
