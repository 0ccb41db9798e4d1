"""Finite-horizon value iteration: the optimal values and policy of a known Markov decision process (Bellman 1957)."""

from collections.abc import Callable
from typing import NamedTuple

import chex
import jax
import jax.numpy as jnp


class Plan(NamedTuple):
    """Optimal values and actions of every state at every time."""

    values: jax.Array  # [H + 1, S] expected sum of the rewards still to come; values[H] is 0
    policy: jax.Array  # [H, S] int32, an optimal action; the first one if there are several


def value_iteration(transitions: jax.Array, rewards: jax.Array, horizon: int) -> Plan:
    """Returns the optimal values and policy of one Markov decision process, undiscounted.

        V_H(s) = 0,    V_t(s) = max_a  r(s, a) + sum_s' P(s' | s, a) V_{t+1}(s').

    With r < H steps to go the values are ``values[H - r]``, so one plan serves every shorter horizon.

    Args:
      transitions: [S, A, S], P(s' | s, a).
      rewards: [S, A], expected rewards.
      horizon: environment steps H, at least 0.

    Returns:
      The plan. Use ``vmap`` for several processes.

    Example:
      >>> stay_or_swap = jnp.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]])
      >>> plan = value_iteration(stay_or_swap, jnp.array([[0.0, 0.0], [1.0, 0.0]]), horizon=3)
      >>> plan.values[0].tolist(), plan.policy[0].tolist()  # swap to the state that pays, then stay: 0 + 1 + 1
      ([2.0, 3.0], [1, 0])
    """
    chex.assert_rank([transitions, rewards], [3, 2])
    chex.assert_equal_shape_prefix([transitions, rewards], 2)
    return _iterate(lambda value: expected(transitions, value), rewards, horizon)


def deterministic_value_iteration(next_states: jax.Array, rewards: jax.Array, horizon: int) -> Plan:
    """Returns the plan of ``value_iteration`` for deterministic transitions s' = next_states[s, a], [S, A] int32.

    It needs S times less memory.

    Example:
      >>> next_states = jnp.array([[0, 1], [1, 0]])
      >>> deterministic_value_iteration(next_states, jnp.array([[0.0, 0.0], [1.0, 0.0]]), horizon=3).values[0].tolist()
      [2.0, 3.0]
    """
    chex.assert_equal_shape([next_states, rewards])
    return _iterate(lambda value: value[next_states], rewards, horizon)


def expected(transitions: jax.Array, value: jax.Array) -> jax.Array:
    """Returns the expected value [S, A] of the next state, in full float32 precision on accelerators too."""
    return jnp.matmul(transitions, value, precision="highest")


def _iterate(expect: Callable[[jax.Array], jax.Array], rewards: jax.Array, horizon: int) -> Plan:
    def back_up(later: jax.Array, _: None) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
        action_value = rewards + expect(later)
        value = action_value.max(-1)
        return value, (value, action_value.argmax(-1).astype(jnp.int32))

    end = jnp.zeros(rewards.shape[0], rewards.dtype)
    _, (values, policy) = jax.lax.scan(back_up, end, length=horizon, reverse=True)
    return Plan(jnp.concatenate([values, end[None]]), policy)


def optimal_action_values(rewards: jax.Array, transitions: jax.Array, horizon: int) -> jax.Array:
    """Returns the optimal action values [H, S, A] of a known process."""
    return backward_induction(lambda value: expected(transitions, value), jnp.broadcast_to(rewards, (horizon, *rewards.shape)))


def backward_induction(expect: Callable[[jax.Array], jax.Array], rewards: jax.Array) -> jax.Array:
    """Returns action values [H, S, A] by backward induction from rewards [H, S, A]: Q_t = r_t + expect(max_a Q_{t+1})."""

    def step(value: jax.Array, reward: jax.Array) -> tuple[jax.Array, jax.Array]:
        action_values = reward + expect(value)
        return action_values.max(-1), action_values

    return jax.lax.scan(step, jnp.zeros(rewards.shape[1], jnp.float32), rewards, reverse=True)[1]
