"""RL² (Duan et al. 2016, arXiv 1611.02779; Wang et al. 2016, arXiv 1611.05763)."""

from typing import Literal

from jmeta.inner.rl2 import RL2
from jmeta.outer.credit import LifetimeCritic
from jmeta.outer.ppo import PPO
from jmeta.tasks.base import TaskDistribution
from jmeta.types import Protocol


def rl2(
    tasks: TaskDistribution,
    *,
    hidden_size: int = 64,
    compute_dtype: Literal["float32", "bfloat16"] = "float32",
    lifetime_length: int | None = None,
    num_tasks: int = 4096,
    num_epochs: int = 4,
    num_minibatches: int = 4,
    learning_rate: float = 3e-3,
    anneal_steps: int | None = None,
    discount: float = 0.99,
    trace: float = 0.95,
    clip_epsilon: float = 0.2,
    entropy_coefficient: float = 0.02,
    value_coefficient: float = 0.5,
    max_gradient_norm: float = 0.5,
) -> PPO:
    """A recurrent policy whose hidden state is the learning algorithm, trained by PPO over whole lifetimes.

    The agent sees observation, previous action, previous reward and whether an episode begins. Its hidden state is zero when a
    lifetime opens and runs on across the episodes of the task, so what it does with the first reward may depend on what it
    wants to know for the last. Credit runs across the whole lifetime: with G_t the sum of all later rewards of the *lifetime*,

        maximise  E_task E_lifetime [sum_t discount^t r_t]

    by the clipped surrogate, advantages from a critic that shares the hidden state and predicts normalised G_t.

    Args:
      tasks: the distribution to meta-train on.
      hidden_size: units of the GRU.
      compute_dtype: of its matrix products; weights and the hidden state are float32 in any case.
      lifetime_length: environment steps of a lifetime, whole episodes; the task's own custom by default.
      num_tasks: lifetimes lived at each outer step, each in a new task.
      num_epochs: passes over those lifetimes.
      num_minibatches: groups of lifetimes in a pass; must divide num_tasks.
      learning_rate: of Adam.
      anneal_steps: outer steps over which the learning rate falls linearly to zero, and the entropy coefficient in half as many;
        constant by default.
      discount: per environment step, in [0, 1]; it runs on across episodes.
      trace: lambda of the generalized advantage estimate, in [0, 1].
      clip_epsilon: half-width of PPO's ratio interval.
      entropy_coefficient: weight of the policy's entropy.
      value_coefficient: weight of the critic's squared error, in units of normalised return.
      max_gradient_norm: the gradient's global norm is clipped here.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Raises:
      ValueError: for a lifetime that is no whole number of episodes, or a num_tasks that num_minibatches does not divide.

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
    if hidden_size < 1:
        raise ValueError(f"hidden_size={hidden_size}: the GRU needs at least 1 unit")
    length = tasks.lifetime_length if lifetime_length is None else lifetime_length
    return PPO(
        inner=RL2.with_gru(tasks.observation_size, tasks.action_space, hidden_size, dtype=compute_dtype),
        tasks=tasks,
        credit=LifetimeCritic(discount=discount, trace=trace, value_coefficient=value_coefficient),
        protocol=Protocol(num_segments=1, segment_length=length, num_streams=1),
        score=(1.0,),
        num_tasks=num_tasks,
        num_epochs=num_epochs,
        num_minibatches=num_minibatches,
        learning_rate=learning_rate,
        anneal_steps=anneal_steps,
        max_gradient_norm=max_gradient_norm,
        clip_epsilon=clip_epsilon,
        entropy_coefficient=entropy_coefficient,
    )
