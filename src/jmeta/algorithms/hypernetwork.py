"""A hypernetwork that generates the policy of each segment from the experience in the task."""

from functools import partial

from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.variants import takes_tasks
from jmeta.inner.generated_policy import GeneratedPolicy
from jmeta.networks import CoreName, check_core, make_core
from jmeta.outer.credit import SharedCritic
from jmeta.outer.ppo import PPO
from jmeta.ranges import Count, Limit, NonNegative, Positive, Share, checked
from jmeta.tasks.base import TaskDistribution
from jmeta.types import Protocol


@normalisable
@takes_tasks
@checked
def hypernetwork(
    tasks: TaskDistribution,
    *,
    core: CoreName = "gru",
    hidden_size: Count = 64,
    encoder_widths: tuple[Count, ...] = (32,),
    hypernetwork_widths: tuple[Count, ...] = (),
    policy_widths: tuple[Count, ...] = (32,),
    num_segments: Count | None = None,
    segment_length: Count | None = None,
    num_streams: Count = 1,
    num_tasks: Count = 1024,
    num_epochs: Count = 4,
    num_minibatches: Count = 4,
    learning_rate: Positive = 3e-3,
    anneal_steps: Count | None = None,
    discount: Share = 0.99,
    gae_lambda: Share = 0.95,
    clip_epsilon: Positive = 0.2,
    entropy_coefficient: NonNegative = 0.02,
    value_coefficient: NonNegative = 0.5,
    max_gradient_norm: Limit = 0.5,
) -> PPO:
    """A recurrent network that reads the experience in a task and generates the policy's weights for the next segment.

        phi_0 = f_theta(nothing),      phi_k = f_theta(episodes 1 .. k),      maximise  E_task [sum_k return of phi_k]

    Within a segment the policy is fixed and sees the observation alone, like an adapted MAML policy. The map from experience to
    weights is learned, and adaptation is one forward pass. Credit runs across episodes, so exploration in early ones is
    credited with later rewards. With several streams each step earns the mean reward of all, since all share the experience.

    Args:
      tasks: the distribution to meta-train on.
      core: recurrent core that reads the experience, as for ``rl2``.
      hidden_size: hidden units of the core.
      encoder_widths: sizes of the layers before the core.
      hypernetwork_widths: sizes of the hidden layers between the core and the generated weights.
      policy_widths: sizes of the hidden layers of the generated policy, and likewise of the critic.
      num_segments: segments of a lifetime, each with a newly generated policy; by default as many as ``tasks.lifetime_length``
        holds, and at least 2.
      segment_length: environment steps of a segment, a whole number of episodes; one episode by default.
      num_streams: trajectories rolled out in parallel with the same policy.
      num_tasks: lifetimes rolled out in each outer step, each in a newly drawn task (the meta-batch size).
      num_epochs: passes over the lifetimes of an outer step.
      num_minibatches: minibatches of lifetimes in each pass; must divide num_tasks.
      learning_rate: learning rate of Adam.
      anneal_steps: outer steps over which the learning rate falls linearly to zero, and the entropy coefficient in half as many;
        constant by default.
      discount: discount factor per environment step, in [0, 1]; discounting continues across episodes.
      gae_lambda: lambda of the generalized advantage estimate, in [0, 1].
      clip_epsilon: PPO's clip range, the half-width of the interval around 1 to which likelihood ratios are clipped.
      entropy_coefficient: weight of the policy's entropy.
      value_coefficient: weight of the critic's squared error, in units of normalised return.
      max_gradient_norm: the gradient is clipped to this global norm.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Raises:
      ValueError: for fewer than 2 segments, segments that are not whole episodes, a num_tasks that num_minibatches does not
        divide, or a network that cannot be built.

    Example:
      >>> import jax, jmeta
      >>> tasks = jmeta.tasks.BernoulliBandit(num_arms=2)
      >>> agent = jmeta.algorithms.hypernetwork(tasks, hidden_size=8, policy_widths=(4,), num_tasks=16)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Ha et al. 2016, arXiv 1609.09106. Initialisation, and hypernetworks in meta-RL: Beck et al. 2022, arXiv 2210.11348.

    Deviations from the papers:
      Beck et al. generate the policy at every step, from VariBAD's belief or a recurrent state; that is
      ``recurrent_hypernetwork`` and ``varibad(hypernetwork=True)``. Here it is generated when a segment ends, and an observation
      passes through the generated weights alone. The optimiser is PPO.
    """
    length = tasks.horizon if segment_length is None else segment_length
    if num_segments is None:
        num_segments = max(2, tasks.lifetime_length // length)
    if num_segments < 2:
        raise ValueError(f"num_segments={num_segments}: the policy adapts only between segments; give at least 2")
    window = num_segments * length
    check_core(core, hidden_size, 1, window)
    return PPO(
        inner=GeneratedPolicy.create(
            tasks.observation_size,
            tasks.action_space,
            partial(make_core, core, size=hidden_size, num_layers=1, window=window),
            encoder_widths=encoder_widths,
            hypernetwork_widths=hypernetwork_widths,
            policy_widths=policy_widths,
        ),
        tasks=tasks,
        credit=SharedCritic(discount=discount, gae_lambda=gae_lambda, value_coefficient=value_coefficient),
        protocol=Protocol(num_segments=num_segments, segment_length=length, num_streams=num_streams),
        segment_weights=(1.0,) * num_segments,
        num_tasks=num_tasks,
        num_epochs=num_epochs,
        num_minibatches=num_minibatches,
        learning_rate=learning_rate,
        anneal_steps=anneal_steps,
        max_gradient_norm=max_gradient_norm,
        clip_epsilon=clip_epsilon,
        entropy_coefficient=entropy_coefficient,
    )
