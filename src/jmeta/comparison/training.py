"""Training a cell: all seeds and variants of a learner in one program."""

import dataclasses
import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from jmeta.comparison.plan import Cell, Comparison, Variants
from jmeta.comparison.store import Store
from jmeta.outer.base import OuterLearner
from jmeta.parallel import SHARED, TASK_AXIS
from jmeta.training.loop import SECONDS_PER_CHUNK, annealing_note
from jmeta.training.memory import check_memory
from jmeta.training.placement import made_on, moved_to, shapes_on
from jmeta.training.supervision import Supervision
from jmeta.types import MetaState, Theta

SECONDS_PER_CHECKPOINT = 60.0
SECONDS_PER_LINE = 20.0

Say = Callable[[str], None]


class Trainings(NamedTuple):
    """Trainings in one program, [R] = variants x seeds, seeds innermost."""

    state: MetaState
    failed_step: jax.Array  # [R] int32, the outer step that was not finite, counted from 1; 0 while training is sound
    failed_metric: jax.Array  # [R] int32, which metric, in alphabetical order


TRAININGS_LAYOUT = Trainings(
    MetaState(SHARED, SHARED, SHARED, by_task=PartitionSpec(None, TASK_AXIS)),
    SHARED,  # type: ignore[arg-type]
    SHARED,  # type: ignore[arg-type]
)
"""Sharding of trainings [R, ...]: arrays with a task axis are split along it, as in a single training."""


@dataclasses.dataclass(frozen=True)
class Trained:
    """Result of training a cell.

    Attributes:
      theta: deployed meta-parameters of each training [R], as NumPy arrays; empty for a hand-written learner.
      learners: the learners [R].
      failures: [V][S] reason why a training failed, or None.
      info: steps and seconds.
    """

    theta: Theta
    learners: list[Any]
    failures: list[list[str | None]]
    info: dict[str, Any]


def train_cell(
    comparison: Comparison, cell: Cell, store: Store, mesh: jax.sharding.Mesh, say: Say, supervision: Supervision
) -> Trained | None:
    """Trains all variants from all seeds, from the last checkpoint on if there is one; None if a signal ended it early."""
    variants = Variants.of(cell.variants)
    num_variants = len(cell.variants)
    if not isinstance(cell.learner, OuterLearner):
        learners = [variants.learner({i: x[v] for i, x in variants.varying.items()}) for v in range(num_variants)]
        info = {"outer_steps": 0, "env_steps": 0, "train_seconds": 0.0, "compile_seconds": 0.0}
        return Trained((), learners, [[None]] * num_variants, info)

    num_seeds, budget = comparison.num_seeds, comparison.budget
    values = {i: jnp.repeat(x, num_seeds, axis=0) for i, x in variants.varying.items()}
    seeds = jnp.asarray(np.arange(comparison.seed, comparison.seed + num_seeds, dtype=np.uint32))
    keys = jnp.tile(jax.vmap(jax.random.key)(seeds), num_variants)
    init, chunk, metrics = programs(variants)
    if budget.env_steps is not None:
        for learner in cell.variants.values():
            if isinstance(learner, OuterLearner) and (note := annealing_note(learner, budget.num_steps(learner))):
                say(f"{cell.name}: {note}")
                break

    num_steps, limit = budget.num_steps(cell.learner), budget.wall_clock_seconds or math.inf
    with store.checkpoints() as checkpoints:
        template = (jax.eval_shape(init, values, keys), jax.ShapeDtypeStruct((), jnp.float32))
        step, (read, spent) = checkpoints.restore(template) or (0, (None, 0.0))
        if step:
            say(f"{cell.name}: continuing at outer step {step}")
        layout = jax.tree.map(partial(NamedSharding, mesh), TRAININGS_LAYOUT)
        keys, values = moved_to(NamedSharding(mesh, SHARED), (keys, values))
        supervision.doing(f"the compilation of {cell.name}")
        started = time.perf_counter()
        chunk = jax.jit(chunk, donate_argnums=0, out_shardings=layout)
        run = chunk.lower(shapes_on(layout, template[0]), keys, values, jnp.int32(0), jnp.int32(1)).compile()
        check_memory(run, cell.learner, list(mesh.devices.flat))
        trainings = made_on(layout, init, values, keys) if read is None else moved_to(layout, read)  # ours to donate
        compile_seconds = time.perf_counter() - started
        say(f"{cell.name}: compiled {num_variants} x {num_seeds} trainings in {compile_seconds:.1f} s")

        seconds, saved_at, said_at = float(spent), float(spent), time.monotonic()
        count, took, failed = 1, 0.0, np.zeros(len(keys), bool)
        while step < num_steps and seconds < limit and not failed.all() and not supervision.caught:
            supervision.doing(f"outer step {step + count} of {cell.name}", usual_seconds=took)
            started = time.perf_counter()
            trainings = run(trainings, keys, values, jnp.int32(step), jnp.int32(count))
            failed = np.asarray(trainings.failed_step) > 0
            took = time.perf_counter() - started
            step, seconds = step + count, seconds + took
            left = min(SECONDS_PER_CHUNK, max(limit - seconds, 0.0))
            count = min(max(1, round(left * count / took)), max(1, num_steps - step))
            if seconds - saved_at > SECONDS_PER_CHECKPOINT:
                checkpoints.save(step, (trainings, np.float32(seconds)))
                saved_at = seconds
            if time.monotonic() - said_at > SECONDS_PER_LINE:
                said_at = time.monotonic()
                say(f"{cell.name}: {100 * max(step / num_steps, seconds / limit):.0f} % of the budget, outer step {step}")
        if step < num_steps and seconds < limit and not failed.all():  # a signal ended the loop
            if seconds > saved_at:
                checkpoints.save(step, (trainings, np.float32(seconds)))
            return None

    learners = [variants.learner({i: x[r] for i, x in values.items()}) for r in range(len(keys))]
    thetas = [learner.deploy(jax.tree.map(lambda x, r=r: x[r], trainings.state)) for r, learner in enumerate(learners)]
    steps, which = np.asarray(trainings.failed_step), np.asarray(trainings.failed_metric)
    reasons = [f"{metrics[m]} is not finite at outer step {n}" if n else None for n, m in zip(steps, which, strict=True)]
    failures = [reasons[v * num_seeds : (v + 1) * num_seeds] for v in range(num_variants)]
    info = {
        "outer_steps": step,
        "env_steps": step * cell.learner.num_env_steps,
        "train_seconds": seconds,
        "compile_seconds": compile_seconds,
    }
    return Trained(jax.device_get(thetas), learners, failures, info)


