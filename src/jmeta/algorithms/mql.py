"""Meta-Q-learning (Fakoor et al. 2020, arXiv 1910.00125)."""

from collections.abc import Callable
from functools import partial
from typing import Any

from flax import nnx

from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.off_policy import check_layers, off_policy_learner, protocol_of
from jmeta.algorithms.variants import variant_of
from jmeta.inner.mql import MQL, Context
from jmeta.inner.rl2 import Perception
from jmeta.inner.td3 import TD3
from jmeta.networks import Core, CoreName, check_core, from_nnx, make_core
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
    """TD3 with a recurrent context on all tasks at once, fine-tuned in a new task on its own and on well-weighted old data.

    What is meta-trained is just a multi-task agent whose context tells tasks apart. Adaptation is off-policy: gradient steps on
    what was lived in the task, then on replay of the training tasks, each step of it weighted by how likely it would be in the
    new task, with a pull back to the meta-trained weights, which is stronger where fewer of these steps have most of the weight.
    See ``jmeta.inner.mql``.

    Args:
      tasks: the distribution to meta-train on; actions lie in a box.
      core: recurrent core of the context, as for ``rl2``.
      hidden_size: units of it.
      widths: hidden layers of the policy and of each critic.
      discount: discount factor per environment step, in [0, 1].
      reward_scale: rewards are multiplied by it before values are learned from them.
      exploration_noise: standard deviation of what is added to actions in training, in units of half the action box.
      sequence_length: steps of replay in a row, over which contexts are made anew in training.
      burn_in: steps at the beginning of a sequence that only make the context and are not learned from.
      adapt_capacity: steps of a new task that are kept.
      num_shipped: steps of the training tasks' replay that are shipped with theta.
      num_own_updates: gradient steps on a new task's own data after each segment.
      num_old_updates: and on the training tasks'.
      adapt_batch_size: steps in each.
      adapt_rate: learning rate of Adam in these updates.
      largest_weight: an old step counts at most so often.
      num_segments: segments of a lifetime, at least 2, since it adapts between segments; by default as many as a lifetime of the
        tasks has, or 2.
      segment_length: environment steps of a segment, whole episodes; one episode by default.
      num_tasks: training tasks, drawn once.
      settings: as for ``jmeta.algorithms.off_policy.off_policy_learner``.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Raises:
      ValueError: for tasks of a few actions, a lifetime of one segment, a segment that is no whole number of episodes, numbers
        that do not divide num_tasks, too little replay, or a network that can't be built.

    Example:
      >>> import jax, jmeta
      >>> small = {"hidden_size": 4, "widths": (8,), "num_tasks": 2, "num_passes": 2, "num_shipped": 8}
      >>> agent = jmeta.algorithms.mql(jmeta.tasks.SparsePointNavigation(), **small)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Fakoor et al. 2020, arXiv 1910.00125.

    Deviations from the paper:
      Policy and critics share one context, which the critics train, and which does not adapt; the policy moves at every update;
      actions are not random at first unless ``random_steps`` says so; 2,000 old steps are shipped by default, and updates are 20
      and 40 of 64 steps. See ``jmeta.inner.mql``.
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
