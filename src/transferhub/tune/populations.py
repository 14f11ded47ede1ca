"""PaddleHub's two tuning strategies: which places in [-1, 1]ⁿ the trials of a round try.

Both are functions of a seed and of what was told: told the same rounds again they go on as if never stopped.
"""

from collections.abc import Sequence
from typing import Protocol

from transferhub.errors import ConfigError

SIGMA = 0.2  # HAZero's step, as in 1.x
ALPHA, EPSILON = 0.5, 0.2  # PSHE2's momentum and perturbation, as in 1.x

Place = list[float]


class Population(Protocol):
    """Proposes the places of a round, and is told the losses it came to."""

    def propose(self) -> list[Place]:
        """The places of the next round; the very first is where the search begins."""
        ...

    def tell(self, places: Sequence[Place], losses: Sequence[float]) -> None:
        """What a round came to; lower is better."""
        ...


class HAZero:
    """CMA-ES (Hansen 2016, arXiv:1604.00772), from the `cmaes` package, begun at the initial values.

    Rounds of fewer than four trials are gathered: a generation needs two parents.

    Raises:
        ConfigError: One parameter alone has no covariance to adapt.
    """

    def __init__(self, initial: Place, popsize: int, seed: int) -> None:
        import numpy as np
        from cmaes import CMA

        if len(initial) < 2:
            raise ConfigError(
                "hazero searches at least two parameters, the file has one",
                fix="--tuning_strategy pshe2",
            )
        bounds = np.array([[-1.0, 1.0]] * len(initial))
        self._initial, self._popsize = initial, popsize
        self._search = CMA(np.array(initial), SIGMA, bounds=bounds, seed=seed, population_size=max(4, popsize))
        self._told: list[tuple[Place, float]] = []
        self._begun = False

    def propose(self) -> list[Place]:
        """Draws from the current distribution."""
        drawn = [[float(value) for value in self._search.ask()] for _ in range(self._popsize)]
        if not self._begun:
            drawn[0], self._begun = list(self._initial), True
        return drawn

    def tell(self, places: Sequence[Place], losses: Sequence[float]) -> None:
        """Adapt mean, step and covariance once a generation is whole."""
        import numpy as np

        self._told += zip(places, losses, strict=True)
        while len(self._told) >= self._search.population_size:
            generation = self._told[: self._search.population_size]
            self._told = self._told[self._search.population_size :]
            self._search.tell([(np.array(place), loss) for place, loss in generation])


class PSHE2:
    """A momentum search: each member moves towards the best place so far, and is perturbed.

    v ← α·v + (1 − α)·(best − x), x ← x + v + U(−ε, ε), kept within [-1, 1]. The first member begins at the initial
    values, the others anywhere.
    """

    def __init__(self, initial: Place, popsize: int, seed: int) -> None:
        import numpy as np

        self._draw = np.random.default_rng(seed)
        self._places = [list(initial), *self._draw.uniform(-1, 1, (popsize - 1, len(initial))).tolist()]
        self._momenta = np.zeros((popsize, len(initial)))
        self._best: tuple[float, Place] | None = None

    def propose(self) -> list[Place]:
        """Where the members are."""
        return [list(place) for place in self._places]

    def tell(self, places: Sequence[Place], losses: Sequence[float]) -> None:
        """Move the members."""
        import numpy as np

        loss, best = min(zip(losses, places, strict=True), key=lambda pair: pair[0])
        if self._best is None or loss < self._best[0]:
            self._best = loss, list(best)
        now = np.array(places)
        self._momenta = ALPHA * self._momenta + (1 - ALPHA) * (np.array(self._best[1]) - now)
        moved = now + self._momenta + self._draw.uniform(-EPSILON, EPSILON, now.shape)
        self._places = np.clip(moved, -1, 1).tolist()


STRATEGIES: dict[str, type[HAZero] | type[PSHE2]] = {"hazero": HAZero, "pshe2": PSHE2}