def programs(variants: Variants) -> tuple[Any, Any, list[str]]:
    """Returns (init(values, keys), chunk(trainings, keys, values, first_step, count), names of metrics), over trainings [R]."""

    @jax.jit
    def init(values: dict[int, jax.Array], keys: jax.Array) -> Trainings:
        state = jax.vmap(lambda values, key: variants.learner(values).init(key))(values, keys)
        zeros = jnp.zeros(keys.shape, jnp.int32)
        return Trainings(state, zeros, zeros)

    @jax.jit  # traced once, though it is named twice below
    def step(state: MetaState, keys: jax.Array, values: dict[int, jax.Array]) -> Any:
        return jax.vmap(lambda state, key, values: variants.learner(values).step(state, key))(state, keys, values)

    examples = {i: x[:1] for i, x in variants.varying.items()}
    key = jax.random.split(jax.random.key(0), 1)
    _, metrics = jax.eval_shape(step, jax.eval_shape(init, examples, key).state, key, examples)
    names = sorted(metrics)

    def body(keys: jax.Array, values: dict[int, jax.Array], first_step: jax.Array, index: jax.Array, old: Trainings) -> Trainings:
        number = first_step + index
        state, metrics = step(old.state, jax.vmap(jax.random.fold_in, (0, None))(keys, number), values)
        bad = ~jnp.isfinite(jnp.stack([metrics[name] for name in names], axis=-1))  # [R, M]
        fails = bad.any(-1) & (old.failed_step == 0)
        sound = (old.failed_step == 0) & ~fails

        def keep(new: jax.Array, before: jax.Array) -> jax.Array:
            return jnp.where(sound.reshape(sound.shape + (1,) * (new.ndim - 1)), new, before)

        return Trainings(
            jax.tree.map(keep, state, old.state),
            jnp.where(fails, number + 1, old.failed_step),
            jnp.where(fails, jnp.argmax(bad, -1).astype(jnp.int32), old.failed_metric),
        )

    def chunk(
        trainings: Trainings, keys: jax.Array, values: dict[int, jax.Array], first_step: jax.Array, count: jax.Array
    ) -> Trainings:
        return jax.lax.fori_loop(0, count, partial(body, keys, values, first_step), trainings)

    return init, chunk, names
