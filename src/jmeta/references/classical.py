"""Hand-written learners, as inner learners with nothing to meta-learn: random, UCB1, Thompson sampling, greedy.

They answer the contract with an empty theta, so one evaluator scores them and the learned agents on the same tasks. The bandit
learners are the comparisons of Duan et al. 2016 (RL², arXiv 1611.02779).
"""

import abc
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
from flax import struct

from jmeta.inner.base import InnerLearner
from jmeta.types import ActionSpace, Decision, Discrete, Memory, Phi, Segment, Theta, Timestep

NEVER = -1e9  # the logit of an arm that is not chosen: finite, so that entropies and divergences stay numbers
CELLS = 128  # of the quadrature in ThompsonSampling


class _HandWritten(InnerLearner):
    """Theta and phi are empty, and a finished segment teaches nothing that memory does not already hold."""

    def init(self, key: jax.Array) -> Theta:
        return ()

    def adapt(self, theta: Theta, phi: Phi, memory: Memory, segment: Segment, key: jax.Array) -> tuple[Phi, Memory]:
        return phi, memory


@struct.dataclass
class Random(_HandWritten):
    """Acts uniformly at random: over the actions, or over the box [-1, 1]^size.

    The score of knowing nothing and learning nothing; on a Bernoulli bandit it is half the number of pulls.
    """

    observation_size: int = struct.field(pytree_node=False)
    action_space: ActionSpace = struct.field(pytree_node=False)

    def begin(self, theta: Theta, num_streams: int, key: jax.Array) -> tuple[Phi, Memory]:
        return (), ()

    def act(self, theta: Theta, phi: Phi, memory: Memory, timestep: Timestep) -> tuple[Decision, Memory]:
        size = self.action_space.encoding_size
        if isinstance(self.action_space, Discrete):
            distribution: dist.Distribution = _uniform_over_best(jnp.zeros(size, jnp.float32))
        else:
            box = jnp.ones(size, jnp.float32)
            distribution = dist.Uniform(-box, box).to_event(1)
        return Decision(distribution, jnp.zeros((), jnp.float32)), memory


class Arms(NamedTuple):
    """What a bandit learner remembers of each arm, since the lifetime opened."""

    pulls: jax.Array  # [num_arms] float32
    rewards: jax.Array  # [num_arms] float32, their sums


@struct.dataclass
class BanditLearner(_HandWritten):
    """A rule from pulls and rewards so far to the next pull. Subclass it with ``choose``.

    It reads the arm and its reward from the timestep *after* the pull, as a recurrent agent does. When a lifetime opens the
    previous action is all zeros, which counts for no arm; episodes (single pulls) leave the counts alone.

    Attributes:
      observation_size: not looked at.
      action_space: one action for each arm.

    Raises:
      ValueError: if the action space is not ``Discrete``.
    """

    observation_size: int = struct.field(pytree_node=False)
    action_space: ActionSpace = struct.field(pytree_node=False)

    def __post_init__(self) -> None:
        if not isinstance(self.action_space, Discrete):
            raise ValueError(
                f"{type(self).__name__} pulls arms but action_space={self.action_space}: "
                "use it on a bandit, or Random, which acts in any space"
            )

    @abc.abstractmethod
    def choose(self, arms: Arms) -> dist.Distribution:
        """The next pull, given all pulls of this lifetime."""

    def begin(self, theta: Theta, num_streams: int, key: jax.Array) -> tuple[Phi, Memory]:
        zeros = jnp.zeros((num_streams, self.action_space.encoding_size), jnp.float32)
        return (), Arms(zeros, zeros)

    def act(self, theta: Theta, phi: Phi, memory: Memory, timestep: Timestep) -> tuple[Decision, Memory]:
        pulled = timestep.previous_action
        arms = Arms(memory.pulls + pulled, memory.rewards + pulled * timestep.previous_reward)
        return Decision(self.choose(arms), jnp.zeros((), jnp.float32)), arms


