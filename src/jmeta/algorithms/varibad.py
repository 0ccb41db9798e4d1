"""VariBAD (Zintgraf et al. 2020, arXiv 1910.08348)."""

from functools import partial
from typing import Literal, TypeAlias

import jax
import numpy as np
from flax import nnx

from jmeta import struct
from jmeta.algorithms.base import algorithm
from jmeta.algorithms.belief import BeliefSettings, belief_learner
from jmeta.inner.varibad import PosteriorSettings, VariBAD
from jmeta.networks import from_nnx
from jmeta.networks.decoders import ArrivalReward, Decoder, OneStateReward, PairMLP, StepReward
from jmeta.outer.belief_ppo import BeliefPPO
from jmeta.ranges import Count
from jmeta.struct import fields_for
from jmeta.tasks.base import TaskDistribution

RewardDecoder: TypeAlias = Literal["step", "arrival", "one-state"]


@struct.settings
class VariBADSettings(PosteriorSettings, BeliefSettings):
    """Settings of ``varibad``.

    Attributes:
      latent_size: dimensions of the latent task variable.
      decoder_widths: sizes of the hidden layers of the reward decoder, and likewise of the transition decoder.
      decodes_transitions: whether the belief also predicts transitions; not needed where all tasks share the same transitions.
      reward_decoder: input of the reward prediction. "step" is the whole step. "arrival" is the next observation alone, as in the
        authors' code on GridNavi, where a good agent stays only where it is paid. "one-state" is the next observation, observed
        one-hot, where exactly one state pays (their "categorical" rewards).
    """

    latent_size: Count = 5
    decoder_widths: tuple[Count, ...] = (32, 32)
    decodes_transitions: bool = True
    reward_decoder: RewardDecoder = "step"


@algorithm(VariBADSettings)
def varibad(tasks: TaskDistribution, settings: VariBADSettings) -> BeliefPPO:
    """A recurrent belief about a latent task, trained to predict rewards and transitions, and a policy that observes the belief.

    There are no task labels: the belief is the approximate posterior of a variational model of the whole lifetime. See
    ``jmeta.inner.varibad``.

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
    latent_size, reward_values = settings.latent_size, settings.reward_values
    if not settings.decoder_widths:
        raise ValueError("decoder_widths=(): give at least one hidden layer")
    if len(reward_values) == 1:
        raise ValueError(
            f"reward_values={reward_values}: one value leaves nothing to predict; give all rewards, or none for a mean"
        )
    if settings.reward_decoder == "one-state":
        _check_one_state(tasks, reward_values)
    decoder = partial(
        _decoder,
        tasks.observation_size,
        tasks.action_space.encoding_size,
        latent_size,
        settings.decoder_widths,
        num_rewards=max(1, len(reward_values)),
        reward_decoder=settings.reward_decoder,
        decodes_transitions=settings.decodes_transitions,
    )
    make_inner = partial(
        VariBAD,
        decoder=from_nnx(decoder),
        one_hot_states=settings.reward_decoder == "one-state",
        **fields_for(PosteriorSettings, settings),
    )
    return belief_learner(tasks, settings, latent_size, make_inner)


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
