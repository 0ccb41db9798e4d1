"""Encoders from experience in a task to a Gaussian over a vector [D]; only the recurrent one depends on the order of steps.

Experience is summarised as *evidence* of constant size, to which more steps can be added at any time.
"""

import abc
import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from flax import nnx

from jmeta.networks.core import Core
from jmeta.networks.linear import Linear
from jmeta.networks.soft_clip import soft_clip
from jmeta.networks.torsos import MLP
from jmeta.types import PyTree

EncoderName: TypeAlias = Literal["product", "mean", "recurrent"]


class NaturalParameters(NamedTuple):
    """Natural parameters of a product of Gaussians."""

    precision: jax.Array  # [D], 0 if there is no factor yet
    weighted_mean: jax.Array  # [D], sum of means times precisions


class ContextEncoder(nnx.Module):
    """Maps steps [m, F] to evidence, and evidence to (mean [D], variance [D]); the posterior without evidence is N(0, 1)."""

    @abc.abstractmethod
    def no_evidence(self) -> PyTree:
        """Returns the evidence at the beginning of a lifetime."""

    @abc.abstractmethod
    def add(self, evidence: PyTree, steps: jax.Array) -> PyTree:
        """Returns the evidence after more steps [m, F], m at least 1."""

    @abc.abstractmethod
    def posterior(self, evidence: PyTree) -> tuple[jax.Array, jax.Array]:
        """Returns the posterior (mean [D], variance [D])."""


class ProductOfGaussians(ContextEncoder):
    """The posterior is a product of one Gaussian factor per step: more steps narrow it, and their order does not matter.

    Args:
      num_inputs: F.
      widths: hidden layers.
      size: D.
      num_steps: initial variance of a factor, about; a product of ``num_steps`` factors is then initially as wide as the prior,
        and narrows only as the encoder is trained.

    References:
      Rakelly et al. 2019, arXiv 1903.08254, section 4.1.

    Deviations from the paper:
      A factor's variance is the exponential of an output and not its softplus, and starts wide.
    """

    def __init__(self, num_inputs: int, widths: tuple[int, ...], size: int, *, num_steps: int = 1, rngs: nnx.Rngs):
        self.torso = MLP(num_inputs, widths, rngs=rngs)
        self.mean = Linear(widths[-1], size, rngs=rngs)
        wide = nnx.initializers.constant(math.log(num_steps))
        self.log_variance = Linear(widths[-1], size, bias_init=wide, rngs=rngs)
        self.size = size

    def no_evidence(self) -> NaturalParameters:
        return NaturalParameters(jnp.zeros(self.size, jnp.float32), jnp.zeros(self.size, jnp.float32))

    def factors(self, steps: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns the factors of steps [m, F]: (means [m, D], variances [m, D])."""
        features = self.torso(steps)
        return self.mean(features), jnp.exp(soft_clip(self.log_variance(features), -10.0, 10.0))

    def add(self, evidence: NaturalParameters, steps: jax.Array) -> NaturalParameters:
        mean, variance = self.factors(steps)
        precision = evidence.precision + (1.0 / variance).sum(0)
        return NaturalParameters(precision, evidence.weighted_mean + (mean / variance).sum(0))

    def posterior(self, evidence: NaturalParameters) -> tuple[jax.Array, jax.Array]:
        known = evidence.precision > 0
        precision = jnp.where(known, evidence.precision, 1.0)
        return evidence.weighted_mean / precision, 1.0 / precision


class Sums(NamedTuple):
    """Sums of embeddings."""

    total: jax.Array  # [H]
    number: jax.Array  # [] steps


class MeanEmbedding(ContextEncoder):
    """The posterior is a function of the mean embedding of the steps, whatever their order; more steps need not narrow it."""

    def __init__(self, num_inputs: int, widths: tuple[int, ...], size: int, *, rngs: nnx.Rngs):
        self.torso = MLP(num_inputs, widths, rngs=rngs)
        self.head = Linear(widths[-1], 2 * size, rngs=rngs)
        self.num_features = widths[-1]

    def no_evidence(self) -> Sums:
        return Sums(jnp.zeros(self.num_features, jnp.float32), jnp.zeros((), jnp.float32))

    def add(self, evidence: Sums, steps: jax.Array) -> Sums:
        return Sums(evidence.total + self.torso(steps).sum(0), evidence.number + len(steps))

    def posterior(self, evidence: Sums) -> tuple[jax.Array, jax.Array]:
        return _or_prior(self.head(evidence.total / jnp.maximum(evidence.number, 1.0)), evidence.number)


class Remembered(NamedTuple):
    """State of a recurrent core after the steps so far."""

    memory: Any
    output: jax.Array  # [H] of the last step
    number: jax.Array  # [] steps


class RecurrentContext(ContextEncoder):
    """The posterior is a function of the output of a recurrent core, which processes the steps in order."""

    def __init__(
        self, num_inputs: int, widths: tuple[int, ...], size: int, make_core: Callable[[int, nnx.Rngs], Core], *, rngs: nnx.Rngs
    ):
        self.torso = MLP(num_inputs, widths, rngs=rngs)
        self.core = make_core(widths[-1], rngs)
        self.head = Linear(self.core.output_size, 2 * size, rngs=rngs)

    def no_evidence(self) -> Remembered:
        return Remembered(self.core.initial_memory(), jnp.zeros(self.core.output_size, jnp.float32), jnp.zeros((), jnp.float32))

    def add(self, evidence: Remembered, steps: jax.Array) -> Remembered:
        memory, outputs = self.core.unroll(evidence.memory, self.torso(steps))
        return Remembered(memory, outputs[-1], evidence.number + len(steps))

    def posterior(self, evidence: Remembered) -> tuple[jax.Array, jax.Array]:
        return _or_prior(self.head(evidence.output), evidence.number)


def _or_prior(output: jax.Array, count: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the Gaussian of a head's output [2 D], or a standard normal if there was no evidence."""
    mean, scale = jnp.split(output, 2)
    return jnp.where(count > 0, mean, 0.0), jnp.where(count > 0, jax.nn.softplus(scale) + 1e-6, 1.0)
