"""The definition of a comparison: its budget, its cells, and the variants of a learner, which differ in numbers only."""

import dataclasses
import json
import math
import zlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jmeta import struct
from jmeta.inner.base import InnerLearner
from jmeta.keys import as_key
from jmeta.outer.base import OuterLearner
from jmeta.outer.checks import check_fit, check_protocol
from jmeta.tasks.base import TaskDistribution
from jmeta.training.provenance import describe
from jmeta.types import Protocol

MAX_STEPS = 2**31 - 2  # of a training on the clock; steps are counted in 32 bits
LARGE = 100  # numbers


@dataclasses.dataclass(frozen=True)
class Budget:
    """Budget of every training of a comparison; exactly one of the two is given.

    Attributes:
      env_steps: environment steps of meta-training for each seed of each variant, rounded up to whole outer steps.
      wall_clock_seconds: seconds of training for a cell, all its seeds and variants together, without compilation.
    """

    env_steps: int | None = None
    wall_clock_seconds: float | None = None

    def __post_init__(self) -> None:
        given = {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
        if len(given) != 1:
            what = "both env_steps and wall_clock_seconds are" if given else "neither env_steps nor wall_clock_seconds is"
            raise ValueError(f"{what} given: give one of them, the budget of every training")
        ((name, value),) = given.items()
        if not value > 0:
            raise ValueError(f"{name}={value}: a budget must be positive")

    def num_steps(self, learner: OuterLearner) -> int:
        """Returns the maximum number of outer steps."""
        if self.env_steps is None:
            return MAX_STEPS
        return math.ceil(self.env_steps / learner.num_env_steps)


@struct.dataclass
class HandWritten:
    """A learner with nothing to train, such as those of ``jmeta.references``."""

    inner: InnerLearner
    tasks: TaskDistribution = struct.field(pytree_node=False)
    protocol: Protocol = struct.field(pytree_node=False)


@dataclasses.dataclass(frozen=True)
class Cell:
    """One algorithm in one task family.

    Attributes:
      task: name of the task family in this comparison.
      algorithm: name of the algorithm in this comparison.
      kind: registered name of the algorithm, such as "rl2"; scores are normalised by the cell whose kind is "random".
      variants: learners by label, which differ in numeric leaves only; the label of a single variant may be empty.
      evaluation: the experience of a lifetime in evaluation; None for the learner's own.
    """

    task: str
    algorithm: str
    kind: str
    variants: dict[str, OuterLearner | HandWritten]
    evaluation: Protocol | None = None

    def __post_init__(self) -> None:
        if not self.variants:
            raise ValueError(f"{self.name} has no variants: give at least one learner")
        explain(self, lambda: check_fit(self.learner.inner, self.learner.tasks))
        check_protocol(self.learner.tasks, self.protocol)
        Variants.of(self.variants)

    @property
    def name(self) -> str:
        """Name for reports, "rl2 on bandit"."""
        return f"{self.algorithm} on {self.task}"

    @property
    def learner(self) -> OuterLearner | HandWritten:
        """The first variant, which stands for what all variants have in common."""
        return next(iter(self.variants.values()))

    @property
    def protocol(self) -> Protocol:
        """The experience of a lifetime in evaluation."""
        return self.evaluation or self.learner.protocol

    def test_tasks(self) -> tuple[TaskDistribution, str | None]:
        """Returns the held-out tasks and None, or the training tasks and the reason why none can be held out."""
        try:
            return self.learner.tasks.held_out, None
        except ValueError as error:
            return self.learner.tasks.train, str(error)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Definition of a comparison.

    Attributes:
      name: name of the comparison.
      cells: all algorithms in all task families.
      num_seeds: trainings of each variant, with keys ``jax.random.key(seed)``, ``key(seed + 1)``, ... as in `jmeta train --seed`.
      budget: budget of each training.
      num_test_tasks: tasks to score on, the same for every cell.
      seed: seed of the first training, and of the test tasks.
      reference: name of the algorithm whose mean score serves as the optimum in task families without a known one, or None.
    """

    name: str
    cells: tuple[Cell, ...]
    num_seeds: int
    budget: Budget
    num_test_tasks: int = 1000
    seed: int = 0
    reference: str | None = None

    def __post_init__(self) -> None:
        for field, value in (("seeds", self.num_seeds), ("num_test_tasks", self.num_test_tasks)):
            if value < 1:
                raise ValueError(f"{field}={value}: it must be at least 1")
        for seed in (self.seed, self.seed + self.num_seeds - 1):
            as_key(seed)
        if not self.cells:
            raise ValueError("there is nothing to compare: give at least one algorithm and one task")

    def settings(self, cell: Cell) -> dict[str, Any]:
        """Returns all that a cell's numbers depend on, except versions and devices, as JSON."""
        settings: dict[str, Any] = {
            "kind": cell.kind,
            "variants": list(cell.variants),
            "learners": {label: describe(_digested(learner)) for label, learner in cell.variants.items()},
            "protocol": cell.protocol._asdict(),
            "num_test_tasks": self.num_test_tasks,
            "seed": self.seed,
        }
        if isinstance(cell.learner, OuterLearner):
            settings |= {"num_seeds": self.num_seeds, "budget": dataclasses.asdict(self.budget)}
        return json.loads(json.dumps(settings))


@dataclasses.dataclass(frozen=True)
class Variants:
    """V learners of one structure; numbers in which they differ are arrays, so that a ``vmap`` may run over them.

    Attributes:
      structure: tree structure of each learner.
      leaves: leaves of the first learner.
      varying: index of a leaf -> its values [V].
    """

    structure: Any
    leaves: list[Any]
    varying: dict[int, jax.Array]

    @classmethod
    def of(cls, learners: dict[str, Any]) -> "Variants":
        """Returns the variants of learners by label.

        Raises:
          ValueError: if they differ in anything but numeric leaves, or do not differ.
        """
        (first_label, first), *others = learners.items()
        leaves, structure = jax.tree.flatten(first)
        rows = [leaves]
        for label, learner in others:
            row = jax.tree.leaves(learner)
            alike = len(row) == len(leaves) and all(np.shape(a) == np.shape(b) for a, b in zip(row, leaves, strict=True))
            if not alike or describe(jax.tree.unflatten(structure, row)) != describe(learner):
                raise ValueError(
                    f"{label!r} and {first_label!r} differ in more than numbers, so they can't share one program: "
                    "give each a table of its own"
                )
            if any(all(np.array_equal(a, b) for a, b in zip(row, other, strict=True)) for other in rows):
                raise ValueError(
                    f"{label!r} makes no number of the learner differ: that setting changes the program, or has a value twice; "
                    "give each value a table of its own"
                )
            rows.append(row)
        columns = [np.stack([np.asarray(leaf) for leaf in column]) for column in zip(*rows, strict=True)]
        varying = {i: jnp.asarray(column) for i, column in enumerate(columns) if (column != column[0]).any()}
        return cls(structure, leaves, varying)

    def learner(self, values: dict[int, jax.Array]) -> Any:
        """Returns the learner with these values of the leaves that vary."""
        return jax.tree.unflatten(self.structure, [values.get(index, leaf) for index, leaf in enumerate(self.leaves)])


def _digested(learner: Any) -> Any:
    """Returns the learner with a checksum in place of every large array, such as a table of indices."""

    def digest(leaf: Any) -> Any:
        return leaf if np.size(leaf) <= LARGE else f"{np.shape(leaf)}, CRC-32 {zlib.crc32(np.asarray(leaf).tobytes()):08x}"

    return jax.tree.map(digest, learner)


def explain(cell: Cell, check: Callable[[], None]) -> None:
    """Runs a check, and adds the name of the cell to its ValueError."""
    try:
        check()
    except ValueError as error:
        raise ValueError(f"{cell.name}: {error}") from error
