"""Settings of agents that adapt by policy-gradient steps, and the surrogates that they choose from."""

from collections.abc import Callable
from typing import Literal

import jax

from jmeta import struct
from jmeta.objectives import loaded_dice, low_variance_curvature, naive
from jmeta.settings import DiscountSettings, PolicySettings, StreamChunkSettings

Surrogate = Callable[[jax.Array, jax.Array, jax.Array], jax.Array]

SURROGATES: dict[str, Surrogate] = {
    "low-variance-curvature": low_variance_curvature,
    "loaded-dice": loaded_dice,
    "naive": naive,
}


@struct.settings
class AdaptationSettings(PolicySettings, DiscountSettings):
    """Settings of an agent that adapts by policy-gradient steps.

    Attributes:
      num_inner_steps: gradient steps on each task in training, at least 1. Evaluation may take more.
      compute_dtype: precision of the hidden layers; weights, gradients and the policy itself are float32 in any case.
      discount: discount factor per environment step, in [0, 1], of inner and outer returns.
    """

    compute_dtype: Literal["float32", "bfloat16"] = "float32"


@struct.settings
class SurrogateSettings:
    """The objective of the inner steps.

    Attributes:
      surrogate: objective of the inner steps. All choices have the same gradient. The second derivative of ``naive``, which the
        authors' code uses, ignores that the data depend on the weights: the meta-gradient is biased and less noisy.
    """

    surrogate: Literal["low-variance-curvature", "loaded-dice", "naive"] = "low-variance-curvature"


@struct.settings
class BaselineSettings:
    """The baseline of the advantages.

    Attributes:
      baseline: baseline of the advantages. ``linear`` is linear in state and time and fitted to each segment of each task;
        ``critic`` is a meta-learned value network, fitted to each segment by scale and offset for the inner step.
    """

    baseline: Literal["linear", "critic"] = "linear"


@struct.settings
class MixedModeSettings(StreamChunkSettings):
    """Settings of the derivative of an inner gradient.

    Attributes:
      mixed_mode: whether to differentiate inner gradients forward-over-reverse, which needs less memory and time; the gradient is
        the same. See ``jmeta.objectives.mixed_mode_grad``.
    """

    mixed_mode: bool = struct.field(pytree_node=False, default=True)
