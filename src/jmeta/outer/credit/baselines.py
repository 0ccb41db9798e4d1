"""Credit over a baseline that is fitted to each segment of each task."""

import jax
import jax.numpy as jnp

from jmeta import struct
from jmeta.objectives.advantages import episodic_advantages
from jmeta.outer.credit.base import Credit, CreditAssignment
from jmeta.settings import DiscountSettings
from jmeta.types import TASK_AXES, Lifetime, PyTree


class Baseline(CreditAssignment, DiscountSettings):
    """Base of credit without a critic to train, so that there are no statistics either."""

    def init(self) -> PyTree:
        return ()

    def value_loss(self, value: jax.Array, target: jax.Array) -> jax.Array:
        return jnp.zeros_like(value)


def episode_credit(lifetimes: Lifetime, discount: jax.Array | float) -> Credit:
    """Returns advantages over a linear baseline that is fitted to each segment of each task."""

    def one_task(lifetime: Lifetime) -> tuple[jax.Array, jax.Array]:
        return jax.vmap(episodic_advantages, in_axes=(0, None))(lifetime.segments, discount)

    advantage, weight = jax.vmap(one_task, in_axes=(TASK_AXES,), out_axes=2)(lifetimes)
    return Credit(advantage=advantage, weight=weight, value_target=lifetimes.segments.decision.value)


@struct.dataclass
class EpisodeBaseline(Baseline):
    """Advantages over a linear feature baseline fitted to each segment of each task; credit stays inside the episode.

    There is no critic to train. See ``jmeta.objectives.advantages.episodic_advantages``.
    """

    def assign(self, statistics: PyTree, lifetimes: Lifetime) -> tuple[Credit, PyTree]:
        return episode_credit(lifetimes, self.discount), statistics
