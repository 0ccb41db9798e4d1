"""The policy of CAVIA: an observation and a context vector (Zintgraf et al. 2019, arXiv 1810.03642)."""

from functools import partial

import jax.numpy as jnp
from jax.typing import DTypeLike

from jmeta.networks import Network, from_nnx
from jmeta.networks.policies import ContextPolicy
from jmeta.ranges import Count, Positive
from jmeta.types import ActionSpace


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
