"""Which splits of a run are read from kept features, and when: as long as the Plan leaves the parts below frozen."""

from collections.abc import Sequence

import torch

from transferhub import cache
from transferhub.engine.features import FeatureColumns, Features, no_room
from transferhub.engine.settled import describe, frozen_until, is_lookup, what_is_read
from transferhub.graph import Network, Settled
from transferhub.log import logger
from transferhub.reader import Columns, Padding
from transferhub.strategy import Plan


class FrozenFeatures:
    """The features of a run's splits.

    Parts of the network are settled at a step if the Plan moves nothing of them, and of all before them, up to and
    including this step. Their values are kept if that is so for an epoch at least. What is only looked up in a table is
    not kept: its rows are read from memory as fast.

    Args:
        network: fp32, on its device.
        plan: The run's.
        in_epoch: Steps in an epoch.
        pad: How rows are padded.
        device: Of the network.
        wanted: None: as said above; True: however short; False: nothing is kept.
        dtype: What the network trains in. The rows it trains on are computed in it too; all others in fp32, as
            evaluations are.
    """

    def __init__(
        self,
        network: Network,
        plan: Plan,
        in_epoch: int,
        pad: Padding,
        device: str,
        wanted: bool | None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._dtype = dtype
        self._network, self._pad, self._device, self._wanted = network, pad, device, wanted
        least = 1 if wanted else in_epoch
        self._until = {place: step for place, step in frozen_until(network, plan).items() if step >= least}
        self._found: dict[tuple[int, tuple[str, ...], torch.dtype], Features | None] = {}
        self._digests: dict[tuple[str, ...], str] = {}

    def decide(self, splits: Sequence[Columns | None]) -> bool:
        """Whether a run that starts now keeps features: something is settled, and there is room for all splits.

        Args:
            splits: The one that is trained on first.
        """
        cut = self._cut(0)
        if not cut:
            return False
        kinds = [self._dtype, *[torch.float32] * (len(splits) - 1)]
        pairs = zip(splits, kinds, strict=True)
        features = [self._features(columns, cut, dtype) for columns, dtype in pairs if columns is not None]
        found = [each for each in features if each is not None]
        size = sum(each.bytes for each in found if not each.folder.exists())
        why = no_room(size) if found else "what reads them needs more than can be kept"
        if sum(each.bytes for each in found) > cache.cap():
            why = no_room(sum(each.bytes for each in found))
        if why:
            logger.info("The frozen part of the network is computed in each epoch: %s", why)
        return why is None

    def use(self, wanted: bool) -> None:
        """Follow what the run's first start decided."""
        if not wanted:
            self._wanted = False

    def of(self, columns: Columns, step: int, dtype: torch.dtype = torch.float32) -> Columns:
        """A split's columns for step `step` or an evaluation after it: with features, where there are.

        Args:
            columns: Of the split.
            step: From 0.
            dtype: Of the network that reads them.
        """
        cut = self._cut(step)
        features = self._features(columns, cut, dtype) if cut else None
        if features is None:
            return columns
        if not features.is_open and not features.open():
            self._found[self._key(columns, cut, dtype)] = None
            return columns
        return FeatureColumns(columns, features, dtype)

    def _cut(self, step: int) -> list[Settled]:
        if self._wanted is False:
            return []
        cut = self._network.split([place for place, until in self._until.items() if step < until])
        return [each for each in cut if not is_lookup(self._network.parts[each.place])]

    def _features(self, columns: Columns, cut: Sequence[Settled], dtype: torch.dtype) -> Features | None:
        key = self._key(columns, cut, dtype)
        if key not in self._found:
            kept = what_is_read(self._network, cut, columns, self._pad, self._device)
            if kept is None:
                self._found[key] = None
                logger.info("Not kept: %s, because what reads it needs more than its tokens", ", ".join(key[1]))
            else:
                digest = self._digests.setdefault(key[1], "") or describe(self._network, cut, self._device)
                self._digests[key[1]] = digest
                self._found[key] = Features(self._network, kept, columns, self._pad, self._device, digest, dtype=dtype)
        return self._found[key]

    @staticmethod
    def _key(columns: Columns, cut: Sequence[Settled], dtype: torch.dtype) -> tuple[int, tuple[str, ...], torch.dtype]:
        return id(columns), tuple(each.name for each in cut), dtype
