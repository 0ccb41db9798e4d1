"""Lifetimes of hand-written learners."""

import jax

from jmeta.lifetime import live_in


def lived(inner, tasks, num_tasks, protocol, key):
    """Lifetimes in ``num_tasks`` tasks, task axis first, and what each began with."""

    def one(key):
        task_key, begin_key, live_key = jax.random.split(key, 3)
        begun = inner.begin((), protocol.num_streams, begin_key)
        return live_in(inner, tasks, (), tasks.sample(task_key), begun, protocol=protocol, key=live_key), begun

    return jax.jit(jax.vmap(one))(jax.random.split(key, num_tasks))
