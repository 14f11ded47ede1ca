"""Writes that are whole or not there: temporary name, sync, rename.

A folder written here carries ``manifest.json`` with the size and sha256 of each of its files, so that a reader can
tell a whole folder from a damaged one. The manifest is written last.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from transferhub.errors import StorageError

MANIFEST = "manifest.json"
# What is the disk's or the folder's fault, and not the program's.
UNWRITABLE = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EIO,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
)


def write_text(path: Path, text: str) -> None:
    """Write a file so that a crash leaves either the old text or the new one.

    Raises:
        StorageError: A full disk, a read-only folder; the old text stands.
    """
    with whole_file(path) as file:
        file.write(text)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """Yield a text file to write; when the block ends well it takes the place of `path`, else it is removed.

    Raises:
        StorageError: A full disk, a read-only folder; what was there stands.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with open(part, "w", encoding="utf-8") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
        _sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    """`write_text` of readable JSON; floats keep every digit."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


@contextlib.contextmanager
def whole_folder(final: Path, *, replace: bool = True) -> Iterator[Path]:
    """Yield a folder to fill; when the block ends well it takes the place of `final`, else it is removed.

    Where two processes write the same `final`, each fills a folder of its own. A crash between the two renames leaves
    the old folder as ``.<name>.old``; `recover` puts it back.

    Args:
        final: Where the folder is to be.
        replace: False: if `final` is there by then, it stays, and what was filled is dropped.

    Raises:
        StorageError: A full disk, a read-only folder; `final` is as it was.
    """
    part, old = final.with_name(f".{final.name}.{os.getpid()}-{threading.get_ident()}.part"), _old(final)
    with writing(final):
        final.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        try:
            yield part
            _seal(part)
            if replace and final.exists():
                shutil.rmtree(old, ignore_errors=True)
                os.rename(final, old)
            try:
                os.rename(part, final)
            except OSError:
                if replace or not final.exists():
                    raise
        finally:
            shutil.rmtree(part, ignore_errors=True)
        _sync_folder(final.parent)
    shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def writing(path: Path, fix: str | None = None) -> Iterator[None]:
    """Say it well when `path` cannot be written because of the disk or the folder; other errors pass as they are."""
    try:
        yield
    except Exception as error:
        # safetensors names the system's error in its text only.
        said = re.search(r"\(os error (\d+)\)", str(error)) if type(error).__name__ == "SafetensorError" else None
        number = int(said[1]) if said else getattr(error, "errno", None)
        if number not in UNWRITABLE:
            raise
        full = number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        raise StorageError(
            f"{path} cannot be written: {os.strerror(number)}",
            expected="room on the disk" if full else "a folder that may be written to",
            fix=fix
            or ("free some space" if full else "choose another folder, or change its permissions")
            + ", then give the same command again: what was saved before is whole",
        ) from error


def recover(final: Path) -> None:
    """Undo what a crash between the renames of `whole_folder` left: the old folder back in its place."""
    if _old(final).exists() and not final.exists():
        os.rename(_old(final), final)
    shutil.rmtree(_old(final), ignore_errors=True)


def clear_parts(parent: Path) -> None:
    """Remove half-written folders; only for whoever owns `parent`, since another process may be filling one."""
    for left in parent.glob(".*.part"):
        shutil.rmtree(left, ignore_errors=True)


def damage(folder: Path, only: str | tuple[str, ...] = "", *, bytes_too: bool = True) -> str | None:
    """Say what is wrong with a folder written by `whole_folder`, or None if every byte is as it was written.

    `only` names endings: other files, which people may edit, are not looked at. Without `bytes_too` files are not
    read: only their sizes are compared.
    """
    try:
        files = _written(folder)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"{folder / MANIFEST} cannot be read ({error})"
    for name, (size, digest) in files.items():
        if not name.endswith(only):
            continue
        path = folder / name
        if not path.is_file():
            return f"{path} is missing"
        if path.stat().st_size != size:
            return f"{path} has {path.stat().st_size} bytes, {size} were written"
        if bytes_too and sha256(path) != digest:
            return f"{path} has other bytes than were written (sha256 differs)"
    return None


def digests(folder: Path) -> dict[str, str]:
    """The sha256 of each file as it was written into a folder in which `damage` found nothing."""
    return {name: digest for name, (_, digest) in _written(folder).items()}


def _written(folder: Path) -> dict[str, tuple[int, str]]:
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return {str(name): (said["bytes"], said["sha256"]) for name, said in manifest["files"].items()}


def sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _old(final: Path) -> Path:
    return final.with_name(f".{final.name}.old")


def _seal(folder: Path) -> None:
    files = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.fsync(file.fileno())
        path.chmod(0o666 & ~_umask())  # safetensors writes for the owner alone
        files[path.relative_to(folder).as_posix()] = {"bytes": path.stat().st_size, "sha256": digest}
    write_json(folder / MANIFEST, {"files": files})


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
