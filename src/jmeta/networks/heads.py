"""Heads: maps from features to a distribution over actions."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from flax import nnx

from jmeta.networks.initializers import orthogonal
from jmeta.networks.linear import Linear
from jmeta.networks.multi_categorical import MultiCategorical
from jmeta.networks.soft_clip import inverse_soft_clip, soft_clip
from jmeta.types import ActionSpace, Continuous, Discrete, MultiDiscrete

LOG_STD_RANGE = (-5.0, 2.0)
"""Range to which log standard deviations are softly clipped: see ``soft_clip``."""


class Categorical(dist.CategoricalLogits):
    """NumPyro's categorical for *normalised* logits, with the log-probability as a masked sum.

    NumPyro uses a gather, whose derivative is a scatter. A scatter is slow on a CPU and took a tenth of RL²'s training time.
    """

    def log_prob(self, value: jax.Array) -> jax.Array:
        chosen = jnp.arange(self.logits.shape[-1]) == jnp.expand_dims(value, -1)
        return jnp.sum(jnp.where(chosen, self.logits, 0.0), axis=-1)


@dist.kl_divergence.register(Categorical, Categorical)
def _(p: Categorical, q: Categorical) -> jax.Array:
    # The other's logits are normalised again, which changes no number, so that the Hessian in them is the Fisher information that
    # a trust region needs, and not 0.
    return jnp.sum(jnp.exp(p.logits) * (p.logits - jax.nn.log_softmax(q.logits)), axis=-1)


class PolicyHead(nnx.Module):
    """Maps features [F] to a distribution over actions.

    It is a categorical for one choice, a ``MultiCategorical`` for several, or else a diagonal Gaussian whose standard deviation
    does not depend on the features.

    Call it on one feature vector and ``vmap``: NumPyro distributions store their batch shape when they are created, and unbatched
    distributions stay correct under any number of ``vmap`` and ``scan``.

    Args:
      num_features: F.
      action_space: action space of the distribution.
      gain: scale of the layer's orthogonal initial weights; with a small one, a categorical is initially close to uniform.
      initial_std: initial standard deviation, in units of half the action box.
    """

    def __init__(
        self, num_features: int, action_space: ActionSpace, *, gain: float = 0.01, initial_std: float = 1.0, rngs: nnx.Rngs
    ):
        self.action_space = action_space
        size = action_space.encoding_size
        self.linear = Linear(num_features, size, kernel_init=orthogonal(gain), rngs=rngs)
        if isinstance(action_space, Continuous):
            initial = inverse_soft_clip(jnp.log(initial_std), *LOG_STD_RANGE)
            self.log_std = nnx.Param(jnp.full(size, initial, jnp.float32))

    def __call__(self, features: jax.Array) -> dist.Distribution:
        outputs = self.linear(features.astype(jnp.float32))
        if isinstance(self.action_space, Discrete):
            return Categorical(jax.nn.log_softmax(outputs))
        if isinstance(self.action_space, MultiDiscrete):
            return MultiCategorical(outputs, self.action_space.counts)
        std = jnp.exp(soft_clip(self.log_std[...], *LOG_STD_RANGE))
        return dist.Normal(outputs, jnp.broadcast_to(std, outputs.shape)).to_event(1)


class TanhNormal(dist.Distribution):
    """Distribution of the tanh of a diagonal Gaussian [size]; its samples lie in the box [-1, 1].

    Args:
      mean: mean of the Gaussian, [size].
      log_std: log standard deviation of the Gaussian, [size].

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
        """Returns a sample, differentiable in the Gaussian's parameters, and its log-density, finite at the edge of the box."""
        noise = jax.random.normal(key, (*sample_shape, *self.mean_before.shape), self.mean_before.dtype)
        before = self.mean_before + jnp.exp(self.log_std) * noise
        return jnp.tanh(before), self._log_prob_before(before)

    def log_prob(self, value: jax.Array) -> jax.Array:
        return self._log_prob_before(jnp.arctanh(jnp.clip(value, -self.EDGE, self.EDGE)))

    @property
    def mean(self) -> jax.Array:
        """The tanh of the Gaussian's mean, [size]."""
        return jnp.tanh(self.mean_before)

    def _log_prob_before(self, before: jax.Array) -> jax.Array:
        gaussian = dist.Normal(self.mean_before, jnp.exp(self.log_std)).log_prob(before)
        log_slope = 2.0 * (jnp.log(2.0) - before - jax.nn.softplus(-2.0 * before))  # log(1 - tanh²)
        return jnp.sum(gaussian - log_slope, axis=-1)


class TanhNormalHead(nnx.Module):
    """Maps features [F] to a ``TanhNormal``, whose log standard deviations depend on them and are softly clipped to [-5, 2]."""

    def __init__(self, num_features: int, size: int, *, rngs: nnx.Rngs):
        self.mean = Linear(num_features, size, kernel_init=orthogonal(0.01), rngs=rngs)
        self.log_std = Linear(num_features, size, kernel_init=orthogonal(0.01), rngs=rngs)

    def __call__(self, features: jax.Array) -> TanhNormal:
        return TanhNormal(self.mean(features), soft_clip(self.log_std(features), *LOG_STD_RANGE))
