"""The experience of an outer step of an on-policy learner, and how it is split by tasks."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jmeta import struct
from jmeta.axes import deal_axis
from jmeta.outer.credit import Credit
from jmeta.outer.terms import Record
from jmeta.ranges import Count
from jmeta.types import TASK_AXES, Lifetime, PyTree, Task


class MetaBatch(NamedTuple):
    """Lifetimes in n tasks, and the credit of their decisions."""

    tasks: Task  # [n]
    begin_keys: jax.Array  # [n] of ``inner.begin``
    lifetimes: Lifetime  # [K, T, n, B]
    credit: Credit  # [K, T, n, B]
    behaviour: jax.Array  # [K, T, n, B] log-probabilities of the actions under the behaviour policy

    @property
    def records(self) -> Record:
        """Returns the records of all steps [K, T, n, B]."""
        return Record(**struct.fields_for(Record, self.lifetimes.segments), log_prob=self.behaviour)


@struct.settings
class MetaBatchSettings:
    """Settings of the meta-batch of an on-policy learner.

    Attributes:
      num_tasks: lifetimes rolled out in each outer step, each in a newly drawn task (the meta-batch size).
      microbatch_size: lifetimes that one device differentiates at once, which bounds memory and changes nothing else; must
        divide the lifetimes that a device has in a minibatch; by default chosen for speed.
    """

    num_tasks: Count = struct.field(pytree_node=False)
    microbatch_size: Count | None = struct.field(pytree_node=False, default=None)


@struct.settings
class RematerialiseSettings:
    """Settings of a replay that contains inner steps.

    Attributes:
      rematerialise: whether to recompute inner steps in the backward pass, which needs less memory and more time.
    """

    rematerialise: bool = struct.field(pytree_node=False, default=False)


def take_segments(tree: PyTree, segments: tuple[int, ...]) -> PyTree:
    """Returns the chosen segments of leaves [K, ...]."""
    return jax.tree.map(lambda x: jnp.stack([x[k] for k in segments]), tree)


def split_tasks(group: MetaBatch, num_groups: int) -> MetaBatch:
    """Splits the n tasks into groups, [num_groups, ..., n / num_groups, ...]."""
    deal = lambda axis, tree: deal_axis(tree, axis, num_groups)  # noqa: E731
    axes = MetaBatch(tasks=0, begin_keys=0, lifetimes=TASK_AXES, credit=2, behaviour=2)  # type: ignore[arg-type]
    return jax.tree.map(deal, axes, group)


def over_axes(function: Callable[..., Any], number: int) -> Callable[..., Any]:
    """Applies ``vmap`` over the leading ``number`` axes."""
    for _ in range(number):
        function = jax.vmap(function)
    return function


def split_each(keys: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Splits each of [n] keys into two."""
    both = jax.vmap(jax.random.split)(keys)
    return both[:, 0], both[:, 1]
