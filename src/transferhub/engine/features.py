"""Settled values of a split: computed once, kept on disk as they are read, float32, ragged, memory-mapped.

A file holds one Variable: all tokens of all rows one after another, or one vector a piece. Values are computed in
batches that depend on the rows alone, so that a refill gives the same bits, whoever asks for it.
"""

import copy
import hashlib
import os
import shutil
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from transferhub import atomic, cache, paths
from transferhub.engine import kernels
from transferhub.engine.batches import ordered_batches
from transferhub.engine.evaluation import SettledColumns, stream, tensors
from transferhub.engine.precision import in_bf16
from transferhub.engine.settled import Kept
from transferhub.errors import HubError
from transferhub.graph import Network
from transferhub.log import logger
from transferhub.reader import Columns, Padding
from transferhub.reader.columns import TO_LONGEST

BATCH = 32
SAMPLE = 4  # rows that are compared with what the network computes
Values = npt.NDArray[np.float32]
# Folders of which this process has compared every byte → sizes and times of their files then.
_compared: dict[Path, list[tuple[str, int, int]]] = {}


class Features:
    """What is kept of one split.

    Args:
        network: fp32; its settled parts compute what is not there.
        kept: What `settled.what_is_read` found.
        columns: Of the split.
        pad: How rows are padded.
        device: Of the network.
        digest: What the values depend on beside the rows: `settled.describe`.
        batch_size: Rows computed together.
        dtype: What to compute in, of a network in fp32; None: as the network is.
    """

    def __init__(
        self,
        network: Network,
        kept: Sequence[Kept],
        columns: Columns,
        pad: Padding,
        device: str,
        digest: str,
        batch_size: int = BATCH,
        dtype: torch.dtype | None = None,
    ) -> None:
        self._network, self._kept, self._columns, self._pad = network, list(kept), columns, pad
        self._device, self._batch_size = device, batch_size
        self._in_bf16 = dtype == torch.bfloat16
        about = [digest, columns.digest, sorted(pad.values.items()), pad.left, pad.rounded_to, batch_size]
        about += [(each.settled.name, each.form.name, each.shape, each.by_token) for each in kept]
        about += ["bf16"] if self._in_bf16 else []
        self.key = hashlib.sha256(repr(about).encode()).hexdigest()
        self._files: list[_Mapped] = []
        self._said_gone = False

    @property
    def bytes(self) -> int:
        """How much is kept."""
        return sum(each.bytes_of(self._columns) for each in self._kept)

    @property
    def folder(self) -> Path:
        """Where it is kept."""
        return paths.cache() / "features" / self.key

    @property
    def is_open(self) -> bool:
        """Whether the values are mapped."""
        return bool(self._files)

    def open(self) -> bool:
        """Map the values, computing them first if they are not there or damaged; False where there is no room.

        Every byte is compared with the digest that was written with it, once by a process; and a few rows with what the
        network computes now: code that changed is not seen in weights.
        """
        folder = self.folder
        compared = _compared.get(folder) == _stamp(folder)
        if not compared and folder.exists() and (fault := atomic.damage(folder)) is not None:
            logger.warning("Features in the cache are damaged (%s): they are computed again", fault)
            shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists() and (why := cache.no_room(self.bytes)):
            logger.warning("Features of %d rows are not kept: %s", len(self._columns), why)
            return False
        known = folder.exists()
        try:
            self._map()
            if known and not self._as_computed():
                logger.warning("Features in the cache are not what this network computes: they are computed again")
                self._files = []
                shutil.rmtree(folder, ignore_errors=True)
                self._map()
        except (HubError, OSError) as error:
            logger.warning("Features of %d rows are not kept: %s", len(self._columns), str(error).partition("\n")[0])
            self._files = []
        else:
            _compared[folder] = _stamp(folder)
        return bool(self._files)

    def read(self, rows: npt.NDArray[np.int64], width: int) -> list[Values] | None:
        """What is kept of some rows, a copy: ``[P, width, *shape]`` or ``[P, *shape]``; None: it is lost.

        Where somebody changed the files meanwhile the values are computed again. Removed files stay readable to those
        who mapped them.
        """
        for _ in range(2):
            if self._files and self._whole():
                pieces, _ = self._columns.pieces_of(rows)
                values = [
                    self._padded(file.values, pieces, width) if kept.by_token else np.array(file.values[pieces])
                    for kept, file in zip(self._kept, self._files, strict=True)
                ]
                if self._whole():
                    return values
            if not self._files:
                return None
            logger.warning("The features in %s were changed by somebody: they are computed again", self.folder)
            self._files = []
            shutil.rmtree(self.folder, ignore_errors=True)
            if not self.open():
                logger.warning("Features are computed anew for each batch from now on; the last bits may differ")
        return None

    def mapped(self, number: int = 0) -> Values:
        """All values of one Variable: ``[tokens, *shape]`` or ``[pieces, *shape]``; writing to it changes no file."""
        return self._files[number].values

    def restore(self, rows: npt.NDArray[np.int64], batch: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Any]:
        """Name → value of the settled Variables for some rows; empty if what was kept is lost."""
        values = self.read(rows, batch["input_mask"].shape[1])
        if values is None:
            return {}
        return {
            kept.settled.name: kept.rebuild(torch.from_numpy(value).to(self._device, dtype), batch)
            for kept, value in zip(self._kept, values, strict=True)
        }

    def compute(self) -> Iterator[tuple[npt.NDArray[np.int64], list[Values]]]:
        """Yield (pieces, values) batch by batch, longest rows first; values are padded."""
        names = [each.settled.name for each in self._kept]
        below = _Below(packed_copy(self._network, names, self._in_bf16), names)
        for rows, _, values in stream(below, self._columns, self._pad, self._batch_size, self._device):
            pieces, _ = self._columns.pieces_of(rows)
            yield (
                pieces,
                [each.form.keep(values[each.settled.name]).float().cpu().numpy() for each in self._kept],
            )

    def places(self, piece: int, width: int) -> slice:
        """Where a piece's tokens stand when it is padded to `width`."""
        count = int(self._columns.offsets[piece + 1] - self._columns.offsets[piece])
        return slice(width - count, width) if self._pad.left else slice(0, count)

    def _map(self) -> None:
        folder = cache.entry("features", self.key, self._fill)
        self._files = [_Mapped(folder / _name(number)) for number in range(len(self._kept))]

    def _as_computed(self) -> bool:
        rows = ordered_batches(self._columns.lengths, SAMPLE)[-1]
        batch = tensors(self._columns, rows, self._pad, self._device)
        pieces, _ = self._columns.pieces_of(rows)
        mode = self._network.training
        self._network.eval()
        with torch.inference_mode():
            values = self._network.compute(batch, [each.settled.name for each in self._kept])
        self._network.train(mode)
        for kept, file in zip(self._kept, self._files, strict=True):
            tensor = kept.form.keep(values[kept.settled.name])
            exact = tensor.dtype == torch.float32 and not self._in_bf16
            close = 1e-4 if exact else 0.1  # batches of other sizes round otherwise
            now = tensor.float().cpu().numpy()
            for place, piece in enumerate(pieces):
                there = file.values[self._columns.offsets[piece] : self._columns.offsets[piece + 1]]
                one = now[place, self.places(piece, now.shape[1])] if kept.by_token else now[place]
                if not np.allclose(there if kept.by_token else file.values[piece], one, rtol=close, atol=close):
                    return False
        return True

    def _whole(self) -> bool:
        if not self._said_gone and any(file.gone for file in self._files):
            self._said_gone = True
            logger.warning("Features were removed from the cache; this run still has them, a later one computes them")
        return all(file.unchanged for file in self._files)

    def _padded(self, values: Values, pieces: npt.NDArray[np.int64], width: int) -> Values:
        padded = np.zeros((len(pieces), width, *values.shape[1:]), np.float32)
        offsets = self._columns.offsets
        for place, piece in enumerate(pieces):
            padded[place, self.places(piece, width)] = values[offsets[piece] : offsets[piece + 1]]
        return padded

    def _fill(self, folder: Path) -> None:
        logger.info(
            "Features of %d rows are computed once (%.3f GB, kept in %s)",
            len(self._columns),
            self.bytes / 1e9,
            self.folder,
        )
        offsets, files = self._columns.offsets, []
        try:
            for number, kept in enumerate(self._kept):
                count = int(offsets[-1]) if kept.by_token else len(offsets) - 1
                files.append(_Writer(folder / _name(number), (count, *kept.shape)))
            for pieces, values in self.compute():
                for kept, file, value in zip(self._kept, files, values, strict=True):
                    for place, piece in enumerate(pieces):
                        if kept.by_token:
                            file.write(int(offsets[piece]), value[place, self.places(piece, value.shape[1])])
                        else:
                            file.write(int(piece), value[place][None])
        finally:
            for file in files:
                file.close()


