"""Finite-horizon value iteration."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta.references.value_iteration import deterministic_value_iteration, value_iteration

# Two states, two actions. Action 0 stays; action 1 goes to the other state with probability 0.8.
TRANSITIONS = np.array([[[1.0, 0.0], [0.2, 0.8]], [[0.0, 1.0], [0.8, 0.2]]])
REWARDS = np.array([[0.1, 0.0], [1.0, 0.5]])


def random_process(seed, num_states=3, num_actions=2):
    rng = np.random.default_rng(seed)
    transitions = rng.dirichlet(np.ones(num_states), (num_states, num_actions))
    return transitions, rng.normal(size=(num_states, num_actions))


def test_two_states_by_hand():
    plan = value_iteration(jnp.asarray(TRANSITIONS), jnp.asarray(REWARDS), horizon=3)
    # One step to go: max(0.1, 0) and max(1, 0.5).
    # Two: max(0.1 + 0.1, 0.2 * 0.1 + 0.8 * 1 = 0.82), and 1 + 1.
    # Three: max(0.1 + 0.82, 0.2 * 0.82 + 0.8 * 2 = 1.764), and 1 + 2.
    np.testing.assert_allclose(plan.values, [[1.764, 3.0], [0.82, 2.0], [0.1, 1.0], [0.0, 0.0]], rtol=1e-6)
    np.testing.assert_array_equal(plan.policy, [[1, 0], [1, 0], [0, 0]])


@pytest.mark.parametrize("seed", range(3))
def test_no_deterministic_policy_of_time_and_state_is_better(seed):
    transitions, rewards = random_process(seed)
    horizon, num_states, num_actions = 3, 3, 2
    states = np.arange(num_states)
    best = np.full(num_states, -np.inf)
    for choice in itertools.product(range(num_actions), repeat=horizon * num_states):  # 2^9 policies
        value = np.zeros(num_states)
        for actions in np.reshape(choice, (horizon, num_states)):
            value = rewards[states, actions] + transitions[states, actions] @ value
        best = np.maximum(best, value)
    plan = value_iteration(jnp.asarray(transitions), jnp.asarray(rewards), horizon)
    np.testing.assert_allclose(plan.values[0], best, rtol=1e-5)


def test_following_the_policy_earns_the_values():
    transitions, rewards = random_process(7, num_states=5, num_actions=3)
    plan = value_iteration(jnp.asarray(transitions), jnp.asarray(rewards), horizon=6)
    value, states = np.zeros(5), np.arange(5)
    for t in reversed(range(6)):
        actions = np.asarray(plan.policy[t])
        value = rewards[states, actions] + transitions[states, actions] @ value
        np.testing.assert_allclose(plan.values[t], value, rtol=1e-5, atol=1e-6)


def test_shorter_horizons_are_the_later_rows():
    transitions, rewards = map(jnp.asarray, random_process(1))
    long, short = (value_iteration(transitions, rewards, horizon) for horizon in (6, 2))
    np.testing.assert_array_equal(long.values[4:], short.values)
    np.testing.assert_array_equal(long.policy[4:], short.policy)
    np.testing.assert_array_equal(value_iteration(transitions, rewards, 0).values, np.zeros((1, 3)))


def test_where_actions_lead_to_one_state_both_agree():
    rng = np.random.default_rng(2)
    next_states = rng.integers(0, 4, (4, 3))
    rewards = jnp.asarray(rng.normal(size=(4, 3)), jnp.float32)
    dense = value_iteration(jax.nn.one_hot(next_states, 4), rewards, 5)
    sparse = deterministic_value_iteration(jnp.asarray(next_states), rewards, 5)
    np.testing.assert_allclose(dense.values, sparse.values, rtol=1e-6)
    np.testing.assert_array_equal(dense.policy, sparse.policy)


def test_a_batch_of_processes_equals_one_by_one():
    processes = [random_process(seed) for seed in range(3)]
    transitions, rewards = (jnp.asarray(np.stack(x)) for x in zip(*processes, strict=True))
    batch = jax.jit(jax.vmap(lambda p, r: value_iteration(p, r, 4)))(transitions, rewards)
    for i in range(3):
        np.testing.assert_allclose(batch.values[i], value_iteration(transitions[i], rewards[i], 4).values, rtol=1e-5)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(AssertionError):
        value_iteration(jnp.ones((2, 3, 2)), jnp.ones((2, 2)), 1)
