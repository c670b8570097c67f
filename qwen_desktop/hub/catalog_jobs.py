"""The catalogue's jobs: ask a hub about one repository (``hub.lookup``) or about all of them (``hub.refresh``).

They run in the job worker for transfers and block. Hugging Face (or its mirror) is asked first, ModelScope where that
cannot be reached, or first where the settings say so.
"""

from __future__ import annotations

import contextlib
import logging
import re
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import structs

from qwen_desktop.core.errors import AppError, Failure, UserFacing
from qwen_desktop.core.gguf import GgufHeader, Kind, NotChat, piece_of
from qwen_desktop.core.models import Catalog, CatalogModel, Quant
from qwen_desktop.core.quants import in_steps
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.hub import api, catalog, failures
from qwen_desktop.hub.access import Access, access_from
from qwen_desktop.hub.catalog import Overlay, RepoState
from qwen_desktop.hub.catalog_guess import guessed_model, kind_told, like, parameters_of, parameters_told, shown_name
from qwen_desktop.hub.client import client
from qwen_desktop.hub.names import Reference, find_quant, is_repo, is_usable, quants_of
from qwen_desktop.hub.remote_header import read_remote

if TYPE_CHECKING:
    import httpx2

log = logging.getLogger(__name__)

Report = Callable[[int, int], object]

#: Whose new models are looked for: the maker's own, then publishers that convert what has no official GGUF.
MAKER = "Qwen"
PUBLISHERS = ("unsloth", "ggml-org", "bartowski", "lmstudio-community")
_AT_ONCE = 6
#: A split model of more parts is not read for its shape: each costs a request.
_MOST_PARTS = 24
#: More new models than this in one refresh would be a mistake of ours.
_MOST_NEW = 40
#: What answers nothing but is a model of its own all the same, which the catalogue may list.
_MODELS = (Kind.EMBEDDING, Kind.RERANKER, Kind.PICTURES, Kind.SPEECH, Kind.DIFFUSION)
_BASE = re.compile(r"^Qwen/(?:Qwen\d|QwQ)[\w.-]*$", re.ASCII)
#: Bases that are no models to chat with, or files of another kind.
_NO_BASE = re.compile(
    r"[-_](?:Base|FP8|AWQ|GPTQ|Int[48]|MLX|bnb|Embedding|Reranker|ASR|TTS|Image|Edit|PRM)\b", re.IGNORECASE
)

_NO_GGUF = QT_TRANSLATE_NOOP("hub", "{repo} has no GGUF model in it.")
# fmt: off
_no_gguf = Failure(
    UserFacing, "hub.no_gguf", "repo", _NO_GGUF,
    QT_TRANSLATE_NOOP("hub", "Look for the same name with GGUF at its end, often from another publisher."),
)
_gguf_elsewhere = Failure(
    UserFacing, "hub.no_gguf", "repo beside", _NO_GGUF, QT_TRANSLATE_NOOP("hub", "Its GGUF files are in {beside}."),
)
_pieces = Failure(
    UserFacing, "hub.pieces", "repo file",
    QT_TRANSLATE_NOOP("hub", "The models of {repo} are cut into pieces, such as {file}."),
    QT_TRANSLATE_NOOP(
        "hub", "Fetch all pieces of one with a browser and join them in order, or look for another repository."
    ),
)
_no_quant = Failure(
    UserFacing, "hub.no_quant", "repo quant quants", QT_TRANSLATE_NOOP("hub", "{repo} has no {quant}."),
    QT_TRANSLATE_NOOP("hub", "It has {quants}."),
)
# fmt: on


# One repository ------------------------------------------------------------------------------------------------------


