"""Where the files of a model can be had: Hugging Face or its mirror, and ModelScope; asking one of them for bytes; and
finding those that have it. Candidates are all asked at once, and again while they do not answer: a download begins with
the first that is good, later ones join it.

Candidates are the same owner/name at each hub. Bytes of two are mixed only when both say the same size and SHA-256.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from msgspec import Struct

from qwen_desktop.core.errors import AppError
from qwen_desktop.core.gguf import refusals
from qwen_desktop.core.models import DownloadRequest, RemoteFile
from qwen_desktop.hub import api, failures
from qwen_desktop.hub.access import HUGGING_FACE, Access
from qwen_desktop.hub.client import origin_of, sentences
from qwen_desktop.hub.download.journal import Identity

if TYPE_CHECKING:
    import httpx2

_MOST_HOPS = 10
#: Once one source is there the others get so many seconds more before the choice is made without them.
OTHERS_S = 1.0
#: The preferred one gets so long when only a less preferred one has answered, and it says something else.
PREFERRED_S = 4.0
_LONGEST_REST_S = 20.0
#: A hub that answers but only with trouble is given up after so many tries.
_TRIES = 5


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
        return api.file_url(self.kind, self.repo, path, self.commit, access=self.access)


class Candidate(Struct, frozen=True):
    """A hub that may have the model; ``look`` asks it (blocking) and raises ``AppError``."""

    name: str
    look: Callable[[], Source]


def candidates(request: DownloadRequest, access: Access, commit: str = "") -> list[Candidate]:
    """The hubs to ask, preferred first. ``request.source`` names one of them, else all are that ``access`` allows.

    ``commit`` is what an unfinished download began with: the same version is asked for as long as it exists.
    """
    paths = [file.path for file in (*request.files, *request.mmproj)]
    hub_name = "Hugging Face" if access.endpoint == HUGGING_FACE else failures.host_of(access.endpoint)
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
    address holds (a signed one ends after an hour or so), and asks the hub again when it does not. ``url`` is for a
    file that lies elsewhere. A size of 0 is not known yet."""

    def __init__(self, source: Source, path: str, url: str = "") -> None:
        self.source = source
        self.path = path
        self.file = source.files[path]
        self._url = url or source.url(path)
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
        get = partial(self._get, http, f"bytes={start}-{end - 1}", extensions)
        direct = self._direct
        answer = get(direct) if direct else None
        if answer is not None and answer.status_code not in (200, 206, 416):
            answer.close()
            if answer.status_code not in (400, 401, 403, 404, 410) and not answer.has_redirect_location:
                raise failures.busy(answer.url.host, answer.status_code, api.retry_after(answer))
            with self._lock:  # it has expired; whoever sees it first forgets it
                if self._direct == direct:
                    self._direct = ""
            answer = None
        if answer is None:
            answer = self._resolve(get)
        try:
            check_range(answer, start, self.file.size_bytes, self.path)
        except AppError:
            answer.close()
            raise
        return answer

    def _resolve(self, get: Callable[[str], httpx2.Response]) -> httpx2.Response:
        url, seen = self._url, set[str]()
        for _ in range(_MOST_HOPS):
            seen.add(url)
            answer = get(url)
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
                lost = answer.headers.get("X-Error-Code") == "RevisionNotFound"
                if lost and self.source.commit:  # it was there when the download began
                    raise failures.changed(self.path)
                api.raise_for(answer, self.source.repo, self.source.access, path=self.path, revision=self.source.commit)
            # A fresh address that is refused: a proxy on the way, a clock that is wrong, or the store's own trouble.
            raise failures.busy(answer.url.host, answer.status_code, api.retry_after(answer))
        if origin_of(url) != self._hub:
            self._direct = url
        return answer

    def _get(self, http: httpx2.Client, span: str, extensions: dict[str, Any] | None, url: str) -> httpx2.Response:
        headers = {"Range": span, "Accept-Encoding": "identity"}
        try:
            with sentences(failures.host_of(url)):
                request = http.build_request("GET", url, headers=headers, extensions=extensions)
                return http.send(request, stream=True, follow_redirects=False)
        except ValueError as error:
            raise failures.strange(self.host, details=type(error).__name__) from error

    def _same_file(self, answer: httpx2.Response) -> None:
        """What the hub says beside a redirect: hash and size of the file as it is now."""
        tag = answer.headers.get("X-Linked-ETag", "")
        if not tag and answer.status_code in (200, 206) and origin_of(str(answer.url)) == self._hub:
            tag = answer.headers.get("ETag", "")  # a CDN's own may be the hash of something else
        tag = tag.removeprefix("W/").strip('"').lower()
        size, known = answer.headers.get("X-Linked-Size", ""), self.file.size_bytes
        wrong_hash = self.file.sha256 and api.SHA256.match(tag) and tag != self.file.sha256
        if wrong_hash or (known and size.isdigit() and int(size) != known):
            answer.close()
            raise failures.changed(self.path)


