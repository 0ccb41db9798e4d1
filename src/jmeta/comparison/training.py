"""Training a cell: all seeds and variants of a learner in one program."""

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jmeta.comparison.cell import Cell
from jmeta.comparison.learning import LearningCurves, LearningLog
from jmeta.comparison.plan import Comparison
from jmeta.comparison.store import Store
from jmeta.comparison.variants import Variants
from jmeta.outer.base import OuterLearner
from jmeta.training.engine import Chunk, Engine, Observer, Saving
from jmeta.training.notes import annealing_note
from jmeta.training.programs import Trainings, many_trainings
from jmeta.training.supervision import Supervision
from jmeta.types import PyTree

SECONDS_PER_CHECKPOINT = 60.0
SECONDS_PER_LINE = 20.0
NOTHING_TRAINED: dict[str, Any] = {"outer_steps": 0, "env_steps": 0, "train_seconds": 0.0, "compile_seconds": 0.0}

Say = Callable[[str], None]


@dataclasses.dataclass(frozen=True)
class Trained:
    """Result of training a cell.

    Attributes:
      theta: deployed meta-parameters of each training [R], as NumPy arrays; empty for a hand-written learner.
      learners: the learners [R].
      failures: [V][S] reason why a training failed, or None.
      info: steps and seconds.
      learning: learning curves; None for a hand-written learner.
    """

    theta: PyTree
    learners: list[Any]
    failures: list[list[str | None]]
    info: dict[str, Any]
    learning: LearningCurves | None = None


def train_cell(
    comparison: Comparison, cell: Cell, store: Store, mesh: jax.sharding.Mesh, say: Say, supervision: Supervision
) -> Trained | None:
    """Trains all variants from all seeds, from the last checkpoint on if there is one; None if a signal ended it early."""
    variants = Variants.of(cell.variants)
    num_variants = len(cell.variants)
    if not isinstance(cell.learner, OuterLearner):
        learners = [variants.learner({i: x[v] for i, x in variants.varying.items()}) for v in range(num_variants)]
        return Trained((), learners, [[None]] * num_variants, NOTHING_TRAINED)

    num_seeds, budget = comparison.num_seeds, comparison.budget_of(cell)
    values = {i: jnp.repeat(x, num_seeds, axis=0) for i, x in variants.varying.items()}
    seeds = jnp.asarray(np.arange(comparison.seed, comparison.seed + num_seeds, dtype=np.uint32))
    keys = jnp.tile(jax.vmap(jax.random.key)(seeds), num_variants)
    program = many_trainings(cell.learner, variants.learner, values, keys)
    if budget.outer_steps == 0:
        learners, thetas = _deployed(variants, values, jax.jit(program.init)(*program.inputs))
        return Trained(thetas, learners, [[None] * num_seeds] * num_variants, NOTHING_TRAINED)
    if budget.wall_clock_seconds is None:
        for learner in cell.variants.values():
            if isinstance(learner, OuterLearner) and (note := annealing_note(learner, budget.num_steps(learner))):
                say(f"{cell.name}: {note}")
                break

    num_steps, limit = budget.num_steps(cell.learner), budget.wall_clock_seconds or math.inf
    with store.checkpoints() as checkpoints:
        template = (jax.eval_shape(program.init, *program.inputs), jax.ShapeDtypeStruct((), jnp.float32))
        step, (read, spent) = checkpoints.restore(template) or (0, (None, 0.0))
        if step:
            say(f"{cell.name}: continuing at outer step {step}")
        log = LearningLog(store.learning_log, len(keys), step)
        saving = Saving[Trainings](
            checkpoints,
            every_seconds=SECONDS_PER_CHECKPOINT,
            at_end=False,  # the result is stored instead
            content=lambda trainings, seconds: (trainings, np.float32(seconds)),
        )
        observer = _Observer(cell.name, f"{num_variants} x {num_seeds} trainings", num_steps, limit, log, say)
        engine = Engine(program, mesh, supervision, observer, saving, cell.name)
        ended = engine.run(read, step, num_steps, seconds=float(spent), max_seconds=limit)
        if not ended.finished:
            return None

    trainings = ended.state
    learners, thetas = _deployed(variants, values, trainings)
    steps, which = np.asarray(trainings.failed_step), np.asarray(trainings.failed_metric)
    names = ended.metric_names
    reasons = [f"{names[m]} is not finite at outer step {n}" if n else None for n, m in zip(steps, which, strict=True)]
    failures = [reasons[v * num_seeds : (v + 1) * num_seeds] for v in range(num_variants)]
    info = {
        "outer_steps": ended.step,
        "env_steps": ended.step * cell.learner.num_env_steps,
        "train_seconds": ended.seconds,
        "compile_seconds": ended.compile_seconds,
    }
    return Trained(thetas, learners, failures, info, log.curves(num_variants, cell.learner.num_env_steps))


def _deployed(variants: Variants, values: dict[int, jax.Array], trainings: Trainings) -> tuple[list[Any], list[PyTree]]:
    """Returns the learners of all trainings [R], and the theta that each ships [R] as NumPy arrays."""
    learners = [variants.learner({i: x[r] for i, x in values.items()}) for r in range(len(trainings.failed_step))]
    thetas = [learner.deploy(jax.tree.map(lambda x, r=r: x[r], trainings.state)) for r, learner in enumerate(learners)]
    return learners, jax.device_get(thetas)


@dataclasses.dataclass
class _Observer(Observer[Trainings]):
    """Records learning curves, ends the training of a cell when all trainings have failed, and says a line now and then."""

    name: str
    trainings: str
    num_steps: int
    limit: float
    log: LearningLog
    say: Say
    said_at: float = 0.0

    def compiled(self, seconds: float) -> None:
        self.say(f"{self.name}: compiled {self.trainings} in {seconds:.1f} s")
        self.said_at = time.monotonic()

    def after(self, chunk: Chunk, state: Trainings) -> bool:
        failed_step = np.asarray(state.failed_step)
        numbers = np.arange(chunk.first_step, chunk.step)[:, None] + 1
        failed = (failed_step > 0) & (numbers >= failed_step)  # [n, R]
        self.log.append({name: np.where(failed, np.nan, values) for name, values in chunk.metrics.items()})
        return not failed_step.all()

    def report(self, chunk: Chunk) -> None:
        if time.monotonic() - self.said_at > SECONDS_PER_LINE:
            self.said_at = time.monotonic()
            share = max(chunk.step / self.num_steps, chunk.seconds / self.limit)
            self.say(f"{self.name}: {100 * share:.0f} % of the budget, outer step {chunk.step}")
