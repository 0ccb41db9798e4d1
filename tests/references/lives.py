"""Lifetimes of hand-written learners."""

import jax
import numpy as np

from jmeta.lifetime import LifetimeKeys, live_in, replay


def lived(inner, tasks, num_tasks, protocol, key):
    """Lifetimes in ``num_tasks`` tasks, task axis first, and what each began with."""

    def one(key):
        task_key, begin_key, live_key = jax.random.split(key, 3)
        keys = LifetimeKeys.of(begin_key, live_key)
        lived = live_in(inner, tasks, (), tasks.sample(task_key), keys, protocol=protocol)
        return lived.lifetime, lived.begun

    return jax.jit(jax.vmap(one))(jax.random.split(key, num_tasks))


def assert_replayed(inner, lifetimes, begun):
    """A replay decides as the agent did when it lived."""
    decisions = jax.jit(jax.vmap(lambda begun, lifetime: replay(inner, (), begun, lifetime)))(begun, lifetimes)
    action = lifetimes.segments.action
    then = lifetimes.segments.decision.distribution.log_prob(action)
    np.testing.assert_allclose(decisions.distribution.log_prob(action), then, atol=1e-5)
