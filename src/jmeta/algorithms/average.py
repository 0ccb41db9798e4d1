"""The average policy: one policy for all tasks, which does not adapt. It is the baseline without adaptation."""

from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.variants import takes_tasks
from jmeta.inner.fixed_policy import FixedPolicy
from jmeta.outer.credit import EpisodeCritic
from jmeta.outer.ppo import PPO
from jmeta.ranges import Count, Limit, NonNegative, Positive, Share, checked
from jmeta.tasks.base import TaskDistribution
from jmeta.types import Protocol


@normalisable
@takes_tasks
@checked
def average(
    tasks: TaskDistribution,
    *,
    widths: tuple[Count, ...] = (64, 64),
    lifetime_length: Count | None = None,
    num_tasks: Count = 1024,
    num_epochs: Count = 4,
    num_minibatches: Count = 4,
    learning_rate: Positive = 1e-3,
    anneal_steps: Count | None = None,
    discount: Share = 0.99,
    gae_lambda: Share = 0.95,
    clip_epsilon: Positive = 0.2,
    entropy_coefficient: NonNegative = 0.01,
    value_coefficient: NonNegative = 0.5,
    max_gradient_norm: Limit = 0.5,
) -> PPO:
    """A feed-forward policy trained by PPO on all tasks together, which does not observe the task and does not adapt.

    It maximises the return of an episode averaged over tasks,  max_theta E_task E_episode [sum_t discount^t r_t]. A
    meta-learner that fails to adapt reduces to this policy, so a higher return measures what adaptation gains.

    Args:
      tasks: the distribution to train on.
      widths: sizes of the hidden layers, which the policy and its critic share.
      lifetime_length: environment steps in each task, a whole number of episodes; ``tasks.lifetime_length`` by default.
      num_tasks: tasks in each outer step (the meta-batch size).
      num_epochs: passes over the experience of an outer step.
      num_minibatches: minibatches of tasks in each pass; must divide num_tasks.
      learning_rate: learning rate of Adam.
      anneal_steps: outer steps over which the learning rate falls linearly to zero, and the entropy coefficient in half as many;
        constant by default.
      discount: discount factor per environment step, in [0, 1], within an episode.
      gae_lambda: lambda of the generalized advantage estimate, in [0, 1].
      clip_epsilon: PPO's clip range, the half-width of the interval around 1 to which likelihood ratios are clipped.
      entropy_coefficient: weight of the policy's entropy.
      value_coefficient: weight of the critic's squared error, in units of normalised return.
      max_gradient_norm: the gradient is clipped to this global norm.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Raises:
      ValueError: for a lifetime that is not a whole number of episodes, or a num_tasks that num_minibatches does not divide.

    Example:
      >>> import jax, jmeta
      >>> agent = jmeta.algorithms.average(jmeta.tasks.BernoulliBandit(num_arms=2), widths=(8,), num_tasks=16)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Schulman et al. 2017, arXiv 1707.06347. The comparison: Finn et al. 2017, arXiv 1703.03400, "pretrained".
    """
    length = tasks.lifetime_length if lifetime_length is None else lifetime_length
    return PPO(
        inner=FixedPolicy.create(tasks.observation_size, tasks.action_space, widths),
        tasks=tasks,
        credit=EpisodeCritic(discount=discount, gae_lambda=gae_lambda, value_coefficient=value_coefficient),
        protocol=Protocol(num_segments=1, segment_length=length, num_streams=1),
        segment_weights=(1.0,),
        num_tasks=num_tasks,
        num_epochs=num_epochs,
        num_minibatches=num_minibatches,
        learning_rate=learning_rate,
        anneal_steps=anneal_steps,
        max_gradient_norm=max_gradient_norm,
        clip_epsilon=clip_epsilon,
        entropy_coefficient=entropy_coefficient,
    )
