"""Files from a Hugging Face repository, or a mirror of it: resumed where they were interrupted, verified when whole.

``huggingface_hub`` finds the repository, its files, their digests and the session to ask with (``HF_ENDPOINT``,
``HF_HOME``, ``HF_TOKEN``, ``HF_HUB_OFFLINE``, proxies). The bytes are written here, because that library keeps no part
of a file that was interrupted. They lie in ``$TRANSFERHUB_HOME/downloads`` until the module is installed.
"""

import contextlib
import hashlib
import re
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from transferhub import paths
from transferhub.errors import ModuleError
from transferhub.log import logger
from transferhub.module import files

BLOCK = 2**20
SHOWN = 2**20  # smaller files have no progress bar
TRIES = 5  # of one file, each of which must have brought something


@dataclass(frozen=True)
class Remote:
    """A file of a repository as the hub describes it."""

    name: str
    size: int | None
    digest: str | None  # sha256, or git's sha1 of a small file


@contextlib.contextmanager
def repository(repo: str, revision: str | None, allow: Collection[str], again: str) -> Iterator[tuple[Path, str]]:
    """Bring a module's files here; yield their folder and commit. The folder is removed when the block ends well.

    Args:
        repo: ``OWNER/NAME``.
        revision: Branch, tag or commit; None: main.
        allow: Pickles that may be fetched, by name.
        again: The command that goes on with an interrupted download, for messages.

    Raises:
        ModuleError: A file has another checksum than the hub says, the download broke off, or the repository holds no
            module. Errors of the network pass through.
    """
    try:
        commit, remotes = _listing(repo, revision)
    except Exception:
        if (cached := _cached(repo, revision or "main", allow)) is None:
            raise
        logger.info("%s cannot be asked: taking hf:%s from %s, which other programs filled", _endpoint(), repo, cached)
        yield cached, cached.name
        return
    by_name = {remote.name: remote for remote in remotes if not {"/", "\\", ":"} & set(remote.name)}
    chosen = files.choose(list(by_name), f"hf:{repo}", allow)
    folder = paths.downloads() / f"{repo.replace('/', '--')}@{commit[:12]}"
    with in_use(folder):
        folder.mkdir(parents=True, exist_ok=True)
        described = [_described(repo, commit, by_name[name]) for name in chosen]
        for remote in sorted(described, key=lambda each: each.size or 0):  # small ones first: they tell most
            _bring(repo, commit, remote, folder / remote.name, again)
        yield folder, commit
        shutil.rmtree(folder)


def lock_of(folder: Path) -> Path:
    """The file that says whether a download's folder is in use."""
    return folder.with_name(f".{folder.name}.lock")


@contextlib.contextmanager
def in_use(folder: Path, *, wait: float = -1) -> Iterator[bool]:
    """Hold a download's folder against other processes; yield whether it was free within `wait` seconds."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(lock_of(folder))
    try:
        lock.acquire(timeout=wait)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _bring(repo: str, commit: str, remote: Remote, target: Path, again: str) -> None:
    if target.exists():
        return  # was whole and verified when it got this name
    part = target.with_name(target.name + ".part")
    if (cached := _cached_file(repo, commit, remote.name)) is not None:
        shutil.copyfile(cached, part)
    else:
        _download(repo, commit, remote, part, again)
    _verify(repo, remote, part)
    part.rename(target)


def _download(repo: str, commit: str, remote: Remote, part: Path, again: str) -> None:
    from huggingface_hub import constants, get_session, hf_hub_url
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status, tqdm

    url, headers = hf_hub_url(repo, remote.name, revision=commit), build_hf_headers()
    with (
        open(part, "ab") as file,
        tqdm(
            total=remote.size,
            initial=file.tell(),
            unit="B",
            unit_scale=True,
            desc=remote.name,
            disable=remote.size is not None and remote.size < SHOWN,
        ) as bar,
    ):
        for attempt in range(TRIES):
            had = file.tell()
            if remote.size is not None and had >= remote.size:
                return
            if had:
                logger.info("%s: going on after %.1f MB", remote.name, had / 1e6)
            asked = {**headers, "Accept-Encoding": "identity"} | ({"Range": f"bytes={had}-"} if had else {})
            try:
                with get_session().stream(
                    "GET", url, headers=asked, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT
                ) as answer:
                    hf_raise_for_status(answer)
                    if had and answer.status_code != 206:  # a server that sends all of it again
                        file.truncate(0)
                        bar.reset()
                    for block in answer.iter_bytes():
                        file.write(block)
                        file.flush()
                        bar.update(len(block))
                if remote.size is None or file.tell() >= remote.size:
                    return
                reason = "the connection ended early"
            except Exception as error:
                reason = str(error) or type(error).__name__
                if file.tell() == 0:
                    raise
            if file.tell() <= had or attempt == TRIES - 1:
                break
    raise ModuleError(
        f"the download of {remote.name} from hf:{repo} broke off: {reason}",
        expected=f"{remote.size} bytes; {part.stat().st_size} are here and kept",
        fix=f"`{again}` goes on where it stopped",
    )


def _verify(repo: str, remote: Remote, part: Path) -> None:
    if remote.digest is not None and len(remote.digest) == 40 and _digest(part, 40, head=b"") == remote.digest:
        return  # some mirrors give the sha1 of the bytes alone
    if remote.size is not None and part.stat().st_size != remote.size:
        found, wanted = f"{part.stat().st_size} bytes", f"{remote.size} bytes"
    elif remote.digest is not None:
        kind = "sha256" if len(remote.digest) == 64 else "git sha1"
        wanted, found = f"{kind} {remote.digest}", f"{kind} {_digest(part, len(remote.digest))}"
    else:
        logger.warning("%s of hf:%s: %s tells no checksum, so none was compared", remote.name, repo, _endpoint())
        return
    if found != wanted:
        part.unlink()
        raise ModuleError(
            f"the file {remote.name} from hf:{repo} is not what {_endpoint()} says it is: it has {found}",
            expected=wanted,
            fix="nothing was installed and the file was removed; install again, and if it happens again take another "
            "mirror (HF_ENDPOINT) or a folder (--from DIR)",
        )


def _digest(path: Path, length: int, head: bytes | None = None) -> str:
    """The sha256 of a file, or its sha1 after git's head."""
    with open(path, "rb") as file:
        if length == 64:
            return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size if head is None else head, usedforsecurity=False)
        while block := file.read(BLOCK):
            digest.update(block)
        return digest.hexdigest()


