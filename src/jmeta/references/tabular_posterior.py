"""The posterior over tabular Markov decision processes, with the prior that ``tabular.py`` states."""

import jax
import jax.numpy as jnp

from jmeta.references.tabular import Counts


def posterior(experience: Counts, prior_mean: jax.Array | float) -> tuple[jax.Array, ...]:
    """Returns posterior mean rewards [S, A], their precisions [S, A], mean transitions [S, A, S] and Dirichlet sums [S, A]."""
    precision = 1.0 + experience.visits
    dirichlet = 1.0 + experience.transitions
    weight = dirichlet.sum(-1)
    return (prior_mean + experience.rewards) / precision, precision, dirichlet / weight[..., None], weight


def draw_process(experience: Counts, prior_mean: jax.Array | float, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns mean rewards [S, A] and transitions [S, A, S] of a process drawn from the posterior."""
    reward_key, transition_key = jax.random.split(key)
    mean, precision, _, _ = posterior(experience, prior_mean)
    rewards = mean + jax.random.normal(reward_key, mean.shape, mean.dtype) / jnp.sqrt(precision)
    gamma = draw_gamma(1.0 + experience.transitions, transition_key)
    return rewards, gamma / gamma.sum(-1, keepdims=True)


def draw_gamma(alpha: jax.Array, key: jax.Array) -> jax.Array:
    """Draws from Gamma(alpha, 1), all alpha at least 1, by Marsaglia and Tsang 2000: one loop for the whole array.

    ``jax.random.gamma`` runs one loop per element, one after the other on a CPU.
    """
    d = alpha - 1.0 / 3.0

    def propose(carry: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array, jax.Array]:
        key, accepted, drawn = carry
        key, normal_key, uniform_key = jax.random.split(key, 3)
        x = jax.random.normal(normal_key, alpha.shape, alpha.dtype)
        v = (1.0 + x / jnp.sqrt(9.0 * d)) ** 3
        u = jax.random.uniform(uniform_key, alpha.shape, alpha.dtype)
        accept = (v > 0) & (jnp.log(u) < 0.5 * x**2 + d - d * v + d * jnp.log(jnp.maximum(v, 1e-30)))
        return key, accepted | accept, jnp.where(accepted, drawn, d * v)

    start = (key, jnp.zeros(alpha.shape, bool), jnp.ones(alpha.shape, alpha.dtype))
    return jax.lax.while_loop(lambda carry: ~carry[1].all(), propose, start)[2]
