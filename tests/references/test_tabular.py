"""Learners of tabular processes: their plans against NumPy and SciPy, their memory, and their scores against the literature."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, stats

from jmeta.references import BEB, OPSRL, PSRL, UCRL2, ReplanningIndex, tabular_posterior
from jmeta.references.tabular import Counts
from jmeta.tasks.tabular_mdp import TabularMDP
from jmeta.types import Continuous, Discrete, Protocol, Timestep
from tests.references.lives import assert_replayed, lived

STATES, ACTIONS, HORIZON, EPISODES, NUM_TASKS = 10, 5, 10, 10, 200
LEARNERS = {
    "PSRL": functools.partial(PSRL, prior_mean=0.0),
    "OPSRL": functools.partial(OPSRL, prior_mean=0.0, num_samples=4),
    "UCRL2": UCRL2,
    "BEB": functools.partial(BEB, beta=30.0, prior_mean=0.0),
    "replanning index": ReplanningIndex,
}
PLANNERS = sorted(set(LEARNERS) - {"replanning index"})
# Duan et al. 2016, 10 episodes, 1,000 processes, and for the index anchors of this project, computed independently.
PUBLISHED = {"PSRL": 138.1, "OPSRL": 144.1, "UCRL2": 146.6, "BEB": 150.2, "replanning index": 162.6}

OPENS = Timestep(
    observation=jax.nn.one_hot(0, STATES),
    previous_action=jnp.zeros(ACTIONS),
    previous_reward=jnp.zeros(()),
    first=jnp.asarray(True),
    arrival=jax.nn.one_hot(0, STATES),
)


def make(name):
    return LEARNERS[name](STATES, Discrete(ACTIONS), HORIZON)


@functools.cache
def lives(name):
    """A lifetime in each of 200 held-out processes, in two segments: leaves [N, K=2, T=50, B=1, ...]."""
    tasks = TabularMDP(num_episodes=EPISODES).held_out
    return lived(make(name), tasks, NUM_TASKS, Protocol(2, EPISODES * HORIZON // 2, 1), jax.random.key(2016))


def steps(name, num_tasks):
    """What happened, in NumPy: leaves [N, T=100, ...]."""
    segments = dataclasses.replace(lives(name)[0].segments, memory=())
    return jax.tree.map(lambda x: np.asarray(x[:num_tasks]).reshape(num_tasks, EPISODES * HORIZON, *x.shape[4:]), segments)


def statistics(states, actions, rewards, upto):
    """Counted here from the states [T], actions [T] and rewards [T] of the first ``upto`` steps, in double precision."""
    transitions, visits, sums = np.zeros((STATES, ACTIONS, STATES)), np.zeros((STATES, ACTIONS)), np.zeros((STATES, ACTIONS))
    for t in range(upto):
        s, a = states[t], actions[t]
        visits[s, a] += 1
        sums[s, a] += rewards[t]
        if t % HORIZON != HORIZON - 1:  # the last step of an episode leads nowhere that is seen
            transitions[s, a, states[t + 1]] += 1
    return transitions, visits, sums


def experience(transitions, visits, rewards, episode=1, time=0, state=0):
    arrays = (jnp.asarray(x, jnp.float32) for x in (transitions, visits, rewards))
    return Counts(*arrays, jax.nn.one_hot(state, len(visits)), jnp.asarray(time, jnp.int32), jnp.asarray(episode, jnp.int32))


def back_up(expect, rewards_at):
    """Action values [H, S, A], in loops."""
    action_values, value = [], np.zeros(STATES)
    for t in reversed(range(HORIZON)):
        action_values.insert(0, rewards_at(t) + np.array([[expect(s, a, value) for a in range(ACTIONS)] for s in range(STATES)]))
        value = action_values[0].max(axis=1)
    return np.array(action_values)


# The plans again, from the formulas of the papers.


def beb_plan(transitions, visits, sums, episode, beta=30.0, prior_mean=0.0):
    alpha = 1 + transitions
    reward = (prior_mean + sums) / (1 + visits) + beta / (1 + alpha.sum(-1))
    return back_up(lambda s, a, value: alpha[s, a] @ value / alpha[s, a].sum(), lambda t: reward)


def index_plan(transitions, visits, sums, episode):
    alpha = 1 + transitions
    fading = (1 - (episode - 1) / EPISODES) ** 0.5

    def reward(t):
        bonus = 0.8 / np.sqrt(1 + visits) + 0.2 * (HORIZON - 1 - t) / np.sqrt(alpha.sum(-1))
        return (1 + sums) / (1 + visits) + fading * bonus

    return back_up(lambda s, a, value: alpha[s, a] @ value / alpha[s, a].sum(), reward)


def ucrl2_plan(transitions, visits, sums, episode, scale=0.1, delta=0.05):
    """The best transitions within the L1 distance by linear programming: p = p_hat + up - down."""
    log = 4 * math.log(2 * STATES * ACTIONS * (episode + 1) / delta)
    moves = transitions.sum(-1)
    reward = sums / np.maximum(visits, 1) + scale * np.sqrt(log / np.maximum(visits, 1))

    def expect(s, a, value):
        p = transitions[s, a] / moves[s, a] if moves[s, a] else np.full(STATES, 1 / STATES)
        distance = scale * math.sqrt(STATES * log / max(moves[s, a], 1))
        found = optimize.linprog(
            -np.concatenate([value, -value]),
            A_ub=np.ones((1, 2 * STATES)),
            b_ub=[distance],
            A_eq=np.concatenate([np.ones(STATES), -np.ones(STATES)])[None],
            b_eq=[0.0],
            bounds=[(0, None)] * STATES + [(0, x) for x in p],
        )
        return p @ value - found.fun

    return back_up(expect, lambda t: reward)


@pytest.mark.parametrize(("name", "plan"), [("BEB", beb_plan), ("replanning index", index_plan)])
def test_decisions_follow_from_all_that_was_seen(name, plan):
    record = steps(name, 36)
    states = record.timestep.observation.argmax(-1)
    for task, t in enumerate((0, 9, 10, 37, 60, 99, *range(70, 100))):
        planned_at = t if name == "replanning index" else t - t % HORIZON
        counts = statistics(states[task], record.action[task], record.reward[task], planned_at)
        values = plan(*counts, episode=1 + t // HORIZON)[t % HORIZON, states[task, t]]
        expected = values > values.max() - 1e-5
        np.testing.assert_allclose(np.exp(record.decision.distribution.logits[task, t]), expected / expected.sum(), atol=1e-5)


def test_the_plan_of_ucrl2_by_linear_programming():
    rng = np.random.default_rng(0)
    transitions = rng.multinomial(4, np.ones(STATES) / STATES, size=(STATES, ACTIONS)) * rng.integers(0, 2, (STATES, ACTIONS, 1))
    visits = transitions.sum(-1) + rng.integers(0, 2, (STATES, ACTIONS))
    sums = visits * rng.normal(1.0, 1.0, visits.shape)
    for scale in (0.03, 0.3):  # sets inside the simplex, and sets that reach its corners
        planned = make("UCRL2").replace(scale=scale).plan(experience(transitions, visits, sums, episode=4), jax.random.key(0))
        by_hand = ucrl2_plan(transitions, visits, sums, 4, scale)[-2:]
        np.testing.assert_allclose(planned[-2:], by_hand, rtol=2e-5, atol=2e-5)


# Posterior sampling.


def test_gamma_is_gamma():
    alpha = jnp.array([1.0, 2.0, 5.0, 60.0])
    draws = np.asarray(jax.jit(tabular_posterior.draw_gamma)(jnp.broadcast_to(alpha, (20_000, 4)), jax.random.key(0)))
    for a, sample in zip(alpha, draws.T, strict=True):
        assert stats.kstest(sample, stats.gamma(float(a)).cdf).pvalue > 1e-3


def test_a_drawn_process_is_of_the_posterior():
    transitions, visits, sums = np.zeros((2, 2, 2)), np.zeros((2, 2)), np.zeros((2, 2))
    transitions[0, 1] = [3, 1]
    visits[0, 1], sums[0, 1] = 5, 20.0
    draw = jax.jit(jax.vmap(lambda key: tabular_posterior.draw_process(experience(transitions, visits, sums), 1.0, key)))
    rewards, moves = (np.asarray(x, np.float64) for x in draw(jax.random.split(jax.random.key(1), 20_000)))
    # Of (0, 1): precision 1 + 5, mean (1 + 20) / 6. P(0 | 0, 1) ~ Beta(4, 2). Elsewhere N(1, 1) and uniform.
    assert stats.kstest(rewards[:, 0, 1], stats.norm(21 / 6, 1 / math.sqrt(6)).cdf).pvalue > 1e-3
    assert stats.kstest(moves[:, 0, 1, 0], stats.beta(4, 2).cdf).pvalue > 1e-3
    assert stats.kstest(rewards[:, 1, 0], stats.norm(1, 1).cdf).pvalue > 1e-3
    assert stats.kstest(moves[:, 1, 1, 0], stats.uniform().cdf).pvalue > 1e-3
    np.testing.assert_allclose(moves.sum(-1), 1.0, rtol=1e-5)


def test_psrl_is_optimal_in_what_it_draws_and_opsrl_takes_the_largest():
    seen = experience(np.zeros((STATES, ACTIONS, STATES)), np.zeros((STATES, ACTIONS)), np.zeros((STATES, ACTIONS)))
    key = jax.random.key(3)
    rewards, transitions = (np.asarray(x, np.float64) for x in tabular_posterior.draw_process(seen, 0.0, key))
    expected = back_up(lambda s, a, value: transitions[s, a] @ value, lambda t: rewards)
    np.testing.assert_allclose(make("PSRL").plan(seen, key), expected, rtol=1e-4, atol=1e-4)
    drawn = [make("PSRL").plan(seen, k) for k in jax.random.split(key, 4)]
    np.testing.assert_allclose(make("OPSRL").plan(seen, key), np.max(drawn, axis=0), rtol=1e-5, atol=1e-5)


# Scores.


def test_a_process_is_drawn_anew_for_each_episode():
    learner = make("PSRL")
    _, memory = learner.begin((), 2, jax.random.key(0))
    opens = OPENS
    act = jax.jit(lambda memory: learner.act((), (), memory, opens)[1])
    one, other = (act(jax.tree.map(lambda x, stream=stream: x[stream], memory)) for stream in range(2))
    drawn = [one.action_values, other.action_values, act(one).action_values, act(act(one)).action_values]
    assert min(np.abs(a - b).max() for i, a in enumerate(drawn) for b in drawn[:i]) > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_published_scores(name):
    """Within z = 4 standard errors of the difference; theirs is 1.2. OPSRL draws fewer processes here and earns 2 less."""
    totals = np.asarray(lives(name)[0].segments.reward, np.float64).sum(axis=(1, 2, 3))
    standard_error = totals.std() / math.sqrt(NUM_TASKS)
    assert 1.2 < standard_error < 2.4
    assert abs(totals.mean() - PUBLISHED[name]) < 4 * math.hypot(standard_error, 1.2)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_later_episodes_are_better(name):
    returns = np.asarray(lives(name)[0].segments.reward).reshape(NUM_TASKS, EPISODES, HORIZON).sum(-1)
    gained = returns[:, -1] - returns[:, 0]
    assert gained.mean() > 4 * gained.std() / math.sqrt(NUM_TASKS)


# Memory.


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_memory_lasts_a_lifetime_and_forgets_where_an_episode_ended(name):
    memory = lives(name)[0].segments.memory
    seen = memory if name == "replanning index" else memory.experience  # [N, K, B, ...]
    assert not np.any(seen.visits[:, 0])
    assert not np.any(seen.transitions[:, 0])
    record = steps(name, 20)
    for task in range(20):  # when the second segment opens, 49 of 50 steps have been read
        counts = statistics(record.timestep.observation[task].argmax(-1), record.action[task], record.reward[task], 49)
        for counted, kept in zip(counts, (seen.transitions, seen.visits, seen.rewards), strict=True):
            np.testing.assert_allclose(kept[task, 1, 0], counted, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(seen.episode[:, 1], 5)
    np.testing.assert_array_equal(seen.time[:, 1], 9)


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANNERS)
def test_a_plan_lasts_an_episode_and_streams_plan_by_themselves(name):
    inner = make(name)
    _, memory = inner.begin((), 2, jax.random.key(4))
    timestep = OPENS
    act = jax.jit(jax.vmap(lambda memory, timestep: inner.act((), (), memory, timestep)[1], in_axes=(0, None)))
    planned = act(memory, timestep)
    assert np.any(planned.action_values)
    drawn = name in ("PSRL", "OPSRL")
    assert np.array_equal(planned.action_values[0], planned.action_values[1]) != drawn
    later = act(
        planned, timestep._replace(previous_action=jax.nn.one_hot(2, ACTIONS), previous_reward=9.0, first=jnp.array(False))
    )
    np.testing.assert_array_equal(later.action_values, planned.action_values)
    np.testing.assert_array_equal(later.key, planned.key)
    np.testing.assert_array_equal(later.experience.rewards[:, 0, 2], 9.0)
    again = act(later, timestep)
    assert not np.array_equal(again.action_values, planned.action_values)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_replay_decides_as_it_did_when_it_lived(name):
    assert_replayed(make(name), *jax.tree.map(lambda x: x[:20], lives(name)))


@pytest.mark.parametrize("name", sorted(LEARNERS))
def test_memory_keeps_its_types(name):
    inner = make(name)

    def first_step():
        memory = jax.tree.map(lambda x: x[0], inner.begin((), 1, jax.random.key(0))[1])
        observation, action = jnp.zeros(STATES, jnp.float32), jnp.zeros(ACTIONS, jnp.float32)
        timestep = Timestep(observation, action, jnp.zeros((), jnp.float32), jnp.ones((), bool), observation)
        return memory, inner.act((), (), memory, timestep)[1]

    before, after = jax.eval_shape(first_step)
    for one, other in zip(jax.tree.leaves(before), jax.tree.leaves(after), strict=True):
        assert (one.shape, one.dtype, one.weak_type) == (other.shape, other.dtype, False)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: PSRL(10, Continuous(2)), r"PSRL tabulates actions but .*Continuous\(size=2\).*discrete"),
        (lambda: BEB(10, Discrete(5), 0), "horizon=0: an episode has at least 1"),
        (lambda: OPSRL(10, Discrete(5), num_samples=0), "num_samples=0: draw at least 1"),
    ],
)
def test_mistakes_name_the_value(build, message):
    with pytest.raises(ValueError, match=message):
        build()
