"""Each probe isolates one failure; both algorithms pass those that concern them, in seconds."""

import jax
import numpy as np
import pytest

import jmeta
from jmeta.lifetime import rollout, start
from jmeta.outer.ppo import PPO
from jmeta.training import TrainResult
from tests.learning.probes import ProbeTasks

pytestmark = pytest.mark.slow


def train(outer: PPO, num_steps: int) -> TrainResult:
    return jmeta.train(outer, jax.random.key(0), num_steps, progress=False)


def rl2(tasks: ProbeTasks) -> PPO:
    return jmeta.algorithms.rl2(
        tasks,
        hidden_size=12,
        num_tasks=128,
        num_minibatches=2,
        learning_rate=1e-2,
        discount=1.0,
        gae_lambda=1.0,
        entropy_coefficient=0.02,
    )


def maml(tasks: ProbeTasks) -> PPO:
    return jmeta.algorithms.maml(
        tasks, widths=(8,), num_streams=10, num_tasks=16, inner_rates=(5.0,), learning_rate=1e-2, segment_length=4
    )


def by_episode(outer: PPO, trained: TrainResult) -> np.ndarray:
    result = jmeta.evaluate(outer.inner, outer.tasks, trained.theta, jax.random.key(1), protocol=outer.protocol, num_tasks=512)
    return result.episode_returns.mean(0)


def test_the_critic_learns_a_constant_reward() -> None:
    """Reward 1 at each of 4 steps, undiscounted: the values are 4, 3, 2, 1 in units of return."""
    outer = rl2(ProbeTasks("constant", episodes=4))
    trained = train(outer, 150)
    location, scale = trained.state.extra.statistics.location_and_scale()
    phi, memory = outer.inner.begin(trained.theta, 1, jax.random.key(0))
    task = outer.tasks.sample(jax.random.key(0))
    life = start(outer.tasks, task, (phi, memory), num_streams=1, key=jax.random.key(1))
    _, segment = rollout(outer.inner, outer.tasks, trained.theta, life, length=4, key=jax.random.key(2))
    values = location + scale * segment.decision.value[:, 0]
    np.testing.assert_allclose(values, [4.0, 3.0, 2.0, 1.0], atol=0.25)


def test_memory_carries_a_bit_from_one_episode_to_the_next() -> None:
    outer = rl2(ProbeTasks("bit"))
    returns = by_episode(outer, train(outer, 120))
    assert returns[0] == pytest.approx(0.5, abs=0.1)  # nobody can know
    assert returns[1:].min() > 0.95


def test_a_gradient_step_carries_a_bit_from_one_segment_to_the_next() -> None:
    outer = maml(ProbeTasks("bit"))
    returns = by_episode(outer, train(outer, 200))
    assert returns[:4].mean() == pytest.approx(0.5, abs=0.1)
    assert returns[4:].mean() > 0.9


def test_search_is_paid_for_before_it_pays() -> None:
    """Finding out costs 0.2 on average by looking, 0.5 by guessing, in the first of three episodes; then each is worth 1.

    Waiting costs nothing and is worth nothing. An agent that has learned to pay earns 1.5 or more, one that has not 0. Waiting is
    a local optimum, in which two or three of five seeds end with the entropy coefficient 0.02, and none of five with 0.2.
    """
    outer = rl2(ProbeTasks("paid-search")).replace(entropy_coefficient=0.2)
    returns = by_episode(outer, train(outer, 200))
    assert returns[0] < -0.1
    np.testing.assert_allclose(returns[1:], [1.0, 1.0], atol=0.2)


def test_a_task_that_does_not_matter_is_not_made_worse_by_adapting() -> None:
    outer = maml(ProbeTasks("irrelevant"))
    returns = by_episode(outer, train(outer, 200))
    assert returns[4:].mean() > 0.95
    assert returns[4:].mean() > returns[:4].mean() - 0.02


def test_without_credit_across_episodes_search_is_not_learned() -> None:
    """The same with a discount of 0, which does best to wait: so the test above does test credit across episodes."""
    outer = rl2(ProbeTasks("paid-search"))
    myopic = outer.replace(credit=outer.credit.replace(discount=0.0))
    returns = by_episode(myopic, train(myopic, 200))
    np.testing.assert_allclose(returns, [0.0, 0.0, 0.0], atol=0.1)
