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
from jmeta.outer.base import OuterLearner, check_choice
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
    """A posterior over a latent task from whatever was lived in it, and a soft actor-critic that sees a sample of it.

    The sample is held for an episode, so exploration is consistent within it, and narrows as evidence grows. Training tasks are
    a fixed set; what the posterior is inferred from is each task's newest lifetime, what the critics learn from is all of its
    replay. A new task is met with its own experience alone. See ``jmeta.inner.pearl``.

    Args:
      tasks: the distribution to meta-train on.
      encoder: ``product`` of a Gaussian for each step, as published; ``mean`` of embeddings; ``recurrent``, in order.
      latent_size: size of the latent task.
      encoder_widths: hidden layers of the encoder.
      widths: hidden layers of the policy and of each critic.
      kl_weight: weight of the posterior's divergence from the prior, of which the loss takes the mean over tasks. The authors'
        code sums it over the m tasks of a gradient step and does not halve squared errors, so their ``kl_lambda`` is a weight of
        m / 2 times as much here: their 0.1 with 16 tasks is 0.8, of which the default is an eighth.
      context_size: number of steps that the posterior is inferred from in training, drawn at random from a task's newest
        lifetime; by default from its first segments, a random number of them, which is what a new task gives.
      sees_reward: show policy and critics the last reward too, for tasks whose goal can be searched for within an episode: who
        sees observations alone guesses one place an episode.
      sees_clock: show policy and critics what share of the segment has passed, and value nothing after it: who knows the time can
        search in an order.
      discount: discount factor per environment step, in [0, 1].
      reward_scale: rewards are multiplied by it before the critics learn from them.
      initial_temperature: initial weight of the entropy.
      target_entropy: target of the policy's entropy, in nats; by default minus the number of action dimensions, or for discrete
        actions 0.6 of the largest entropy.
      num_segments: segments of a lifetime, at least 2, since the posterior is inferred between segments; by default as many as a
        lifetime of the tasks has, or 2.
      segment_length: environment steps for which a sample is held, whole episodes; one episode by default.
      num_tasks: training tasks, drawn once.
      settings: as for ``jmeta.algorithms.off_policy.off_policy_learner``.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Raises:
      ValueError: for a lifetime of one segment, a segment that is no whole number of episodes, numbers that do not divide
        num_tasks, too little replay, or a network that can't be built.

    Example:
      >>> import jax, jmeta
      >>> small = {"encoder_widths": (8,), "widths": (8,), "num_tasks": 2, "num_passes": 2}
      >>> agent = jmeta.algorithms.pearl(jmeta.tasks.SparsePointNavigation(), **small)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Rakelly et al. 2019, arXiv 1903.08254.

    Deviations from the paper:
      Temperature found by itself; soft critics without a separate state value; contexts are of one lifetime, whose first segment
      explores by the prior and whose later ones by the posterior, and (by default) its first segments; one Adam for everything.
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
