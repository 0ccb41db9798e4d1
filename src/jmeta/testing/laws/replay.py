"""Laws of replay: it makes the decisions of the lifetime under the same theta, step by step or all at once."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np

from jmeta.lifetime import replay
from jmeta.outer.meta_batch import over_axes
from jmeta.outer.terms import log_prob
from jmeta.testing.cases import LearnerCase, law_key
from jmeta.types import Decision, Lifetime, PyTree, Timestep

_log_prob = over_axes(log_prob, 3)
"""Log-probabilities of actions [K, T, B] under decisions [K, T, B]."""


def replay_under_the_behaviour_theta_reproduces_the_decisions(case: LearnerCase) -> None:
    """A replay of a lifetime under the theta that lived it gives the recorded log-probabilities and values."""

    @jax.jit
    def both(theta: PyTree, begun: tuple[PyTree, PyTree], lifetime: Lifetime) -> tuple[jax.Array, ...]:
        again = replay(case.inner, theta, begun, lifetime)
        recorded, action = lifetime.segments.decision, lifetime.segments.action
        return _log_prob(recorded, action), _log_prob(again, action), recorded.value, again.value

    recorded, again, recorded_value, again_value = both(case.theta, *case.lived)
    np.testing.assert_allclose(recorded, again, atol=1e-5, rtol=1e-5)
    np.testing.assert_allclose(recorded_value, again_value, atol=1e-5, rtol=1e-5)
    assert np.ptp(np.asarray(recorded)) > 0.01, "all actions were as likely, so the comparison says nothing: use other tasks"


def replay_under_another_theta_decides_otherwise(case: LearnerCase) -> None:
    """A replay computes the decisions again, from the theta that it is given."""

    @jax.jit
    def decide(theta: PyTree, lifetime: Lifetime) -> jax.Array:
        begun = case.inner.begin(theta, case.outer.protocol.num_streams, law_key())
        return _log_prob(replay(case.inner, theta, begun, lifetime), lifetime.segments.action)

    lifetime = case.lived[1]
    same = decide(case.theta, lifetime)
    # A greedy policy changes only where the order of its values does, hence two other thetas.
    others = [jax.tree.map(change, case.theta) for change in (lambda x: x + 0.1, lambda x: -x)]
    largest = max(float(jnp.abs(decide(other, lifetime) - same).max()) for other in others)
    assert largest > 1e-3, f"under another theta no log-probability changed by more than {largest}"


def unroll_equals_a_scan_of_act(case: LearnerCase) -> None:
    """``unroll`` along recorded timesteps gives the decisions and the memory of ``act``, step by step."""
    theta, inner = case.theta, case.inner
    phi, memory = inner.begin(theta, case.outer.protocol.num_streams, law_key())
    memory = jax.tree.map(lambda x: x[0], memory)
    timesteps: Timestep = jax.tree.map(lambda x: x[0, :, 0], case.lived[1].segments.timestep)

    def step(memory: PyTree, timestep: Timestep) -> tuple[PyTree, Decision]:
        decision, memory = inner.act(theta, phi, memory, timestep)
        return memory, decision

    scanned_memory, scanned = jax.jit(partial(jax.lax.scan, step))(memory, timesteps)
    unrolled, unrolled_memory = jax.jit(inner.unroll)(theta, phi, memory, timesteps)
    chex.assert_trees_all_close(scanned, unrolled, atol=1e-5)
    chex.assert_trees_all_close(scanned_memory, unrolled_memory, atol=1e-5)
