"""Warnings about settings with which a training learns little, though nothing is wrong with them."""

import jax

from jmeta.inner.base import InContextLearner
from jmeta.outer.base import OuterLearner
from jmeta.types import PyTree


def annealing_note(outer: OuterLearner, num_steps: int) -> str | None:
    """Returns a warning, with the remedy, if the learning rate is zero in the last outer steps, else None."""
    anneal_steps = getattr(outer, "anneal_steps", None)
    if anneal_steps is None or num_steps <= anneal_steps:
        return None
    return (
        f"from outer step {anneal_steps + 1} on nothing is learned, since the learning rate has fallen to 0 (anneal_steps="
        f"{anneal_steps}, num_steps={num_steps}): give anneal_steps={num_steps}; an existing run continues with jmeta resume DIR "
        f"--num-steps {num_steps} --anneal-steps {num_steps}, or resume=True and an outer learner with that setting"
    )


def single_episode_note(outer: OuterLearner, theta: PyTree) -> str | None:
    """Returns a warning if a lifetime is a single episode, so that no later episode can use the memory, else None."""
    inner, protocol = outer.inner, outer.protocol
    if not isinstance(inner, InContextLearner) or not jax.tree.leaves(jax.eval_shape(inner.initial_memory, theta)):
        return None
    horizon = outer.tasks.horizon
    if horizon == 1 or protocol.num_segments * protocol.segment_length > horizon:
        return None
    return (
        f"a lifetime is a single episode of {horizon} steps, so {type(inner).__name__} can't use in a later episode what "
        f"it learned in an earlier one: for lifetimes of four episodes give lifetime_length={4 * horizon}"
    )