def lookup(reference: dict[str, Any], access: dict[str, Any], resources: str, cache: str) -> dict[str, Any]:
    """The job ``hub.lookup``: the entry for ``reference`` (a ``names.Reference``), with its quants as they are now.

    The quant that was asked for is the recommended one of the answer. Raises ``AppError``: no such repository, no
    GGUF in it, no such quant, no access, no connection.
    """
    wanted = msgspec.convert(reference, Reference)
    known = _known(Path(resources), Path(cache))
    before = catalog.read_looked_up(Path(cache))
    way = access_from(access)
    order = ("modelscope", "huggingface") if wanted.modelscope else way.hubs
    made, in_list = _look_up(wanted, way, known, before, order)
    if not in_list:
        with contextlib.suppress(OSError):  # then it is looked up again
            catalog.remember(Path(cache), made)
    found = choose(made, wanted)
    if wanted.modelscope:
        found = structs.replace(found, hub="modelscope", modelscope=found.modelscope or wanted.repo)
    answer: dict[str, Any] = msgspec.to_builtins(found)
    return answer


def _look_up(
    wanted: Reference, access: Access, known: Catalog, before: dict[str, CatalogModel], order: tuple[str, ...]
) -> tuple[CatalogModel, bool]:
    """The entry, and whether it is one of the list. What was found before does for days without a network."""
    name = wanted.repo.lower()
    entry = next((m for m in known.models if name in (m.repo.lower(), m.base_repo.lower())), None)
    repo = entry.repo if entry is not None else wanted.repo
    revision = wanted.revision if repo.lower() == name else ""
    try:
        info, source = ask(repo, revision, access, order)
    except AppError as error:
        found = entry or before.get(name)
        if found is None or not (_is_away(error) or error.problem.what.code == "hub.offline"):
            raise
        return found, entry is not None
    if entry is not None:
        return catalog.with_files(entry, state_of(info, source)), True
    return entry_of(info, known.models, access, source), False


def ask(
    repo: str, revision: str, access: Access, order: tuple[str, ...] = (), http: httpx2.Client | None = None
) -> tuple[api.RepoInfo, str]:
    """What a hub says of ``repo``, and which one said it. The next in ``order`` (without one: of those that ``access``
    allows) is asked when one is away, and when ModelScope (which has fewer) does not have it. Raises the ``AppError``
    of the one asked first."""
    problem: AppError | None = None
    for source in order or access.hubs:
        try:
            if source == "huggingface":
                return api.repo_info(repo, revision or "main", access=access, http=http), source
            return api.RepoInfo(repo, "", tuple(api.modelscope_files(repo, access=access, http=http))), source
        except AppError as error:
            problem = problem or error
            if source == "huggingface" and not _is_away(error):
                break
    assert problem is not None  # noqa: S101 - there was one in the order
    raise problem


def _is_away(error: AppError) -> bool:
    return isinstance(error, failures.Unreachable | failures.Busy)


def state_of(info: api.RepoInfo, source: str) -> RepoState:
    """What is kept of an answer: the model files only."""
    files = tuple(f for f in info.files if is_usable(f.path))
    return RepoState(info.commit, files, info.gated, source)


def entry_of(
    info: api.RepoInfo, known: Iterable[CatalogModel], access: Access | None = None, source: str = ""
) -> CatalogModel:
    """The entry for a repository that the catalogue does not have. With ``access`` the header of the recommended file
    is read (from ``source``) for its exact shape. Raises ``UserFacing`` without a GGUF model in it, ``NotChat`` when
    what it has belongs to a model and is none."""
    models = tuple(known)
    files = tuple(f for f in info.files if is_usable(f.path))
    parameters = parameters_told(info) or parameters_of(shown_name(info.repo))[0]
    quants = in_steps(quants_of(files), parameters)
    if not quants:
        raise no_gguf(info.repo, models, (f.path for f in info.files))
    base = next((m for m in models if info.base_repo and m.base_repo == info.base_repo), None)
    if base is not None:
        return like(base, info, in_steps(quants, base.shape.parameters))
    found = _header(info, next(q for q in quants if q.recommended), access, source) if access is not None else None
    header: GgufHeader | None = None
    kind = kind_told(info)
    if isinstance(found, NotChat):
        kind = found.kind_of_file
        if kind not in _MODELS:
            raise found
    elif found is not None:
        header, kind, quants = found, Kind.CHAT, in_steps(quants, found.parameters)
    return guessed_model(structs.replace(info, files=files), quants, models, header, kind)