def _listing(repo: str, revision: str | None) -> tuple[str, list[Remote]]:
    """The commit and files of a repository; some mirrors tell files with the commit, others in a listing of theirs."""
    from huggingface_hub import HfApi, RepoFile, constants

    api, revision = HfApi(), revision or "main"
    info = api.model_info(repo, revision=revision, files_metadata=True, timeout=constants.HF_HUB_ETAG_TIMEOUT)
    commit = str(info.sha or revision)
    if not re.fullmatch(r"\w[\w.-]*", commit, re.ASCII):  # it becomes part of a folder's name
        raise ModuleError(f"{_endpoint()} calls the commit of hf:{repo} {commit!r}", fix="take another mirror")
    if info.siblings:
        return commit, [Remote(each.rfilename, each.size, _known_digest(each)) for each in info.siblings]
    listed = [each for each in api.list_repo_tree(repo, revision=commit) if isinstance(each, RepoFile)]
    return commit, [Remote(each.path, each.size, _known_digest(each)) for each in listed]


def _known_digest(file: Any) -> str | None:
    digest = file.lfs.sha256 if file.lfs else file.blob_id
    return str(digest) if digest else None


def _described(repo: str, commit: str, remote: Remote) -> Remote:
    """Add what a mirror left out of its listing: size and digest as the file's own address tells them."""
    if remote.size is not None and remote.digest is not None:
        return remote
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    metadata = get_hf_file_metadata(hf_hub_url(repo, remote.name, revision=commit))
    etag = metadata.etag or ""
    known = re.fullmatch(r"[0-9a-f]{64}|[0-9a-f]{40}", etag) is not None
    return Remote(remote.name, metadata.size, etag if known else remote.digest)


def _cached(repo: str, revision: str, allow: Collection[str]) -> Path | None:
    """The repository's folder in the cache of Hugging Face (``HF_HOME``), if it holds a whole module."""
    config = _cached_file(repo, revision, files.CONFIG)
    if config is None:
        return None
    try:
        chosen = files.choose([path.name for path in config.parent.iterdir()], f"hf:{repo}", allow)
    except ModuleError:
        return None
    for path in map(config.parent.joinpath, chosen):  # links to files that are named by their digests
        digest = path.resolve().name
        if len(digest) in (40, 64) and _digest(path, len(digest)) != digest:
            raise ModuleError(f"{path} is damaged: its checksum is not {digest}", fix=f"remove {path.resolve()}")
    return config.parent


def _cached_file(repo: str, revision: str, name: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found: Any = try_to_load_from_cache(repo, name, revision=revision)
    return Path(found) if isinstance(found, str) else None


def _endpoint() -> str:
    from huggingface_hub import constants

    return str(constants.ENDPOINT)
