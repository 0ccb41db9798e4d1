"""Policy and critic heads: they share no layers, and an embedding of the task may generate their weights."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from jmeta.networks import from_nnx
from jmeta.networks.actor_critic import GeneratedActorCritic, actor_critic
from jmeta.types import Discrete

KEY = jax.random.key(0)
FEATURES = jnp.array([2.0, -1.0])


class Scale(nnx.Module):
    """One weight, times the sum of the features."""

    def __init__(self, *, rngs: nnx.Rngs):
        self.weight = nnx.Param(jnp.ones(()))

    def __call__(self, features: jax.Array) -> jax.Array:
        return self.weight[...] * features.sum()


def test_policy_and_value_share_no_layers() -> None:
    network = actor_critic(2, Discrete(3), (4,))
    what = {"policy": lambda decision: decision.distribution.logits[0], "value": lambda decision: decision.value}
    for part, other in (("policy", "value"), ("value", "policy")):
        gradient = jax.grad(lambda theta, part=part: what[part](network.apply(theta, FEATURES)))(network.init(KEY))
        size = {name: sum(float(jnp.abs(x).sum()) for x in jax.tree.leaves(each)) for name, each in gradient.items()}
        assert min(size[part], size[f"{part}_torso"]) > 0.0
        assert size[other] == size[f"{other}_torso"] == 0.0


def test_a_decision_by_hand() -> None:
    """Without hidden layers the value is 2 * 3 - 1 * 4 + 0.5 = 2.5, and the logits are log(1/4) and log(3/4)."""
    network = actor_critic(2, Discrete(2))
    theta = {
        "policy": {"linear": {"kernel": jnp.zeros((2, 2)), "bias": jnp.log(jnp.array([1.0, 3.0]))}},
        "value": {"kernel": jnp.array([[3.0], [4.0]]), "bias": jnp.array([0.5])},
    }
    decision = network.apply(theta, FEATURES)
    assert float(decision.value) == pytest.approx(2.5)
    np.testing.assert_allclose(jnp.exp(decision.distribution.logits), [0.25, 0.75], rtol=1e-5)


def test_an_embedding_generates_the_weights() -> None:
    """The target maps features to their sum times its one weight, which is the bias 1 and 10 times the embedding.

    An embedding of 0.2 gives the weight 1 + 10 * 0.2 = 3; the sum of the features is 1.
    """
    target = from_nnx(Scale)
    network = from_nnx(partial(GeneratedActorCritic, 1, target))
    theta = network.init(KEY)
    theta["generate"]["weights"] = {"kernel": jnp.array([[10.0]]), "bias": jnp.array([1.0])}
    assert float(network.apply(theta, jnp.array([0.2]), FEATURES)) == pytest.approx(3.0)
    assert float(network.apply(theta, jnp.array([0.0]), FEATURES)) == pytest.approx(1.0)
    assert float(network.apply(theta, jnp.array([0.2]), 2.0 * FEATURES)) == pytest.approx(6.0)
