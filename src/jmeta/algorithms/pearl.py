"""PEARL (Rakelly et al. 2019, arXiv 1903.08254)."""

from functools import partial
from typing import Any, get_args

from flax import nnx

from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.off_policy import check_layers, off_policy_learner, protocol_of
from jmeta.algorithms.variants import variant_of
from jmeta.inner.pearl import PEARL
from jmeta.inner.sac import SAC, DiscreteSAC
from jmeta.networks import ContextEncoder, EncoderName, MeanEmbedding, ProductOfGaussians, RecurrentContext, from_nnx, make_core
from jmeta.outer.base import OuterLearner
from jmeta.outer.checks import check_choice
from jmeta.ranges import Count, Finite, NonNegative, Positive, Share
from jmeta.tasks.base import TaskDistribution
from jmeta.types import Discrete


@normalisable
@variant_of(off_policy_learner, without=("inner", "explore_steps"))
def pearl(
    tasks: TaskDistribution,
    *,
    encoder: EncoderName = "product",
    latent_size: Count = 5,
    encoder_widths: tuple[Count, ...] = (200, 200),
    widths: tuple[Count, ...] = (300, 300),
    kl_weight: NonNegative = 0.1,
    context_size: Count | None = None,
    sees_reward: bool = False,
    sees_clock: bool = False,
    discount: Share = 0.99,
    reward_scale: Positive = 1.0,
    initial_temperature: Positive = 1.0,
    target_entropy: Finite | None = None,
    num_segments: Count | None = None,
    segment_length: Count | None = None,
    num_tasks: Count = 64,
    **settings: Any,
) -> OuterLearner:
    """Infers a posterior over a latent task from context; a soft actor-critic is conditioned on a sample of it.

    The sample is held for a segment, so exploration is consistent within it, and the posterior narrows as evidence grows. The
    training tasks are a fixed set. Contexts come from each task's newest lifetimes, and the critics learn from its whole replay
    buffer. In a new task, the context is the agent's own experience. See ``jmeta.inner.pearl``.

    Args:
      tasks: the distribution to meta-train on.
      encoder: ``product``, a product of one Gaussian for each step, as published; ``mean``, the mean of embeddings of the steps;
        or ``recurrent``, a recurrent network over the steps in order.
      latent_size: dimensions of the latent task variable.
      encoder_widths: sizes of the hidden layers of the encoder.
      widths: sizes of the hidden layers of the policy and of each critic.
      kl_weight: weight of the KL divergence of the posterior from the prior, averaged over tasks. The authors' code sums it over
        the m tasks of a gradient step and does not halve squared errors, so their ``kl_lambda`` corresponds to m / 2 times as
        much here: their 0.1 with 16 tasks is 0.8. The default is an eighth of that.
      context_size: number of steps in a training context, drawn at random from one of a task's newest lifetimes. By default a
        context is a random number of the lifetime's first segments, as in a new task.
      sees_reward: whether policy and critics also observe the last reward. The policy can then search for a goal within an
        episode; otherwise it can only try one guess per episode.
      sees_clock: whether policy and critics also observe the elapsed share of the segment, and values end with the segment. The
        policy can then follow an ordered search.
      discount: discount factor per environment step, in [0, 1].
      reward_scale: factor on the rewards that the critics learn from.
      initial_temperature: initial temperature, the weight of the policy's entropy.
      target_entropy: target of the policy's entropy, in nats; by default minus the number of action dimensions, or for discrete
        actions 0.6 of the maximum entropy.
      num_segments: segments of a lifetime, at least 2, since the posterior is updated between segments; by default as many as a
        lifetime of the tasks has, or 2.
      segment_length: environment steps for which a posterior sample is held, a whole number of episodes; one episode by default.
      num_tasks: number of training tasks, which are drawn once.
      settings: further settings, as for ``jmeta.algorithms.off_policy.off_policy_learner``.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Raises:
      ValueError: for a lifetime of one segment, a segment that is not a whole number of episodes, numbers that do not divide
        num_tasks, too small a replay buffer, or a network that cannot be built.

    Example:
      >>> import jax, jmeta
      >>> small = {"encoder_widths": (8,), "widths": (8,), "num_tasks": 2, "num_passes": 2}
      >>> agent = jmeta.algorithms.pearl(jmeta.tasks.SparsePointNavigation(), **small)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Rakelly et al. 2019, arXiv 1903.08254.

    Deviations from the paper:
      The temperature is learned. There is no separate state-value network. A context comes from one lifetime, which explores by
      the prior in its first segment and by the posterior in later ones. By default the context is a random number of that
      lifetime's first segments. One Adam optimises all parameters.
    """
    check_layers(widths)
    check_layers(encoder_widths)
    check_choice("encoder", encoder, get_args(EncoderName))
    protocol = protocol_of(tasks, num_segments, segment_length, PEARL.least_segments)
    length = protocol.num_env_steps
    if context_size is not None and context_size > length:
        raise ValueError(f"context_size={context_size}: draw 1 to {length} steps of a lifetime, or None for its first segments")
    num_seen = context_size or length
    space = tasks.action_space
    num_inputs = tasks.observation_size + space.encoding_size + 1
    build = partial(_encoder, encoder, num_inputs, encoder_widths, latent_size, num_seen)
    kind = DiscreteSAC if isinstance(space, Discrete) else SAC
    learner = kind.create(
        tasks.observation_size + sees_reward + sees_clock + latent_size,
        space,
        widths,
        discount=discount,
        reward_scale=reward_scale,
        initial_temperature=initial_temperature,
        target_entropy=target_entropy,
    )
    agent = PEARL(
        observation_size=tasks.observation_size,
        action_space=space,
        q_learner=learner,
        encoder=from_nnx(build),
        latent_size=latent_size,
        kl_weight=kl_weight,
        context_size=context_size,
        sees_reward=sees_reward,
        segment_length=protocol.segment_length if sees_clock else None,
    )
    return off_policy_learner(
        tasks, agent, num_segments=protocol.num_segments, segment_length=protocol.segment_length, num_tasks=num_tasks, **settings
    )


def _encoder(
    encoder: EncoderName, num_inputs: int, widths: tuple[int, ...], latent_size: int, num_seen: int, *, rngs: nnx.Rngs
) -> ContextEncoder:
    if encoder == "product":
        return ProductOfGaussians(num_inputs, widths, latent_size, num_steps=num_seen, rngs=rngs)
    if encoder == "mean":
        return MeanEmbedding(num_inputs, widths, latent_size, rngs=rngs)
    core = lambda size, rngs: make_core("gru", size, size, num_layers=1, window=1, rngs=rngs)  # noqa: E731
    return RecurrentContext(num_inputs, widths, latent_size, core, rngs=rngs)
