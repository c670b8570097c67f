"""What the hubs know of models: files with sizes and hashes, search, whose token this is.

Hugging Face and its mirrors are asked through huggingface_hub, ModelScope by plain HTTP. Everything blocks and belongs
into the job worker. Whatever fails is an ``AppError`` from ``failures``; nothing a hub sends is trusted to have the
right form, and paths are not checked here (``names.safe_path`` does, where they become files).
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from msgspec import Struct

from qwen_desktop import __version__
from qwen_desktop.core.models import RemoteFile
from qwen_desktop.core.text import clean
from qwen_desktop.hub import failures
from qwen_desktop.hub.access import DEFAULT, Access
from qwen_desktop.hub.client import client, why_no_connection

if TYPE_CHECKING:
    import httpx2
    from huggingface_hub import HfApi

SHA256 = re.compile(r"^[0-9a-f]{64}$")
#: Nobody waits longer for one answer, in seconds.
PATIENCE_S = 20.0
#: ModelScope lists no more files than this, without a word.
MODELSCOPE_MOST = 3000
_LARGEST = 1 << 50


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
    downloads: int = 0
    gguf: dict[str, Any] = {}


class FoundRepo(Struct, frozen=True):
    """One line of a search."""

    repo: str
    tags: tuple[str, ...] = ()
    gated: bool = False
    downloads: int = 0
    updated: str = ""


def repo_info(repo: str, revision: str = "main", *, access: Access = DEFAULT) -> RepoInfo:
    """All that Hugging Face (or the mirror) says of ``repo``, files with sizes and SHA-256."""
    with _hub(access, repo, revision) as hub:
        info = hub.model_info(repo, revision=revision or None, files_metadata=True, timeout=PATIENCE_S, token=False)
        card: Any = info.card_data or {}
        tags = tuple(t for t in info.tags or () if isinstance(t, str))
        return RepoInfo(
            repo=_text(info.id) or repo,
            commit=_text(info.sha),
            files=tuple(_sibling(s) for s in info.siblings or () if _text(s.rfilename)),
            gated=bool(info.gated),
            licence=_text(card.get("license_name")) or _text(card.get("license")) or _tag(tags, "license:"),
            licence_url=_text(card.get("license_link")),
            tags=tags,
            base_repo=_first(card.get("base_model")) or _tag(tags, "base_model:"),
            updated=info.last_modified.isoformat() if info.last_modified else "",
            downloads=info.downloads or 0,
            gguf=info.gguf if isinstance(info.gguf, dict) else {},
        )


def repo_files(repo: str, revision: str = "main", *, access: Access = DEFAULT) -> list[RemoteFile]:
    """The files of ``repo``."""
    return list(repo_info(repo, revision, access=access).files)


def search_models(*, author: str = "", search: str = "", limit: int = 500, access: Access = DEFAULT) -> list[FoundRepo]:
    """Repositories with GGUF files, of one author or by words, most downloaded first."""
    with _hub(access, author or search) as hub:
        found = hub.list_models(
            author=author or None, search=search or None, filter="gguf", sort="downloads", token=False
        )
        return [
            FoundRepo(
                repo=info.id,
                tags=tuple(t for t in info.tags or () if isinstance(t, str)),
                gated=bool(info.gated),
                downloads=info.downloads or 0,
                updated=info.last_modified.isoformat() if info.last_modified else "",
            )
            for info in islice(found, limit)
        ]


def whoami(*, access: Access) -> str:
    """The name of the account whose token this is. Raises ``UserFacing`` for a token that is not accepted."""
    with _hub(access) as hub:
        # The header is put in by the client; the library only has to be told that there is one.
        return _text(hub.whoami(token=access.token or False).get("name"))


def modelscope_files(repo: str, revision: str = "", *, access: Access = DEFAULT) -> list[RemoteFile]:
    """The files of ``repo`` at ModelScope."""
    url = f"{access.modelscope}/api/v1/models/{quote(repo)}/repo/files"
    host = failures.host_of(access.modelscope)
    import httpx2  # noqa: PLC0415

    with client(access, read_s=PATIENCE_S) as http:
        try:
            answer = http.get(url, params={"Revision": revision or "master", "Recursive": "True"})
        except httpx2.TooManyRedirects as error:
            raise failures.circle(host) from error
        except httpx2.TransportError as error:
            raise why_no_connection(error, host) from error
    raise_for(answer, repo, access)
    try:
        files = answer.json()["Data"]["Files"]
        found = [
            RemoteFile(_text(f["Path"]), _size(f.get("Size")), _hash(f.get("Sha256")))
            for f in files[:MODELSCOPE_MOST]
            if f.get("Type") != "tree" and _text(f["Path"])
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise failures.strange(host, type(error).__name__) from error
    return found


def modelscope_url(repo: str, path: str, revision: str = "", *, access: Access = DEFAULT) -> str:
    """Where ModelScope gives the bytes of a file."""
    base = f"{access.modelscope}/api/v1/models/{quote(repo)}/repo"
    return f"{base}?Revision={quote(revision or 'master', safe='')}&FilePath={quote(path, safe='')}"


def huggingface_url(repo: str, path: str, revision: str, *, access: Access = DEFAULT) -> str:
    """Where Hugging Face or the mirror gives the bytes of a file."""
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
    if status == 401:
        raise failures.token_refused(host) if access.token else failures.no_repository(repo, host)
    if status == 403:
        raise failures.forbidden(host)
    if status in (408, 425, 429) or status >= 500:
        raise failures.busy(host, status, retry_after(answer))
    raise failures.strange(host, f"HTTP {status}")


def retry_after(answer: httpx2.Response) -> float:
    """Seconds the server asks to wait, 0 when it does not say: ``Retry-After`` as seconds or as a date."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isdigit():
        return min(float(text), 86_400.0)
    if text:
        import email.utils  # noqa: PLC0415 - rare
        import time  # noqa: PLC0415

        try:
            return max(0.0, min(email.utils.parsedate_to_datetime(text).timestamp() - time.time(), 86_400.0))
        except (ValueError, TypeError, OverflowError):
            pass
    return 0.0


