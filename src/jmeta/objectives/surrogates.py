r"""Surrogates: scalars whose derivatives estimate those of an expected return.

In a policy gradient the sampling distribution depends on the parameters, so a surrogate with an unbiased gradient need not
have an unbiased Hessian, and MAML differentiates twice. Each docstring here states the expectation of the first and the second
derivative. With w_t = log pi_theta(a_t | s_t), A_t an advantage held constant, and an episode of T steps:

* grad J = E[sum_t grad w_t A_t]
* hess J = E[sum_t A_t hess w_t + sum_t A_t (grad w_{<=t})(grad w_{<=t})^T - sum_t A_t (grad w_{<t})(grad w_{<t})^T]
"""

import chex
import jax
import jax.numpy as jnp

from jmeta.objectives.returns import steps_since_first


def dice(log_prob: jax.Array, reward: jax.Array, first: jax.Array) -> jax.Array:
    r"""sum_t box(w_{<=t}) r_t, where w_{<=t} sums the episode's log-probabilities up to t and box(x) = exp(x - stop_gradient(x)).

    Its value is the return, and every derivative is unbiased. But each reward multiplies the scores of all decisions before it,
    so the derivatives have the variance of REINFORCE without a baseline.

    Args:
      log_prob: [T] under the parameters being differentiated.
      reward: [T], already discounted if needed; a constant.
      first: [T] bool, where episodes begin.

    Returns:
      [] the surrogate summed over the record.

    References:
      Foerster et al. 2018, arXiv 1802.05098.
    """
    chex.assert_equal_shape([log_prob, reward, first])
    return jnp.sum(_magic_box(_since_episode_began(log_prob, first)) * jax.lax.stop_gradient(reward))


def loaded_dice(log_prob: jax.Array, advantage: jax.Array, first: jax.Array) -> jax.Array:
    r"""sum_t [box(w_{<=t}) - box(w_{<t})] A_t, where box(x) = exp(x - stop_gradient(x)).

    All derivatives are unbiased if A_t is the reward-to-go minus a baseline that depends only on the past. The cross terms
    between time steps make the Hessian's variance grow with the length of the episode.

    Args:
      log_prob: [T] under the parameters being differentiated.
      advantage: [T], a constant.
      first: [T] bool, where episodes begin.

    Returns:
      [] the surrogate summed over the record; its value is 0, and only its derivatives are of use.

    References:
      Foerster et al. 2018, arXiv 1802.05098 (DiCE); Farquhar et al. 2019, arXiv 1909.10549 (loaded DiCE).
    """
    chex.assert_rank([log_prob, advantage, first], 1)
    until_t = _since_episode_began(log_prob, first)
    before_t = until_t - log_prob
    return jnp.sum((_magic_box(until_t) - _magic_box(before_t)) * jax.lax.stop_gradient(advantage))


def low_variance_curvature(log_prob: jax.Array, advantage: jax.Array, first: jax.Array) -> jax.Array:
    r"""sum_t box(w_t) A_t: the gradient is unbiased; the Hessian leaves out the terms that couple different times.

    E[hess] = E[sum_t A_t (hess w_t + grad w_t grad w_t^T)]. The missing terms vanish as the policy of a step ceases to
    influence later advantages. Their variance is also missing, so ProMP prefers this surrogate on long episodes.

    Args and Returns: as ``loaded_dice``.

    References:
      Rothfuss et al. 2019, arXiv 1810.06784 (ProMP).
    """
    chex.assert_equal_shape([log_prob, advantage, first])
    return jnp.sum(_magic_box(log_prob) * jax.lax.stop_gradient(advantage))


def naive(log_prob: jax.Array, advantage: jax.Array, first: jax.Array) -> jax.Array:
    r"""sum_t w_t A_t: the gradient is unbiased, but the Hessian is wrong. Kept as a reference for that error.

    E[hess] = E[sum_t A_t hess w_t]: the outer products of scores are missing, and more data does not remove this error. Public
    MAML code differentiated this surrogate.

    Args and Returns: as ``loaded_dice``.

    References:
      Finn et al. 2017, arXiv 1703.03400 (the code); the error: Foerster et al. 2018, arXiv 1802.05098.
    """
    chex.assert_equal_shape([log_prob, advantage, first])
    return jnp.sum(log_prob * jax.lax.stop_gradient(advantage))


def likelihood_ratio(log_prob: jax.Array, behaviour_log_prob: jax.Array, advantage: jax.Array) -> jax.Array:
    """Returns rho A of one decision, [], with rho = pi(a|s) / behaviour(a|s); trust-region methods maximise its mean.

    Its expectation is that of A under pi, in states that the behaviour policy visits. Its gradient at the behaviour policy is the
    policy gradient.

    References:
      Kakade and Langford 2002; Schulman et al. 2015, arXiv 1502.05477.
    """
    return jnp.exp(log_prob - behaviour_log_prob) * advantage


def clipped_surrogate(
    log_prob: jax.Array, behaviour_log_prob: jax.Array, advantage: jax.Array, epsilon: jax.Array | float
) -> jax.Array:
    """Returns PPO's objective of one decision, min(rho A, clip(rho, 1 - epsilon, 1 + epsilon) A), [].

    Its gradient at the behaviour policy is the policy gradient.

    References:
      Schulman et al. 2017, arXiv 1707.06347.
    """
    ratio = jnp.exp(log_prob - behaviour_log_prob)
    return jnp.minimum(ratio * advantage, jnp.clip(ratio, 1.0 - epsilon, 1.0 + epsilon) * advantage)


def _since_episode_began(log_prob: jax.Array, first: jax.Array) -> jax.Array:
    """Returns the sum of an episode's log-probabilities up to and including each step, [T]."""
    total = jnp.cumsum(log_prob)
    start = jnp.arange(log_prob.shape[0]) - steps_since_first(first)
    return total - (total[start] - log_prob[start])


def _magic_box(x: jax.Array) -> jax.Array:
    return jnp.exp(x - jax.lax.stop_gradient(x))
