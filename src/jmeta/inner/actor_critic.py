"""Policy and critic heads that turn features into a decision, with weights of their own or generated ones."""

from functools import partial

import jax
from flax import nnx
from jax.typing import DTypeLike

from jmeta.networks import MLP, Hypernetwork, Linear, Network, PolicyHead, from_nnx, orthogonal
from jmeta.types import ActionSpace, Decision


class ActorCritic(nnx.Module):
    """Features -> policy and value, through layers of their own."""

    def __init__(
        self,
        num_features: int,
        action_space: ActionSpace,
        widths: tuple[int, ...] = (),
        *,
        dtype: DTypeLike = jax.numpy.float32,
        rngs: nnx.Rngs,
    ):
        last = widths[-1] if widths else num_features
        self.policy_torso = MLP(num_features, widths, dtype=dtype, rngs=rngs)
        self.value_torso = MLP(num_features, widths, dtype=dtype, rngs=rngs)
        self.policy = PolicyHead(last, action_space, rngs=rngs)
        self.value = Linear(last, 1, kernel_init=orthogonal(), rngs=rngs)

    def __call__(self, features: jax.Array) -> Decision:
        return Decision(self.policy(self.policy_torso(features)), self.value(self.value_torso(features))[0])


def actor_critic(
    num_features: int, action_space: ActionSpace, widths: tuple[int, ...] = (), *, dtype: DTypeLike = jax.numpy.float32
) -> Network:
    """An ``ActorCritic`` as pure functions."""
    return from_nnx(partial(ActorCritic, num_features, action_space, widths, dtype=dtype))


class GeneratedActorCritic(nnx.Module):
    """Maps an embedding of the task and features to policy and value; the embedding generates the weights of an ``ActorCritic``.

    The task decides *how* features are dealt with, and need not compete with them for room in one layer.

    Args:
      num_known: length of what is known of the task.
      target: from features to a decision.
      widths: hidden layers of the hypernetwork.

    References:
      Beck et al. 2022, arXiv 2210.11348; Beck et al. 2023, arXiv 2309.14970.
    """

    def __init__(self, num_known: int, target: Network, widths: tuple[int, ...] = (), *, rngs: nnx.Rngs):
        self.generate = Hypernetwork(num_known, target, widths, rngs=rngs)
        self.target = target

    def __call__(self, known: jax.Array, features: jax.Array) -> Decision:
        return self.target.apply(self.generate(known), features)
