"""Terms of an on-policy loss: functions of one decision, each with a weight and segment weights."""

import abc

import jax
import jax.numpy as jnp
import numpyro.distributions as dist

from jmeta import struct
from jmeta.objectives import clipped_surrogate, likelihood_ratio
from jmeta.outer.credit import Credit, CreditAssignment
from jmeta.ranges import Finite, Positive
from jmeta.types import Decided, Decision, Experience


@struct.dataclass
class Record(Experience, Decided):
    """One recorded step, and the decision that was made in it."""

    log_prob: jax.Array  # [] of the action, under the behaviour policy


@struct.dataclass
class Term(abc.ABC):
    """One term of an on-policy loss.

    The loss is the sum over terms of

        weight * sum_k segments_k * mean over steps, tasks and streams of  credit.weight * term(decision, record, credit).

    A subclass is a frozen ``jmeta.struct.dataclass`` whose ``__call__`` is a pure function of one decision. Its numbers are
    leaves, so whole trainings ``vmap`` over them.

    Attributes:
      name: name of the metric that reports the mean, without the weight; such as "loss/reward".
      weight: factor in the loss. None reports the term and leaves it out of the loss.
      segments: weight of each segment, as long as the protocol's ``num_segments``; None for the learner's ``segment_weights``.
    """

    name: str = struct.field(pytree_node=False)
    weight: jax.Array | Finite | None = struct.field(default=1.0, kw_only=True)
    segments: tuple[Finite, ...] | None = struct.field(pytree_node=False, default=None, kw_only=True)

    @abc.abstractmethod
    def __call__(self, decision: Decision, record: Record, credit: Credit) -> jax.Array:
        """Returns the term [] of one decision.

        Args:
          decision: recomputed in a replay, under the theta that is differentiated, with the network's extras.
          record: the recorded step.
          credit: credit of the recorded decision, [] each.
        """


@struct.dataclass
class ClippedSurrogate(Term):
    """Minus PPO's clipped surrogate.

    Attributes:
      clip_epsilon: half-width of the ratio interval.

    References:
      Schulman et al. 2017, arXiv 1707.06347.
    """

    clip_epsilon: jax.Array | Positive = struct.field(kw_only=True)

    def __call__(self, decision: Decision, record: Record, credit: Credit) -> jax.Array:
        return -clipped_surrogate(log_prob(decision, record.action), record.log_prob, credit.advantage, self.clip_epsilon)


@struct.dataclass
class LikelihoodRatio(Term):
    """Minus the likelihood ratio to the behaviour policy times the advantage."""

    def __call__(self, decision: Decision, record: Record, credit: Credit) -> jax.Array:
        return -likelihood_ratio(log_prob(decision, record.action), record.log_prob, credit.advantage)


@struct.dataclass
class ValueLoss(Term):
    """The critic's loss, as the credit assignment defines it.

    Attributes:
      credit: the credit assignment.
    """

    credit: CreditAssignment = struct.field(kw_only=True)

    def __call__(self, decision: Decision, record: Record, credit: Credit) -> jax.Array:
        return self.credit.value_loss(decision.value, credit.value_target)


@struct.dataclass
class Entropy(Term):
    """Entropy of the policy, in nats; a negative weight rewards it."""

    def __call__(self, decision: Decision, record: Record, credit: Credit) -> jax.Array:
        return decision.distribution.entropy()


@struct.dataclass
class Divergence(Term):
    """KL(recorded policy || policy under theta), in nats."""

    def __call__(self, decision: Decision, record: Record, credit: Credit) -> jax.Array:
        return dist.kl_divergence(record.decision.distribution, decision.distribution)


@struct.dataclass
class ApproximateDivergence(Term):
    """An estimate of KL(recorded policy || policy under theta) from the action alone, rho - 1 - log rho, in nats."""

    def __call__(self, decision: Decision, record: Record, credit: Credit) -> jax.Array:
        log_ratio = log_prob(decision, record.action) - record.log_prob
        return jnp.expm1(log_ratio) - log_ratio


@struct.dataclass
class ClippedShare(Term):
    """1 where the likelihood ratio is outside of the interval that ``ClippedSurrogate`` clips to, else 0.

    Attributes:
      clip_epsilon: half-width of the interval.
    """

    clip_epsilon: jax.Array | Positive = struct.field(kw_only=True)

    def __call__(self, decision: Decision, record: Record, credit: Credit) -> jax.Array:
        ratio = jnp.expm1(log_prob(decision, record.action) - record.log_prob)
        return (jnp.abs(ratio) > self.clip_epsilon).astype(jnp.float32)


def log_prob(decision: Decision, action: jax.Array) -> jax.Array:
    """Returns the log-probability of one action under one decision."""
    return decision.distribution.log_prob(action)
