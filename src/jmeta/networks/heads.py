"""Heads: from features to a distribution over actions."""

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from flax import nnx

from jmeta.networks.initializers import orthogonal
from jmeta.types import ActionSpace, Discrete


class Categorical(dist.CategoricalLogits):
    """Numpyro's categorical over *normalised* logits, whose log-probability is a masked sum.

    Numpyro gathers, and the derivative of a gather is a scatter, which XLA does slowly on a CPU: a tenth of RL²'s training time.
    """

    def log_prob(self, value: jax.Array) -> jax.Array:
        chosen = jnp.arange(self.logits.shape[-1]) == jnp.expand_dims(value, -1)
        return jnp.sum(jnp.where(chosen, self.logits, 0.0), axis=-1)


@dist.kl_divergence.register(Categorical, Categorical)
def _(p: Categorical, q: Categorical) -> jax.Array:
    return jnp.sum(jnp.exp(p.logits) * (p.logits - q.logits), axis=-1)


class PolicyHead(nnx.Module):
    """Features [F] to a distribution: categorical, or a diagonal Gaussian whose spread does not depend on the features.

    Call it on one feature vector and ``vmap``: numpyro distributions note their batch shape when they are made, and unbatched
    ones are right under any number of ``vmap`` and ``scan``.

    Args:
      num_features: F.
      action_space: what to be a distribution over.
      gain: scale of the last layer's orthogonal initial weights; small ones begin close to uniform.
      initial_std: standard deviation at first, in units of half the action box.
    """

    def __init__(
        self, num_features: int, action_space: ActionSpace, *, gain: float = 0.01, initial_std: float = 1.0, rngs: nnx.Rngs
    ):
        self.is_discrete = isinstance(action_space, Discrete)
        size = action_space.encoding_size
        self.linear = nnx.Linear(num_features, size, kernel_init=orthogonal(gain), rngs=rngs)
        if not self.is_discrete:
            self.log_std = nnx.Param(jnp.full(size, jnp.log(initial_std), jnp.float32))

    def __call__(self, features: jax.Array) -> dist.Distribution:
        outputs = self.linear(features.astype(jnp.float32))
        if self.is_discrete:
            return Categorical(jax.nn.log_softmax(outputs))
        std = jnp.exp(jnp.clip(self.log_std[...], -5.0, 2.0))
        return dist.Normal(outputs, jnp.broadcast_to(std, outputs.shape)).to_event(1)
