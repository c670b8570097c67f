"""What the hubs know of models: files with sizes and hashes, search, whose token this is.

Plain requests, and no others: the hub's own library fetches and sends more than it is asked to (what runs it, for one)
and writes below the home folder. Everything blocks and belongs into the job worker. Whatever fails is an ``AppError``
from ``failures``; nothing a hub sends is trusted to have the right form or an end, and paths are not checked here
(``names.safe_path`` does, where they become files).
"""

from __future__ import annotations

import re
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import msgspec
from msgspec import Struct

from qwen_desktop.core.models import RemoteFile
from qwen_desktop.core.text import clean
from qwen_desktop.hub import failures
from qwen_desktop.hub.access import DEFAULT, Access
from qwen_desktop.hub.client import client, sentences
from qwen_desktop.hub.names import is_repo

if TYPE_CHECKING:
    import httpx2

SHA256 = re.compile(r"^[0-9a-f]{64}$")
#: Nobody waits longer for one answer, in seconds.
PATIENCE_S = 20.0
#: ModelScope lists no more files than this, without a word.
MODELSCOPE_MOST = 3000
_LARGEST = 1 << 50
#: A list of a thousand repositories, or of three thousand files, has some megabytes.
_LONGEST = 64 << 20
_MOST_PAGES = 100


class RepoInfo(Struct, frozen=True):
    """A repository at one commit. ``licence`` is the hub's short name; ``updated`` an ISO date; ``gguf`` what the hub
    read from the header of one of its files (architecture, total, context_length), where it did."""

    repo: str
    commit: str
    files: tuple[RemoteFile, ...]
    gated: bool = False
    licence: str = ""
    licence_url: str = ""
    tags: tuple[str, ...] = ()
    base_repo: str = ""
    updated: str = ""
    gguf: dict[str, Any] = {}


class FoundRepo(Struct, frozen=True):
    """One line of a search."""

    repo: str
    tags: tuple[str, ...] = ()


def repo_info(
    repo: str, revision: str = "main", *, access: Access = DEFAULT, http: httpx2.Client | None = None
) -> RepoInfo:
    """All that Hugging Face (or the mirror) says of ``repo``, files with sizes and SHA-256.

    ``http`` is a client of ``access`` for many questions, also from several threads.
    """
    if not is_repo(repo):
        raise failures.no_repository(repo, failures.host_of(access.endpoint))
    url = f"{access.endpoint}/api/models/{repo}"
    if revision:
        url += f"/revision/{quote(revision, safe='')}"
    said = _said(url, [("blobs", "true")], dict, access, http, repo=repo, revision=revision)[0]
    card = _dict(said.get("cardData"))
    tags = _texts(said.get("tags"))
    return RepoInfo(
        repo=_text(said.get("id")) or repo,
        commit=_text(said.get("sha")),
        files=tuple(_sibling(s) for s in _dicts(said.get("siblings")) if _text(s.get("rfilename"))),
        gated=bool(said.get("gated")),
        licence=_text(card.get("license_name")) or _text(card.get("license")) or _tag(tags, "license:"),
        licence_url=_text(card.get("license_link")),
        tags=tags,
        base_repo=_first(card.get("base_model")) or _tag(tags, "base_model:"),
        updated=_text(said.get("lastModified")),
        gguf=_dict(said.get("gguf")),
    )


def search_models(
    *, author: str = "", search: str = "", limit: int = 500, access: Access = DEFAULT, http: httpx2.Client | None = None
) -> list[FoundRepo]:
    """Repositories with GGUF files, of one author or by words, most downloaded first."""
    wanted = {"author": author, "search": search, "filter": "gguf", "sort": "downloads", "limit": str(limit)}
    query = [(name, value) for name, value in wanted.items() if value]
    found: list[FoundRepo] = []
    for _ in range(_MOST_PAGES):
        said, answer = _said(f"{access.endpoint}/api/models", query, list, access, http, repo=author or search)
        lines = _dicts(said)
        found += [FoundRepo(_text(line.get("id")), _texts(line.get("tags"))) for line in lines]
        # Only the query of the next page is taken: a mirror may pass on the address of the hub behind it.
        following = parse_qsl(urlsplit(answer.links.get("next", {}).get("url", "")).query)
        if len(found) >= limit or not lines or not following or following == query:
            break
        query = following
    return found[:limit]


