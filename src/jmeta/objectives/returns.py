"""Returns and advantages of one stream, time first; ``vmap`` for more.

Notation as in Sutton and Barto: ``r_t`` is the reward for the action taken at t - 1, ``v_tm1`` the value before it, ``v_t`` the
value of the state it led to (before any reset).
"""

import chex
import jax
import jax.numpy as jnp


def generalized_advantages(
    r_t: jax.Array, v_tm1: jax.Array, v_t: jax.Array, discount_t: jax.Array, trace_t: jax.Array
) -> jax.Array:
    """Generalized advantage estimates A_t = sum_l (prod trace) delta_{t+l}.

    ``delta_t = r_t + discount_t * v_t - v_tm1`` and ``A_t = delta_t + trace_t * A_{t+1}``. At a
    natural end ``discount_t = trace_t = 0``. At a time limit ``trace_t = 0`` and ``discount_t = gamma``, since the value of the
    next state still counts.

    Args:
      r_t: rewards [T].
      v_tm1: values before each step [T].
      v_t: values after each step [T], of the observation before any reset.
      discount_t: discount of ``v_t`` [T], in [0, 1].
      trace_t: discount of ``A_{t+1}`` [T]; gamma * lambda inside an episode, 0 across its end.

    Returns:
      Advantages [T].

    References:
      Schulman et al. 2016, arXiv 1506.02438.
    """
    chex.assert_rank([r_t, v_tm1, v_t, discount_t, trace_t], 1)
    delta_t = r_t + discount_t * v_t - v_tm1

    def backwards(advantage: jax.Array, inputs: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        delta, trace = inputs
        advantage = delta + trace * advantage
        return advantage, advantage

    _, advantages = jax.lax.scan(backwards, jnp.zeros_like(delta_t[0]), (delta_t, trace_t), reverse=True)
    return advantages


def discounted_returns(r_t: jax.Array, done_t: jax.Array, discount: jax.Array | float) -> jax.Array:
    """Returns discounted rewards-to-go within each episode, G_t = r_t + discount * (1 - done_t) * G_{t+1}, [T]."""
    zeros = jnp.zeros_like(r_t)
    trace_t = discount * (1.0 - done_t.astype(r_t.dtype))
    return generalized_advantages(r_t, zeros, zeros, zeros, trace_t)


def returns_by_episode(reward: jax.Array, done_t: jax.Array, num_episodes: int) -> jax.Array:
    """Returns the undiscounted returns [num_episodes] of the first ``num_episodes`` episodes, NaN for one that did not end.

    Memory and time are linear in T, however many episodes there are.

    Args:
      reward: [T].
      done_t: [T] bool, where episodes end; the first step begins one.
      num_episodes: number of episodes to report. At least T // horizon episodes end in T steps.
    """
    chex.assert_rank([reward, done_t], 1)
    returns = jax.ops.segment_sum(reward, episode_index(done_t), num_episodes, indices_are_sorted=True)
    return jnp.where(jnp.arange(num_episodes) < done_t.sum(), returns, jnp.nan)


def episode_return(reward: jax.Array, done_t: jax.Array, number: int) -> jax.Array:
    """Returns the undiscounted return [] of episode ``number``, counted from 0, of a record [T]; NaN if it did not end."""
    chex.assert_rank([reward, done_t], 1)
    earned = jnp.where(episode_index(done_t) == number, reward, 0.0).sum()
    return jnp.where(number < done_t.sum(), earned, jnp.nan)


def episode_begins(done_t: jax.Array, num_episodes: int) -> jax.Array:
    """Returns the first step of each of the first ``num_episodes`` episodes of a record [T], [num_episodes] int."""
    length = jax.ops.segment_sum(jnp.ones_like(done_t, jnp.int32), episode_index(done_t), num_episodes, indices_are_sorted=True)
    return jnp.cumsum(length) - length


def episode_index(done_t: jax.Array) -> jax.Array:
    """Returns the index of each step's episode in the record, from 0, [T] int."""
    ended = done_t.astype(jnp.int32)
    return jnp.cumsum(ended) - ended


def finished_later(done_t: jax.Array) -> jax.Array:
    """Returns whether the episode of each step ends within the record, [T] bool."""
    return jnp.flip(jax.lax.cummax(jnp.flip(done_t.astype(jnp.int32)))).astype(bool)


def steps_since_first(first: jax.Array) -> jax.Array:
    """Returns the number of earlier steps in the episode of each step, [T] int; a record is assumed to start an episode."""
    index = jnp.arange(first.shape[0])
    return index - jax.lax.cummax(jnp.where(first, index, 0))
