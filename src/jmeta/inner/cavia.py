"""The policy of CAVIA: an observation and a context vector (Zintgraf et al. 2019, arXiv 1810.03642)."""

from functools import partial

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import DTypeLike

from jmeta.inner.maml import FeedForwardPolicy
from jmeta.networks import Network, from_nnx
from jmeta.ranges import Count, Positive
from jmeta.types import ActionSpace, Decision


class ContextPolicy(FeedForwardPolicy):
    """Observation and context -> hidden layers -> policy; the context is a parameter that is initially zero."""

    def __init__(
        self,
        observation_size: int,
        action_space: ActionSpace,
        widths: tuple[int, ...],
        *,
        context_size: int,
        initial_std: float,
        dtype: DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        size = observation_size + context_size
        super().__init__(size, action_space, widths, initial_std=initial_std, dtype=dtype, rngs=rngs)
        self.context = nnx.Param(jnp.zeros(context_size, jnp.float32))

    def __call__(self, observation: jax.Array) -> Decision:
        return super().__call__(jnp.concatenate([observation, self.context[...]]))


def context_policy(
    observation_size: int,
    action_space: ActionSpace,
    widths: tuple[Count, ...],
    *,
    context_size: Count,
    initial_std: Positive,
    dtype: DTypeLike = jnp.float32,
) -> Network:
    """Returns a ``ContextPolicy`` as pure functions; its parts are "context", "torso" and "policy"."""
    return from_nnx(
        partial(
            ContextPolicy, observation_size, action_space, widths, context_size=context_size, initial_std=initial_std, dtype=dtype
        )
    )