# huggingface_hub -----------------------------------------------------------------------------------------------------

_lock = threading.Lock()
_in_use: Access | None = None


@contextmanager
def _hub(access: Access, repo: str = "", revision: str = "") -> Iterator[HfApi]:
    """The library's API for ``access``, with its exceptions turned into ours."""
    import httpx2  # noqa: PLC0415
    from huggingface_hub import HfApi, errors, set_client_factory  # noqa: PLC0415 - 0.4 s

    global _in_use  # noqa: PLW0603 - the library keeps one client for the whole process; so this is its state, not ours
    with _lock:
        if _in_use != access:
            set_client_factory(functools.partial(_library_client, access))
            _in_use = access
    host = failures.host_of(access.endpoint)
    try:
        yield HfApi(endpoint=access.endpoint, token=False, library_name="qwen-desktop", library_version=__version__)
    except errors.GatedRepoError as error:  # first: it is a kind of the next
        raise failures.gated(repo, access.endpoint, has_token=bool(access.token)) from error
    except errors.RepositoryNotFoundError as error:
        raise failures.no_repository(repo, host) from error
    except errors.RevisionNotFoundError as error:
        raise failures.no_revision(repo, revision, host) from error
    except errors.HfHubHTTPError as error:
        raise_for(error.response, repo, access, revision=revision)
        raise failures.strange(host, type(error).__name__) from error
    except errors.HFValidationError as error:
        raise failures.no_repository(repo, host) from error
    except httpx2.TooManyRedirects as error:
        raise failures.circle(host) from error
    except (httpx2.HTTPError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise failures.strange(host, type(error).__name__) from error


def _library_client(access: Access) -> httpx2.Client:
    import httpx2  # noqa: PLC0415

    made = client(access, read_s=PATIENCE_S)
    send: Callable[..., httpx2.Response] = made.send

    def send_once(request: httpx2.Request, **options: Any) -> httpx2.Response:
        # The library repeats what fails for 23 s before it says so. As errors of ours they go through at once.
        host = request.url.host
        try:
            answer = send(request, **options)
        except httpx2.TransportError as error:
            raise why_no_connection(error, host) from error
        if answer.status_code == 429 or answer.status_code >= 500:
            raise failures.busy(host, answer.status_code, retry_after(answer))
        return answer

    made.send = send_once  # type: ignore[method-assign]
    return made


# Reading what was sent -----------------------------------------------------------------------------------------------


def _sibling(sibling: Any) -> RemoteFile:
    lfs = sibling.lfs
    sha256 = _hash(getattr(lfs, "sha256", "")) if lfs else ""
    return RemoteFile(_text(sibling.rfilename), _size(sibling.size or (lfs and lfs.size)), sha256)


def _text(value: Any) -> str:
    return clean(value)[:2000] if isinstance(value, str) else ""


def _first(value: Any) -> str:
    return _text(value[0] if isinstance(value, list) and value else value)


def _size(value: Any) -> int:
    return value if isinstance(value, int) and 0 <= value < _LARGEST else 0


def _hash(value: Any) -> str:
    text = value.lower() if isinstance(value, str) else ""
    return text if SHA256.match(text) else ""


def _tag(tags: tuple[str, ...], prefix: str) -> str:
    return next((t.removeprefix(prefix) for t in tags if t.startswith(prefix) and t.count(":") == 1), "")
