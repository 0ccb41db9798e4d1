"""What the engine trains: one training, or several trainings of learners that differ in numbers, in one program."""

import dataclasses
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec

from jmeta.outer.base import STATE_LAYOUT, OuterLearner
from jmeta.parallel import SHARED, TASK_AXIS
from jmeta.types import MetaState, Metrics, PyTree

State = TypeVar("State")
Values = TypeVar("Values")

INIT_FOLD = 2**31 - 2  # draw initial states from fold_in(key, this), which no outer step and no evaluation does


@dataclasses.dataclass(frozen=True)
class Program(Generic[State]):
    """A training as pure functions.

    Attributes:
      outer: the learner, or one that stands for all learners of the program.
      layout: partition specs of the state, a prefix of it.
      inputs: arrays that every step is given, such as the key; each device has all of them.
      init: ``init(*inputs)`` returns the state before the first step.
      step: ``step(state, number, *inputs)`` takes outer step ``number``, counted from 0, and returns the state and metrics.
    """

    outer: OuterLearner
    layout: PyTree
    inputs: tuple[PyTree, ...]
    init: Callable[..., State]
    step: Callable[..., tuple[State, Metrics]]


def one_training(outer: OuterLearner, key: jax.Array, theta: PyTree | None = None) -> Program[MetaState]:
    """Returns a training whose step i draws from ``fold_in(key, i)``, and which begins with ``theta`` if that is given.

    The first state draws from ``fold_in(key, INIT_FOLD)``. Learners split the key of ``init``, and ``split(key, n)[i]`` is
    ``fold_in(key, i)``: from ``key`` itself, the first state and the first steps would share keys.

    It has no axis of trainings, so it compiles to the same program as a loop over ``outer.step``.
    """
    take = jax.jit(outer.step)  # traced once, though a chunk names it twice

    def init(key: jax.Array) -> MetaState:
        key = jax.random.fold_in(key, INIT_FOLD)
        return outer.init(key) if theta is None else outer.init_with(theta, key)

    def step(state: MetaState, number: jax.Array, key: jax.Array) -> tuple[MetaState, Metrics]:
        return take(state, jax.random.fold_in(key, number))

    return Program(outer, STATE_LAYOUT, (key,), init, step)


class Trainings(NamedTuple):
    """Trainings in one program [R]."""

    state: MetaState
    failed_step: jax.Array  # [R] int32, the outer step that was not finite, counted from 1; 0 while training is sound
    failed_metric: jax.Array  # [R] int32, which metric, in alphabetical order


TRAININGS_LAYOUT = Trainings(
    MetaState(SHARED, SHARED, SHARED, by_task=PartitionSpec(None, TASK_AXIS)),
    SHARED,  # type: ignore[arg-type]
    SHARED,  # type: ignore[arg-type]
)
"""Sharding of trainings [R, ...]: arrays with a task axis are split along it, as in a single training."""


def many_trainings(
    outer: OuterLearner, learner: Callable[[Values], OuterLearner], values: Values, keys: jax.Array
) -> Program[Trainings]:
    """Returns R trainings. Each draws from its key as ``one_training`` does.

    A training whose metrics become non-finite keeps the state before that step, and its metrics [R] have no meaning from then on.
    The others continue.

    Args:
      outer: a learner that stands for all.
      learner: returns the learner with given values.
      values: values [R, ...] in which the learners differ.
      keys: keys [R].
    """

    @jax.jit
    def init(keys: jax.Array, values: Values) -> Trainings:
        init_keys = jax.vmap(jax.random.fold_in, (0, None))(keys, INIT_FOLD)
        state = jax.vmap(lambda key, values: learner(values).init(key))(init_keys, values)
        zeros = jnp.zeros(keys.shape, jnp.int32)
        return Trainings(state, zeros, zeros)

    @jax.jit  # traced once, though a chunk names it twice
    def take(state: MetaState, keys: jax.Array, values: Values) -> Any:
        return jax.vmap(lambda state, key, values: learner(values).step(state, key))(state, keys, values)

    def step(old: Trainings, number: jax.Array, keys: jax.Array, values: Values) -> tuple[Trainings, Metrics]:
        state, metrics = take(old.state, jax.vmap(jax.random.fold_in, (0, None))(keys, number), values)
        names = sorted(metrics)
        table = jnp.stack([metrics[name] for name in names], axis=-1)  # [R, M]
        bad = ~jnp.isfinite(table)
        fails = bad.any(-1) & (old.failed_step == 0)
        sound = (old.failed_step == 0) & ~fails

        def keep(new: jax.Array, before: jax.Array) -> jax.Array:
            return jnp.where(sound.reshape(sound.shape + (1,) * (new.ndim - 1)), new, before)

        new = Trainings(
            jax.tree.map(keep, state, old.state),
            jnp.where(fails, number + 1, old.failed_step),
            jnp.where(fails, jnp.argmax(bad, -1).astype(jnp.int32), old.failed_metric),
        )
        recorded = jax.lax.optimization_barrier(table)  # else XLA would fuse, and so round, the step differently
        return new, {name: recorded[:, m] for m, name in enumerate(names)}

    return Program(outer, TRAININGS_LAYOUT, (keys, values), init, step)
