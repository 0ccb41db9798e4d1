"""Heads: from features to a distribution over actions."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from flax import nnx

from jmeta.networks.initializers import orthogonal
from jmeta.networks.linear import Linear
from jmeta.networks.soft_clip import inverse_soft_clip, soft_clip
from jmeta.types import ActionSpace, Discrete

LOG_STD_RANGE = (-5.0, 2.0)
"""Of log standard deviations, softly: see ``soft_clip``."""


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
        self.linear = Linear(num_features, size, kernel_init=orthogonal(gain), rngs=rngs)
        if not self.is_discrete:
            initial = inverse_soft_clip(jnp.log(initial_std), *LOG_STD_RANGE)
            self.log_std = nnx.Param(jnp.full(size, initial, jnp.float32))

    def __call__(self, features: jax.Array) -> dist.Distribution:
        outputs = self.linear(features.astype(jnp.float32))
        if self.is_discrete:
            return Categorical(jax.nn.log_softmax(outputs))
        std = jnp.exp(soft_clip(self.log_std[...], *LOG_STD_RANGE))
        return dist.Normal(outputs, jnp.broadcast_to(std, outputs.shape)).to_event(1)


class TanhNormal(dist.Distribution):
    """tanh of a diagonal Gaussian [size]: actions within the box, densest where the Gaussian is not wide.

    Args:
      mean: of the Gaussian, [size].
      log_std: of the Gaussian, [size].

    References:
      Haarnoja et al. 2018, arXiv 1801.01290, appendix C.
    """

    pytree_data_fields = ("mean_before", "log_std")
    arg_constraints: ClassVar[dict[str, Any]] = {}
    support = dist.constraints.real_vector
    EDGE = 1.0 - 1e-6  # a float32 tanh reaches 1, whose inverse is infinite

    def __init__(self, mean: jax.Array, log_std: jax.Array):
        self.mean_before = mean
        self.log_std = log_std
        super().__init__(batch_shape=(), event_shape=mean.shape)

    def sample(self, key: jax.Array, sample_shape: tuple[int, ...] = ()) -> jax.Array:
        return self.sample_with_log_prob(key, sample_shape)[0]

    def sample_with_log_prob(self, key: jax.Array, sample_shape: tuple[int, ...] = ()) -> tuple[jax.Array, jax.Array]:
        """Differentiable in the Gaussian's parameters; finite where the action is at the box's edge."""
        noise = jax.random.normal(key, (*sample_shape, *self.mean_before.shape), self.mean_before.dtype)
        before = self.mean_before + jnp.exp(self.log_std) * noise
        return jnp.tanh(before), self._log_prob_before(before)

    def log_prob(self, value: jax.Array) -> jax.Array:
        return self._log_prob_before(jnp.arctanh(jnp.clip(value, -self.EDGE, self.EDGE)))

    @property
    def mean(self) -> jax.Array:
        """The action of the Gaussian's mean, [size]."""
        return jnp.tanh(self.mean_before)

    def _log_prob_before(self, before: jax.Array) -> jax.Array:
        gaussian = dist.Normal(self.mean_before, jnp.exp(self.log_std)).log_prob(before)
        log_slope = 2.0 * (jnp.log(2.0) - before - jax.nn.softplus(-2.0 * before))  # log(1 - tanh²)
        return jnp.sum(gaussian - log_slope, axis=-1)


class TanhNormalHead(nnx.Module):
    """Features [F] to a ``TanhNormal`` whose spread depends on the features too; log standard deviations in about [-5, 2]."""

    def __init__(self, num_features: int, size: int, *, rngs: nnx.Rngs):
        self.mean = Linear(num_features, size, kernel_init=orthogonal(0.01), rngs=rngs)
        self.log_std = Linear(num_features, size, kernel_init=orthogonal(0.01), rngs=rngs)

    def __call__(self, features: jax.Array) -> TanhNormal:
        return TanhNormal(self.mean(features), soft_clip(self.log_std(features), *LOG_STD_RANGE))
