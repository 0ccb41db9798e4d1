"""A product of categorical distributions: several choices, each made by itself."""

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpyro.distributions as dist


class MultiCategorical(dist.Distribution):
    """Distribution of independent categorical choices; log-probability, entropy and KL divergence are sums over the choices.

    Args:
      outputs: unnormalised log-probabilities, one choice after the other, [sum of counts].
      counts: number of values of each of the K choices.

    Attributes:
      logits: log-probabilities, normalised for each choice, [sum of counts].
    """

    pytree_data_fields = ("logits",)
    pytree_aux_fields = ("counts",)
    arg_constraints: ClassVar[dict[str, Any]] = {}
    support = dist.constraints.independent(dist.constraints.nonnegative_integer, 1)

    def __init__(self, outputs: jax.Array, counts: tuple[int, ...]):
        self.counts = counts
        self.logits = self._normalised(outputs)
        super().__init__(batch_shape=(), event_shape=(len(counts),))

    def sample(self, key: jax.Array, sample_shape: tuple[int, ...] = ()) -> jax.Array:
        """Returns samples [*sample_shape, K]: of each choice the largest log-probability with Gumbel noise."""
        noise = jax.random.gumbel(key, (*sample_shape, *self.logits.shape), self.logits.dtype)
        return self._largest(self.logits + noise)

    @property
    def mode(self) -> jax.Array:
        """The most likely value of each choice, [K]."""
        return self._largest(self.logits)

    def log_prob(self, value: jax.Array) -> jax.Array:
        chosen = [jnp.arange(count) == value[..., place, None] for place, count in enumerate(self.counts)]
        return jnp.sum(jnp.where(jnp.concatenate(chosen, axis=-1), self.logits, 0.0), axis=-1)

    def entropy(self) -> jax.Array:
        return -jnp.sum(jnp.exp(self.logits) * self.logits, axis=-1)

    def divergence_to(self, other: "MultiCategorical") -> jax.Array:
        """Returns the KL divergence to a distribution of the same choices.

        The other's logits are normalised again, which changes no number, so that its Hessian in them is the Fisher information
        that a trust region needs, and not 0.
        """
        return jnp.sum(jnp.exp(self.logits) * (self.logits - other._normalised(other.logits)), axis=-1)

    def _normalised(self, outputs: jax.Array) -> jax.Array:
        return jnp.concatenate([jax.nn.log_softmax(block, axis=-1) for block in self._blocks(outputs)], axis=-1)

    def _largest(self, scores: jax.Array) -> jax.Array:
        return jnp.stack([jnp.argmax(block, axis=-1) for block in self._blocks(scores)], axis=-1)

    def _blocks(self, values: jax.Array) -> list[jax.Array]:
        """Splits values [..., sum of counts] into those of each choice."""
        ends = [sum(self.counts[: place + 1]) for place in range(len(self.counts))]
        return jnp.split(values, ends[:-1], axis=-1)


@dist.kl_divergence.register(MultiCategorical, MultiCategorical)
def _(p: MultiCategorical, q: MultiCategorical) -> jax.Array:
    return p.divergence_to(q)
