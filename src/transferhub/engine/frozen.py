"""Which splits of a run are read from kept features, and when: as long as the Plan leaves the parts below frozen."""

from collections.abc import Sequence

import torch

from transferhub import cache
from transferhub.engine import lower_blocks
from transferhub.engine.features import FeatureColumns, Features
from transferhub.engine.settled import Kept, describe, frozen_until, is_lookup, what_is_read
from transferhub.graph import Network, Settled
from transferhub.log import logger
from transferhub.reader import Columns, Padding
from transferhub.strategy import Plan


class FrozenFeatures:
    """The features of a run's splits.

    Parts of the network are settled at a step if the Plan moves nothing of them, and of all before them, up to and
    including this step. Their values are kept if that is so for an epoch at least. What is only looked up in a table is
    not kept: its rows are read from memory as fast. Of a part that moves in its upper blocks alone, what the lower ones
    give is kept (`lower_blocks`), where that is for more than an epoch.

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
        until = frozen_until(network, plan)
        self._until = {place: step for place, step in until.items() if step >= least}
        self._stretches = {
            place: lower_blocks.stretches(
                lower_blocks.blocks_frozen_until(network, plan, place),
                self._until.get(place, 0),
                plan.total_steps,
                0 if wanted else in_epoch,
            )
            for place in (until if wanted is not False else ())
            if self._until.get(place, 0) < plan.total_steps
        }
        self._said: set[str] = set()
        self._found: dict[tuple[int, tuple[str, ...], torch.dtype], Features | None] = {}
        self._digests: dict[tuple[str, ...], str] = {}

    def decide(self, splits: Sequence[Columns | None]) -> bool:
        """Whether a run that starts now keeps features: something is settled, and there is room for all splits.

        Args:
            splits: The one that is trained on first.
        """
        return self._have_room(splits, [self._cut(0, blocks=False)])

    def decide_blocks(self, splits: Sequence[Columns | None]) -> bool:
        """Whether it keeps what lower blocks give too: there is room for that of all stretches of the run."""
        starts = sorted({each.start for found in self._stretches.values() for each in found})
        return bool(starts) and self._have_room(splits, [self._cut(step) for step in {0: 0, **dict.fromkeys(starts)}])

    def _have_room(self, splits: Sequence[Columns | None], cuts: Sequence[list[Settled]]) -> bool:
        if not any(cuts):
            return False
        kinds = [self._dtype, *[torch.float32] * (len(splits) - 1)]
        features = [
            self._features(columns, cut, dtype)
            for cut in cuts
            for columns, dtype in zip(splits, kinds, strict=True)
            if columns is not None and not columns.varies and cut
        ]
        found = {each.key: each for each in features if each is not None}.values()
        size = sum(each.bytes for each in found if not each.folder.exists())
        why = cache.no_room(size) if found else "what reads them needs more than can be kept"
        if sum(each.bytes for each in found) > cache.cap():
            why = cache.no_room(sum(each.bytes for each in found))
        if why:
            logger.info("The frozen part of the network is computed in each epoch: %s", why)
        return why is None

    def use(self, wanted: bool, blocks: bool) -> None:
        """Follow what the run's first start decided of whole parts and of lower blocks."""
        if not wanted:
            self._until = {}
        if not blocks:
            self._stretches = {}

    def of(self, columns: Columns, step: int, dtype: torch.dtype = torch.float32) -> Columns:
        """A split's columns for step `step` or an evaluation after it: with features, where there are.

        Args:
            columns: Of the split.
            step: From 0.
            dtype: Of the network that reads them.
        """
        cut = [] if columns.varies else self._cut(step)
        features = self._features(columns, cut, dtype) if cut else None
        if features is None:
            return columns
        if not features.is_open and not features.open():
            self._found[self._key(columns, cut, dtype)] = None
            return columns
        return FeatureColumns(columns, features, dtype)

    def _cut(self, step: int, blocks: bool = True) -> list[Settled]:
        if self._wanted is False:
            return []
        still = [place for place, until in self._until.items() if step < until]
        cut = self._network.split(still, lower_blocks.at(step, self._stretches) if blocks else {})
        return [each for each in cut if each.reads is not None or not is_lookup(self._network.parts[each.place])]

    def _features(self, columns: Columns, cut: Sequence[Settled], dtype: torch.dtype) -> Features | None:
        key = self._key(columns, cut, dtype)
        if key not in self._found:
            self._found[key] = None
            if kept := self._kept(columns, cut):
                found = [each.settled for each in kept]
                names = tuple(each.name for each in found)
                digest = self._digests.setdefault(names, "") or describe(self._network, found, self._device)
                self._digests[names] = digest
                self._found[key] = Features(self._network, kept, columns, self._pad, self._device, digest, dtype=dtype)
        return self._found[key]

    def _kept(self, columns: Columns, cut: Sequence[Settled]) -> list[Kept]:
        """What of a cut may be kept: whole parts, all or none; and each part's lower blocks by itself."""
        kept: list[Kept] = []
        lower = [[each] for each in cut if each.reads is not None]
        for group in [[each for each in cut if each.reads is None], *lower]:
            found = what_is_read(self._network, group, columns, self._pad, self._device) if group else []
            if found is None:
                names = ", ".join(each.name for each in group)
                why = (
                    "what reads it needs more than its tokens"
                    if group[0].reads is None
                    else "the network does not compute the same on top of it, or it draws random numbers"
                )
                if names not in self._said:
                    logger.info("Not kept: %s, because %s", names, why)
                self._said.add(names)
            kept += found or []
        return kept

    @staticmethod
    def _key(columns: Columns, cut: Sequence[Settled], dtype: torch.dtype) -> tuple[int, tuple[str, ...], torch.dtype]:
        return id(columns), tuple(each.name for each in cut), dtype
