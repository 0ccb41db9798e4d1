"""Settings and construction that the algorithms with a belief about the task share."""

from collections.abc import Callable
from functools import partial

import jax

from jmeta import struct
from jmeta.algorithms.rl2 import LifetimeSettings, one_lifetime
from jmeta.inner.belief import BeliefAgent, belief_encoder
from jmeta.networks import check_core, from_nnx, make_core
from jmeta.networks.beliefs import BeliefHyperpolicy, BeliefPolicy
from jmeta.outer.belief_ppo import BeliefPPO, BeliefPPOSettings
from jmeta.outer.credit import CreditSpanSettings, critic
from jmeta.ranges import Count, NonNegative, Share
from jmeta.settings import CoreSettings
from jmeta.struct import fields_for
from jmeta.tasks.base import TaskDistribution


@struct.settings
class BeliefSettings(CoreSettings, LifetimeSettings, CreditSpanSettings, BeliefPPOSettings):
    """Settings of algorithms that learn a belief.

    Attributes:
      hidden_size: hidden units of the encoder's core.
      encoder_widths: sizes of the layers before the core.
      policy_widths: sizes of the hidden layers of the policy, and likewise of its critic.
      hypernetwork: whether the belief generates the policy's weights instead of being an input of the policy (Beck et al. 2022).
      num_epochs: passes of the policy over the new lifetimes.
      discount: discount factor per environment step, in [0, 1]; discounting continues across episodes, unless
        credit_span is ``episode``.
    """

    encoder_widths: tuple[Count, ...] = (32,)
    policy_widths: tuple[Count, ...] = (64,)
    hypernetwork: bool = False
    num_tasks: Count = 512
    num_belief_updates: Count = 4
    num_epochs: Count = 2
    num_minibatches: Count = 8
    discount: jax.Array | Share = 0.95
    entropy_coefficient: jax.Array | NonNegative = 0.02


def belief_learner(
    tasks: TaskDistribution, settings: BeliefSettings, belief_size: int, make_inner: Callable[..., BeliefAgent]
) -> BeliefPPO:
    """Returns a learner of a belief and of a policy that observes it.

    Args:
      tasks: the distribution to meta-train on.
      settings: sizes of the networks, and settings of the training.
      belief_size: dimensions of the belief.
      make_inner: makes the agent from keyword arguments observation_size, action_space, lifetime_length, encoder and policy.
    """
    lifetime = one_lifetime(tasks, settings)
    length = lifetime["protocol"].segment_length
    check_core(settings.core, settings.hidden_size, 1, length)
    size, space = tasks.observation_size, tasks.action_space
    build_core = partial(make_core, settings.core, size=settings.hidden_size, num_layers=1, window=length)
    build_policy = BeliefHyperpolicy if settings.hypernetwork else BeliefPolicy
    inner = make_inner(
        observation_size=size,
        action_space=space,
        lifetime_length=length,
        encoder=belief_encoder(size, space, belief_size, build_core, encoder_widths=settings.encoder_widths),
        policy=from_nnx(partial(build_policy, size + 1, space, belief_size, settings.policy_widths)),  # 1 for the clock
    )
    return BeliefPPO(inner=inner, credit=critic(settings), **lifetime, **fields_for(BeliefPPO, settings))
