"""Returns and advantages, by hand."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jmeta import objectives


def test_advantages_by_hand() -> None:
    # discount .5, lambda .5:  delta = [1 + .5*2 - 1, 2 + .5*3 - 2, 3 + .5*4 - 3] = [1, 1.5, 2]
    # A_2 = 2;  A_1 = 1.5 + .25 * 2 = 2;  A_0 = 1 + .25 * 2 = 1.5
    r_t, v_tm1, v_t = jnp.array([1.0, 2, 3]), jnp.array([1.0, 2, 3]), jnp.array([2.0, 3, 4])
    advantages = objectives.generalized_advantages(r_t, v_tm1, v_t, jnp.full(3, 0.5), jnp.full(3, 0.25))
    np.testing.assert_allclose(advantages, [1.5, 2.0, 2.0])


def test_a_natural_end_does_not_bootstrap_and_a_time_limit_does() -> None:
    r_t, v_tm1, v_t = jnp.array([1.0, 1, 1]), jnp.zeros(3), jnp.array([10.0, 10, 10])
    gamma, lam = 0.9, 1.0
    terminated, truncated = jnp.array([1.0, 0, 0]), jnp.array([0.0, 1, 0])
    discount_t = gamma * (1 - terminated)
    trace_t = gamma * lam * (1 - jnp.maximum(terminated, truncated))
    advantages = objectives.generalized_advantages(r_t, v_tm1, v_t, discount_t, trace_t)
    # step 0 ends for good: 1.  step 1 is cut by time: 1 + .9 * 10 = 10, and nothing of step 2.  step 2: 1 + 9 = 10.
    np.testing.assert_allclose(advantages, [1.0, 10.0, 10.0], rtol=1e-6)


def test_lambda_one_gives_returns_minus_values() -> None:
    rng = np.random.default_rng(0)
    r_t, values = rng.normal(size=20).astype(np.float32), rng.normal(size=21).astype(np.float32)
    gamma = 0.97
    trace = jnp.full(20, gamma, jnp.float32)
    advantages = objectives.generalized_advantages(jnp.array(r_t), jnp.array(values[:-1]), jnp.array(values[1:]), trace, trace)
    powers = gamma ** np.arange(21)
    expected = [(powers[: 20 - t] * r_t[t:]).sum() + powers[20 - t] * values[20] - values[t] for t in range(20)]
    np.testing.assert_allclose(advantages, expected, rtol=1e-4, atol=1e-4)


def test_discounted_returns_stop_at_the_end_of_an_episode() -> None:
    # episode one: 1 + .5 * 2 = 2, 2.  episode two: 4 + .5 * 8 = 8, 8.
    returns = objectives.discounted_returns(jnp.array([1.0, 2, 4, 8]), jnp.array([False, True, False, False]), 0.5)
    np.testing.assert_allclose(returns, [2.0, 2.0, 8.0, 8.0])


def test_returns_by_episode_by_hand() -> None:
    # episodes of 2, 2 and 1 steps: 1 + 2, 4 + 8, and 16, which ended in the second record and not in the first
    reward = jnp.array([1.0, 2, 4, 8, 16])
    cut_off, ended = jnp.array([False, True, False, True, False]), jnp.array([False, True, False, True, True])
    for num_episodes, done, expected in (
        (2, cut_off, [3.0, 12.0]),
        (4, cut_off, [3.0, 12.0, np.nan, np.nan]),
        (3, ended, [3.0, 12.0, 16.0]),
        (5, ended, [3.0, 12.0, 16.0, np.nan, np.nan]),
    ):
        np.testing.assert_array_equal(objectives.returns_by_episode(reward, done, num_episodes), expected)
        np.testing.assert_array_equal([objectives.episode_return(reward, done, n) for n in range(num_episodes)], expected)
    np.testing.assert_array_equal(objectives.episode_index(cut_off), [0, 0, 1, 1, 2])
    np.testing.assert_array_equal(objectives.episode_begins(cut_off, 3), [0, 2, 4])


def test_returns_by_episode_keeps_float32_precision_late_in_a_record() -> None:
    """Episodes of one step that pay 0.1, after one that pays 10^7: a difference of cumulative sums would be 0 or 1."""
    reward = jnp.full(1000, 0.1).at[0].set(1e7)
    np.testing.assert_array_equal(objectives.returns_by_episode(reward, jnp.ones(1000, bool), 1000), reward)


def test_returns_by_episode_needs_memory_linear_in_the_record() -> None:
    """With as many episodes as steps: a table of episodes by steps would take 100 times as much for 10 times the length."""

    def num_bytes(length: int) -> int:
        record = jax.ShapeDtypeStruct((length, 8), jnp.float32), jax.ShapeDtypeStruct((length, 8), bool)
        program = jax.jit(jax.vmap(partial(objectives.returns_by_episode, num_episodes=length), 1, 1)).lower(*record)
        return program.compile().memory_analysis().temp_size_in_bytes

    assert num_bytes(10_000) < 12 * num_bytes(1_000)


def test_finished_later_and_steps_since_first() -> None:
    np.testing.assert_array_equal(objectives.finished_later(jnp.array([False, True, False, False])), [True, True, False, False])
    first = jnp.array([True, False, False, True, False])
    np.testing.assert_array_equal(objectives.steps_since_first(first), [0, 1, 2, 0, 1])
