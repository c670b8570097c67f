"""Where the files of a model can be had: Hugging Face or its mirror, and ModelScope; and asking one of them for bytes.

Candidates are the same owner/name at each hub. Bytes of two are mixed only when both say the same size and SHA-256.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import msgspec
from msgspec import Struct

from qwen_desktop.core.errors import AppError
from qwen_desktop.core.models import DownloadRequest, RemoteFile
from qwen_desktop.hub import api, failures
from qwen_desktop.hub.access import Access
from qwen_desktop.hub.client import origin_of, why_no_connection

if TYPE_CHECKING:
    import httpx2

_MOST_HOPS = 10


class Source(Struct, frozen=True):
    """One hub that has the model. ``name`` is for people; ``files`` what it says of each wanted path."""

    kind: str
    name: str
    repo: str
    commit: str
    files: Mapping[str, RemoteFile]
    access: Access

    def url(self, path: str) -> str:
        """The hub's own address of a file."""
        if self.kind == "modelscope":
            return api.modelscope_url(self.repo, path, access=self.access)
        return api.huggingface_url(self.repo, path, self.commit, access=self.access)


class Candidate(Struct, frozen=True):
    """A hub that may have the model; ``look`` asks it (blocking) and raises ``AppError``."""

    name: str
    look: Callable[[], Source]


def candidates(request: DownloadRequest, access: Access, commit: str = "") -> list[Candidate]:
    """The hubs to ask, preferred first. ``request.source`` names one of them, else all are that ``access`` allows.

    ``commit`` is what an unfinished download began with: the same version is asked for as long as it exists.
    """
    paths = [file.path for file in (*request.files, *request.mmproj)]
    hub_name = failures.host_of(access.endpoint) if access.is_mirror else "Hugging Face"
    found = []
    asked = access.hubs if request.source in ("", "auto") else (request.source,)
    if "huggingface" in asked:
        found.append(Candidate(hub_name, lambda: _huggingface(request, paths, access, hub_name, commit)))
    if "modelscope" in asked:
        found.append(Candidate("ModelScope", lambda: _modelscope(request, paths, access)))
    return found


def _huggingface(request: DownloadRequest, paths: list[str], access: Access, name: str, commit: str) -> Source:
    try:
        info = api.repo_info(request.repo, commit or request.revision, access=access)
    except AppError as error:
        if not commit or error.problem.what.code != "hub.revision":
            raise
        info = api.repo_info(request.repo, request.revision, access=access)
    files = _chosen(request.repo, paths, info.files, failures.host_of(access.endpoint))
    return Source("huggingface", name, request.repo, info.commit or request.revision, files, access)


def _modelscope(request: DownloadRequest, paths: list[str], access: Access) -> Source:
    repo = request.modelscope or request.repo
    found = api.modelscope_files(repo, access=access)
    return Source(
        "modelscope", "ModelScope", repo, "", _chosen(repo, paths, found, failures.host_of(access.modelscope)), access
    )


def _chosen(repo: str, paths: list[str], files: Iterable[RemoteFile], host: str) -> dict[str, RemoteFile]:
    known = {file.path: file for file in files}
    for path in paths:
        if path not in known:
            raise failures.no_file(repo, path, host)
        if known[path].size_bytes <= 0:
            raise failures.strange(host, details="size")
    return {path: known[path] for path in paths}


