"""Composition shared by algorithms that learn a belief about the task."""

from collections.abc import Callable
from functools import partial

from jmeta.inner.belief import BeliefAgent, belief_encoder
from jmeta.networks import CoreName, check_core, from_nnx, make_core
from jmeta.networks.beliefs import BeliefHyperpolicy, BeliefPolicy
from jmeta.outer.belief_ppo import BeliefPPO
from jmeta.outer.credit import LifetimeCritic
from jmeta.ranges import Count, Limit, NonNegative, Positive, Share, checked
from jmeta.tasks.base import TaskDistribution
from jmeta.types import Protocol


@checked
def belief_learner(
    tasks: TaskDistribution,
    belief_size: int,
    make_inner: Callable[..., BeliefAgent],
    *,
    core: CoreName = "gru",
    hidden_size: Count = 64,
    encoder_widths: tuple[Count, ...] = (32,),
    policy_widths: tuple[Count, ...] = (64,),
    hypernetwork: bool = False,
    lifetime_length: Count | None = None,
    num_tasks: Count = 512,
    num_belief_updates: Count = 4,
    belief_batch_size: Count = 64,
    belief_learning_rate: Positive = 1e-3,
    max_belief_gradient_norm: Limit = 0.1,
    buffer_steps: Count = 20,
    num_epochs: Count = 2,
    num_minibatches: Count = 8,
    learning_rate: Positive = 1e-3,
    anneal_steps: Count | None = None,
    discount: Share = 0.95,
    gae_lambda: Share = 0.95,
    clip_epsilon: Positive = 0.2,
    entropy_coefficient: NonNegative = 0.02,
    value_coefficient: NonNegative = 0.5,
    max_gradient_norm: Limit = 0.5,
) -> BeliefPPO:
    """PPO for a policy that observes a recurrent belief about the task. The agent defines the loss that trains the belief.

    Args:
      tasks: the distribution to meta-train on.
      belief_size: dimensions of the belief.
      make_inner: builds the agent from the fields of ``BeliefAgent``.
      core: recurrent core of the encoder, as for ``rl2``.
      hidden_size: hidden units of the encoder's core.
      encoder_widths: sizes of the layers before the core.
      policy_widths: sizes of the hidden layers of the policy, and likewise of its critic.
      hypernetwork: whether the belief generates the policy's weights instead of being an input of the policy (Beck et al. 2022).
      lifetime_length: environment steps of a lifetime, a whole number of episodes; ``tasks.lifetime_length`` by default.
      num_tasks: lifetimes rolled out in each outer step, each in a newly drawn task (the meta-batch size).
      num_belief_updates: gradient steps on the belief's loss in an outer step.
      belief_batch_size: lifetimes in each gradient step of the belief; must divide num_tasks.
      belief_learning_rate: learning rate of Adam for the belief.
      max_belief_gradient_norm: the gradient of the belief is clipped to this global norm.
      buffer_steps: size of the belief's replay buffer in outer steps; half of it keeps the first outer steps, half the newest.
      num_epochs: passes of the policy over the new lifetimes.
      num_minibatches: minibatches of lifetimes in each pass; must divide num_tasks.
      learning_rate: learning rate of Adam for the policy.
      anneal_steps: outer steps over which the policy's learning rate falls linearly to zero, the entropy coefficient in three
        quarters of them and the belief's rate in 0.85; constant by default.
      discount: discount factor per environment step, in [0, 1]; discounting continues across episodes.
      gae_lambda: lambda of the generalized advantage estimate, in [0, 1].
      clip_epsilon: PPO's clip range, the half-width of the interval around 1 to which likelihood ratios are clipped.
      entropy_coefficient: weight of the policy's entropy.
      value_coefficient: weight of the critic's squared error, in units of normalised return.
      max_gradient_norm: the gradient of the policy is clipped to this global norm.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Raises:
      ValueError: for a lifetime that is not a whole number of episodes, numbers that do not divide num_tasks, or a network that
        can't be built.
    """
    length = tasks.lifetime_length if lifetime_length is None else lifetime_length
    check_core(core, hidden_size, 1, length)
    encoder = belief_encoder(
        tasks.observation_size,
        tasks.action_space,
        belief_size,
        partial(make_core, core, size=hidden_size, num_layers=1, window=length),
        encoder_widths=encoder_widths,
    )
    build_policy = BeliefHyperpolicy if hypernetwork else BeliefPolicy
    seen_size = tasks.observation_size + 1  # the last input is the time
    policy = from_nnx(partial(build_policy, seen_size, tasks.action_space, belief_size, policy_widths))
    return BeliefPPO(
        inner=make_inner(
            observation_size=tasks.observation_size,
            action_space=tasks.action_space,
            lifetime_length=length,
            encoder=encoder,
            policy=policy,
        ),
        tasks=tasks,
        credit=LifetimeCritic(discount=discount, gae_lambda=gae_lambda, value_coefficient=value_coefficient),
        protocol=Protocol(num_segments=1, segment_length=length, num_streams=1),
        segment_weights=(1.0,),
        num_tasks=num_tasks,
        num_belief_updates=num_belief_updates,
        belief_batch_size=belief_batch_size,
        belief_learning_rate=belief_learning_rate,
        max_belief_gradient_norm=max_belief_gradient_norm,
        buffer_steps=buffer_steps,
        num_epochs=num_epochs,
        num_minibatches=num_minibatches,
        learning_rate=learning_rate,
        anneal_steps=anneal_steps,
        max_gradient_norm=max_gradient_norm,
        clip_epsilon=clip_epsilon,
        entropy_coefficient=entropy_coefficient,
    )
