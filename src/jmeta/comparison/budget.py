"""Budgets of trainings."""

import dataclasses
import math

from jmeta.outer.base import OuterLearner
from jmeta.training.saving import MAX_STEPS


@dataclasses.dataclass(frozen=True)
class Budget:
    """Budget of every training of a comparison, or of one algorithm; exactly one of the three is given.

    Attributes:
      env_steps: environment steps of meta-training for each seed of each variant, rounded up to whole outer steps.
      wall_clock_seconds: seconds of training for a cell, all its seeds and variants together, without compilation.
      outer_steps: outer steps for each seed of each variant; 0 for fresh weights.
    """

    env_steps: int | None = None
    wall_clock_seconds: float | None = None
    outer_steps: int | None = None

    def __post_init__(self) -> None:
        given = {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
        if not given:
            raise ValueError("neither env_steps nor wall_clock_seconds is given: give one of them, the budget of every training")
        if len(given) > 1:
            raise ValueError(f"both {' and '.join(given)} are given: give one of them, the budget of every training")
        ((name, value),) = given.items()
        if name == "outer_steps" and value < 0:
            raise ValueError(f"outer_steps={value}: give a whole number of at least 0, which is for fresh weights")
        if name == "outer_steps" and value > MAX_STEPS:
            raise ValueError(f"outer_steps={value}: give {MAX_STEPS} at most")
        if name != "outer_steps" and not value > 0:
            raise ValueError(f"{name}={value}: a budget must be positive")

    def num_steps(self, learner: OuterLearner) -> int:
        """Returns the maximum number of outer steps."""
        if self.outer_steps is not None:
            return self.outer_steps
        return MAX_STEPS if self.env_steps is None else math.ceil(self.env_steps / learner.num_env_steps)
