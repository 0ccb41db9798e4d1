"""Settings of proximal policy optimisation, which its variants share."""

import jax

from jmeta import struct
from jmeta.outer.meta_batch import MetaBatchSettings
from jmeta.ranges import Count, Limit, NonNegative, Positive


@struct.settings
class PPOSettings(MetaBatchSettings):
    """Settings of proximal policy optimisation.

    Attributes:
      num_epochs: passes over the lifetimes of an outer step.
      num_minibatches: minibatches of lifetimes in each pass; must divide num_tasks.
      learning_rate: learning rate of Adam, the outer optimiser.
      anneal_steps: outer steps over which the learning rate falls linearly to zero, and the entropy coefficient in half as
        many, so that the policy explores first and then becomes deterministic; constant by default.
      max_gradient_norm: the meta-gradient is clipped to this global norm.
      clip_epsilon: PPO's clip range, the half-width of the interval around 1 to which likelihood ratios are clipped; it has no
        effect on the first gradient step of an outer step.
      entropy_coefficient: weight of the policy's entropy.
    """

    num_epochs: Count = struct.field(pytree_node=False, default=1)
    num_minibatches: Count = struct.field(pytree_node=False, default=1)
    learning_rate: jax.Array | Positive = 1e-3
    anneal_steps: Count | None = struct.field(pytree_node=False, default=None)
    max_gradient_norm: jax.Array | Limit = 0.5
    clip_epsilon: jax.Array | Positive = 0.2
    entropy_coefficient: jax.Array | NonNegative = 0.0