def modelscope_files(repo: str, *, access: Access = DEFAULT, http: httpx2.Client | None = None) -> list[RemoteFile]:
    """The files of ``repo`` at ModelScope."""
    url = f"{access.modelscope}/api/v1/models/{quote(repo)}/repo/files"
    said = _said(url, [("Revision", "master"), ("Recursive", "True")], dict, access, http, repo=repo)[0]
    files = _dict(said.get("Data")).get("Files")
    if not isinstance(files, list):
        raise failures.strange(failures.host_of(access.modelscope), details="Files")
    return [
        RemoteFile(_text(f.get("Path")), _size(f.get("Size")), _hash(f.get("Sha256")))
        for f in _dicts(files[:MODELSCOPE_MOST])
        if f.get("Type") != "tree" and _text(f.get("Path"))
    ]


def file_url(hub: str, repo: str, path: str, revision: str = "", *, access: Access = DEFAULT) -> str:
    """Where ``hub`` (one of ``access.HUBS``) gives the bytes of a file; of ModelScope it is always the newest."""
    if hub == "modelscope":
        return f"{access.modelscope}/api/v1/models/{quote(repo)}/repo?Revision=master&FilePath={quote(path, safe='')}"
    return f"{access.endpoint}/{quote(repo)}/resolve/{quote(revision or 'main', safe='')}/{quote(path)}"


def raise_for(answer: httpx2.Response, repo: str, access: Access, *, path: str = "", revision: str = "") -> None:
    """Raise the sentence for an answer of a hub (not of its CDN) that is none; ``failures.Busy`` for 429 and 5xx."""
    status, code = answer.status_code, answer.headers.get("X-Error-Code", "")
    if status < 400:
        return
    host = answer.url.host
    if code == "GatedRepo":
        raise failures.gated(repo, access.endpoint, has_token=bool(access.token))
    if code == "RevisionNotFound":
        raise failures.no_revision(repo, revision, host)
    if code == "EntryNotFound" or (status in (404, 410) and path and code != "RepoNotFound"):
        raise failures.no_file(repo, path, host)
    if code == "RepoNotFound" or status in (404, 410):
        raise failures.no_repository(repo, host)
    if status == 407:
        raise failures.proxy_login()
    if status == 401:
        raise failures.token_refused(host) if access.token else failures.no_repository(repo, host)
    if status == 403:
        raise failures.forbidden(host)
    if status in (408, 425, 429) or status >= 500:
        raise failures.busy(host, status, retry_after(answer))
    raise failures.strange(host, details=f"HTTP {status}")


def retry_after(answer: httpx2.Response) -> float:
    """Seconds the server asks to wait, 0 when it does not say: ``Retry-After`` as seconds or as a date."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isdigit():
        return min(float(text), 86_400.0)
    if text:
        import email.utils  # noqa: PLC0415 - rare

        try:
            return max(0.0, min(email.utils.parsedate_to_datetime(text).timestamp() - time.time(), 86_400.0))
        except (ValueError, TypeError, OverflowError):
            pass
    return 0.0


# Asking --------------------------------------------------------------------------------------------------------------

_T = TypeVar("_T", dict[str, Any], list[Any])


def _said(
    url: str,
    query: list[tuple[str, str]],
    form: type[_T],
    access: Access,
    http: httpx2.Client | None,
    *,
    repo: str,
    revision: str = "",
) -> tuple[_T, httpx2.Response]:
    """What a hub answers: an object or a list, as ``form`` says. Raises ``AppError``, whatever fails."""
    host = failures.host_of(url)
    body = bytearray()
    using = client(access, read_s=PATIENCE_S) if http is None else nullcontext(http)
    try:
        with using as asked, sentences(host), asked.stream("GET", url, params=urlencode(query)) as answer:
            host = answer.url.host
            raise_for(answer, repo, access, revision=revision)
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > _LONGEST:
                    raise failures.strange(host, details="endless")
        said = msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:
        raise failures.strange(host, details=type(error).__name__) from error
    if not isinstance(said, form):
        raise failures.strange(host, details=f"no {form.__name__}")
    return said, answer


# Reading what was sent -----------------------------------------------------------------------------------------------


def _sibling(sibling: dict[str, Any]) -> RemoteFile:
    lfs = _dict(sibling.get("lfs"))
    size = _size(sibling.get("size")) or _size(lfs.get("size"))
    return RemoteFile(_text(sibling.get("rfilename")), size, _hash(lfs.get("sha256")))


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_text(entry) for entry in value if isinstance(entry, str)) if isinstance(value, list) else ()


def _text(value: Any) -> str:
    return clean(value)[:2000] if isinstance(value, str) else ""


def _first(value: Any) -> str:
    return _text(value[0] if isinstance(value, list) and value else value)


def _size(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST else 0


def _hash(value: Any) -> str:
    text = value.lower() if isinstance(value, str) else ""
    return text if SHA256.match(text) else ""


def _tag(tags: tuple[str, ...], prefix: str) -> str:
    return next((t.removeprefix(prefix) for t in tags if t.startswith(prefix) and t.count(":") == 1), "")
