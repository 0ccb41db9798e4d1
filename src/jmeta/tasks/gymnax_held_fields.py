"""Held-out tasks among the values of a gymnax environment's state fields: a hash of the values decides.

Values are drawn by the environment's own reset, not through ``TaskDistribution.uniform``, so they are split after they are drawn.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from jmeta.tasks.base import TaskDistribution
from jmeta.tasks.splits import Split
from jmeta.types import PyTree

FLOAT_BITS = 12  # mantissa bits of a float that decide whether it is held out; values within a part in 4096 share a split
CANDIDATES = 512  # resets drawn at construction, to check that the held fields' values can be split
FEWEST_TASKS = 4  # least number of distinct candidates in each split
SPLIT_OF_FOLD: tuple[Split, ...] = ("held-out", "train", "train", "train", "validation", "train", "train", "train")


def words_of(held: PyTree) -> jax.Array:
    """Returns values as words uint32 [W]: integers unchanged, floats to ``FLOAT_BITS`` bits of mantissa.

    The last of all 23 bits depends on how XLA fuses, so with it one key would give different tasks in different programs.
    """

    def word(leaf: jax.Array) -> jax.Array:
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            return leaf.astype(jnp.uint32).reshape(-1)
        leaf = jnp.where(leaf == 0, 0.0, leaf).astype(jnp.float32)  # -0.0 is 0.0
        return (jax.lax.bitcast_convert_type(leaf, jnp.uint32) >> (23 - FLOAT_BITS)).reshape(-1)

    return jnp.concatenate([word(leaf) for leaf in jax.tree.leaves(held)])


def fold_of(words: jax.Array) -> jax.Array:
    """Returns the fold [] of the values of these words [W], from 0 to 7, by their hash; ``SPLIT_OF_FOLD`` has its split."""
    index = jnp.arange(words.size, dtype=jnp.uint32)
    return _mix(jnp.sum(_mix(words ^ _mix(index)), dtype=jnp.uint32)) % len(SPLIT_OF_FOLD)


def is_of(split: Split, words: jax.Array) -> jax.Array:
    """Returns whether a split draws the values of these words [W]."""
    return jnp.asarray([each == split for each in SPLIT_OF_FOLD])[fold_of(words)]


def _mix(x: jax.Array) -> jax.Array:
    """MurmurHash3's finaliser: every bit of a uint32 depends on every bit of the input."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)


def check_can_be_split(tasks: TaskDistribution, env_id: str, held_fields: tuple[str, ...]) -> None:
    """Raises ValueError if a split has too few values of the fields.

    Args:
      tasks: the environment, with nothing held and nothing drawn.
      env_id: the name of the environment.
      held_fields: names of fields of its state.
    """
    training, validation, held_out = _count_tasks(tasks, held_fields)
    if min(training, validation, held_out) < FEWEST_TASKS:
        raise ValueError(
            f"held_fields={held_fields} took {training + validation + held_out} different values (floats to {FLOAT_BITS} bits) "
            f"in {CANDIDATES} resets of {env_id}, {training} for training, {validation} for validation and {held_out} held out: "
            "too few to be split. "
            "Hold a field that varies more, or give ranges too, which split the tasks themselves"
        )


@functools.cache
def _count_tasks(tasks: TaskDistribution, held_fields: tuple[str, ...]) -> tuple[int, int, int]:
    """Returns the numbers of different values of the fields for training, validation and held out, in ``CANDIDATES`` resets."""

    def candidate(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        _, state = tasks.reset(tasks.sample(key), key)
        words = words_of({name: getattr(state, name) for name in held_fields})
        return words, fold_of(words)

    with jax.ensure_compile_time_eval():
        words, folds = jax.jit(jax.vmap(candidate))(jax.random.split(jax.random.key(0), CANDIDATES))
        distinct = {row.tobytes(): SPLIT_OF_FOLD[fold] for row, fold in zip(np.asarray(words), np.asarray(folds), strict=True)}
    splits = list(distinct.values())
    return splits.count("train"), splits.count("validation"), splits.count("held-out")
