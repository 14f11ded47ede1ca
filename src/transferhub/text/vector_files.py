"""Files of word vectors that others wrote, read in one pass: a fault is told with its file and line.

GloVe's text (``word n n n …``), word2vec's text and fastText's ``.vec`` (the same after a line ``WORDS DIM``),
word2vec's binary (that line, then ``word``, a space and raw float32), fastText's ``.bin`` (through gensim), and what
gensim's ``KeyedVectors.save`` writes (a pickle: only where it is allowed by name).
"""

import itertools
import mmap
import struct
import warnings
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

import numpy as np

from transferhub.errors import ModuleError
from transferhub.log import logger
from transferhub.text.vector_store import Floats, VectorWriter, Written, write

AT_ONCE = 4096  # lines or records
LONGEST_WORD = 10_000  # bytes
FASTTEXT_MAGIC = struct.pack("<i", 793712314)
NUMBERS = frozenset(b"0123456789+-.eE \tnaifNAIF\r")
FORMATS = "GloVe text, word2vec text or binary, fastText .vec or .bin"


def kind(path: Path) -> str | None:
    """What a file seems to be by its first bytes: ``text header binary fasttext pickle``, or None: no vectors."""
    with open(path, "rb") as file:
        head = file.read(1 << 16)
    if head[:4] == FASTTEXT_MAGIC:
        return "fasttext"
    if head[:1] == b"\x80":
        return "pickle"
    first, _, rest = head.partition(b"\n")
    if (said := _header(first)) is not None:
        numbers = rest.partition(b" ")[2]
        looked_at = numbers[: min(24, 4 * max(said[1], 1))].partition(b"\n")[0]
        return "header" if set(looked_at) <= NUMBERS else "binary"
    fields = _fields(first)
    return "text" if len(fields) > 2 and _floats(fields[-1:]) and b"\0" not in first else None


def convert(
    path: Path, folder: Path, *, dim: int | None = None, padding: bool = False, allow: Collection[str] = ()
) -> Written:
    """Read a file of vectors and write `vector_store`'s two files into a folder.

    Args:
        path: The file.
        folder: Where the two files go.
        dim: How many numbers a vector must have; None: as many as the file's first one.
        padding: Append the padding word, as for `VectorWriter`.
        allow: Pickles that may be opened, by file name.

    Raises:
        ModuleError: It is empty or of no known form, its header is wrong, a line has another number of numbers or one
            that is not finite; with the file and the line (or, of a binary file, the word's number).
    """
    form = kind(path)
    if form is None:
        raise _no_vectors(path)
    if form == "fasttext":
        written = _checked_dim(path, dim, _with_gensim(path, folder, padding))
    elif form == "pickle":
        from transferhub.text.keyed_vectors import read

        words, vectors = read(path, allowed=path.name in allow)
        written = _checked_dim(path, dim, write(folder, words, vectors, padding=padding))
    else:
        written = (_binary if form == "binary" else _text)(path, folder, dim, padding)
    if written.repeated:
        logger.info("%s: %d words come again; their first vectors are kept", path.name, written.repeated)
    if written.unusable:
        logger.info("%s: %d words that are not UTF-8 or empty are left out", path.name, written.unusable)
    return written


def _text(path: Path, folder: Path, dim: int | None, padding: bool) -> Written:
    with open(path, "rb") as file:
        first = file.readline()
        said = _header(first)
        if said is None:
            _expect_dim(path, dim, len(_fields(first)) - 1)
            return _lines(path, itertools.chain([first], file), 1, len(_fields(first)) - 1, folder, padding, None)
        _expect_dim(path, dim, said[1])
        return _lines(path, file, 2, said[1], folder, padding, said[0])


def _lines(
    path: Path, lines: Iterable[bytes], first: int, dim: int, folder: Path, padding: bool, count: int | None
) -> Written:
    """Lines from number `first` on; `count` is what the header says of them."""
    source, writer, seen = iter(lines), VectorWriter(folder, dim, padding=padding), 0
    headed = count is not None
    try:
        while batch := list(itertools.islice(source, AT_ONCE)):
            numbered = [
                (first + place, fields) for place, line in enumerate(batch) if (fields := line.rstrip(b" \r\n"))
            ]
            first += len(batch)
            if not numbered:
                continue
            apart = [_apart(path, number, line, dim, headed and number == 2) for number, line in numbered]
            words, texts = [word for word, _ in apart], [text for _, text in apart]
            writer.add(words, _numbers(path, [number for number, _ in numbered], texts, dim))
            seen += len(words)
        _expect_count(path, count, seen)
        return writer.finish()
    finally:
        writer.close()


def _apart(path: Path, number: int, line: bytes, dim: int, after_header: bool) -> tuple[bytes, bytes]:
    """A line as word and numbers. A word may hold spaces (GloVe 840B has some) if what follows them is no number."""
    line = line.replace(b"\t", b" ")
    word, _, rest = line.partition(b" ")
    found = rest.count(b" ") + 1 if rest else 0
    if found == dim:
        return word, rest
    fields = line.split(b" ")
    inside = fields[1:-dim]
    if found > dim and not any(_floats([field]) for field in inside):
        return b" ".join(fields[:-dim]), b" ".join(fields[-dim:])
    raise ModuleError(
        f"{path}:{number}: {found} numbers for the word {word.decode('utf-8', 'replace')!r:.60}",
        expected=f"{dim}, as "
        + ("the header in line 1 says" if after_header else "in the lines before" if number > 1 else "elsewhere"),
        fix="correct the header or bring the file here again" if after_header else "correct the line, or leave it out",
    )


