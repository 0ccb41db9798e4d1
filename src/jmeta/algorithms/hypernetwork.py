"""A hypernetwork that generates the policy of each segment from the experience in the task."""

from functools import partial

import jax

from jmeta import struct
from jmeta.algorithms.base import AlgorithmSettings, algorithm
from jmeta.inner.generated_policy import GeneratedPolicy
from jmeta.networks import check_core, make_core
from jmeta.outer.credit import CriticSettings, SharedCritic
from jmeta.outer.ppo import PPO, PPOSettings
from jmeta.ranges import Count, NonNegative, Positive
from jmeta.settings import CoreSettings
from jmeta.struct import fields_for
from jmeta.tasks.base import TaskDistribution
from jmeta.types import Protocol


@struct.settings
class HypernetworkSettings(CoreSettings, CriticSettings, AlgorithmSettings, PPOSettings):
    """Settings of ``hypernetwork``.

    Attributes:
      encoder_widths: sizes of the layers before the core.
      hypernetwork_widths: sizes of the hidden layers between the core and the generated weights.
      policy_widths: sizes of the hidden layers of the generated policy, and likewise of the critic.
      num_segments: segments of a lifetime, each with a newly generated policy; by default as many as ``tasks.lifetime_length``
        holds, and at least 2.
      segment_length: environment steps of a segment, a whole number of episodes; one episode by default.
      num_streams: trajectories rolled out in parallel with the same policy.
      discount: discount factor per environment step, in [0, 1]; discounting continues across episodes.
    """

    encoder_widths: tuple[Count, ...] = (32,)
    hypernetwork_widths: tuple[Count, ...] = ()
    policy_widths: tuple[Count, ...] = (32,)
    num_segments: Count | None = None
    segment_length: Count | None = None
    num_streams: Count = 1
    num_tasks: Count = 1024
    num_epochs: Count = 4
    num_minibatches: Count = 4
    learning_rate: jax.Array | Positive = 3e-3
    entropy_coefficient: jax.Array | NonNegative = 0.02


@algorithm(HypernetworkSettings)
def hypernetwork(tasks: TaskDistribution, settings: HypernetworkSettings) -> PPO:
    """A recurrent network that reads the experience in a task and generates the policy's weights for the next segment.

        phi_0 = f_theta(nothing),      phi_k = f_theta(episodes 1 .. k),      maximise  E_task [sum_k return of phi_k]

    Within a segment the policy is fixed and sees the observation alone, like an adapted MAML policy. The map from experience to
    weights is learned, and adaptation is one forward pass. Credit runs across episodes, so exploration in early ones is
    credited with later rewards. With several streams each step earns the mean reward of all, since all share the experience.

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
    length = tasks.horizon if settings.segment_length is None else settings.segment_length
    num_segments = settings.num_segments
    if num_segments is None:
        num_segments = max(2, tasks.lifetime_length // length)
    if num_segments < 2:
        raise ValueError(f"num_segments={num_segments}: the policy adapts only between segments; give at least 2")
    window = num_segments * length
    check_core(settings.core, settings.hidden_size, 1, window)
    return PPO(
        inner=GeneratedPolicy.create(
            tasks.observation_size,
            tasks.action_space,
            partial(make_core, settings.core, size=settings.hidden_size, num_layers=1, window=window),
            encoder_widths=settings.encoder_widths,
            hypernetwork_widths=settings.hypernetwork_widths,
            policy_widths=settings.policy_widths,
        ),
        tasks=tasks,
        credit=SharedCritic(**fields_for(CriticSettings, settings)),
        protocol=Protocol(num_segments, length, settings.num_streams),
        segment_weights=(1.0,) * num_segments,
        **fields_for(PPO, settings),
    )
