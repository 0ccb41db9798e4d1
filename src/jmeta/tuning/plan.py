"""The definition of a tuning: which settings are tried, on what, and for how long."""

import dataclasses
import math
from typing import Any

from jmeta.comparison import Cell
from jmeta.recipes import Score
from jmeta.tasks import Split, TaskDistribution


def split_to_tune_on(tasks: TaskDistribution) -> Split:
    """Returns the split that settings are chosen on: validation, or training in a family that sets no tasks aside at all."""
    return "validation" if tasks.has_held_out or tasks.has_validation else "train"


@dataclasses.dataclass(frozen=True)
class Rung:
    """One round of successive halving: so many settings are trained for so many environment steps each."""

    num_settings: int
    env_steps: int


@dataclasses.dataclass(frozen=True)
class Trial:
    """Settings to try.

    Attributes:
      settings: those that differ from the algorithm's table; none for trial 0, the table itself.
      cell: a cell of one learner, scored on validation tasks; None if the algorithm refused the settings.
      refusal: why it refused them, or None.
    """

    settings: dict[str, Any]
    cell: Cell | None
    refusal: str | None = None


@dataclasses.dataclass(frozen=True)
class Search:
    """The search for settings of one algorithm in one task family.

    Attributes:
      task: name of the table of tasks.
      algorithm: name of the table of algorithms.
      trials: the settings to try; the first are those of the table itself.
    """

    task: str
    algorithm: str
    trials: tuple[Trial, ...]

    def __post_init__(self) -> None:
        for each in self.cells:
            tasks = each.test_tasks()[0]
            if tasks.split != split_to_tune_on(tasks):
                raise ValueError(f"{each.name} is scored on {tasks.split} tasks: settings are chosen on validation tasks alone")

    @property
    def name(self) -> str:
        """Name for reports, "rl2 on bandit"."""
        return f"{self.algorithm} on {self.task}"

    @property
    def cells(self) -> list[Cell]:
        """The cells of the trials whose settings the algorithm takes."""
        return [trial.cell for trial in self.trials if trial.cell is not None]


@dataclasses.dataclass(frozen=True)
class Tuning:
    """Definition of a tuning.

    Attributes:
      name: name of the specification.
      searches: each algorithm that has a search space, in each of its task families.
      num_settings: settings of the first round, those of the algorithm's table among them.
      num_seeds: trainings of each setting.
      env_steps: environment steps of each training in the last round.
      num_rungs: rounds.
      reduction: each round has as many times fewer settings, and trains each as many times longer, than the one before.
      num_tasks: validation tasks to score on.
      score: what is maximised, a key of ``jmeta.recipes.SCORES``.
      seed: seed of the first training, of the validation tasks and of the drawn settings.
      spec: the specification, from which that of the winners is made.
    """

    name: str
    searches: tuple[Search, ...]
    num_settings: int
    num_seeds: int
    env_steps: int
    num_rungs: int
    reduction: int
    num_tasks: int
    score: Score
    seed: int
    spec: dict[str, Any] = dataclasses.field(default_factory=dict, repr=False)

    @property
    def rungs(self) -> list[Rung]:
        """The rounds of successive halving (Jamieson and Talwalkar 2016, arXiv 1502.07943)."""
        shares = [self.reduction**number for number in range(self.num_rungs)]
        return [
            Rung(max(1, math.ceil(self.num_settings / share)), math.ceil(self.env_steps * share / shares[-1])) for share in shares
        ]
