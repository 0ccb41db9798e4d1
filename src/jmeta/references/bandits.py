"""Rules for bandits, as inner learners: their base, greedy ones and UCB1.

Thompson sampling is in ``thompson_sampling.py``. Most are the comparisons of Duan et al. 2016 (RL², arXiv 1611.02779).
"""

import abc
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpyro.distributions as dist

from jmeta import struct
from jmeta.references.classical import NEVER, HandWritten, uniform_over_best
from jmeta.types import ActionSpace, Decision, Discrete, Empty, Timestep


class Arms(NamedTuple):
    """Memory of a bandit learner: counts of each arm since the lifetime opened."""

    pulls: jax.Array  # [num_arms] float32
    rewards: jax.Array  # [num_arms] float32, sums of rewards


@struct.dataclass
class BanditLearner(HandWritten[Arms]):
    """A rule that maps the pulls and rewards of the lifetime to the next pull. Subclass it with ``choose``.

    It reads the arm and its reward from the timestep *after* the pull, as a recurrent agent does. When a lifetime begins the
    previous action is all zeros and counts for no arm. The counts are kept across episodes, which are single pulls.

    Attributes:
      observation_size: size of the observation, which is not used.
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
        """Returns the distribution of the next pull, given the counts of this lifetime."""

    def initial_memory(self, theta: Empty) -> Arms:
        zeros = jnp.zeros(self.action_space.encoding_size, jnp.float32)
        return Arms(zeros, zeros)

    def act(self, theta: Empty, phi: Empty, memory: Arms, timestep: Timestep) -> tuple[Decision, Arms]:
        pulled = timestep.previous_action
        arms = Arms(memory.pulls + pulled, memory.rewards + pulled * timestep.previous_reward)
        return Decision(self.choose(arms), jnp.zeros((), jnp.float32)), arms


@struct.dataclass
class UCB1(BanditLearner):
    """Pulls the arm with the largest upper confidence bound; ties are broken at random.

    With n_a pulls of arm a, x_a their mean reward, and t = sum_a n_a,

        a_t = argmax_a  x_a + exploration * sqrt(2 ln t / n_a),

    where an arm not yet pulled has an infinite bound. The constant 1 has the regret guarantee and explores far too much in a
    short lifetime. No other constant helps where trying every arm takes most of the lifetime: on 5 arms and 10 pulls the
    expected score is 5.67 with ``exploration=1``, and at most 5.92 with any from 0.01 to 1.

    With ``prior=1`` every arm begins with one success and one failure, a Beta(1, 1), so not every arm must be tried. Then small
    constants come close to Bayes-optimal: every ``exploration`` from 0.005 to 0.05 scores 6.657 of 6.660 (10 arms: 6.711 of
    6.714). This is the tuned UCB1 that Duan et al. report as 6.7.

    Attributes:
      exploration: coefficient of the confidence bonus, at least 0, in units of reward; rewards are assumed to lie in [0, 1].
      prior: number of prior successes of every arm, and of prior failures, at least 0; they count in x_a and n_a but not in t.

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
        return uniform_over_best(jnp.where(pulls > 0, mean + bonus, jnp.inf))


@struct.dataclass
class Greedy(BanditLearner):
    """Pulls the arm with the highest posterior mean (1 + successes) / (2 + pulls); ties are broken at random.

    It does not explore deliberately. Under a uniform prior it is still hard to beat in ten pulls, since the prior mean of 1/2
    makes it leave an arm that fails.

    References:
      Duan et al. 2016, arXiv 1611.02779.
    """

    def choose(self, arms: Arms) -> dist.Distribution:
        return uniform_over_best((1.0 + arms.rewards) / (2.0 + arms.pulls))


@struct.dataclass
class EpsilonGreedy(BanditLearner):
    """Pulls a random arm with probability epsilon, else the arm with the highest posterior mean; ties are broken at random.

    Its exploration rate is constant, so its regret grows with the number of pulls; ``epsilon=0`` is ``Greedy``.

    Attributes:
      epsilon: probability of a random pull, from 0 to 1.

    Raises:
      ValueError: if epsilon is a number outside [0, 1].

    References:
      Sutton and Barto 2018, Reinforcement Learning, section 2.2.
      Duan et al. 2016, arXiv 1611.02779.
    """

    epsilon: jax.Array | float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.epsilon, int | float) and not 0.0 <= self.epsilon <= 1.0:
            raise ValueError(f"epsilon={self.epsilon} is not a probability: give one from 0 to 1")

    def choose(self, arms: Arms) -> dist.Distribution:
        greedy = uniform_over_best((1.0 + arms.rewards) / (2.0 + arms.pulls)).probs
        probabilities = (1.0 - self.epsilon) * greedy + self.epsilon / greedy.size
        return dist.CategoricalLogits(jnp.maximum(jnp.log(probabilities), NEVER))
