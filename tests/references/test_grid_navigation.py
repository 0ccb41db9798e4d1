"""The optimum of GridNavi: by hand, by dynamic programming over beliefs in small rooms, and earned by an agent."""

import functools

import jax
import numpy as np
import pytest

from jmeta.lifetime import LifetimeKeys, live_in, replay
from jmeta.references import BayesOptimalGridNavi
from jmeta.references.grid_navigation import MOVES, bayes_optimal_episode_returns, optimal_walks
from jmeta.tasks.grid_navi import GridNavi
from jmeta.types import Discrete, Protocol


def test_the_published_setting_by_hand():
    """Anchor D: 4.000, then 11.0714 three times."""
    # First episode: steps 2 to 15 meet 14 of 21 goals; met at d it earns 16.1 - 1.1 d, in all 14 * 16.1 - 1.1 * 119 = 94.5; the
    # other 7 earn -1.5 each: (94.5 - 10.5) / 21 = 4.
    # Later: 16.1 - 1.1 * (mean distance), 100 - 4 = 96 over 21 goals: 16.1 - 1.1 * 96 / 21 = 11.0714.
    returns = bayes_optimal_episode_returns(4)
    assert returns == pytest.approx((4.0, *[16.1 - 1.1 * 96 / 21] * 3), abs=1e-12)
    assert sum(returns) == pytest.approx(37.2143, abs=1e-4)


def test_the_walks_are_what_the_proof_needs():
    first, second = optimal_walks(5, 15)
    goals = {(x, y) for x in range(5) for y in range(5) if max(x, y) >= 2}
    for walk in (first, second):
        cells = np.array([(0, 0), *walk])
        assert np.all(np.abs(np.diff(cells, axis=0)).sum(axis=1) == 1)
        assert cells.min() >= 0
        assert cells.max() <= 4
    assert len(first) == 15
    assert len(set(first) & goals) == 14
    assert set(first[1:]) <= goals
    for cell in goals - set(first):
        assert second.index(cell) + 1 == sum(cell)


def best_by_beliefs(size, horizon, num_episodes):
    """The optimal expected return by dynamic programming over (place, time, goals not ruled out), nothing assumed about walks."""
    goals = frozenset((x, y) for x in range(size) for y in range(size) if max(x, y) >= 2)

    @functools.cache
    def best(episode, time, cell, left):  # expected return to come, times the number of goals that are left
        if time == horizon:
            episode, time, cell = episode + 1, 0, (0, 0)
        if episode == num_episodes or not left:
            return 0.0
        values = []
        for dx, dy in MOVES:
            after = (min(max(cell[0] + dx, 0), size - 1), min(max(cell[1] + dy, 0), size - 1))
            rest = left - {after}
            value = -0.1 * len(rest) + best(episode, time + 1, after, rest)
            if after in left:
                value += 1 + known(episode, time + 1, after, after)
            values.append(value)
        return max(values)

    @functools.cache
    def known(episode, time, cell, goal):
        if time == horizon:
            episode, time, cell = episode + 1, 0, (0, 0)
        if episode == num_episodes:
            return 0.0
        values = []
        for dx, dy in MOVES:
            after = (min(max(cell[0] + dx, 0), size - 1), min(max(cell[1] + dy, 0), size - 1))
            values.append((1.0 if after == goal else -0.1) + known(episode, time + 1, after, goal))
        return max(values)

    return best(0, 0, (0, 0), goals) / len(goals)


@pytest.mark.parametrize(("size", "horizon", "num_episodes"), [(3, 4, 1), (3, 4, 2), (3, 5, 3), (3, 9, 2), (4, 9, 2)])
def test_small_rooms_by_beliefs(size, horizon, num_episodes):
    returns = bayes_optimal_episode_returns(num_episodes, size=size, horizon=horizon)
    assert len(returns) == num_episodes
    assert sum(returns) == pytest.approx(best_by_beliefs(size, horizon, num_episodes), abs=1e-9)


def test_where_the_bounds_are_not_met_it_says_so():
    assert bayes_optimal_episode_returns(4, size=5, horizon=8) is None
    assert bayes_optimal_episode_returns(4, size=9, horizon=20) is None
    with pytest.raises(ValueError, match="size=2: a room"):
        optimal_walks(2, 5)


def test_the_agent_earns_the_optimum_in_every_task():
    tasks = GridNavi()
    inner = BayesOptimalGridNavi(tasks.observation_size, tasks.action_space)

    def live(targets, key):
        lived = live_in(inner, tasks, (), tasks._task(targets), LifetimeKeys.of(key, key), protocol=Protocol(2, 30, 1))
        return lived.lifetime, lived.begun

    lifetimes, begun = jax.jit(jax.vmap(live))(tasks.targets, jax.random.split(jax.random.key(0), len(tasks.targets)))
    returns = np.asarray(lifetimes.segments.reward, np.float64).reshape(21, 4, 15).sum(-1).mean(0)
    np.testing.assert_allclose(returns, bayes_optimal_episode_returns(4), rtol=1e-6)
    assert np.all(np.asarray(lifetimes.segments.memory.episode)[:, 1] == 2)
    decisions = jax.jit(jax.vmap(lambda begun, lifetime: replay(inner, (), begun, lifetime)))(begun, lifetimes)
    np.testing.assert_array_equal(decisions.distribution.logits, lifetimes.segments.decision.distribution.logits)


def test_mistakes_name_the_value():
    with pytest.raises(ValueError, match=r"action_space=Discrete\(num_actions=4\): GridNavi has 5 actions"):
        BayesOptimalGridNavi(2, Discrete(4))
    with pytest.raises(ValueError, match="size=5 and horizon=8 is unknown"):
        BayesOptimalGridNavi(2, Discrete(5), horizon=8)
