"""A recipe by name: where its settings are, and what was measured with them."""

import dataclasses
import functools
from typing import Literal

import numpy as np

from jmeta.comparison import SPECS, Cell, Comparison, Returns, SpecCell, read_cell
from jmeta.evaluation import Evaluation
from jmeta.outer.base import OuterLearner
from jmeta.registry import build
from jmeta.training import Recipe

Score = Literal["lifetime", "episode", "second-segment"]
SCORES: dict[Score, str] = {
    "lifetime": "return of a lifetime",
    "episode": "return of an episode, the mean over the episodes of a lifetime",
    "second-segment": "return of an episode in the second segment, after the first adaptation",
}
"""What a score can be the mean of, in words."""


def scores(result: Evaluation | Returns, of: Score) -> np.ndarray:
    """Returns what a score is the mean of, in each test task [..., N]."""
    if of == "lifetime":
        return result.lifetime_returns
    if of == "episode":
        return result.episode_returns.mean(-1)
    if result.trajectory_returns is None or result.trajectory_returns.shape[-1] < 2:
        raise ValueError(f"the score is the {SCORES[of]}, and there is no second segment")
    return result.trajectory_returns[..., 1]


@dataclasses.dataclass(frozen=True)
class Measured:
    """What was measured.

    Attributes:
      score: mean over seeds and test tasks.
      of: what it is the mean of, a key of ``SCORES``.
      seeds: number of trainings.
      env_steps: environment steps of each training.
      minutes: wall-clock minutes of the fastest training, compilation included, on two CPU cores or fewer. Where all seeds
        trained in one program, its training time is divided by their number.
      standard_error: standard error of the score: over test tasks if there is one seed, else over seeds.
      interval: 95 % bootstrap interval over seeds and test tasks, in place of the standard error.
      optimum: the best possible score, where it is known.
      optimum_label: which optimum it is: "Bayes optimum", or "goal known" for an agent that knows the task.
    """

    score: float
    of: Score
    seeds: int
    env_steps: int
    minutes: float
    standard_error: float | None = None
    interval: tuple[float, float] | None = None
    optimum: float | None = None
    optimum_label: str | None = None


@dataclasses.dataclass(frozen=True)
class NamedRecipe:
    """A recipe that comes with jmeta.

    Attributes:
      name: ``ALGORITHM/TASK-FAMILY``, with a qualifier after a hyphen where there are several.
      spec: name of the comparison that has the settings.
      task: name of its table of tasks.
      algorithm: name of its table of algorithms.
      measured: the score that the settings reached, and what it took.
      sources: files of jmeta's repository that hold the measurement, the newest of each seed first.
      row: name of the row in those files; None if it is the name of the table of algorithms.
      remark: what else there is to know of the measurement.
    """

    name: str
    spec: str
    task: str
    algorithm: str
    measured: Measured
    sources: tuple[str, ...]
    row: str | None = None
    remark: str | None = None

    @property
    def recipe(self) -> Recipe:
        """Names and settings of the algorithm and the task family; settings that are not listed have their defaults."""
        return self._in_spec.recipe

    @property
    def comparison(self) -> Comparison:
        """The comparison of this algorithm in this task family alone, with its budget and number of test tasks."""
        return self._in_spec.comparison

    @property
    def cell(self) -> Cell:
        """The cell of the comparison, with the protocol and the split of the test tasks."""
        return self.comparison.cells[0]

    @property
    def num_steps(self) -> int:
        """Outer steps of a training."""
        return self.comparison.budget_of(self.cell).num_steps(self.build())

    def build(self) -> OuterLearner:
        """Builds the outer learner."""
        return build(self.recipe)

    @functools.cached_property
    def _in_spec(self) -> SpecCell:
        return read_cell(SPECS / f"{self.spec}.toml", self.task, self.algorithm)
