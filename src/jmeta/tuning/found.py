"""Results of a tuning: the scores of the settings that were tried."""

import dataclasses

import numpy as np

from jmeta.tuning.plan import Rung, Search


@dataclasses.dataclass(frozen=True)
class Tried:
    """The scores of one setting in one round.

    Attributes:
      trial: number of the setting in ``Search.trials``.
      by_seed: score of each training on the validation tasks [S]; NaN where it failed.
      failures: reasons why trainings failed.
    """

    trial: int
    by_seed: tuple[float, ...]
    failures: tuple[str, ...]

    @property
    def score(self) -> float:
        """The mean over the trainings; minus infinity if one of them failed."""
        return -np.inf if self.failures or not self.by_seed else float(np.mean(self.by_seed))


@dataclasses.dataclass(frozen=True)
class Found:
    """The result of a search.

    Attributes:
      search: the search.
      rungs: the rounds that are finished.
      tried: the settings of each of them, best first.
    """

    search: Search
    rungs: tuple[Rung, ...]
    tried: tuple[tuple[Tried, ...], ...]

    @property
    def best(self) -> Tried | None:
        """The best setting of the last round; None if none was sound, or none has been tried."""
        return next((tried for tried in (self.tried[-1] if self.tried else ()) if np.isfinite(tried.score)), None)
