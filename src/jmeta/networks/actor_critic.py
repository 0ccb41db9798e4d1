"""Policy and critic heads that map features to a decision, with learned weights or with generated ones."""

from functools import partial

import jax
from flax import nnx
from jax.typing import DTypeLike

from jmeta.networks import MLP, Hypernetwork, Linear, Network, PolicyHead, from_nnx, orthogonal
from jmeta.types import ActionSpace, Decision


class ActorCritic(nnx.Module):
    """Maps features to a policy and a value, which share no layers."""

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
    """Returns an ``ActorCritic`` as pure functions."""
    return from_nnx(partial(ActorCritic, num_features, action_space, widths, dtype=dtype))


class GeneratedActorCritic(nnx.Module):
    """Maps an embedding of the task and features to policy and value; the embedding generates the weights of an ``ActorCritic``.

    The task changes the function of the features, instead of being one more input of the same layer.

    Args:
      num_known: length of the embedding of the task.
      target: network whose weights are generated, from features to a decision.
      widths: hidden layers of the hypernetwork.

    References:
      Beck et al. 2022, arXiv 2210.11348; Beck et al. 2023, arXiv 2309.14970.
    """

    def __init__(self, num_known: int, target: Network, widths: tuple[int, ...] = (), *, rngs: nnx.Rngs):
        self.generate = Hypernetwork(num_known, target, widths, rngs=rngs)
        self.target = target

    def __call__(self, known: jax.Array, features: jax.Array) -> Decision:
        return self.target.apply(self.generate(known), features)
