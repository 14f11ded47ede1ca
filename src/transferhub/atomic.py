"""Writes that are whole or not there: temporary name, sync, rename.

A folder written here carries ``manifest.json`` with the size and sha256 of each of its files, so that a reader can
tell a whole folder from a damaged one. The manifest is written last.
"""

import contextlib
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

MANIFEST = "manifest.json"


def write_text(path: Path, text: str) -> None:
    """Write a file so that a crash leaves either the old text or the new one."""
    with whole_file(path) as file:
        file.write(text)


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[TextIO]:
    """Yield a text file to write; when the block ends well it takes the place of `path`, else it is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with open(part, "w", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
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
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    part, old = final.with_name(f".{final.name}.{os.getpid()}-{threading.get_ident()}.part"), _old(final)
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


def recover(final: Path) -> None:
    """Undo what a crash between the renames of `whole_folder` left: the old folder back in its place."""
    if _old(final).exists() and not final.exists():
        os.rename(_old(final), final)
    shutil.rmtree(_old(final), ignore_errors=True)


def clear_parts(parent: Path) -> None:
    """Remove half-written folders; only for whoever owns `parent`, since another process may be filling one."""
    for left in parent.glob(".*.part"):
        shutil.rmtree(left, ignore_errors=True)


def damage(folder: Path, only: str = "") -> str | None:
    """Say what is wrong with a folder written by `whole_folder`, or None if every byte is as it was written.

    `only` names an ending: other files, which people may edit, are not looked at.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files: dict[str, dict[str, Any]] = manifest["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"{folder / MANIFEST} cannot be read ({error})"
    for name, said in files.items():
        if not name.endswith(only):
            continue
        path = folder / name
        if not path.is_file():
            return f"{path} is missing"
        size = path.stat().st_size
        if size != said.get("bytes"):
            return f"{path} has {size} bytes, {said.get('bytes')} were written"
        if sha256(path) != said.get("sha256"):
            return f"{path} has other bytes than were written (sha256 differs)"
    return None


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
        files[path.relative_to(folder).as_posix()] = {"bytes": path.stat().st_size, "sha256": digest}
    write_json(folder / MANIFEST, {"files": files})


def _sync_folder(folder: Path) -> None:
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