class Link:
    """One file at one source, asked for by several threads: remembers where the hub redirects to as long as that
    address holds (a signed one ends after an hour or so), and asks the hub again when it does not."""

    def __init__(self, source: Source, path: str) -> None:
        self.source = source
        self.path = path
        self.file = source.files[path]
        self._url = source.url(path)
        self.host = failures.host_of(self._url)
        self._hub = origin_of(self._url)
        self._direct = ""
        self._lock = threading.Lock()

    def open(
        self, http: httpx2.Client, start: int, end: int, extensions: dict[str, Any] | None = None
    ) -> httpx2.Response:
        """The answer (206, or 200 where ranges are not served) for bytes ``start`` up to before ``end``; to be closed.

        Raises ``AppError``: ``failures.Busy`` and ``Unreachable`` are worth another try, ``Changed`` says that the file
        is another one by now, the rest is final for this source.
        """
        direct = self._direct
        if direct:
            answer = self._get(http, direct, start, end, extensions)
            if answer.status_code in (200, 206, 416):
                return self._checked(answer, start)
            answer.close()
            if answer.status_code not in (400, 401, 403, 404, 410) and not answer.has_redirect_location:
                raise failures.busy(answer.url.host, answer.status_code, api.retry_after(answer))
            with self._lock:  # it has expired; whoever sees it first forgets it
                if self._direct == direct:
                    self._direct = ""
        return self._resolve(http, start, end, extensions)

    def _resolve(self, http: httpx2.Client, start: int, end: int, extensions: dict[str, Any] | None) -> httpx2.Response:
        url, seen = self._url, set[str]()
        for _ in range(_MOST_HOPS):
            seen.add(url)
            answer = self._get(http, url, start, end, extensions)
            self._same_file(answer)
            if not answer.has_redirect_location:
                break
            answer.close()
            url = urljoin(url, answer.headers.get("Location", ""))
            if url in seen:
                raise failures.circle(answer.url.host)
        else:
            raise failures.circle(self.host)
        if answer.status_code >= 400 and answer.status_code != 416:
            answer.close()
            if origin_of(url) == self._hub:
                if answer.headers.get("X-Error-Code") == "RevisionNotFound":  # it was there when the download began
                    raise failures.changed(self.path)
                api.raise_for(answer, self.source.repo, self.source.access, path=self.path, revision=self.source.commit)
            # A fresh address that is refused: a proxy on the way, a clock that is wrong, or the store's own trouble.
            raise failures.busy(answer.url.host, answer.status_code, api.retry_after(answer))
        if origin_of(url) != self._hub:
            self._direct = url
        return self._checked(answer, start)

    def _get(
        self, http: httpx2.Client, url: str, start: int, end: int, extensions: dict[str, Any] | None
    ) -> httpx2.Response:
        import httpx2  # noqa: PLC0415

        headers = {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
        try:
            request = http.build_request("GET", url, headers=headers)
            if extensions:
                request.extensions = {**request.extensions, **extensions}
            return http.send(request, stream=True, follow_redirects=False)
        except httpx2.TransportError as error:
            raise why_no_connection(error, failures.host_of(url)) from error
        except (httpx2.InvalidURL, ValueError) as error:
            raise failures.strange(self.host, details=type(error).__name__) from error

    def _same_file(self, answer: httpx2.Response) -> None:
        """What the hub says beside a redirect: hash and size of the file as it is now."""
        tag = answer.headers.get("X-Linked-ETag", "")
        if not tag and answer.status_code in (200, 206) and origin_of(str(answer.url)) == self._hub:
            tag = answer.headers.get("ETag", "")  # a CDN's own may be the hash of something else
        tag = tag.removeprefix("W/").strip('"').lower()
        size = answer.headers.get("X-Linked-Size", "")
        wrong_hash = self.file.sha256 and api.SHA256.match(tag) and tag != self.file.sha256
        if wrong_hash or (size.isdigit() and int(size) != self.file.size_bytes):
            answer.close()
            raise failures.changed(self.path)

    def _checked(self, answer: httpx2.Response, start: int) -> httpx2.Response:
        try:
            check_range(answer, start, self.file.size_bytes, self.path)
        except AppError:
            answer.close()
            raise
        return answer


def check_range(answer: httpx2.Response, start: int, size: int, path: str) -> None:
    """Raise unless the body is what was asked for: from ``start`` (206), or all of it (200)."""
    host = answer.url.host
    if answer.status_code == 206:
        unit, _, rest = answer.headers.get("Content-Range", "").partition(" ")
        span, _, total = rest.partition("/")
        first, _, last = span.partition("-")
        if unit.lower() != "bytes" or not first.isdigit() or not last.isdigit() or int(first) != start:
            raise failures.strange(host, details="Content-Range")
        if total.isdigit() and int(total) != size:
            raise failures.changed(path)
        return
    if answer.status_code == 416:
        total = answer.headers.get("Content-Range", "").rpartition("/")[2]
        if total.isdigit() and int(total) != size:
            raise failures.changed(path)
        raise failures.busy(host, 416)
    length = answer.headers.get("Content-Length", "")
    if answer.status_code != 200 or answer.headers.get("Content-Type", "").startswith("text/html"):
        raise failures.strange(host, details=f"HTTP {answer.status_code}")
    if length.isdigit() and int(length) != size:
        raise failures.changed(path)


def agree(first: Source, second: Source) -> bool:
    """Whether both speak of the same bytes: every file has the same size and the same, known SHA-256."""
    return all(
        file.sha256 and file.sha256 == second.files[path].sha256 and file.size_bytes == second.files[path].size_bytes
        for path, file in first.files.items()
    )


def matches(source: Source, request: DownloadRequest) -> bool:
    """Whether the source has what the catalogue promised, as far as that was said."""
    for wanted in (*request.files, *request.mmproj):
        found = source.files[wanted.path]
        if wanted.size_bytes and wanted.size_bytes != found.size_bytes:
            return False
        if wanted.sha256 and found.sha256 and wanted.sha256.lower() != found.sha256:
            return False
    return True


def plain(request: Mapping[str, Any]) -> DownloadRequest:
    """A request that arrived as data. Raises ``msgspec.ValidationError``."""
    return msgspec.convert(request, DownloadRequest)
