"""Settings that learners of several kinds have. The other settings are declared beside the learner that has them."""

import jax

from jmeta import struct
from jmeta.networks import CoreName
from jmeta.ranges import Count, Positive, Share


@struct.settings
class DiscountSettings:
    """The discounting of rewards.

    Attributes:
      discount: discount factor per environment step, in [0, 1].
    """

    discount: jax.Array | Share = 0.99


@struct.settings
class FirstOrderSettings:
    """Whether a meta-gradient has second derivatives.

    Attributes:
      first_order: whether to leave out the second derivatives, by treating inner gradients as constants (first-order MAML).
    """

    first_order: bool = struct.field(pytree_node=False, default=False)


@struct.settings
class StreamChunkSettings:
    """The memory that the meta-gradient of a single task needs.

    Attributes:
      stream_chunks: number of groups of streams whose gradients are computed one after the other, which bounds memory; must
        divide num_streams.
    """

    stream_chunks: Count = struct.field(pytree_node=False, default=1)


@struct.settings
class HiddenSizeSettings:
    """The size of a recurrent core.

    Attributes:
      hidden_size: hidden units of the core.
    """

    hidden_size: Count = 64


@struct.settings
class CoreSettings(HiddenSizeSettings):
    """The kind and size of a recurrent core.

    Attributes:
      hidden_size: hidden units of the core; a multiple of 8 for a transformer.
      core: recurrent core: ``gru``; ``lstm``; ``lru``, a linear recurrence; ``transformer``; ``snail``; ``mann`` and
        ``episodic-lstm``, with an external memory.
    """

    core: CoreName = "gru"


@struct.settings
class PolicySettings:
    """Settings of a feed-forward policy that adapts between segments.

    Attributes:
      widths: sizes of the policy's hidden layers.
      initial_std: initial standard deviation of a continuous policy, in units of half the action range.
      num_inner_steps: adaptations to each task in training, at least 1. Evaluation may take more.
      num_streams: trajectories rolled out in parallel for each inner step.
      segment_length: environment steps of each trajectory, a whole number of episodes; ``tasks.lifetime_length`` by default.
    """

    widths: tuple[Count, ...] = (100, 100)
    initial_std: Positive = 1.0
    num_inner_steps: Count = 1
    num_streams: Count = 20
    segment_length: Count | None = None