def choose(model: CatalogModel, wanted: Reference) -> CatalogModel:
    """``model`` with the quant that was asked for as the recommended one. Raises ``UserFacing`` when it has none."""
    quant: Quant | None
    if wanted.file and wanted.repo.lower() == model.repo.lower():
        quant = next((q for q in model.quants if any(f.path == wanted.file for f in q.files)), None)
        quant = quant or (find_quant(model.quants, wanted.quant) if wanted.quant else None)
        if quant is None:
            raise failures.no_file(model.repo, wanted.file, "Hugging Face")
    elif wanted.quant:
        quant = find_quant(model.quants, wanted.quant)
        if quant is None:
            raise _no_quant(model.repo, wanted.quant, ", ".join(q.name for q in model.quants[:12]))
    else:
        return model
    return structs.replace(model, quants=tuple(structs.replace(q, recommended=q is quant) for q in model.quants))


def no_gguf(repo: str, known: Iterable[CatalogModel] = (), files: Iterable[str] = ()) -> UserFacing:
    """The repository has no file that this app can use; ``files`` are those that it has."""
    piece = next((path for path in files if piece_of(path.rpartition("/")[2])), "")
    if piece:
        return _pieces(repo, piece)
    name = repo.partition("/")[2]
    beside = next((m.repo for m in known if name and m.base_repo.partition("/")[2].lower() == name.lower()), "")
    return _gguf_elsewhere(repo, beside) if beside else _no_gguf(repo)


def _header(info: api.RepoInfo, quant: Quant, access: Access, source: str) -> GgufHeader | NotChat | None:
    """The header of a quant's files, by ranges, or what they are instead of a model to chat with; None when it cannot
    be read (the rest of the entry still helps)."""
    if len(quant.files) > _MOST_PARTS:
        return None
    urls = [api.file_url(source, info.repo, f.path, info.commit, access=access) for f in quant.files]
    try:
        return read_remote(urls, access, repo=info.repo, path=quant.files[0].path)[0]
    except NotChat as error:
        return error
    except AppError as error:
        log.info("catalog.header repo=%s code=%s", info.repo, error.problem.what.code)
        return None


def _known(resources: Path, cache: Path) -> Catalog:
    shipped, made_from = catalog.read_shipped(resources)
    return catalog.read_kept(cache, made_from) or catalog.merged(shipped, catalog.read_overlay(cache))


# All of them ---------------------------------------------------------------------------------------------------------


def merge(resources: str, cache: str) -> bool:
    """The job ``hub.merge``: make the finished list anew from the shipped one (after an update of the app) and what
    the hub said last. False when no hub was ever asked."""
    shipped, made_from = catalog.read_shipped(Path(resources))
    overlay = catalog.read_overlay(Path(cache))
    if not overlay.updated_at:
        return False
    catalog.write(Path(cache), overlay, catalog.merged(shipped, overlay), made_from)
    return True


def refresh(
    access: dict[str, Any], resources: str, cache: str, report: Report = lambda _done, _total: None
) -> dict[str, int]:
    """The job ``hub.refresh``: ask about every repository of the catalogue and for new models; keep the answers.

    Returns how many repositories answered, failed, and how many models are new. What fails keeps its last state;
    raises ``AppError`` (the hub's) when nothing answered. Some seconds.
    """
    way = access_from(access)
    shipped, made_from = catalog.read_shipped(Path(resources))
    before = catalog.read_overlay(Path(cache))
    repos = list(dict.fromkeys(m.repo for m in (*shipped.models, *before.models)))
    with client(way, read_s=api.PATIENCE_S) as http:
        order = _reachable(way.hubs, way, repos[0], http)
        states, problems = _ask_all(repos, way, report, order, http)
        if not states:
            raise problems[0]
        new: tuple[CatalogModel, ...] = ()
        if any(state.source == "huggingface" for state in states.values()):
            new, more = _new_models(shipped, before, way, report, http, done=len(repos))
            problems += more
    kept = {repo: state for repo, state in before.repos.items() if repo in repos}
    overlay = Overlay(
        updated_at=time.time(),
        repos={**kept, **states},
        models=tuple({m.repo: m for m in (*before.models, *new)}.values()),
    )
    catalog.write(Path(cache), overlay, catalog.merged(shipped, overlay), made_from)
    return {"answered": len(states), "failed": len(problems), "new": len(new)}


