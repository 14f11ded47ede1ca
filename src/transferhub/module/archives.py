"""Zip and tar archives with a module in them, unpacked so that nothing lands outside and nothing bursts.

An archive is read twice: first each member's name, kind and size is judged, then the files of the module are written.
What is refused is refused before a byte is written.
"""

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from transferhub.errors import ModuleError
from transferhub.module.files import CONFIG

# Endings and what they are opened with; None: a zip.
ENDINGS: dict[str, Callable[[Path], Any] | None] = {
    ".zip": None,
    ".tar": lambda path: open(path, "rb"),  # noqa: SIM115 - closed by `_tar_members`
    ".tar.gz": gzip.open,
    ".tgz": gzip.open,
    ".tar.bz2": bz2.open,
    ".tar.xz": lzma.open,
}
FILES = 1000
GROWTH = 50  # unpacked bytes a byte of archive; weights hardly shrink, texts shrink about tenfold
SMALL = 64 * 2**20  # what any archive may unpack to
DAMAGED = (
    *(OSError, EOFError, ValueError, RuntimeError),
    *(zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile),
)
CHUNK = 2**20

Member = tuple[PurePosixPath, int, IO[bytes]]


def ending(path: Path | str) -> str:
    """The ending by which a path is an archive, or an empty string."""
    name = str(path).lower()
    return max((each for each in ENDINGS if name.endswith(each)), key=len, default="")


def unpack(archive: Path, folder: Path, choose: Callable[[list[str]], list[str]]) -> None:
    """Write a module's files from an archive into a folder.

    Args:
        archive: The file.
        folder: Where to.
        choose: Given the names beside the archive's ``config.json``, those to write.

    Raises:
        ModuleError: It is damaged, holds no module, or has a member that could do harm: the message names both.
    """
    try:
        names = [name for name, _, _ in _members(archive)]
        base = _base(archive, names)
        chosen = set(choose([name.name for name in names if name.parent == base]))
        for name, size, stream in _members(archive):
            if name.parent == base and name.name in chosen:
                _write(archive, name, size, stream, folder / name.name)
    except DAMAGED as error:
        raise ModuleError(
            f"the archive {archive} is damaged or cannot be read: {error}", fix="bring it here again, whole"
        ) from error


def _members(archive: Path) -> Iterator[Member]:
    opener = ENDINGS[ending(archive)]
    seen: set[str] = set()
    total, count, limit = 0, 0, GROWTH * archive.stat().st_size + SMALL
    for raw, harmful, size, stream in _zip_members(archive) if opener is None else _tar_members(archive, opener, limit):
        name = _safe(archive, raw)
        if harmful:
            raise _refused(archive, raw, harmful)
        total += size
        if size > limit or total > limit:
            raise _refused(archive, raw, f"unpacks to {total} bytes or more out of {archive.stat().st_size}: a bomb")
        count += 1
        if count > FILES:
            raise _refused(archive, raw, f"is one of more than {FILES} files")
        if stream is None:
            continue
        if str(name).lower() in seen:
            raise _refused(archive, raw, "is there twice")
        seen.add(str(name).lower())
        yield name, size, stream


def _zip_members(archive: Path) -> Iterator[tuple[str, str, int, Any]]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            mode = info.external_attr >> 16
            harmful = ""
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
                harmful = "is a link or a device"
            elif info.flag_bits & 1:
                harmful = "is encrypted"
            if harmful or info.is_dir():
                yield info.filename, harmful, info.file_size, None
                continue
            with opened.open(info) as stream:
                yield info.filename, harmful, info.file_size, stream


def _tar_members(archive: Path, opener: Callable[[Path], IO[bytes]], limit: int) -> Iterator[tuple[str, str, int, Any]]:
    with opener(archive) as raw, tarfile.open(fileobj=_Bounded(raw, archive, limit), mode="r|") as opened:
        for info in opened:
            harmful = "" if (info.isreg() and not info.issparse()) or info.isdir() else "is a link or a device"
            # A stream: what lies between two members is read, so size is judged (by the reader of this) before.
            yield info.name, harmful, info.size, opened.extractfile(info) if info.isreg() and not harmful else None


def _safe(archive: Path, raw: str) -> PurePosixPath:
    name = PurePosixPath(raw.replace("\\", "/"))
    if not raw or "\0" in raw or name.is_absolute() or ".." in name.parts or ":" in raw:
        raise _refused(archive, raw, "leads out of the folder it is unpacked into")
    return name


def _base(archive: Path, names: list[PurePosixPath]) -> PurePosixPath:
    """The folder inside the archive that holds the module: where ``config.json`` lies, the nearest to the top."""
    found = sorted(
        {name.parent for name in names if name.name == CONFIG}, key=lambda folder: (len(folder.parts), str(folder))
    )
    if not found:
        raise ModuleError(
            f"the archive {archive} holds no module: there is no {CONFIG} in it",
            expected=f"{CONFIG} and model.safetensors, at the top or in one folder",
        )
    if len(found) > 1 and len(found[0].parts) == len(found[1].parts):
        raise ModuleError(
            f"the archive {archive} holds more than one module: {found[0]} and {found[1]}",
            fix="unpack it and name the folder",
        )
    return found[0]


def _write(archive: Path, name: PurePosixPath, size: int, stream: IO[bytes], target: Path) -> None:
    left = size
    with open(target, "xb") as file:
        while chunk := stream.read(CHUNK):
            left -= len(chunk)
            if left < 0:
                break
            file.write(chunk)
    if left:
        raise _refused(archive, str(name), f"has another size than the {size} bytes that the archive declares")


def _refused(archive: Path, member: str, why: str) -> ModuleError:
    return ModuleError(
        f"the archive {archive} is refused: its member {member!r} {why}",
        expected="plain files, each inside the archive's own folder",
        fix="do not trust where it came from; a whole archive of the module's folder is what is needed",
    )


class _Bounded(io.RawIOBase):
    """A stream of unpacked bytes that ends with an error where there are more of them than an archive may hold."""

    def __init__(self, stream: IO[bytes], archive: Path, limit: int) -> None:
        self.stream, self.archive, self.left = stream, archive, limit + CHUNK

    def read(self, size: int = -1) -> bytes:
        """Read as a file does."""
        block = self.stream.read(size)
        self.left -= len(block)
        if self.left < 0:
            raise ModuleError(
                f"the archive {self.archive} is refused: it unpacks to far more than its "
                f"{self.archive.stat().st_size} bytes let expect: a bomb",
                fix="do not trust where it came from",
            )
        return block
