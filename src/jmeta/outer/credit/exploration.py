"""Credit for gathering the data that a policy adapts to: E-MAML's second term (Stadie et al. 2018, arXiv 1803.01118)."""

import dataclasses

import jax
import jax.numpy as jnp

from jmeta import struct
from jmeta.objectives.advantages import raw_advantages, spread
from jmeta.outer.credit.base import Credit
from jmeta.outer.credit.baselines import Baseline, episode_credit
from jmeta.parallel import mean_over_devices, num_task_devices
from jmeta.ranges import NonNegative
from jmeta.types import Lifetime, PyTree, Segment


@struct.dataclass
class Exploration(Baseline):
    """``EpisodeBaseline``, and credit for *gathering* the data that the policy adapted to: E-MAML's second term.

    Decisions before an adaptation are also credited with the return after it. With R the mean return of an episode in the last
    segment, the gradient of its expectation has two parts,

        E[grad R(phi), the data held fixed]   +   E[R * sum_t grad log pi_theta(a_t | s_t)],

    the sum over all decisions of all streams before the last adaptation. The first is the derivative through inner steps on the
    ``naive`` surrogate. A surrogate with the outer products of scores, such as low-variance curvature, already gives credit for
    the data, and the second part would count it again.

    The loss takes the mean over a segment's T steps and B streams. With E episodes in the last segment, over all streams, this
    scales the first part by E / (T B). So decisions before the last segment get the advantage E (R - R'), with R' the
    mean of R over the *other* tasks of the batch. It is divided by the spread of the last segment's advantages in the task, as
    those are. The spread is at least half of its root mean square over tasks, since equal returns have almost no spread.

    It is unbiased if E is the same in all tasks. Its variance grows with the number of decisions that it credits.

    Attributes:
      coefficient: weight of the second part; 1 gives the gradient, 0 gives MAML.

    References:
      Stadie et al. 2018, arXiv 1803.01118 (E-MAML); Al-Shedivat et al. 2018, arXiv 1710.03641.
    """

    _: dataclasses.KW_ONLY
    coefficient: jax.Array | NonNegative = 1.0

    def assign(self, statistics: PyTree, lifetimes: Lifetime) -> tuple[Credit, PyTree]:
        credit = episode_credit(lifetimes, self.discount)
        num_segments, _, num_tasks, _ = credit.advantage.shape
        last = jax.tree.map(lambda x: x[-1], dataclasses.replace(lifetimes.segments, memory=()))
        returns, number, unit = jax.vmap(self._worth, in_axes=1)(last)
        total = num_tasks * num_task_devices()
        others = (returns - mean_over_devices(returns.mean())) * total / max(total - 1, 1)
        episodes = mean_over_devices(number.mean())
        unit = self.enlarged(unit)
        earned = self.coefficient * episodes * others / unit
        before = jnp.arange(num_segments)[:, None, None, None] < num_segments - 1
        return credit._replace(advantage=jnp.where(before, earned[:, None], credit.advantage)), statistics

    @staticmethod
    def enlarged(spread: jax.Array) -> jax.Array:
        """Returns spreads of advantages [N], each raised to at least half of their root mean square over all tasks."""
        typical = jnp.sqrt(mean_over_devices(jnp.square(spread).mean()))
        return jnp.maximum(spread, typical / 2.0)

    def _worth(self, segment: Segment) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Returns for a segment [T, B] the mean return of an episode, the number of episodes, and the scale of its advantages."""
        returns, advantage, weight = raw_advantages(segment, self.discount)
        begins = weight * segment.timestep.first
        number = begins.sum()
        return (begins * returns).sum() / jnp.maximum(number, 1.0), number, spread(advantage, weight)[1]