def _reachable(order: tuple[str, ...], access: Access, repo: str, http: httpx2.Client) -> tuple[str, ...]:
    """The hubs of ``order`` that answer at all, so that one that is away is waited for once and not for each model.
    Raises the first one's ``AppError`` when none does."""
    found = []
    problems: list[AppError] = []
    for hub in order:
        try:
            if hub == "huggingface":
                api.search_models(author=MAKER, limit=1, access=access, http=http)
            else:
                api.modelscope_files(repo, access=access, http=http)
        except AppError as error:
            problems.append(error)
            if _is_away(error) or error.problem.what.code == "hub.offline":
                continue
        found.append(hub)
    if not found:
        raise problems[0]
    return tuple(found)


def _ask_all(
    repos: list[str], access: Access, report: Report, order: tuple[str, ...], http: httpx2.Client
) -> tuple[dict[str, RepoState], list[AppError]]:
    """The states of ``repos``, several asked at once. When the hubs go away meanwhile, no more is asked."""
    states: dict[str, RepoState] = {}
    problems: list[AppError] = []
    pool = ThreadPoolExecutor(_AT_ONCE, "catalog")
    try:
        asked = {pool.submit(ask, repo, "", access, order, http): repo for repo in repos}
        for future in as_completed(asked):
            if future.cancelled():
                continue
            repo = asked[future]
            try:
                info, source = future.result()
                states[repo] = state_of(info, source)
            except AppError as error:
                log.info("catalog.repo repo=%s code=%s", repo, error.problem.what.code)
                problems.append(error)
                if sum(map(_is_away, problems)) >= _AT_ONCE:
                    for other in asked:
                        other.cancel()
            report(len(states) + len(problems), len(repos) + 1)
        return states, problems
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _new_models(
    shipped: Catalog, before: Overlay, access: Access, report: Report, http: httpx2.Client, *, done: int
) -> tuple[tuple[CatalogModel, ...], list[AppError]]:
    """Models of the maker that the list lacks: from its own GGUF repositories, else from the chosen publishers'."""
    listed = (*shipped.models, *before.models)
    repos = {r for m in listed for r in (m.repo, *m.alternatives)}
    bases = {m.base_repo for m in listed if m.base_repo}
    found: dict[str, str] = {}
    problems: list[AppError] = []
    for author in (MAKER, *PUBLISHERS):
        try:
            words = "" if author == MAKER else "Qwen"
            for line in api.search_models(author=author, search=words, access=access, http=http):
                base = _base_of(line)
                if line.repo in repos or not base or base in bases or base in found or not is_repo(line.repo):
                    continue
                found[base] = line.repo
        except AppError as error:
            problems.append(error)
    made = []
    for number, (base, repo) in enumerate(list(found.items())[:_MOST_NEW]):
        report(done, done + 1 + len(found) - number)
        try:
            info = api.repo_info(repo, access=access, http=http)
            model = entry_of(structs.replace(info, base_repo=info.base_repo or base), listed)
        except AppError as error:
            log.info("catalog.new repo=%s code=%s", repo, error.problem.what.code)
            continue
        made.append(model)
    return tuple(made), problems


def _base_of(line: api.FoundRepo) -> str:
    """The maker's model that a repository holds the GGUF files of; "" for anything else (fine-tunes, other kinds)."""
    tagged = [t.split(":")[-1] for t in line.tags if re.match(r"^base_model:(?:quantized:)?Qwen/", t)]
    own = re.sub(r"-GGUF$", "", line.repo, flags=re.IGNORECASE) if line.repo.startswith(f"{MAKER}/") else ""
    base = tagged[0] if tagged else own
    return base if _BASE.match(base) and not _NO_BASE.search(base) else ""