@struct.dataclass
class UCB1(BanditLearner):
    """Pulls the arm whose reward may yet be the highest: the largest upper confidence bound, ties at random.

    With n_a pulls of arm a, x_a their mean reward, and t = sum_a n_a,

        a_t = argmax_a  x_a + exploration * sqrt(2 ln t / n_a),

    where an arm not yet pulled has an infinite bound. The constant 1 carries the regret guarantee and explores far too much for
    a short life, and no other helps where trying every arm takes most of it: on 5 arms and 10 pulls the expected score is 5.67
    with ``exploration=1``, and at most 5.92 with any from 0.01 to 1.

    ``prior=1`` lets every arm begin with one success and one failure, a Beta(1, 1), so that arms need not be tried. Then small
    constants come close to Bayes-optimal: every ``exploration`` from 0.005 to 0.05 scores 6.657 of 6.660 (10 arms: 6.711 of
    6.714), which is the tuned UCB1 that Duan et al. report as 6.7.

    Attributes:
      exploration: at least 0, in units of reward; rewards are taken to lie in [0, 1].
      prior: imagined successes of every arm, and as many imagined failures, at least 0; they enter x_a and n_a but not t.

    References:
      Auer, Cesa-Bianchi, Fischer 2002, Finite-time Analysis of the Multiarmed Bandit Problem, figure 1.
      Duan et al. 2016, arXiv 1611.02779, table 1: the scores of UCB1 with its constant tuned.
    """

    exploration: jax.Array | float = 1.0
    prior: jax.Array | float = 0.0

    def choose(self, arms: Arms) -> dist.Distribution:
        pulls = arms.pulls + 2.0 * self.prior
        at_least = jnp.maximum(pulls, 1e-9)
        mean = (arms.rewards + self.prior) / at_least
        bonus = self.exploration * jnp.sqrt(2.0 * jnp.log(jnp.maximum(arms.pulls.sum(), 1.0)) / at_least)
        return _uniform_over_best(jnp.where(pulls > 0, mean + bonus, jnp.inf))


@struct.dataclass
class Greedy(BanditLearner):
    """Pulls the arm with the highest posterior mean (1 + successes) / (2 + pulls), ties at random.

    It never explores for its own sake, and on a uniform prior it is hard to beat in ten pulls: the prior mean 1/2 makes it leave
    an arm that fails.

    References:
      Duan et al. 2016, arXiv 1611.02779.
    """

    def choose(self, arms: Arms) -> dist.Distribution:
        return _uniform_over_best((1.0 + arms.rewards) / (2.0 + arms.pulls))


@struct.dataclass
class ThompsonSampling(BanditLearner):
    """Pulls each arm with the posterior probability that it is the best one, under uniform priors.

    The usual way draws one sample p_a ~ Beta(1 + successes, 1 + failures) for each arm and pulls the largest. Its choice has
    the distribution

        P(a) = P(p_a > p_b for all b != a) = int f_a(p) prod_{b != a} F_b(p) dp,

    f and F being the posterior densities and distribution functions. ``act`` returns that distribution itself, so nothing random
    is kept in memory and log-probabilities are those of the algorithm. The integral is a sum over 128 equal cells of the angle
    arcsin(sqrt(p)), in which a posterior after n pulls is about 1 / (2 sqrt(n)) wide wherever it lies: right to 1e-3 up to
    a hundred pulls of an arm, to 1e-2 up to a thousand.

    References:
      Thompson 1933, On the Likelihood that One Unknown Probability Exceeds Another in View of the Evidence of Two Samples.
      Duan et al. 2016, arXiv 1611.02779.
    """

    def choose(self, arms: Arms) -> dist.Distribution:
        angle = (jnp.arange(CELLS, dtype=jnp.float32) + 0.5) * (jnp.pi / 2.0 / CELLS)
        successes, failures = arms.rewards[:, None], (arms.pulls - arms.rewards)[:, None]
        # Beta(1 + s, 1 + f) in p = sin(angle)^2, whose Jacobian is 2 sin cos.
        log_density = (1.0 + 2.0 * successes) * jnp.log(jnp.sin(angle)) + (1.0 + 2.0 * failures) * jnp.log(jnp.cos(angle))
        mass = jax.nn.softmax(log_density)  # [num_arms, CELLS]
        log_below = jnp.log(jnp.maximum(jnp.cumsum(mass, axis=-1) - 0.5 * mass, 1e-30))
        others_below = jnp.exp(log_below.sum(axis=0) - log_below)
        best = jnp.sum(mass * others_below, axis=-1)
        return dist.CategoricalLogits(jnp.log(jnp.maximum(best / best.sum(), 1e-30)))


def _uniform_over_best(scores: jax.Array) -> dist.Distribution:
    """Uniform over the arms with the highest score [num_arms]; equal means nearly equal, as compilers round differently."""
    best = scores >= scores.max() - 1e-6
    return dist.CategoricalLogits(jax.nn.log_softmax(jnp.where(best, 0.0, NEVER)))
