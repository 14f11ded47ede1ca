"""Files as bytes: opened with errors that name them, unpacked where they are gzipped, looked through once."""

import codecs
import contextlib
import dataclasses
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from transferhub.errors import DataError

BLOCK = 1 << 20
HEAD = 1 << 18  # bytes that guesses are made from


def suffix_of(path: Path) -> str:
    """The ending that says the kind of file, in lower case: ``.csv`` for ``Reviews.CSV.gz``."""
    path = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return path.suffix.lower()


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what the system says of a file into a `DataError` that names it."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(
            f"there is no file {path}", fix="check the path; it is relative to the folder you are in"
        ) from None
    except IsADirectoryError:
        raise DataError(f"{path} is a folder", expected="a file") from None
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(
            f"{path}: the gzip file is damaged: {error}", fix="pack it again, or copy it again from where it is whole"
        ) from None
    except OSError as error:
        raise DataError(
            f"{path} cannot be read: {error.strerror or error}", fix="check its permissions, links and disk"
        ) from None
    except ValueError as error:
        if "null" not in str(error):
            raise
        raise DataError(f"{str(path)!r} is no path: {error}") from None


def open_bytes(path: Path) -> BinaryIO:
    """Open a file, or what is packed in a ``.gz``; to be used inside `reading`.

    Raises:
        DataError: Something that is neither a file nor a folder.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        raise DataError(f"{path} is no ordinary file", expected="a file")
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    return cast(BinaryIO, opener(path, "rb"))


def open_text(path: Path, encoding: str) -> io.TextIOWrapper:
    """Open a file as text, line ends as they are; to be used inside `reading`."""
    return io.TextIOWrapper(open_bytes(path), encoding=encoding, newline="")


@dataclasses.dataclass(frozen=True)
class Fault:
    """Bytes that cannot be decoded: the line (from 1), the byte, and what it is not."""

    line: int
    byte: int
    encoding: str

    def __str__(self) -> str:
        name = self.encoding.upper() if self.encoding.startswith("utf") else self.encoding
        return f"not {name} at line {self.line} (byte 0x{self.byte:02x})"


@dataclasses.dataclass(frozen=True)
class Survey:
    """What one look through a file's bytes shows.

    Args:
        digest: The sha256 of the bytes, unpacked.
        size: How many they are.
        nul: The line of the first NUL byte, or None.
        head: The first of them.
        high: How many are 0x80 or more.
    """

    digest: str
    size: int
    nul: int | None
    head: bytes
    high: int


_HIGH = bytes(range(128))


def survey(path: Path) -> Survey:
    """Look through a file once."""
    digest, size, lines, nul, head, high = hashlib.sha256(), 0, 1, None, b"", 0
    with reading(path), open_bytes(path) as file:
        while block := file.read(BLOCK):
            digest.update(block)
            size += len(block)
            head = head if len(head) >= HEAD else (head + block)[:HEAD]
            if nul is None and b"\0" in block:
                nul = lines + block[: block.index(b"\0")].count(b"\n")
            lines += block.count(b"\n")
            if not block.isascii():
                high += len(block.translate(None, _HIGH))
    return Survey(digest.hexdigest(), size, nul, head, high)


def fault(path: Path, encoding: str) -> Fault | None:
    """The first place that is not in this encoding, or holds a NUL character; None if there is none."""
    decoder, lines = codecs.getincrementaldecoder(encoding)(), 1
    with reading(path), open_bytes(path) as file:
        while True:
            block = file.read(BLOCK)
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                before = error.object[: error.start].decode(encoding, "ignore")
                return Fault(lines + before.count("\n"), error.object[error.start], encoding)
            if "\0" in text:
                return Fault(lines + text[: text.index("\0")].count("\n"), 0, encoding)
            lines += text.count("\n")
            if not block:
                return None
