"""Targets against arithmetic by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.objectives import double_q_value, soft_value, td_target


def test_a_target_is_reward_and_what_follows() -> None:
    """0.5 + 0.9 * 2 = 2.3; at an end only 0.5."""
    assert float(td_target(jnp.float32(0.5), jnp.float32(0.9), jnp.float32(2.0))) == pytest.approx(2.3)
    assert float(td_target(jnp.float32(0.5), jnp.float32(0.0), jnp.float32(2.0))) == pytest.approx(0.5)


def test_a_target_is_a_constant() -> None:
    gradient = jax.grad(lambda v: td_target(jnp.float32(1.0), jnp.float32(0.9), v))(jnp.float32(3.0))
    assert float(gradient) == 0.0


def test_one_estimate_chooses_and_the_other_values() -> None:
    """The second action is best by the first estimate; the other says 7 of it, though it likes the third better."""
    assert float(double_q_value(jnp.array([1.0, 3.0, 2.0]), jnp.array([5.0, 7.0, 9.0]))) == 7.0


def test_soft_value() -> None:
    """pi = (1/4, 3/4), q = (2, 1), temperature 1/2: 1/4 (2 + ln(4)/2) + 3/4 (1 + ln(4/3)/2) = 1.25 + H / 2."""
    probability = np.array([0.25, 0.75])
    entropy = -(probability * np.log(probability)).sum()
    got = soft_value(jnp.log(jnp.asarray(probability, jnp.float32)), jnp.array([2.0, 1.0]), jnp.float32(0.5))
    assert float(got) == pytest.approx(1.25 + entropy / 2, rel=1e-5)


def test_without_temperature_a_sure_policy_has_the_value_of_its_action() -> None:
    log_probability = jax.nn.log_softmax(jnp.array([0.0, 200.0, 0.0]))
    assert float(soft_value(log_probability, jnp.array([1.0, 4.0, 9.0]), jnp.float32(0.0))) == pytest.approx(4.0)
