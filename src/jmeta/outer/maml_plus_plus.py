"""MAML++'s outer learner (Antoniou et al. 2019, arXiv 1810.09502)."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp

from jmeta import struct
from jmeta.outer.meta_batch import MetaBatch
from jmeta.outer.ppo_settings import PPOSettings
from jmeta.outer.proximal import Proximal
from jmeta.ranges import CountOrZero
from jmeta.types import MetaState, Metrics, PyTree, Theta


@struct.settings
class MAMLPlusPlusScheduleSettings(PPOSettings):
    """Settings of MAML++'s schedules.

    Attributes:
      multi_step_steps: outer steps over which the weights of the returns after earlier inner steps fall linearly to zero; it
        has no effect with one inner step.
      first_order_steps: number of initial outer steps that leave out second derivatives.
      anneal_steps: outer steps over which the learning rate falls along a cosine to zero, and the entropy coefficient linearly in
        half as many; constant by default.
    """

    multi_step_steps: CountOrZero = struct.field(pytree_node=False, default=100)
    first_order_steps: CountOrZero = struct.field(pytree_node=False, default=50)


@struct.dataclass
class MAMLPlusPlus(Proximal[Theta], MAMLPlusPlusScheduleSettings):
    """``PPO`` with MAML++'s schedules of the loss weights of inner steps, the order of derivatives and the learning rate.

    After t outer steps the segment that follows the k-th of K inner steps has the weight

        v_k = (1 - t / M) / K  for k < K,        v_K = 1 - sum of the others,        M = multi_step_steps,

    until t = M. After that only the last segment counts. The first ``first_order_steps`` outer steps use no second derivatives.
    The learning rate falls along a cosine over ``anneal_steps``.

    The inner learner must be a ``MAML``. ``segment_weights`` are 0 for the first segment and 1 for each other; the weights above
    multiply them.

    References:
      Antoniou et al. 2019, arXiv 1810.09502, section 4.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        needed = (0.0,) + (1.0,) * (self.protocol.num_segments - 1)
        if len(needed) < 2 or tuple(self.segment_weights) != needed:
            raise ValueError(
                f"segment_weights={self.segment_weights} over {self.protocol.num_segments} segment(s): MAML++ weighs the "
                "segments after inner steps by itself; use two segments or more, weighted 0 for the first and 1 for each other"
            )

    def improve(self, state: MetaState[Theta], experience: MetaBatch, statistics: PyTree) -> tuple[MetaState[Theta], Metrics]:
        weight = experience.credit.weight * self.annealed_weights(state.extra.num_steps)[:, None, None, None]
        experience = experience._replace(credit=experience.credit._replace(weight=weight))
        plain = lambda learner: super().improve(state, experience, statistics)  # noqa: E731
        if self.first_order_steps == 0 or self.inner.unwrapped.first_order:  # type: ignore[attr-defined]
            return plain(self)
        first_order = dataclasses.replace(self, inner=first_order_of(self.inner))
        early = state.extra.num_steps < self.first_order_steps
        return jax.lax.cond(early, lambda: plain(first_order), lambda: plain(self))

    def annealed_weights(self, num_steps: jax.Array) -> jax.Array:
        """Returns the weights (0, v_1, ..., v_K) of the segments after ``num_steps`` outer steps."""
        number = self.protocol.num_segments - 1
        left = jnp.maximum(1.0 - num_steps.astype(jnp.float32) / max(self.multi_step_steps, 1), 0.0)
        each = (left / number if self.multi_step_steps else jnp.zeros(())).astype(jnp.float32)
        return jnp.full(number + 1, each).at[-1].set(1.0 - (number - 1) * each).at[0].set(0.0)

    def schedule(self, remaining: jax.Array) -> jax.Array:
        return 0.5 * (1.0 - jnp.cos(jnp.pi * remaining))


def first_order_of(inner: Any) -> Any:
    """Returns a ``MAML`` whose inner gradients are treated as constants, in the same wrapper."""
    return inner.around(inner.unwrapped.replace(first_order=True))