class FeatureColumns(SettledColumns):
    """A split's columns with its features."""

    def __init__(self, columns: Columns, features: Features, dtype: torch.dtype) -> None:
        super().__init__(
            columns.ragged,
            columns.offsets,
            columns.labels,
            columns.pieces,
            columns.cut,
            columns.by_piece,
            columns.examples,
            columns.slots,
        )
        self._columns, self._features, self._dtype = columns, features, dtype

    def padded(self, rows: npt.ArrayLike, pad: Padding = TO_LONGEST) -> int:
        """As the columns count it."""
        return self._columns.padded(rows, pad)

    def batch(self, rows: npt.ArrayLike, pad: Padding, length: int | None = None) -> dict[str, npt.NDArray[Any]]:
        """As the columns cut it; of rows without tokens what is not settled alone: a picture need not be decoded."""
        return self._columns.batch(rows, pad, length) if self.ragged else super().batch(rows, pad, length)

    def settled(self, rows: npt.NDArray[np.int64], batch: dict[str, Tensor]) -> dict[str, Any]:
        """What is kept of these rows, in the network's type; if it is lost, what it is computed of."""
        found = self._features.restore(rows, batch, self._dtype)
        if found or self.ragged:
            return found
        return {name: torch.from_numpy(values) for name, values in self._columns.batch(rows, Padding({})).items()}


