"""Where prepared pictures come from: the files, decoded each time; or the cache, decoded once and memory-mapped."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import PIL

from transferhub import atomic, cache
from transferhub.dataset.pictures import stamps
from transferhub.image import Preprocess, pixels
from transferhub.image.decode import Pixels
from transferhub.image.threads import in_order
from transferhub.log import logger

VERSION = 1  # of the files below and of what is done to pictures before they are kept
SAMPLE = 16  # pictures whose headers tell how much room all of them take
SHARE = 0.5  # of the cache, at most, goes to one split without being asked


class Source(Protocol):
    """Prepared pictures by row."""

    def read(self, row: int) -> Pixels:
        """One picture, uint8 ``[h, w, 3]``.

        Raises:
            DataError: It cannot be decoded; the message names the file.
        """


class Files:
    """Pictures decoded from their files each time they are asked for.

    Args:
        paths: One a row; or the pictures themselves, of Pillow's or uint8 ``[h, w, 3]``.
        process: How they are prepared.
        cropped: Whether only what the network sees is wanted, or the whole picture, to cut from.
    """

    def __init__(self, paths: Sequence[Any], process: Preprocess, cropped: bool) -> None:
        self.paths, self.process, self.cropped = paths, process, cropped

    def read(self, row: int) -> Pixels:
        """Decode one."""
        whole = self.process.whole(self.paths[row])
        return self.process.seen(whole) if self.cropped else whole

    def bytes(self) -> int:
        """How much room all of them take, prepared; where they differ in shape, told from a few of them."""
        if self.cropped:
            return len(self.paths) * 3 * self.process.width * self.process.height
        rows = np.unique(np.linspace(0, len(self.paths) - 1, SAMPLE).astype(int))
        sizes = [self.process.size_of_whole(pixels(self.paths[row])) for row in rows]
        return int(len(self.paths) * 3 * np.mean([width * height for width, height in sizes]))

    def digest(self) -> str:
        """The sha256 of where the files are, how large, since when unchanged, and how they are prepared."""
        digest = hashlib.sha256(f"{VERSION} {PIL.__version__} {self.process!r} {self.cropped}\n".encode())
        for path, stamp in zip(self.paths, stamps(self.paths), strict=True):
            digest.update(f"{os.path.abspath(path)}\0{stamp}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


class Kept:
    """Pictures that were decoded once and are memory-mapped.

    Args:
        folder: What `keep` wrote.
    """

    def __init__(self, folder: Path) -> None:
        self.sizes = np.load(folder / "sizes.npy", allow_pickle=False)
        self.starts = np.concatenate([[0], np.cumsum(np.prod(self.sizes, axis=1, dtype=np.int64) * 3)])
        self.values = np.memmap(folder / "pixels.bin", np.uint8, "r")

    def read(self, row: int) -> Pixels:
        """One picture; not a copy."""
        flat = self.values[self.starts[row] : self.starts[row + 1]]
        return np.asarray(flat).reshape(*self.sizes[row], 3)


def keep(files: Files, name: str, asked: bool | None) -> Source:
    """The pictures from the cache where that is asked, or fits without being asked; they are decoded first if need be.

    Args:
        files: The pictures.
        name: Of the split, for the log.
        asked: True: keep them; False: do not; None: where all together take at most half of the cache's room.

    Raises:
        DataError: A picture cannot be decoded.
    """
    if asked is False or not len(files.paths):
        return files
    size, key = files.bytes(), files.digest()
    why = cache.no_room(size)
    if why is None and asked is None and size > SHARE * cache.cap():
        why = f"{size / 1e9:.3f} GB are more than half of the cache (TRANSFERHUB_CACHE_GB)"
    if why is not None and not cache.has("pictures", key):
        log = logger.warning if asked else logger.info
        log("%s: %d pictures are decoded anew in each epoch: %s", name, len(files.paths), why)
        return files

    def fill(folder: Path) -> None:
        logger.info(
            "%s: %d pictures are decoded once (%.3f GB, kept in %s)", name, len(files.paths), size / 1e9, folder.parent
        )
        sizes = np.empty((len(files.paths), 2), np.int32)
        with open(folder / "pixels.bin", "wb") as file:
            for row, picture in enumerate(in_order(files.read, range(len(files.paths)))):
                sizes[row] = picture.shape[:2]
                file.write(np.ascontiguousarray(picture).data)
        with atomic.writing(folder):
            np.save(folder / "sizes.npy", sizes, allow_pickle=False)

    return Kept(cache.entry("pictures", key, fill))
