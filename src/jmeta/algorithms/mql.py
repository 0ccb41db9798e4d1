"""Meta-Q-learning (Fakoor et al. 2020, arXiv 1910.00125)."""

from collections.abc import Callable
from functools import partial
from typing import Any

from flax import nnx

from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.off_policy import check_layers, off_policy_learner, protocol_of
from jmeta.algorithms.variants import variant_of
from jmeta.inner.mql import MQL, Context
from jmeta.inner.td3 import TD3
from jmeta.networks import Core, CoreName, check_core, from_nnx, make_core
from jmeta.networks.perception import Perception
from jmeta.outer.base import OuterLearner
from jmeta.ranges import Count, CountOrZero, NonNegative, Positive, Share
from jmeta.tasks.base import TaskDistribution
from jmeta.types import ActionSpace, Continuous


@normalisable
@variant_of(off_policy_learner, without=("inner", "explore_steps"))
def mql(
    tasks: TaskDistribution,
    *,
    core: CoreName = "gru",
    hidden_size: Count = 32,
    widths: tuple[Count, ...] = (256, 256),
    discount: Share = 0.99,
    reward_scale: Positive = 1.0,
    exploration_noise: NonNegative = 0.2,
    sequence_length: Count = 20,
    burn_in: CountOrZero = 10,
    adapt_capacity: Count = 1000,
    num_shipped: Count = 2000,
    num_own_updates: CountOrZero = 20,
    num_old_updates: CountOrZero = 40,
    adapt_batch_size: Count = 64,
    adapt_rate: Positive = 3e-4,
    largest_weight: Positive = 2.0,
    num_segments: Count | None = None,
    segment_length: Count | None = None,
    num_tasks: Count = 64,
    **settings: Any,
) -> OuterLearner:
    """Multi-task TD3 with a recurrent context, fine-tuned in a new task on its own data and on reweighted training data.

    Meta-training trains a multi-task agent whose context distinguishes tasks. Adaptation is off-policy. It takes gradient steps
    on the data of the new task, then on replay of the training tasks with importance weights, which say how much likelier a
    step is in the new task. A proximal term keeps the weights near the meta-trained ones; it is stronger where the effective
    sample size is smaller. See ``jmeta.inner.mql``.

    Args:
      tasks: the distribution to meta-train on; actions must be continuous.
      core: recurrent core of the context, as for ``rl2``.
      hidden_size: hidden units of the core.
      widths: sizes of the hidden layers of the policy and of each critic.
      discount: discount factor per environment step, in [0, 1].
      reward_scale: factor on the rewards that values are learned from.
      exploration_noise: standard deviation of the noise added to actions in training, in units of half the action range.
      sequence_length: length in environment steps of the replay sequences over which contexts are recomputed in training.
      burn_in: initial steps of a sequence that only warm up the context and have no loss.
      adapt_capacity: capacity of a new task's replay buffer, in environment steps.
      num_shipped: environment steps of the training tasks' replay that are stored with the deployed agent.
      num_own_updates: gradient steps on the new task's data after each segment.
      num_old_updates: gradient steps on the stored data of the training tasks after each segment.
      adapt_batch_size: environment steps in each of these gradient steps.
      adapt_rate: learning rate of Adam in these gradient steps.
      largest_weight: upper bound of the importance weight of a stored step.
      num_segments: segments of a lifetime, at least 2, since the agent adapts between segments; by default as many as a lifetime
        of the tasks has, or 2.
      segment_length: environment steps of a segment, a whole number of episodes; one episode by default.
      num_tasks: number of training tasks, which are drawn once.
      settings: further settings, as for ``jmeta.algorithms.off_policy.off_policy_learner``.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Raises:
      ValueError: for tasks with discrete actions, a lifetime of one segment, a segment that is not a whole number of episodes,
        numbers that do not divide num_tasks, too small a replay buffer, or a network that cannot be built.

    Example:
      >>> import jax, jmeta
      >>> small = {"hidden_size": 4, "widths": (8,), "num_tasks": 2, "num_passes": 2, "num_shipped": 8}
      >>> agent = jmeta.algorithms.mql(jmeta.tasks.SparsePointNavigation(), **small)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Fakoor et al. 2020, arXiv 1910.00125.

    Deviations from the paper:
      Policy and critics share one context, which the critics train and which does not adapt. The policy is updated as often as
      the critics. Training begins without random actions unless ``random_steps`` is set. By default 2,000 training steps are
      stored, and adaptation makes 20 and 40 gradient steps on 64 steps each. See ``jmeta.inner.mql``.
    """
    check_layers(widths)
    check_core(core, hidden_size, 1, sequence_length)
    if not isinstance(tasks.action_space, Continuous):
        raise ValueError(f"{type(tasks).__name__} takes {tasks.action_space}: MQL needs actions in a box")
    if burn_in >= sequence_length:
        raise ValueError(f"burn_in={burn_in}: leave at least 1 of the {sequence_length} steps of a row to learn from")
    protocol = protocol_of(tasks, num_segments, segment_length, MQL.least_segments)
    size, space = tasks.observation_size, tasks.action_space
    window = max(sequence_length, protocol.num_env_steps)
    make_context = partial(make_core, core, size=hidden_size, num_layers=1, window=window)
    agent = MQL(
        observation_size=size,
        action_space=space,
        q_learner=TD3.create(
            size + hidden_size, space, widths, discount=discount, reward_scale=reward_scale, exploration_noise=exploration_noise
        ),
        encoder=from_nnx(partial(_context, size, space, make_context)),
        sequence_length=sequence_length,
        burn_in=burn_in,
        capacity=adapt_capacity,
        num_shipped=num_shipped,
        num_own_updates=num_own_updates,
        num_old_updates=num_old_updates,
        adapt_batch_size=adapt_batch_size,
        adapt_rate=adapt_rate,
        largest_weight=largest_weight,
    )
    return off_policy_learner(
        tasks, agent, num_segments=protocol.num_segments, segment_length=protocol.segment_length, num_tasks=num_tasks, **settings
    )


def _context(size: int, space: ActionSpace, build_core: Callable[..., Core], *, rngs: nnx.Rngs) -> Context:
    perception = Perception(size, space, rngs=rngs)
    return Context(perception, build_core(perception.output_size, rngs=rngs))
