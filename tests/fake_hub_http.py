"""The HTTP side of ``fake_hub``: what each address answers."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import time
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests import fake_hub as faults
from tests.fake_hub import FakeHub, Fault, Repo, Seen, Source


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    wbufsize = 0

    def log_message(self, *_: object) -> None:
        pass

    @property
    def hub(self) -> FakeHub:
        return self.server.hub  # type: ignore[attr-defined,no-any-return]

    @property
    def source(self) -> Source:
        return self.server.source  # type: ignore[attr-defined,no-any-return]

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        self.query = parse_qs(url.query)
        self.parts = [unquote(p) for p in url.path.split("/") if p]
        self.hub.requests.append(
            Seen(self.command, self.headers.get("Host", ""), self.path, {k.lower(): v for k, v in self.headers.items()})
        )
        while self.hub.silent.is_set():
            time.sleep(0.02)
        try:
            if self.parts[:1] == ["cdn"]:
                self._cdn()
            elif self.source == "modelscope":
                self._modelscope()
            elif self.parts[:1] == ["api"]:
                self._api()
            else:
                self._resolve()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    # Hugging Face ------------------------------------------------------------------------------------------------

    def _api(self) -> None:
        if self.parts[1:] == ["models"]:
            self._list()
        elif self.parts[1:2] == ["models"] and len(self.parts) >= 4:
            self._repo_api("/".join(self.parts[2:4]), self.parts[4:])
        else:
            self._refuse(404)

    def _list(self) -> None:
        author, search = self._asked("author"), self._asked("search").lower()
        found = [
            repo
            for repo in self.hub.repos.values()
            if "huggingface" in repo.sources
            and (not author or repo.name.split("/")[0] == author)
            and search in repo.name.lower()
            and all(f in repo.tags for f in self.query.get("filter", []))
        ]
        start, size = int(self._asked("cursor") or 0), self.hub.page_size
        headers = {}
        if start + size < len(found):
            query = "&".join(f"{k}={quote(v)}" for k, vs in self.query.items() for v in vs if k != "cursor")
            headers["Link"] = f'<{self.hub.endpoint}/api/models?{query}&cursor={start + size}>; rel="next"'
        self._json([self._summary(repo) for repo in found[start : start + size]], headers)

    def _repo_api(self, name: str, rest: list[str]) -> None:
        repo = self.hub.repos.get(name)
        if repo is None or "huggingface" not in repo.sources or (repo.private and not self._has_token()):
            self._refuse(401 if not self._has_token() else 404, "RepoNotFound")
            return
        revision = rest[1] if len(rest) > 1 else "main"
        files = self._files(repo, revision)
        if files is None:
            self._refuse(404, "RevisionNotFound")
        elif rest[:1] == ["tree"]:
            self._json(
                [
                    {
                        "type": "file",
                        "path": path,
                        "size": len(body),
                        "oid": "0" * 40,
                        "lfs": self._lfs(repo, path, body),
                    }
                    for path, body in files.items()
                ]
            )
        else:
            siblings: list[dict[str, Any]] = [{"rfilename": path} for path in files]
            if "blobs" in self.query:
                for entry, (path, body) in zip(siblings, files.items(), strict=True):
                    lfs = self._lfs(repo, path, body)
                    entry.update(size=len(body), blobId="0" * 40, lfs={"sha256": lfs["oid"], **lfs})
            self._json({**self._summary(repo), "sha": self._commit(repo, revision), "siblings": siblings})

    def _summary(self, repo: Repo) -> dict[str, Any]:
        return {
            "_id": "0",
            "id": repo.name,
            "modelId": repo.name,
            "author": repo.name.split("/")[0],
            "sha": repo.commit,
            "gated": "auto" if repo.gated else False,
            "private": repo.private,
            "downloads": 10,
            "likes": 1,
            "tags": [*repo.tags, f"license:{repo.licence}"],
            **({"gguf": repo.gguf} if repo.gguf else {}),
            "lastModified": "2026-01-02T03:04:05.000Z",
            "createdAt": "2026-01-01T00:00:00.000Z",
            "cardData": {"license": repo.licence},
        }

    def _lfs(self, repo: Repo, path: str, body: bytes) -> dict[str, Any]:
        return {"oid": self.hub.sha256(repo, path, body), "size": len(body), "pointerSize": 134}

    def _files(self, repo: Repo, revision: str) -> dict[str, bytes] | None:
        return repo.files if revision in ("main", "master", repo.commit) else repo.old.get(revision)

    def _commit(self, repo: Repo, revision: str) -> str:
        return repo.commit if revision in ("main", "master") else revision

    def _has_token(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {self.hub.token}"

    def _resolve(self) -> None:
        if len(self.parts) < 5 or self.parts[2] != "resolve":
            self._refuse(404)
            return
        name, revision, path = "/".join(self.parts[:2]), self.parts[3], "/".join(self.parts[4:])
        repo = self.hub.repos.get(name)
        if repo is None or "huggingface" not in repo.sources or (repo.private and not self._has_token()):
            self._refuse(401, "RepoNotFound")
            return
        files = self._files(repo, revision)
        if files is None:
            self._refuse(404, "RevisionNotFound")
        elif repo.gated and not (self._has_token() and self.hub.accepted):
            self._refuse(403 if self._has_token() else 401, "GatedRepo", "Access to this model is restricted.")
        elif path not in files:
            self._refuse(404, "EntryNotFound")
        else:
            sha256 = self.hub.sha256(repo, path, files[path])
            known = {
                "X-Repo-Commit": self._commit(repo, revision),
                "X-Linked-ETag": f'"{sha256}"',
                "X-Linked-Size": str(len(files[path])),
            }
            self._hand_out(path, files[path], sha256, known)

    # ModelScope --------------------------------------------------------------------------------------------------

    def _modelscope(self) -> None:
        if self.parts[:3] != ["api", "v1", "models"] or len(self.parts) < 6:
            self._refuse(404)
            return
        repo = self.hub.repos.get("/".join(self.parts[3:5]))
        if repo is None or "modelscope" not in repo.sources:
            self._json({"Code": 10010205001, "Message": "not found", "Success": False}, status=404)
        elif self.parts[5:] == ["repo", "files"]:
            listed = [
                {"Path": path, "Name": path, "Type": "blob", "Size": len(b), "Sha256": self.hub.sha256(repo, path, b)}
                for path, b in repo.files.items()
            ]
            self._json({"Code": 200, "Success": True, "Data": {"Files": listed}})
        else:
            path = self._asked("FilePath")
            if path not in repo.files:
                self._json({"Code": 10010205001, "Message": "not found", "Success": False}, status=404)
                return
            sha256 = self.hub.sha256(repo, path, repo.files[path])
            self._hand_out(path, repo.files[path], sha256, {"X-Linked-ETag": sha256})

    # Bytes -------------------------------------------------------------------------------------------------------

    def _hand_out(self, path: str, body: bytes, sha256: str, known: dict[str, str]) -> None:
        """The hub's answer for a file: a redirect to the CDN, or the bytes themselves."""
        fault = self.hub.next_fault(self.source, path, "resolve", self._range(len(body))[0])
        if isinstance(fault, faults.Circle):
            self._answer(302, {"Location": self.path, "Content-Length": "0"})
        elif isinstance(fault, faults.Refuse):
            self._fail(fault)
        elif isinstance(fault, faults.Page):
            page = b"<html>Welcome to our hotel</html>"
            self._answer(200, {"Content-Type": "text/html", "Content-Length": str(len(page))}, page)
        elif self.hub.redirects[self.source]:
            signature = secrets.token_hex(8)
            with self.hub.lock:
                self.hub.signatures[signature] = time.monotonic() + self.hub.lives_s
                self.hub.bodies[signature] = (path, body, sha256)
            where = f"{self.hub.cdn(self.source)}/cdn/{sha256}?signature={signature}"
            self._answer(302, {**known, "Location": where, "Content-Length": "0"})
        else:
            self._send_file(path, body, sha256, known)

    def _cdn(self) -> None:
        signature = self._asked("signature")
        with self.hub.lock:
            until = self.hub.signatures.get(signature, 0.0)
            found = self.hub.bodies.get(signature)
        if found is None or time.monotonic() > until:
            self._answer(403, {"Content-Length": "0"})
            return
        path, body, sha256 = found
        self._send_file(path, body, sha256, {})

    def _range(self, size: int) -> tuple[int, int]:
        found = re.match(r"bytes=(\d+)-(\d*)$", self.headers.get("Range", ""))
        if not found:
            return 0, size
        return int(found[1]), min(size, int(found[2]) + 1 if found[2] else size)

    def _send_file(self, path: str, body: bytes, sha256: str, known: dict[str, str]) -> None:
        start, end = self._range(len(body))
        fault = self.hub.next_fault(self.source, path, "bytes", start)
        if isinstance(fault, faults.Refuse):
            self._fail(fault)
            return
        partial = "Range" in self.headers and not isinstance(fault, faults.Whole)
        if not partial:
            start, end = 0, len(body)
        elif start >= len(body):
            self._answer(416, {"Content-Range": f"bytes */{len(body)}", "Content-Length": "0"})
            return
        if isinstance(fault, faults.Corrupt):
            changed = bytearray(body)
            for place in fault.places:
                changed[place] ^= 0xFF
            body = bytes(changed)
        if isinstance(fault, faults.WrongRange):
            start, end = start + fault.shift, min(len(body), end + fault.shift)
        elif isinstance(fault, faults.Short):
            end = max(start, end - fault.fewer)
        headers = {**known, "ETag": f'"{sha256}"', "Accept-Ranges": "bytes", "Content-Length": str(end - start)}
        if partial:
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(body)}"
        self._answer(206 if partial else 200, headers)
        if self.command != "HEAD":
            self._send_body(path, memoryview(body)[start:end], fault)

    def _send_body(self, path: str, body: memoryview, fault: Fault | None) -> None:
        cut = len(body)
        if isinstance(fault, faults.Drop | faults.Stall):
            cut = min(cut, fault.after)
        for piece in self.hub.pieces(self.source, path, body[:cut]):
            self.wfile.write(piece)
        if isinstance(fault, faults.Stall):
            deadline = time.monotonic() + fault.seconds
            while time.monotonic() < deadline and self.connection.fileno() >= 0:
                time.sleep(0.05)
        if isinstance(fault, faults.Drop | faults.Stall):
            self.close_connection = True

    # Answers -----------------------------------------------------------------------------------------------------

    def _asked(self, name: str) -> str:
        return self.query.get(name, [""])[-1]

    def _fail(self, fault: faults.Refuse) -> None:
        headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
        self._refuse(fault.status, fault.code, headers=headers)

    def _refuse(self, status: int, code: str = "", message: str = "", headers: dict[str, str] | None = None) -> None:
        extra = {**(headers or {}), "Content-Length": "0"}
        if code:
            extra["X-Error-Code"] = code
        if message:
            extra["X-Error-Message"] = message
        self._answer(status, extra)

    def _json(self, value: Any, headers: dict[str, str] | None = None, status: int = 200) -> None:
        body = json.dumps(value).encode()
        self._answer(
            status, {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})}, body
        )

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        with contextlib.suppress(ConnectionError):
            self.end_headers()
            if body and self.command != "HEAD":
                self.wfile.write(body)
