"""RL² (Duan et al. 2016, arXiv 1611.02779; Wang et al. 2016, arXiv 1611.05763)."""

from functools import partial
from typing import Literal

import jax.numpy as jnp

from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.variants import takes_tasks
from jmeta.inner.rl2 import RL2, recurrent_network
from jmeta.networks import CoreName, check_core, make_core
from jmeta.outer.checks import check_choice
from jmeta.outer.credit import EpisodeCritic, LifetimeCritic
from jmeta.outer.ppo import PPO
from jmeta.ranges import Count, Limit, NonNegative, Positive, Share, checked
from jmeta.tasks.base import TaskDistribution
from jmeta.types import Protocol


@normalisable
@takes_tasks
@checked
def rl2(
    tasks: TaskDistribution,
    *,
    core: CoreName = "gru",
    hidden_size: Count = 64,
    num_layers: Count = 1,
    context_length: Count | None = None,
    encoder_widths: tuple[Count, ...] = (),
    head_widths: tuple[Count, ...] = (),
    hypernetwork: bool = False,
    conv_filters: tuple[Count, ...] = (),
    memory_span: Literal["lifetime", "episode"] = "lifetime",
    compute_dtype: Literal["float32", "bfloat16"] = "float32",
    lifetime_length: Count | None = None,
    chunk_length: Count | None = None,
    truncate: bool = False,
    num_tasks: Count = 4096,
    num_epochs: Count = 4,
    num_minibatches: Count = 4,
    microbatch_size: Count | None = None,
    learning_rate: Positive = 3e-3,
    anneal_steps: Count | None = None,
    discount: Share = 0.99,
    gae_lambda: Share = 0.95,
    clip_epsilon: Positive = 0.2,
    entropy_coefficient: NonNegative = 0.02,
    value_coefficient: NonNegative = 0.5,
    max_gradient_norm: Limit = 0.5,
) -> PPO:
    """A recurrent policy whose hidden state is the learning algorithm, trained by PPO over whole lifetimes.

    The agent observes the observation, the previous action and reward, and whether an episode begins. Its hidden state is
    reset when a lifetime begins and kept across the episodes of the task, so the agent can explore in early episodes for the
    benefit of later ones. Credit runs across the whole lifetime: with G_t the sum of all later rewards of the *lifetime*,

        maximise  E_task E_lifetime [sum_t discount^t r_t]

    by the clipped surrogate, with advantages from a critic that shares the hidden state and predicts normalised G_t.

    Args:
      tasks: the distribution to meta-train on.
      core: recurrent core: ``gru``; ``lstm``; ``lru``, a linear recurrence; ``transformer``; ``snail``; ``mann`` and
        ``episodic-lstm``, with an external memory.
      hidden_size: hidden units of the core; a multiple of 8 for a transformer.
      num_layers: layers of an lru or a transformer; the other cores have one.
      context_length: steps that a transformer or snail attends to, or slots of an external memory; a lifetime by default.
      encoder_widths: sizes of the layers before the core.
      head_widths: sizes of the layers after the core, for the policy and likewise for the critic.
      hypernetwork: whether the core's output generates the weights of policy and critic, which see the observation alone; see
        ``recurrent_hypernetwork``.
      conv_filters: number of filters of each 3 by 3 convolution, for tasks with image observations; no convolutions by default.
      memory_span: when the hidden state is reset. ``lifetime`` keeps it across the episodes of a task. ``episode`` resets it at
        each episode and gives no credit for rewards of later episodes, so nothing is learned across episodes.
      compute_dtype: precision of matrix products; weights and hidden state are float32 in any case.
      lifetime_length: environment steps of a lifetime, a whole number of episodes; ``tasks.lifetime_length`` by default.
      chunk_length: steps whose activations are stored at once in training, which bounds memory; must divide the lifetime; the
        whole lifetime by default.
      truncate: whether to stop gradients between chunks (truncated backpropagation through time).
      num_tasks: lifetimes rolled out in each outer step, each in a newly drawn task (the meta-batch size).
      num_epochs: passes over the lifetimes of an outer step.
      num_minibatches: minibatches of lifetimes in each pass; must divide num_tasks.
      microbatch_size: lifetimes that one device differentiates at once, which bounds memory; the default is chosen for short
        lifetimes. For lifetimes of a hundred steps a smaller one is faster on a CPU.
      learning_rate: learning rate of Adam.
      anneal_steps: outer steps over which the learning rate falls linearly to zero, and the entropy coefficient in half as many;
        constant by default.
      discount: discount factor per environment step, in [0, 1]; discounting continues across episodes, unless memory_span is
        ``episode``.
      gae_lambda: lambda of the generalized advantage estimate, in [0, 1].
      clip_epsilon: PPO's clip range, the half-width of the interval around 1 to which likelihood ratios are clipped.
      entropy_coefficient: weight of the policy's entropy.
      value_coefficient: weight of the critic's squared error, in units of normalised return.
      max_gradient_norm: the gradient is clipped to this global norm.

    Returns:
      The outer learner; its ``inner`` is the agent.

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
    length = tasks.lifetime_length if lifetime_length is None else lifetime_length
    critic = EpisodeCritic if memory_span == "episode" else LifetimeCritic
    return PPO(
        inner=recurrent_agent(
            tasks,
            length,
            core=core,
            hidden_size=hidden_size,
            num_layers=num_layers,
            context_length=context_length,
            encoder_widths=encoder_widths,
            head_widths=head_widths,
            hypernetwork=hypernetwork,
            conv_filters=conv_filters,
            memory_span=memory_span,
            compute_dtype=compute_dtype,
            chunk_length=chunk_length,
            truncate=truncate,
        ),
        tasks=tasks,
        credit=critic(discount=discount, gae_lambda=gae_lambda, value_coefficient=value_coefficient),
        protocol=Protocol(num_segments=1, segment_length=length, num_streams=1),
        segment_weights=(1.0,),
        num_tasks=num_tasks,
        num_epochs=num_epochs,
        num_minibatches=num_minibatches,
        microbatch_size=microbatch_size,
        learning_rate=learning_rate,
        anneal_steps=anneal_steps,
        max_gradient_norm=max_gradient_norm,
        clip_epsilon=clip_epsilon,
        entropy_coefficient=entropy_coefficient,
    )


def recurrent_agent(
    tasks: TaskDistribution,
    lifetime_length: Count,
    *,
    core: CoreName = "gru",
    hidden_size: Count,
    num_layers: Count = 1,
    context_length: Count | None = None,
    encoder_widths: tuple[Count, ...] = (),
    head_widths: tuple[Count, ...] = (),
    hypernetwork: bool = False,
    conv_filters: tuple[Count, ...] = (),
    memory_span: Literal["lifetime", "episode"] = "lifetime",
    compute_dtype: Literal["float32", "bfloat16"] = "float32",
    chunk_length: Count | None = None,
    truncate: bool = False,
) -> RL2:
    """Returns the agent of ``rl2``, with the settings of ``rl2``, for lifetimes of ``lifetime_length`` steps."""
    window = min(lifetime_length, context_length or lifetime_length)
    check_core(core, hidden_size, num_layers, window)
    check_choice("memory_span", memory_span, ("lifetime", "episode"))
    if conv_filters and tasks.image_shape is None:
        raise ValueError(f"conv_filters={conv_filters}: observations of {type(tasks).__name__} are not images; leave it out")
    if chunk_length is not None and lifetime_length % chunk_length:
        raise ValueError(f"chunk_length={chunk_length} does not divide the lifetime of {lifetime_length} steps: use a divisor")
    if truncate and chunk_length is None:
        raise ValueError("truncate=True cuts between chunks: give their chunk_length")
    network = recurrent_network(
        tasks.observation_size,
        tasks.action_space,
        partial(make_core, core, size=hidden_size, num_layers=num_layers, window=window, dtype=jnp.dtype(compute_dtype)),
        encoder_widths=encoder_widths,
        head_widths=head_widths,
        hypernetwork=hypernetwork,
        image=tasks.image_shape if conv_filters else None,
        filters=conv_filters,
        forgets=memory_span == "episode",
        dtype=jnp.dtype(compute_dtype),
    )
    return RL2(tasks.observation_size, tasks.action_space, network, chunk_length, truncate)
