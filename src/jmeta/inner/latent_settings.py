"""Settings of agents that infer a latent task variable from a context."""

import jax

from jmeta import struct
from jmeta.ranges import Count, NonNegative


@struct.settings
class LatentSettings:
    """Settings of PEARL's latent task variable.

    Attributes:
      latent_size: dimensions of the latent task variable.
      kl_weight: weight of the KL divergence of the posterior from the prior, averaged over tasks. The authors' code sums it
        over the m tasks of a gradient step and does not halve squared errors, so their ``kl_lambda`` corresponds to m / 2 times
        as much here: their 0.1 with 16 tasks is 0.8. The default is an eighth of that.
      context_size: number of steps in a training context, drawn at random without replacement from one of a task's newest
        lifetimes. By default a context is a random number of the lifetime's first segments, as in a new task.
      sees_reward: whether policy and critics also observe the last reward. The policy can then search for a goal within an
        episode; otherwise it can only try one guess per episode.
    """

    latent_size: Count = struct.field(pytree_node=False)
    kl_weight: jax.Array | NonNegative = 0.1
    context_size: Count | None = struct.field(pytree_node=False, default=None)
    sees_reward: bool = struct.field(pytree_node=False, default=False)
