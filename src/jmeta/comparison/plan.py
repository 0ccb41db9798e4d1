"""The definition of a comparison: its cells and their budgets."""

import dataclasses
import json
import zlib
from typing import Any

import jax
import numpy as np

from jmeta.comparison.budget import Budget
from jmeta.comparison.cell import Cell
from jmeta.keys import as_key
from jmeta.outer.base import OuterLearner
from jmeta.training.provenance import describe

LARGE = 100  # numbers


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Definition of a comparison.

    Attributes:
      name: name of the comparison.
      cells: all algorithms in all task families.
      num_seeds: trainings of each variant, with keys ``jax.random.key(seed)``, ``key(seed + 1)``, ... as in `jmeta train --seed`.
      budget: budget of each training, except of cells with outer steps of their own; None if all that train have them.
      num_test_tasks: tasks to score on, the same for every cell.
      seed: seed of the first training, and of the test tasks.
      reference: name of the algorithm whose mean score serves as the optimum in task families without a known one, or None.
      experience: environment steps in a new task, all streams together, after which agents are compared; None for 0 and the
        powers of ten.
    """

    name: str
    cells: tuple[Cell, ...]
    num_seeds: int
    budget: Budget | None = None
    num_test_tasks: int = 1000
    seed: int = 0
    reference: str | None = None
    experience: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        for field, value in (("seeds", self.num_seeds), ("num_test_tasks", self.num_test_tasks)):
            if value < 1:
                raise ValueError(f"{field}={value}: it must be at least 1")
        if self.experience is not None and (not self.experience or sorted({*self.experience}) != [*self.experience]):
            raise ValueError(f"experience={list(self.experience)}: give numbers of environment steps in growing order")
        if self.experience is not None and self.experience[0] < 0:
            raise ValueError(f"experience={list(self.experience)}: give at least 0 environment steps")
        for seed in (self.seed, self.seed + self.num_seeds - 1):
            as_key(seed)
        if not self.cells:
            raise ValueError("there is nothing to compare: give at least one algorithm and one task")
        for cell in self.cells:
            if isinstance(cell.learner, OuterLearner):
                self.budget_of(cell)

    def budget_of(self, cell: Cell) -> Budget:
        """Returns the budget of each training of a cell.

        Raises:
          ValueError: if neither the cell nor the comparison has one.
        """
        if cell.outer_steps is not None:
            return Budget(outer_steps=cell.outer_steps)
        if self.budget is None:
            raise ValueError(
                "neither env_steps nor wall_clock_seconds is given: give one of them, the budget of every training, or "
                f"outer_steps for each algorithm that trains, such as {cell.algorithm}"
            )
        return self.budget

    def settings(self, cell: Cell) -> dict[str, Any]:
        """Returns all that a cell's numbers depend on, except versions and devices, as JSON.

        Settings that earlier versions did not have are left out where they have their defaults.
        """
        settings: dict[str, Any] = {
            "kind": cell.kind,
            "variants": list(cell.variants),
            "learners": {label: describe(_digested(learner)) for label, learner in cell.variants.items()},
            "protocol": cell.protocol._asdict(),
            "num_test_tasks": self.num_test_tasks,
            "seed": self.seed,
        }
        if cell.split != "held-out":
            settings["split"] = cell.split
        if cell.adapter is not None:
            settings["adapted_by"] = describe(_digested(cell.adapter.inner))
        if isinstance(cell.learner, OuterLearner):
            settings |= {"num_seeds": self.num_seeds, "budget": dataclasses.asdict(self.budget_of(cell))}
        return json.loads(json.dumps(settings))


def _digested(learner: Any) -> Any:
    """Returns the learner with a checksum in place of every large array, such as a table of indices."""

    def digest(leaf: Any) -> Any:
        return leaf if np.size(leaf) <= LARGE else f"{np.shape(leaf)}, CRC-32 {zlib.crc32(np.asarray(leaf).tobytes()):08x}"

    return jax.tree.map(digest, learner)
