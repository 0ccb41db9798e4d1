"""Feed-forward policies and action values against arithmetic by hand, and which parts of them share layers."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.networks import Network, from_nnx
from jmeta.networks.policies import (
    ActionValues,
    Actor,
    ContextPolicy,
    DeterministicActor,
    FeedForwardActorCritic,
    FeedForwardPolicy,
    FeedForwardPolicyWithCritic,
)
from jmeta.types import Continuous, Discrete, PyTree

KEY = jax.random.key(0)
SEEN = jnp.array([2.0, -1.0])


def ones(network: Network) -> PyTree:
    """Parameters of which all kernels are 1 and all biases 0."""
    fill = lambda path, x: jnp.full_like(x, float("kernel" in jax.tree_util.keystr(path)))  # noqa: E731
    return jax.tree_util.tree_map_with_path(fill, network.init(KEY))


def gradient_sizes(network: Network, what: Any) -> dict[str, float]:
    """Sum of the absolute gradient of ``what(decision)`` with respect to each part."""
    gradient = jax.grad(lambda theta: what(network.apply(theta, SEEN)))(network.init(KEY))
    return {part: sum(float(jnp.abs(x).sum()) for x in jax.tree.leaves(each)) for part, each in gradient.items()}


def test_a_policy_is_a_gaussian_around_a_linear_map_of_its_features() -> None:
    """Both of two hidden units are relu(2 - 1) = 1, so the mean is 1 + 1 = 2, and there is no value."""
    network = from_nnx(partial(FeedForwardPolicy, 2, Continuous(1), (2,), initial_std=0.5))
    decision = network.apply(ones(network), SEEN)
    assert float(decision.distribution.mean[0]) == pytest.approx(2.0)
    assert float(decision.value) == 0.0
    assert float(network.apply(network.init(KEY), SEEN).distribution.base_dist.scale[0]) == pytest.approx(0.5, rel=1e-5)


def test_a_policy_s_critic_has_layers_of_its_own() -> None:
    """Two units of relu(1) = 1 each add up to a value of 2."""
    network = from_nnx(partial(FeedForwardPolicyWithCritic, 2, Discrete(3), (2,), initial_std=1.0))
    assert float(network.apply(ones(network), SEEN).value) == pytest.approx(2.0)
    of_value = gradient_sizes(network, lambda decision: decision.value)
    assert of_value["torso"] == of_value["policy"] == 0.0
    assert min(of_value["critic"], of_value["value"]) > 0.0
    of_policy = gradient_sizes(network, lambda decision: decision.distribution.logits[0])
    assert of_policy["critic"] == of_policy["value"] == 0.0


def test_an_actor_critic_shares_its_hidden_layers() -> None:
    network = from_nnx(partial(FeedForwardActorCritic, 2, Discrete(3), (2,)))
    assert float(network.apply(ones(network), SEEN).value) == pytest.approx(2.0)  # two units of relu(2 - 1) = 1
    assert gradient_sizes(network, lambda decision: decision.value)["torso"] > 0.0
    assert gradient_sizes(network, lambda decision: decision.distribution.logits[0])["torso"] > 0.0


def test_a_context_is_zero_at_first_and_stands_beside_the_observation() -> None:
    """With the context 3, 4 a hidden unit is relu(2 - 1 + 3 + 4) = 8."""
    network = from_nnx(partial(ContextPolicy, 2, Continuous(1), (1,), context_size=2, initial_std=1.0))
    np.testing.assert_array_equal(network.init(KEY)["context"], [0.0, 0.0])
    theta = ones(network)
    for context, mean in (([0.0, 0.0], 1.0), ([3.0, 4.0], 8.0)):
        decision = network.apply(theta | {"context": jnp.array(context)}, SEEN)
        assert float(decision.distribution.mean[0]) == pytest.approx(mean)


def test_an_actor_of_a_few_actions_gives_their_log_probabilities() -> None:
    """The hidden unit is 1, and the last layer's kernel log(1), log(2), log(5): probabilities 1/8, 2/8, 5/8."""
    network = from_nnx(partial(Actor, 2, Discrete(3), (1,)))
    theta = ones(network)
    theta["head"]["kernel"] = jnp.log(jnp.array([[1.0, 2.0, 5.0]]))
    np.testing.assert_allclose(jnp.exp(network.apply(theta, SEEN).distribution.logits), [0.125, 0.25, 0.625], rtol=1e-5)


def test_a_deterministic_actor_stays_within_the_box() -> None:
    """The hidden unit is 1, so the actions are tanh of the last layer's kernel."""
    network = from_nnx(partial(DeterministicActor, 2, 2, (1,)))
    theta = ones(network)
    theta["action"]["kernel"] = jnp.array([[0.5, -100.0]])
    np.testing.assert_allclose(network.apply(theta, SEEN), [np.tanh(0.5), -1.0], rtol=1e-5)


def test_every_action_has_a_value() -> None:
    """The hidden unit is 1, so the values are the last layer's kernel and bias."""
    network = from_nnx(partial(ActionValues, 2, 3, (1,)))
    theta = ones(network)
    theta["values"] = {"kernel": jnp.array([[1.0, -2.0, 3.0]]), "bias": jnp.array([0.0, 0.0, 10.0])}
    np.testing.assert_allclose(network.apply(theta, SEEN), [1.0, -2.0, 13.0])
