"""One-step targets of action values, for a single step; ``vmap`` for more.

Notation as in ``jmeta.objectives.returns``: ``r_t`` is the reward for the action taken at t - 1, ``q_tm1`` the value of that
action, ``q_t`` the values in the state it led to (before any reset). ``discount_t`` is 0 at a natural end and the discount
everywhere else, including at a time limit.
"""

import chex
import jax
import jax.numpy as jnp


def one_step_return(r_t: jax.Array, discount_t: jax.Array, v_t: jax.Array) -> jax.Array:
    """Returns r_t + discount_t * v_t, []."""
    chex.assert_rank([r_t, discount_t, v_t], 0)
    return r_t + discount_t * v_t


def td_target(r_t: jax.Array, discount_t: jax.Array, v_t: jax.Array) -> jax.Array:
    """Returns ``one_step_return`` [] as a constant: no gradient flows through it.

    References:
      Sutton 1988, Learning to predict by the methods of temporal differences.
    """
    return jax.lax.stop_gradient(one_step_return(r_t, discount_t, v_t))


def double_q_value(q_t_selector: jax.Array, q_t_value: jax.Array) -> jax.Array:
    """Returns one estimate's value [] of the action that another estimate ranks highest, both [A].

    References:
      van Hasselt et al. 2016, arXiv 1509.06461.
    """
    chex.assert_rank([q_t_selector, q_t_value], 1)
    best = jnp.arange(len(q_t_selector)) == jnp.argmax(q_t_selector)
    return jnp.sum(jnp.where(best, q_t_value, 0.0))


def soft_value(log_probability_t: jax.Array, q_t: jax.Array, temperature: jax.Array) -> jax.Array:
    """Returns the soft value [] of a stochastic policy, with an entropy bonus: sum_a pi(a) (q(a) - temperature log pi(a)).

    Args:
      log_probability_t: [A] of every action.
      q_t: [A].
      temperature: [], not negative.

    References:
      Christodoulou 2019, arXiv 1910.07207.
    """
    chex.assert_rank([log_probability_t, q_t, temperature], [1, 1, 0])
    return jnp.sum(jnp.exp(log_probability_t) * (q_t - temperature * log_probability_t))