def check_range(answer: httpx2.Response, start: int, size: int, path: str) -> None:
    """Raise unless the body is what was asked for: from ``start`` (206), or all of it (200). ``size`` is 0 before the
    first answer."""
    host, status = answer.url.host, answer.status_code
    unit, _, said = answer.headers.get("Content-Range", "").partition(" ")
    span, _, total = said.partition("/")
    if status == 206:
        first, _, last = span.partition("-")
        if unit.lower() != "bytes" or not first.isdigit() or not last.isdigit() or int(first) != start:
            raise failures.strange(host, details="Content-Range")
    elif status != 416:
        total = answer.headers.get("Content-Length", "")
        if status != 200 or answer.headers.get("Content-Type", "").startswith("text/html"):
            raise failures.strange(host, details=f"HTTP {status}")
    if size and total.isdigit() and int(total) != size:
        raise failures.changed(path)
    if status == 416:
        raise failures.busy(host, status) if size else refusals.empty(PurePosixPath(path).name)


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


class Seeker:
    """Asks the candidates in threads until each has answered for good."""

    def __init__(self, found: list[Candidate]) -> None:
        self._candidates = found
        self._answers: dict[int, Source | AppError] = {}
        self._trouble: dict[int, AppError] = {}
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._news = threading.Event()
        self._taken: list[Source] = []
        for number, candidate in enumerate(found):
            threading.Thread(target=self._ask, args=(number, candidate), name=f"seek-{number}", daemon=True).start()

    def _ask(self, number: int, candidate: Candidate) -> None:
        rest = 0.5
        tries = 0
        while not self._stopped.is_set():
            try:
                answer: Source | AppError = candidate.look()
            except AppError as error:
                answer = error
                tries += not isinstance(error, failures.Unreachable)
            except Exception as error:  # a mistake of ours must not look like a network that is away
                answer = failures.strange(candidate.name, details=type(error).__name__)
                tries = _TRIES
            if isinstance(answer, Source) or not failures.worth_trying(answer) or tries >= _TRIES:
                with self._lock:
                    self._answers[number] = answer
                self._news.set()
                return
            with self._lock:
                self._trouble[number] = answer
            self._news.set()
            asked = answer.retry_after if isinstance(answer, failures.Busy) else 0.0
            self._stopped.wait(max(rest * random.uniform(0.8, 1.2), min(asked, 120.0)))  # noqa: S311 - spreads retries
            rest = min(_LONGEST_REST_S, rest * 2)

    def stop(self) -> None:
        """Ask no more."""
        self._stopped.set()

    def sources(self) -> list[Source]:
        """Those that are there so far, preferred first."""
        with self._lock:
            return [answer for _, answer in sorted(self._answers.items()) if isinstance(answer, Source)]

    def late(self) -> list[Source]:
        """Those that have come since the last call."""
        new = [source for source in self.sources() if source not in self._taken]
        self._taken += new
        return new

    @property
    def error(self) -> AppError | None:
        """Why there is no source: the helpful one of the final failures, else of the passing ones."""
        with self._lock:
            final = [a for a in self._answers.values() if isinstance(a, AppError)]
            passing = list(self._trouble.values())
        if len(final) == len(self._candidates):
            return failures.best_error(final)
        return failures.best_error(passing) if passing else None

    def wait(self, request: DownloadRequest, known: dict[str, Identity], tick: Callable[[], None]) -> list[Source]:
        """The sources to begin with: one at least, all of one mind. ``tick`` is called while it waits.

        ``known`` are the files that were begun before. Raises ``AppError`` when no candidate has the model.
        """
        first_at = 0.0
        while True:
            self._news.wait(0.1)
            self._news.clear()
            there = self.sources()
            now = time.monotonic()
            all_answered = len(self._answers) == len(self._candidates)
            if there:
                first_at = first_at or now
                good = next((s for s in there if _fits(s, request, known)), None)
                if good is not None:
                    enough = now - first_at >= OTHERS_S
                else:  # what was begun is thrown away only when everybody has said that it is no more
                    heard = 0 in self._answers or 0 in self._trouble  # of the preferred one
                    enough = not known and heard and now - first_at >= PREFERRED_S
                if all_answered or enough:
                    chosen = good or there[0]
                    self._taken = there
                    return [chosen, *(s for s in there if s is not chosen and agree(chosen, s))]
            elif all_answered and (error := self.error) is not None:
                raise error
            tick()


def _fits(source: Source, request: DownloadRequest, known: dict[str, Identity]) -> bool:
    """Whether the source has what was begun, or else what the catalogue promised."""
    if known:
        return all(known[path].same_bytes(identity(source, path)) for path in known if path in source.files)
    wanted = any(f.sha256 for f in (*request.files, *request.mmproj))
    return matches(source, request) if wanted else source.kind == "huggingface"


def identity(source: Source, path: str) -> Identity:
    """What the source says that the file is."""
    file = source.files[path]
    return Identity(source.repo, path, file.size_bytes, file.sha256, source.commit)
