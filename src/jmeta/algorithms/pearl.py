"""PEARL (Rakelly et al. 2019, arXiv 1903.08254)."""

from functools import partial

from flax import nnx

from jmeta import struct
from jmeta.algorithms.base import algorithm
from jmeta.algorithms.off_policy import (
    ActorCriticSettings,
    SegmentSettings,
    check_layers,
    check_one_choice,
    off_policy_learner,
    protocol_of,
)
from jmeta.inner.discrete_sac import DiscreteSAC
from jmeta.inner.latent_settings import LatentSettings
from jmeta.inner.pearl import PEARL
from jmeta.inner.sac import SAC, TemperatureSettings
from jmeta.networks import ContextEncoder, EncoderName, MeanEmbedding, ProductOfGaussians, RecurrentContext, from_nnx, make_core
from jmeta.outer.off_policy import OffPolicy
from jmeta.outer.replay import ContextSettings, ShapedSettings
from jmeta.ranges import Count
from jmeta.struct import fields_for
from jmeta.tasks.base import TaskDistribution
from jmeta.types import Discrete


@struct.settings
class PEARLSettings(LatentSettings, TemperatureSettings, ActorCriticSettings, SegmentSettings, ContextSettings, ShapedSettings):
    """Settings of ``pearl``.

    Attributes:
      encoder: ``product``, a product of one Gaussian for each step, as published; ``mean``, the mean of embeddings of the
        steps; or ``recurrent``, a recurrent network over the steps in order.
      encoder_widths: sizes of the hidden layers of the encoder.
      sees_clock: whether policy and critics also observe the elapsed share of the segment, and values end with the segment. The
        policy can then follow an ordered search.
      num_segments: segments of a lifetime, at least 2, since the posterior is updated between segments; by default as many as a
        lifetime of the tasks has, or 2.
      segment_length: environment steps for which a posterior sample is held, a whole number of episodes; one episode by default.
    """

    encoder: EncoderName = "product"
    latent_size: Count = 5
    encoder_widths: tuple[Count, ...] = (200, 200)
    widths: tuple[Count, ...] = (300, 300)
    sees_clock: bool = False
    num_training_tasks: Count = 64


@algorithm(PEARLSettings)
def pearl(tasks: TaskDistribution, settings: PEARLSettings) -> OffPolicy:
    """Infers a posterior over a latent task from context; a soft actor-critic is conditioned on a sample of it.

    The sample is held for a segment, so exploration is consistent within it, and the posterior narrows as evidence grows. The
    training tasks are a fixed set. Contexts come from each task's newest lifetimes, and the critics learn from its whole replay
    buffer. In a new task, the context is the agent's own experience. See ``jmeta.inner.pearl``.

    Raises:
      ValueError: as ``sac``, and for a lifetime of one segment.

    Example:
      >>> import jax, jmeta
      >>> small = {"encoder_widths": (8,), "widths": (8,), "num_training_tasks": 2, "num_passes": 2}
      >>> agent = jmeta.algorithms.pearl(jmeta.tasks.SparsePointNavigation(), **small)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Rakelly et al. 2019, arXiv 1903.08254.

    Deviations from the paper:
      The temperature is learned. There is no separate state-value network. A context comes from one lifetime, which explores by
      the prior in its first segment and by the posterior in later ones. By default the context is a random number of that
      lifetime's first segments. One Adam optimises all parameters. The norms of gradients are clipped, at 10 by default.
    """
    check_layers(settings.widths)
    check_one_choice(tasks)
    check_layers(settings.encoder_widths)
    protocol = protocol_of(tasks, settings.num_segments, settings.segment_length, PEARL.least_segments)
    length, context_size, latent_size = protocol.num_env_steps, settings.context_size, settings.latent_size
    if context_size is not None and context_size > length:
        raise ValueError(f"context_size={context_size}: draw 1 to {length} steps of a lifetime, or None for its first segments")
    size, space = tasks.observation_size, tasks.action_space
    num_inputs = size + space.encoding_size + 1
    encoder = partial(_encoder, settings.encoder, num_inputs, settings.encoder_widths, latent_size, context_size or length)
    kind = DiscreteSAC if isinstance(space, Discrete) else SAC
    num_features = size + settings.sees_reward + settings.sees_clock + latent_size
    agent = PEARL(
        observation_size=size,
        action_space=space,
        q_learner=kind.create(num_features, space, settings.widths, **fields_for(SAC, settings)),
        encoder=from_nnx(encoder),
        segment_length=protocol.segment_length if settings.sees_clock else None,
        **fields_for(LatentSettings, settings),
    )
    return off_policy_learner(tasks, agent, settings, protocol)


def _encoder(
    encoder: EncoderName, num_inputs: int, widths: tuple[int, ...], latent_size: int, num_seen: int, *, rngs: nnx.Rngs
) -> ContextEncoder:
    if encoder == "product":
        return ProductOfGaussians(num_inputs, widths, latent_size, num_steps=num_seen, rngs=rngs)
    if encoder == "mean":
        return MeanEmbedding(num_inputs, widths, latent_size, rngs=rngs)
    core = lambda size, rngs: make_core("gru", size, size, num_layers=1, window=1, rngs=rngs)  # noqa: E731
    return RecurrentContext(num_inputs, widths, latent_size, core, rngs=rngs)