def _numbers(path: Path, numbers: list[int], texts: list[bytes], dim: int) -> Floats:
    """The numbers of some lines, ``[len(texts), dim]``."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            vectors = np.fromstring(b" ".join(texts), np.float32, sep=" ")
        except (DeprecationWarning, ValueError):
            vectors = np.empty(0, np.float32)
    if len(vectors) != dim * len(texts):  # one of them is no number: find it
        rows = []
        for number, text in zip(numbers, texts, strict=True):
            if (row := _floats(text.split(b" "))) is None:
                wrong = next(field for field in text.split(b" ") if _floats([field]) is None)
                raise ModuleError(
                    f"{path}:{number}: {wrong.decode('utf-8', 'replace')!r:.40} is no number",
                    expected=f"a word and {dim} numbers",
                    fix="correct the line, or leave it out",
                )
            rows.append(row)
        with np.errstate(over="ignore"):
            vectors = np.array(rows, np.float64).astype(np.float32)
    vectors = vectors.reshape(len(texts), dim)
    _expect_finite(vectors, lambda place: f"{path}:{numbers[place]}")
    return vectors


def _binary(path: Path, folder: Path, dim: int | None, padding: bool) -> Written:
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        said = _header(data.readline())
        assert said is not None
        count, size = said
        _expect_dim(path, dim, size)
        writer, place, done = VectorWriter(folder, size, padding=padding), data.tell(), 0
        try:
            while done < count:
                words, rows = [], []
                for record in range(done, min(done + AT_ONCE, count)):
                    end = data.find(b" ", place, place + LONGEST_WORD)
                    if end < 0 or end + 1 + 4 * size > len(data):
                        raise ModuleError(
                            f"{path}: the file ends at word {record + 1}, or its header is wrong",
                            expected=f"{count} words of {size} numbers, as the header in line 1 says",
                            fix="bring the file here again, whole",
                        )
                    words.append(data[place:end].lstrip(b"\n"))
                    rows.append(data[end + 1 : end + 1 + 4 * size])
                    place = end + 1 + 4 * size
                vectors = np.frombuffer(b"".join(rows), "<f4").reshape(len(rows), size)
                _expect_finite(vectors, lambda row, start=done: f"{path}: word {start + row + 1}")  # type: ignore[misc]
                writer.add(words, vectors)
                done += len(words)
            if data[place : place + 64].strip(b"\n"):
                raise ModuleError(
                    f"{path}:1: wrong header: after {count} words of {size} numbers the file goes on",
                    fix="bring the file here again, or correct its first line",
                )
            _expect_count(path, count, done)
            return writer.finish()
        finally:
            writer.close()


def _with_gensim(path: Path, folder: Path, padding: bool) -> Written:
    """FastText's ``.bin``: each word's own vector, made of its pieces."""
    try:
        from gensim.models.fasttext import load_facebook_vectors
    except ImportError:
        raise ModuleError(
            f"{path} is fastText's own .bin, which is read with gensim, and gensim is not installed",
            fix="pip install 'transferhub[words]', or take the .vec file that fastText gives beside it",
        ) from None
    try:
        keyed = load_facebook_vectors(str(path))
    except Exception as error:  # a damaged file raises whatever the reader's own code raises
        raise ModuleError(f"{path} is damaged: {error}", fix="bring the file here again, whole") from error
    return write(folder, keyed.index_to_key, keyed.vectors, padding=padding)


def _header(line: bytes) -> tuple[int, int] | None:
    """``(words, dim)`` of a line with two whole numbers."""
    fields = line.split()
    return (int(fields[0]), int(fields[1])) if len(fields) == 2 and all(map(bytes.isdigit, fields)) else None


def _fields(line: bytes) -> list[bytes]:
    return line.rstrip(b" \r\n").replace(b"\t", b" ").split(b" ")


def _floats(fields: list[bytes]) -> list[float] | None:
    try:
        return [float(field) for field in fields]
    except ValueError:
        return None


def _expect_dim(path: Path, dim: int | None, found: int) -> None:
    if found < 1:
        raise ModuleError(f"{path}:1: wrong header: vectors of {found} numbers", expected=FORMATS)
    if dim is not None and dim != found:
        raise ModuleError(
            f"{path}:1: the vectors have {found} numbers", expected=f"{dim}", fix="name the file of that dimension"
        )


def _checked_dim(path: Path, dim: int | None, written: Written) -> Written:
    _expect_dim(path, dim, written.dim)
    return written


def _expect_count(path: Path, said: int | None, found: int) -> None:
    if not found:
        raise ModuleError(f"{path} holds no word", expected=FORMATS)
    if said is not None and said != found:
        raise ModuleError(
            f"{path}:1: wrong header: it says {said} words, the file has {found}",
            fix="bring the file here again, whole, or correct its first line",
        )


def _expect_finite(vectors: Floats, where: Callable[[int], str]) -> None:
    if not np.isfinite(vectors).all():
        wrong = int(np.flatnonzero(~np.isfinite(vectors).all(axis=1))[0])
        raise ModuleError(
            f"{where(wrong)}: a number of the vector is not finite",
            expected="finite numbers of single precision",
            fix="correct the line, or leave it out",
        )


def _no_vectors(path: Path) -> ModuleError:
    with open(path, "rb") as file:
        head = file.read(200)
    if not head.strip():
        return ModuleError(f"{path} is empty", expected=FORMATS)
    if head[:2] in (b"\x1f\x8b", b"PK"):
        return ModuleError(f"{path} is compressed", fix="unpack it, and name the file inside")
    first = head.split(b"\n")[0].decode("utf-8", "replace")
    return ModuleError(f"{path}:1: {first!r:.60} begins no file of word vectors", expected=FORMATS)
