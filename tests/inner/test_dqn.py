"""DQN's loss of a step against arithmetic by hand, and what it has a derivative in."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.inner.dqn import DQN
from jmeta.inner.q_learner import Step
from jmeta.networks import Network
from jmeta.types import Discrete

# Values are x @ w: of x_tm1 = (1, 0) the first row, of x_t = (0, 1) the second.
LINEAR = Network(init=lambda key: jnp.zeros((2, 2)), apply=lambda w, x: x @ w)
AGENT = DQN(2, Discrete(2), LINEAR, discount=0.9, reward_scale=0.5)
W, SLOW = jnp.array([[0.25, 0.0], [1.0, 2.0]]), jnp.array([[9.0, 9.0], [5.0, 0.5]])


def loss(w: jax.Array, target_parameters: jax.Array, x_t: Any = (0.0, 1.0), *, terminated: bool = False) -> jax.Array:
    step = Step(jnp.array([1.0, 0.0]), jnp.int32(0), jnp.float32(1.0), jnp.bool_(terminated), jnp.asarray(x_t))
    return AGENT.loss(w, target_parameters, step, jax.random.key(0))[0]


def test_the_loss_of_a_step() -> None:
    """w likes the second action, which the target network values at 0.5:
    target 0.5 * 1 + 0.9 * 0.5 = 0.95, error -0.7, squared and halved."""
    assert float(loss(W, SLOW)) == pytest.approx(0.245)
    assert float(loss(W, SLOW, terminated=True)) == pytest.approx(0.5 * 0.25**2)
    assert float(loss(W - jnp.array([[10.0, 0.0], [0.0, 0.0]]), SLOW)) == pytest.approx(10.7 - 0.5)  # Huber


def test_the_target_is_a_constant_but_for_slow() -> None:
    of_w, of_slow, of_x_t = jax.grad(loss, argnums=(0, 1, 2))(W, SLOW, jnp.array([0.0, 1.0]))
    np.testing.assert_allclose(of_w, [[-0.7, 0.0], [0.0, 0.0]], atol=1e-6)
    np.testing.assert_allclose(of_slow, [[0.0, 0.0], [0.0, 0.63]], atol=1e-6)
    np.testing.assert_array_equal(of_x_t, [0.0, 0.0])
