"""RL² (Duan et al. 2016, arXiv 1611.02779; Wang et al. 2016, arXiv 1611.05763)."""

from typing import Any

import jax

from jmeta import struct
from jmeta.algorithms.base import AlgorithmSettings, algorithm
from jmeta.inner.rl2 import RL2, RecurrentAgentSettings, RecurrentPolicySettings
from jmeta.outer.credit import CreditSpanSettings, CriticSettings, EpisodeCritic, critic
from jmeta.outer.ppo import PPO, PPOSettings
from jmeta.ranges import Count, NonNegative, Positive
from jmeta.struct import fields_for
from jmeta.tasks.base import TaskDistribution
from jmeta.types import Protocol


@struct.settings
class LifetimeSettings(AlgorithmSettings):
    """Settings of agents that live a lifetime of one segment in each task.

    Attributes:
      lifetime_length: environment steps of a lifetime, a whole number of episodes; ``tasks.lifetime_length`` by default.
    """

    lifetime_length: Count | None = None


@struct.settings
class RecurrentSettings(LifetimeSettings, RecurrentPolicySettings, CreditSpanSettings, PPOSettings):
    """Settings of recurrent policies trained by PPO.

    Attributes:
      discount: discount factor per environment step, in [0, 1]; discounting continues across episodes, unless credit_span or
        memory_span is ``episode``.
      microbatch_size: lifetimes that one device differentiates at once, which bounds memory and changes nothing else; must
        divide the lifetimes that a device has in a minibatch; by default chosen for speed. For lifetimes of a hundred steps a
        smaller one is faster on a CPU.
    """

    num_tasks: Count = 4096
    num_epochs: Count = 4
    num_minibatches: Count = 4
    learning_rate: jax.Array | Positive = 3e-3
    entropy_coefficient: jax.Array | NonNegative = 0.02


@struct.settings
class RL2Settings(RecurrentAgentSettings, RecurrentSettings):
    """Settings of ``rl2``."""


@algorithm(RL2Settings)
def rl2(tasks: TaskDistribution, settings: RL2Settings) -> PPO:
    """A recurrent policy whose hidden state is the learning algorithm, trained by PPO over whole lifetimes.

    The agent observes the observation, the previous action and reward, and whether an episode begins. Its hidden state is
    reset when a lifetime begins and kept across the episodes of the task, so the agent can explore in early episodes for the
    benefit of later ones. Credit runs across the whole lifetime: with G_t the sum of all later rewards of the *lifetime*,

        maximise  E_task E_lifetime [sum_t discount^t r_t]

    by the clipped surrogate, with advantages from a critic that shares the hidden state and predicts normalised G_t. With
    ``credit_span="episode"`` G_t is the sum of the later rewards of the *episode*, and only the memory lasts a lifetime.

    Raises:
      ValueError: for a lifetime that is not a whole number of episodes, a num_tasks that num_minibatches does not divide, or a
        network that can't be built.

    Example:
      >>> import jax, jmeta
      >>> agent = jmeta.algorithms.rl2(jmeta.tasks.BernoulliBandit(num_arms=2), hidden_size=8, num_tasks=16)
      >>> state = agent.init(jax.random.key(0))
      >>> state, metrics = jax.jit(agent.step)(state, jax.random.key(1))

    References:
      Duan et al. 2016, arXiv 1611.02779. Wang et al. 2016, arXiv 1611.05763.

    Deviations from the paper:
      PPO with a shared critic in place of TRPO with a linear baseline (Duan et al.) or A2C (Wang et al.); Adam; normalised value
      targets.
    """
    return recurrent_learner(tasks, settings)


def recurrent_learner(tasks: TaskDistribution, settings: RL2Settings) -> PPO:
    """Returns the learner of ``rl2``."""
    forgets = settings.memory_span == "episode"
    lifetime = one_lifetime(tasks, settings)
    return PPO(
        inner=recurrent_agent(tasks, settings, lifetime["protocol"].segment_length),
        credit=EpisodeCritic(**fields_for(CriticSettings, settings)) if forgets else critic(settings),
        **lifetime,
        **fields_for(PPO, settings),
    )


def one_lifetime(tasks: TaskDistribution, settings: LifetimeSettings) -> dict[str, Any]:
    """Returns the fields of an outer learner whose lifetimes are one segment of one stream."""
    length = tasks.lifetime_length if settings.lifetime_length is None else settings.lifetime_length
    return {"tasks": tasks, "protocol": Protocol(1, length, 1), "segment_weights": (1.0,)}


def recurrent_agent(tasks: TaskDistribution, settings: RecurrentAgentSettings, lifetime_length: int) -> RL2:
    """Returns the agent of ``rl2``.

    Raises:
      ValueError: for filters where observations are not images, or a network that can't be built.
    """
    if settings.conv_filters and tasks.image_shape is None:
        family = type(tasks).__name__
        raise ValueError(f"conv_filters={settings.conv_filters}: observations of {family} are not images; leave it out")
    size, space = tasks.observation_size, tasks.action_space
    return RL2.create(size, space, settings, lifetime_length=lifetime_length, image_shape=tasks.image_shape)