def packed_copy(network: Network, names: Sequence[str], bf16: bool = False) -> Network:
    """The network, with its parts below the Variables `names` ready to compute alone; in fp32 it shares all weights."""
    below = network.places_of(names)
    parts = []
    for place, part in enumerate(network.parts):
        shared = {id(tensor): tensor for tensor in (*part.parameters(), *part.buffers())}
        if place in below:
            part = kernels.pack(in_bf16(part) if bf16 else copy.deepcopy(part, shared))
        parts.append(part)
    made = copy.copy(network)
    made.__dict__["_modules"] = {**network._modules, "parts": nn.ModuleList(parts)}
    return made


class _Below(nn.Module):
    """A network as far as its settled Variables."""

    def __init__(self, network: Network, names: Sequence[str]) -> None:
        super().__init__()
        self.network, self._names = network, names
        self.training = network.training

    def forward(self, feeds: dict[str, Tensor]) -> dict[str, Any]:
        return self.network.compute(feeds, self._names)


class _Mapped:
    """A ``.npy`` file, mapped, that notices when somebody else writes into it."""

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, descriptor)
        self._descriptor, self._state = descriptor, _state(descriptor)
        # Copy on write: torch wants arrays that could be written.
        self.values: Values = np.asarray(np.load(path, mmap_mode="c", allow_pickle=False))

    @property
    def unchanged(self) -> bool:
        return _state(self._descriptor) == self._state

    @property
    def gone(self) -> bool:
        return os.fstat(self._descriptor).st_nlink == 0


def _stamp(folder: Path) -> list[tuple[str, int, int]]:
    try:
        return [(each.name, each.stat().st_size, each.stat().st_mtime_ns) for each in sorted(folder.iterdir())]
    except OSError:
        return []


def _state(descriptor: int) -> tuple[int, int]:
    said = os.fstat(descriptor)
    return said.st_size, said.st_mtime_ns


class _Writer:
    """Writes a ``.npy`` file in any order; through the file, because a full disk kills who writes through a map."""

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self._file: IO[bytes] = open(path, "w+b")  # noqa: SIM115  closed by `close`
        header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)
        self._start = self._file.tell()
        self._line = 4 * int(np.prod(shape[1:], dtype=np.int64))
        self._file.truncate(self._start + self._line * shape[0])

    def write(self, line: int, values: Values) -> None:
        self._file.seek(self._start + line * self._line)
        self._file.write(values.tobytes())

    def close(self) -> None:
        self._file.close()


def _name(number: int) -> str:
    return f"values-{number}.npy"
