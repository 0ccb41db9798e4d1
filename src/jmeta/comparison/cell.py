"""A cell of a comparison: one algorithm in one task family."""

import dataclasses
from collections.abc import Callable

from jmeta import struct
from jmeta.comparison.pretrained import check_pretrained
from jmeta.comparison.variants import Variants
from jmeta.inner.base import InnerLearner
from jmeta.outer.base import OuterLearner
from jmeta.outer.checks import check_fit, check_protocol
from jmeta.tasks.base import TaskDistribution
from jmeta.tasks.splits import Split
from jmeta.types import Protocol


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
      outer_steps: outer steps of each training, in place of the comparison's budget; 0 for fresh weights.
      split: split of the test tasks.
      adapter: learner whose agent adapts the trained policy in evaluation, for a policy that was trained without adapting.
      published: published scores as they are printed, by whose they are.
    """

    task: str
    algorithm: str
    kind: str
    variants: dict[str, OuterLearner | HandWritten]
    evaluation: Protocol | None = None
    outer_steps: int | None = None
    split: Split = "held-out"
    adapter: OuterLearner | None = None
    published: dict[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.variants:
            raise ValueError(f"{self.name} has no variants: give at least one learner")
        explain(self, lambda: check_fit(self.learner.inner, self.learner.tasks))
        if self.adapter is not None and isinstance(self.learner, OuterLearner):
            check_pretrained(self.learner, self.adapter)
        check_protocol(self.learner.tasks, self.protocol)
        self.test_tasks()
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
        return self.evaluation or (self.adapter or self.learner).protocol

    def test_tasks(self) -> tuple[TaskDistribution, str | None]:
        """Returns the test tasks and None, or the training tasks and the reason why none can be held out.

        Raises:
          ValueError: if the split is out of distribution, and the task family has no such tasks.
        """
        tasks = self.learner.tasks
        try:
            return tasks.on_split(self.split), None
        except ValueError as error:
            if self.split != "held-out":
                raise
            return tasks.train, str(error)


def explain(cell: Cell, check: Callable[[], None]) -> None:
    """Runs a check, and adds the name of the cell to its ValueError."""
    try:
        check()
    except ValueError as error:
        raise ValueError(f"{cell.name}: {error}") from error
