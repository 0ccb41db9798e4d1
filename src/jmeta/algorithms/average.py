"""The average policy: one policy for all tasks, which does not adapt. It is the baseline without adaptation."""

import jax

from jmeta import struct
from jmeta.algorithms.base import algorithm
from jmeta.algorithms.rl2 import LifetimeSettings, one_lifetime
from jmeta.inner.fixed_policy import FixedPolicy
from jmeta.outer.credit import CriticSettings, EpisodeCritic
from jmeta.outer.ppo import PPO, PPOSettings
from jmeta.ranges import Count, NonNegative
from jmeta.struct import fields_for
from jmeta.tasks.base import TaskDistribution


@struct.settings
class AverageSettings(LifetimeSettings, CriticSettings, PPOSettings):
    """Settings of ``average``.

    Attributes:
      lifetime_length: environment steps in each task, a whole number of episodes; ``tasks.lifetime_length`` by default.
      widths: sizes of the hidden layers, which the policy and its critic share.
      discount: discount factor per environment step, in [0, 1], within an episode.
      max_gradient_norm: the gradient is clipped to this global norm.
    """

    widths: tuple[Count, ...] = (64, 64)
    num_tasks: Count = 1024
    num_epochs: Count = 4
    num_minibatches: Count = 4
    entropy_coefficient: jax.Array | NonNegative = 0.01


@algorithm(AverageSettings)
def average(tasks: TaskDistribution, settings: AverageSettings) -> PPO:
    """A feed-forward policy trained by PPO on all tasks together, which does not observe the task and does not adapt.

    It maximises the return of an episode averaged over tasks,  max_theta E_task E_episode [sum_t discount^t r_t]. A
    meta-learner that fails to adapt reduces to this policy, so a higher return measures what adaptation gains.

    Raises:
      ValueError: for a lifetime that is not a whole number of episodes, or a num_tasks that num_minibatches does not divide.

    Example:
      >>> import jax, jmeta
      >>> agent = jmeta.algorithms.average(jmeta.tasks.BernoulliBandit(num_arms=2), widths=(8,), num_tasks=16)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Schulman et al. 2017, arXiv 1707.06347. The comparison: Finn et al. 2017, arXiv 1703.03400, "pretrained".
    """
    return fixed_policy_learner(tasks, settings)


def fixed_policy_learner(tasks: TaskDistribution, settings: AverageSettings) -> PPO:
    """Returns the learner of ``average``."""
    return PPO(
        inner=FixedPolicy.create(tasks.observation_size, tasks.action_space, settings.widths),
        credit=EpisodeCritic(**fields_for(CriticSettings, settings)),
        **one_lifetime(tasks, settings),
        **fields_for(PPO, settings),
    )
