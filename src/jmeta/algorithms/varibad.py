"""VariBAD (Zintgraf et al. 2020, arXiv 1910.08348)."""

from functools import partial
from typing import Any, Literal, TypeAlias, get_args

import jax
import numpy as np
from flax import nnx

from jmeta.algorithms.belief import belief_learner
from jmeta.algorithms.normalisation import normalisable
from jmeta.algorithms.variants import variant_of
from jmeta.inner.varibad import VariBAD
from jmeta.networks import from_nnx
from jmeta.networks.decoders import ArrivalReward, Decoder, OneStateReward, PairMLP, StepReward
from jmeta.outer.base import OuterLearner
from jmeta.ranges import Count, Finite, NonNegative
from jmeta.tasks.base import TaskDistribution

RewardDecoder: TypeAlias = Literal["step", "arrival", "one-state"]


@normalisable
@variant_of(belief_learner, without=("belief_size", "make_inner"))
def varibad(
    tasks: TaskDistribution,
    *,
    latent_size: Count = 5,
    decoder_widths: tuple[Count, ...] = (32, 32),
    decodes_transitions: bool = True,
    reward_values: tuple[Finite, ...] = (),
    reward_decoder: RewardDecoder = "step",
    kl_weight: NonNegative = 0.1,
    num_beliefs: Count | None = None,
    num_decoded: Count | None = None,
    **settings: Any,
) -> OuterLearner:
    """A recurrent belief about a latent task, trained to predict rewards and transitions, and a policy that observes the belief.

    There are no task labels: the belief is the approximate posterior of a variational model of the whole lifetime. See
    ``jmeta.inner.varibad``.

    Args:
      tasks: the distribution to meta-train on.
      latent_size: dimensions of the latent task variable.
      decoder_widths: sizes of the hidden layers of the reward decoder, and likewise of the transition decoder.
      decodes_transitions: whether the belief also predicts transitions; not needed where all tasks share the same transitions.
      reward_values: all possible rewards, if they are few, such as (-0.1, 1.0). The decoder then predicts their probabilities;
        otherwise it predicts the mean reward.
      reward_decoder: input of the reward prediction. "step" is the whole step. "arrival" is the next observation alone, as in the
        authors' code on GridNavi, where a good agent stays only where it is paid. "one-state" is the next observation, observed
        one-hot, where exactly one state pays (their "categorical" rewards).
      kl_weight: weight of the KL divergence between successive beliefs.
      num_beliefs: number of beliefs of a lifetime, drawn at random, that an update uses; all by default.
      num_decoded: number of steps of a lifetime, drawn at random, that each of these beliefs predicts; all by default.
      settings: further settings, as for ``jmeta.algorithms.belief.belief_learner``.

    Returns:
      The outer learner; its ``inner`` is the agent.

    Raises:
      ValueError: for a lifetime that is not a whole number of episodes, numbers that do not divide num_tasks, or a network that
        can't be built.

    Example:
      >>> import jax, jmeta
      >>> tasks = jmeta.tasks.BernoulliBandit(num_arms=2)
      >>> agent = jmeta.algorithms.varibad(tasks, reward_values=(0.0, 1.0), hidden_size=8, num_tasks=16, belief_batch_size=8)
      >>> state, metrics = jax.jit(agent.step)(agent.init(jax.random.key(0)), jax.random.key(1))

    References:
      Zintgraf et al. 2020, arXiv 1910.08348.

    Deviations from the paper:
      The belief learns from the first lifetimes as well as from the newest; its gradient is clipped. The policy and its critic
      also observe the elapsed share of the lifetime, since the value of a belief depends on the remaining time. The first belief
      includes the first observation; the authors' is the same for all lifetimes.
    """
    if not decoder_widths:
        raise ValueError("decoder_widths=(): give at least one hidden layer")
    if len(reward_values) == 1:
        raise ValueError(
            f"reward_values={reward_values}: one value leaves nothing to predict; give all rewards, or none for a mean"
        )
    if reward_decoder == "one-state":
        _check_one_state(tasks, reward_values)
    elif reward_decoder not in get_args(RewardDecoder):
        raise ValueError(f"reward_decoder={reward_decoder!r} is not one of {', '.join(get_args(RewardDecoder))}")
    state_size, action_size = tasks.observation_size, tasks.action_space.encoding_size
    decoder = partial(
        _decoder,
        state_size,
        action_size,
        latent_size,
        decoder_widths,
        num_rewards=max(1, len(reward_values)),
        reward_decoder=reward_decoder,
        decodes_transitions=decodes_transitions,
    )
    make_inner = partial(
        VariBAD,
        decoder=from_nnx(decoder),
        reward_values=reward_values,
        kl_weight=kl_weight,
        num_beliefs=num_beliefs,
        num_decoded=num_decoded,
        one_hot_states=reward_decoder == "one-state",
    )
    return belief_learner(tasks, latent_size, make_inner, **settings)


def _decoder(
    state_size: int,
    action_size: int,
    latent_size: int,
    widths: tuple[int, ...],
    *,
    num_rewards: int,
    reward_decoder: RewardDecoder,
    decodes_transitions: bool,
    rngs: nnx.Rngs,
) -> Decoder:
    def pairs(num_inputs: int, num_outputs: int) -> PairMLP:
        return PairMLP(num_inputs, latent_size, widths, num_outputs, rngs=rngs)

    reward: StepReward | ArrivalReward | OneStateReward
    if reward_decoder == "one-state":
        reward = OneStateReward(state_size, latent_size, widths, rngs=rngs)
    elif reward_decoder == "arrival":
        reward = ArrivalReward(pairs(state_size, num_rewards))
    else:
        reward = StepReward(pairs(2 * state_size + action_size, num_rewards))
    return Decoder(reward, pairs(state_size + action_size, state_size) if decodes_transitions else None)


def _check_one_state(tasks: TaskDistribution, reward_values: tuple[float, ...]) -> None:
    if len(reward_values) != 2 or reward_values[0] >= reward_values[1]:
        raise ValueError(
            f"reward_values={reward_values}: with reward_decoder='one-state' give what most states pay, then what the one pays"
        )
    key = jax.random.key(0)
    observation = np.asarray(tasks.reset(tasks.sample(key), key)[0])
    if sorted(observation)[-2:] != [0.0, 1.0] or observation.sum() != 1.0:
        raise ValueError(
            f"{type(tasks).__name__} is observed as {observation[:3]}...: reward_decoder='one-state' needs one-hot states, "
            f"such as sight='one-hot'; or use reward_decoder='arrival'"
        )
