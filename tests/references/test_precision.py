"""Hand-written learners under ``jax_enable_x64``, which a user's environment may need."""

import jax
import jax.numpy as jnp
import pytest

from jmeta import references
from jmeta.inner.base import InnerLearner
from jmeta.lifetime import LifetimeKeys, live_in
from jmeta.tasks import BernoulliBandit, GridNavi, TabularMDP
from jmeta.types import Protocol

BANDIT, PROCESS, GRID = BernoulliBandit(num_arms=2, num_pulls=4), TabularMDP(num_states=3, num_actions=2, horizon=4), GridNavi()
LEARNERS = {
    **{name: BANDIT for name in ("Random", "Greedy", "EpsilonGreedy", "UCB1", "ThompsonSampling", "OptimisticThompsonSampling")},
    **{name: PROCESS for name in ("PSRL", "OPSRL", "UCRL2", "BEB", "ReplanningIndex")},
    "GittinsIndex": BANDIT,
    "BayesOptimalGridNavi": GRID,
}


def make(name: str) -> InnerLearner:
    tasks, kind = LEARNERS[name], getattr(references, name)
    if name == "GittinsIndex":
        return kind.create(tasks.observation_size, tasks.action_space, num_pulls=4)
    settings = {"horizon": tasks.horizon} if tasks is PROCESS else {}
    return kind(tasks.observation_size, tasks.action_space, **settings)


def test_every_learner_is_here() -> None:
    kinds = {name for name in references.__all__ if isinstance(getattr(references, name), type)}
    assert kinds == set(LEARNERS)


@pytest.mark.parametrize("name", LEARNERS)
def test_a_learner_keeps_its_types_where_jax_computes_in_double(name: str) -> None:
    """It is traced over two segments of an episode each, and none of its memory and decisions is in double precision."""
    tasks = LEARNERS[name]
    protocol = Protocol(2, tasks.horizon, 2)

    def live(key: jax.Array) -> object:
        lived = live_in(make(name), tasks, (), tasks.sample(key), LifetimeKeys.of(key, key), protocol=protocol)
        return lived.begun, lived.life.memory, lived.lifetime.segments.decision

    with jax.enable_x64(True):
        lived = jax.eval_shape(live, jax.random.key(0))
    assert not [leaf.dtype for leaf in jax.tree.leaves(lived) if leaf.dtype == jnp.float64]
