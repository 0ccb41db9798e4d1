"""PEARL's exploration: noise that is held for an episode."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jmeta
from jmeta.lifetime import live_in_new_task
from jmeta.networks import TanhNormal
from jmeta.tasks import GridNavi, SparsePointNavigation

SMALL: dict[str, Any] = {"widths": (8,), "encoder_widths": (8,), "num_tasks": 2, "num_passes": 2}
TASKS = SparsePointNavigation(horizon=50, episodes=2)


def actions_before_tanh(held_noise: float) -> np.ndarray:
    """What 200 explorers do in their first and second episodes, [200, 2, 50, 2]; fresh policies hardly see where they are."""
    agent = jmeta.algorithms.pearl(TASKS, held_noise=held_noise, **SMALL).inner
    theta, explorer = agent.init(jax.random.key(0)), agent.explorer(1.0)
    protocol = jmeta.types.Protocol(2, 50, 1)

    def lifetime(key: jax.Array) -> jax.Array:
        return live_in_new_task(explorer, TASKS, theta, key, protocol=protocol)[1].segments.action[:, :, 0]

    return np.arctanh(np.asarray(jax.jit(jax.vmap(lifetime))(jax.random.split(jax.random.key(1), 200))))


def test_held_noise_is_a_share_of_the_variance_held_within_an_episode_and_drawn_again_for_the_next() -> None:
    held, anew = actions_before_tanh(0.5), actions_before_tanh(0.0)
    np.testing.assert_allclose(held.std(), anew.std(), rtol=0.05)  # as noisy as it was
    of_means = lambda x: x.mean(2).var() / x.var()  # noqa: E731
    np.testing.assert_allclose(of_means(held), 0.5 + 0.5 / 50, atol=0.06)
    np.testing.assert_allclose(of_means(anew), 1 / 50, atol=0.02)
    first, second = held.mean(2).reshape(200, 2, 2).swapaxes(0, 1).reshape(2, -1)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.2


def test_a_policy_given_some_of_its_noise_is_the_policy_on_average() -> None:
    policy = TanhNormal(jnp.array([0.3, -1.0]), jnp.array([-0.5, 0.2]))
    noise_keys, keys = jax.random.split(jax.random.key(0), (2, 100_000))
    given = lambda noise_key, key: policy.given(jax.random.normal(noise_key, (2,)), 0.7).sample(key)  # noqa: E731
    whole, parts = jax.vmap(policy.sample)(keys), jax.vmap(given)(noise_keys, keys)
    np.testing.assert_allclose(parts.mean(0), whole.mean(0), atol=0.01)
    np.testing.assert_allclose(parts.std(0), whole.std(0), atol=0.01)
    np.testing.assert_array_equal(policy.given(jnp.ones(2), 0.0).sample(keys[0]), policy.sample(keys[0]))


def test_what_is_refused() -> None:
    with pytest.raises(ValueError, match=r"held_noise=1\.0: give a share"):
        jmeta.algorithms.pearl(TASKS, held_noise=1.0, **SMALL)
    with pytest.raises(ValueError, match=r"held_noise=0.5: GridNavi takes Discrete.* use 0"):
        jmeta.algorithms.pearl(GridNavi(), held_noise=0.5, **SMALL)
