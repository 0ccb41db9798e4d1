"""Meta-Q-learning (Fakoor et al. 2020, arXiv 1910.00125)."""

from collections.abc import Callable
from functools import partial

from flax import nnx

from jmeta import struct
from jmeta.algorithms.base import algorithm
from jmeta.algorithms.off_policy import ActorCriticSettings, SegmentSettings, check_layers, off_policy_learner, protocol_of
from jmeta.inner.fine_tuning import FineTuningSettings
from jmeta.inner.mql import MQL
from jmeta.inner.td3 import TD3, NoiseSettings
from jmeta.networks import Core, check_core, from_nnx, make_core
from jmeta.networks.perception import Perception
from jmeta.networks.step_contexts import Context
from jmeta.outer.off_policy import OffPolicy
from jmeta.ranges import Count
from jmeta.settings import CoreSettings
from jmeta.struct import fields_for
from jmeta.tasks.base import TaskDistribution
from jmeta.types import ActionSpace, Continuous


@struct.settings
class MQLSettings(FineTuningSettings, NoiseSettings, ActorCriticSettings, CoreSettings, SegmentSettings):
    """Settings of ``mql``.

    Attributes:
      batch_size: sequences of ``sequence_length`` environment steps sampled from each task's replay buffer for a gradient step.
    """

    hidden_size: Count = 32
    num_training_tasks: Count = 64
    num_shipped: Count = 2000


@algorithm(MQLSettings)
def mql(tasks: TaskDistribution, settings: MQLSettings) -> OffPolicy:
    """Multi-task TD3 with a recurrent context, fine-tuned in a new task on its own data and on reweighted training data.

    Meta-training trains a multi-task agent whose context distinguishes tasks. Adaptation is off-policy. It takes gradient steps
    on the data of the new task, then on replay of the training tasks with importance weights, which say how much likelier a
    step is in the new task. A proximal term keeps the weights near the meta-trained ones; it is stronger where the effective
    sample size is smaller. Actions must be continuous. See ``jmeta.inner.mql``.

    Raises:
      ValueError: as ``sac``, and for tasks with discrete actions or a lifetime of one segment.

    Example:
      >>> import jax, jmeta
      >>> small = {"hidden_size": 4, "widths": (8,), "num_training_tasks": 2, "num_passes": 2, "num_shipped": 8}
      >>> agent = jmeta.algorithms.mql(jmeta.tasks.SparsePointNavigation(), **small)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Fakoor et al. 2020, arXiv 1910.00125.

    Deviations from the paper:
      Policy and critics share one context, which the critics train and which does not adapt. The policy is updated as often as
      the critics. Training begins without random actions unless ``random_steps`` is set. By default 2,000 training steps are
      stored, and adaptation makes 20 and 40 gradient steps on 64 steps each. The norms of gradients are clipped, at 10 by
      default. See ``jmeta.inner.mql``.
    """
    core, hidden_size = settings.core, settings.hidden_size
    check_layers(settings.widths)
    check_core(core, hidden_size, 1, settings.sequence_length)
    size, space = tasks.observation_size, tasks.action_space
    if not isinstance(space, Continuous):
        raise ValueError(f"{type(tasks).__name__} takes {space}: MQL needs actions in a box")
    if settings.burn_in >= settings.sequence_length:
        raise ValueError(
            f"burn_in={settings.burn_in}: leave at least 1 of the {settings.sequence_length} steps of a row to learn from"
        )
    protocol = protocol_of(tasks, settings.num_segments, settings.segment_length, MQL.least_segments)
    window = max(settings.sequence_length, protocol.num_env_steps)
    make_context = partial(make_core, core, size=hidden_size, num_layers=1, window=window)
    agent = MQL(
        observation_size=size,
        action_space=space,
        q_learner=TD3.create(size + hidden_size, space, settings.widths, **fields_for(TD3, settings)),
        encoder=from_nnx(partial(_context, size, space, make_context)),
        **fields_for(FineTuningSettings, settings),
    )
    return off_policy_learner(tasks, agent, settings, protocol)


def _context(size: int, space: ActionSpace, build_core: Callable[..., Core], *, rngs: nnx.Rngs) -> Context:
    perception = Perception(size, space, rngs=rngs)
    return Context(perception, build_core(perception.output_size, rngs=rngs))
