"""Credit assignment, by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest

import jmeta
from jmeta.objectives.advantages import episodic_advantages, raw_advantages
from jmeta.outer.credit import EpisodeBaseline, EpisodeCritic, Exploration, LifetimeCritic, ReturnScale, SharedCritic
from jmeta.tasks import BernoulliBandit
from jmeta.types import Decision, Lifetime, Segment, Timestep


def lifetimes(reward: jax.Array, *, value: float = 0.0, done: jax.Array | None = None) -> Lifetime:
    """A batch [K, T, N, B] with these rewards, a constant critic and a time-limited end wherever ``done``."""
    shape = reward.shape
    done = jnp.zeros(shape, bool) if done is None else done
    first = jnp.concatenate([jnp.ones_like(done[:, :1]), done[:, :-1]], axis=1)
    observation = jnp.broadcast_to(jnp.arange(shape[1], dtype=jnp.float32)[None, :, None, None, None], (*shape, 1))
    timestep = Timestep(observation, jnp.zeros((*shape, 1)), jnp.zeros(shape), first, observation)
    decision = Decision(dist.Normal(jnp.zeros(shape), jnp.ones(shape)), jnp.full(shape, value))
    segments = Segment(decision, timestep, jnp.zeros(shape), reward, jnp.zeros(shape, bool), done, observation, ())
    return Lifetime(segments, jnp.zeros((0, shape[2]), jnp.uint32))


def test_lifetime_credit_crosses_episodes_and_segments_and_stops_at_the_lifetime() -> None:
    # Two segments of two one-step episodes, one reward of 8 at the very end; discount .5, lambda 1, critic 0:
    # returns-to-go 1, 2, 4, 8 whatever the boundaries.
    reward = jnp.zeros((2, 2, 1, 1)).at[1, 1].set(8.0)
    done = jnp.ones((2, 2, 1, 1), bool)
    critic = LifetimeCritic(discount=0.5, gae_lambda=1.0, scale_rate=1.0)
    credit, statistics = critic.assign(critic.init(), lifetimes(reward, done=done))
    returns = np.array([1.0, 2.0, 4.0, 8.0])
    np.testing.assert_allclose(credit.advantage.reshape(-1), (returns - returns.mean()) / returns.std(), rtol=1e-4)
    # With scale_rate 1 the scale is this batch's: targets are standardised returns.
    np.testing.assert_allclose(credit.value_target.reshape(-1), (returns - returns.mean()) / returns.std(), rtol=1e-4)
    location, scale = statistics.location_and_scale()
    assert float(location) == pytest.approx(returns.mean(), rel=1e-5)
    assert float(scale) == pytest.approx(returns.std(), rel=1e-4)


def test_credit_fades_by_the_trace() -> None:
    """Errors 0, 0, 8 of a critic that says 0: at a discount of .5 and a trace of .5 the advantages are 8 / 16, 8 / 4 and 8."""
    reward = jnp.zeros((1, 3, 1, 1)).at[0, 2].set(8.0)
    target, _ = raw_targets(LifetimeCritic(discount=0.5, gae_lambda=0.5), lifetimes(reward))
    np.testing.assert_allclose(target.ravel(), [0.5, 2.0, 8.0], rtol=1e-5)


def test_the_critic_speaks_normalised_units() -> None:
    """A critic that says 1 means location + scale: advantages use that, and a right critic has targets equal to itself."""
    scale = ReturnScale(mean=jnp.float32(10.0), variance=jnp.float32(4.0), weight=jnp.float32(1.0))  # std 2
    critic = LifetimeCritic(discount=0.0, gae_lambda=0.0, scale_rate=0.0)
    reward = jnp.array([12.0, 16.0]).reshape(1, 2, 1, 1)
    credit, _ = critic.assign(scale, lifetimes(reward, value=1.0))
    # the critic means 12; advantages 0 and 4, centred and scaled: -1, 1.  Targets (12 - 10) / 2 and (16 - 10) / 2.
    np.testing.assert_allclose(credit.advantage.reshape(-1), [-1.0, 1.0], atol=1e-4)
    np.testing.assert_allclose(credit.value_target.reshape(-1), [1.0, 3.0], rtol=1e-5)
    # looking a step ahead at a discount of a half: 12 + 12 / 2 = 18 and 16, of which (18 - 10) / 2 and (16 - 10) / 2
    credit, _ = LifetimeCritic(discount=0.5, gae_lambda=0.0, scale_rate=0.0).assign(scale, lifetimes(reward, value=1.0))
    np.testing.assert_allclose(credit.value_target.reshape(-1), [4.0, 3.0], rtol=1e-5)


def test_fresh_statistics_mean_location_zero_and_scale_one() -> None:
    location, scale = LifetimeCritic().init().location_and_scale()
    assert (float(location), float(scale)) == (0.0, 1.0)


def test_moments_follow_slowly_without_bias() -> None:
    critic = LifetimeCritic(discount=0.0, scale_rate=0.1)
    statistics = critic.init()
    reward = jnp.array([1.0, 3.0]).reshape(1, 2, 1, 1)
    for _ in range(3):
        _, statistics = critic.assign(statistics, lifetimes(reward))
        location, scale = statistics.location_and_scale()
        assert float(location) == pytest.approx(2.0, abs=1e-4)  # no pull towards the initial zeros
        assert float(scale) == pytest.approx(1.0, abs=1e-3)


def test_episodic_advantages_stop_at_episodes_and_leave_out_unfinished_ones() -> None:
    # One stream: an episode of two steps, then one that the segment cuts off.
    lifetime = lifetimes(
        jnp.array([1.0, 2.0, 50.0, 50.0]).reshape(1, 4, 1, 1), done=jnp.array([0, 1, 0, 0], bool).reshape(1, 4, 1, 1)
    )
    segment = jax.tree.map(lambda x: x[0, :, 0], lifetime.segments)
    advantage, weight = episodic_advantages(segment, 1.0)
    np.testing.assert_allclose(weight.reshape(-1), [1, 1, 0, 0])
    np.testing.assert_allclose(advantage.reshape(-1)[2:], 0.0)
    assert np.isfinite(advantage).all()


def test_episodic_advantages_are_standardised_and_judge_streams_against_each_other() -> None:
    # Four streams that do the same at the same times and earn 0, 1, 2, 3 a step: the baseline knows only the time, so the
    # stream with the higher rewards gets the higher advantages, and their mean is 0 and their variance 1.
    length, streams = 10, 4
    reward = jnp.broadcast_to(jnp.arange(4.0), (1, length, 1, streams))
    done = jnp.zeros((1, length, 1, streams), bool).at[:, -1].set(True)
    baseline = EpisodeBaseline(discount=1.0)
    credit, _ = baseline.assign(baseline.init(), lifetimes(reward, done=done))
    advantage = np.asarray(credit.advantage).reshape(length, streams)
    assert advantage.mean() == pytest.approx(0.0, abs=1e-4)
    assert advantage.std() == pytest.approx(1.0, abs=1e-3)
    assert (np.diff(advantage, axis=1) > 0).all()
    assert float(baseline.value_loss(jnp.float32(3.0), jnp.float32(0.0))) == 0.0


def test_the_baseline_knows_the_time_of_the_episode() -> None:
    """Two episodes of two steps that earn 1, 5 and 3, 7: by the time 2 and 6 on average."""
    done = jnp.array([0, 1, 0, 1], bool).reshape(1, 4, 1, 1)
    lifetime = lifetimes(jnp.array([1.0, 5.0, 3.0, 7.0]).reshape(1, 4, 1, 1), done=done)
    segment = jax.tree.map(lambda x: x[0, :, 0], lifetime.segments)
    _, advantage, _ = raw_advantages(segment, 0.0, lambda observation, step, value: jax.nn.one_hot(step, 4))
    np.testing.assert_allclose(advantage.ravel(), [-1.0, -1.0, 1.0, 1.0], atol=1e-3)


def raw_targets(critic: LifetimeCritic, batch: Lifetime) -> tuple[np.ndarray, np.ndarray]:
    """Value targets in units of reward, and weights, [K, T, N, B]."""
    credit, statistics = critic.assign(critic.init(), batch)
    location, scale = statistics.location_and_scale()
    return np.asarray(credit.value_target * scale + location), np.asarray(credit.weight)


def test_credit_of_an_episode_does_not_reach_into_the_segment_before() -> None:
    # Two segments of two steps in which no episode ends; 100 for the first step of the second. Discount and lambda 1, critic 0:
    # the first steps return 0 and 100, where credit that ran on had 100 and 100; the last ones do not count.
    reward = jnp.zeros((2, 2, 1, 1)).at[1, 0].set(100.0)
    target, weight = raw_targets(EpisodeCritic(discount=1.0, gae_lambda=1.0), lifetimes(reward))
    np.testing.assert_allclose(target.reshape(2, 2)[:, 0], [0.0, 100.0], atol=1e-3)
    np.testing.assert_array_equal(weight.reshape(2, 2), [[1.0, 0.0], [1.0, 0.0]])


def test_an_episode_that_a_segment_cuts_off_is_worth_what_the_critic_says_of_its_last_observation() -> None:
    # Two segments of four steps: an episode of two steps, and two steps of another. Rewards 1, discount .5, lambda 1, and a
    # fresh critic, in units of reward, that says 6 everywhere. Returns: 1 + .5 = 1.5, 1; then 1 + .5 * 6 = 4, and the last does
    # not count.
    done = jnp.zeros((2, 4, 1, 1), bool).at[:, 1].set(True)
    target, weight = raw_targets(
        EpisodeCritic(discount=0.5, gae_lambda=1.0), lifetimes(jnp.ones((2, 4, 1, 1)), value=6.0, done=done)
    )
    np.testing.assert_allclose(target.reshape(2, 4)[:, :3], [[1.5, 1.0, 4.0]] * 2, rtol=1e-5)
    np.testing.assert_array_equal(weight.reshape(2, 4), [[1.0, 1.0, 1.0, 0.0]] * 2)


def test_what_does_not_count_is_not_in_the_moments() -> None:
    """The same, of which 1.5, 1 and 4 count: mean 6.5 / 3, squared distances from it, -2/3, -7/6 and 11/6, of mean 31/18."""
    done = jnp.zeros((2, 4, 1, 1), bool).at[:, 1].set(True)
    critic = EpisodeCritic(discount=0.5, gae_lambda=1.0)
    credit, statistics = critic.assign(critic.init(), lifetimes(jnp.ones((2, 4, 1, 1)), value=6.0, done=done))
    assert float(statistics.mean) == pytest.approx(6.5 / 3, rel=1e-5)
    assert float(statistics.variance) == pytest.approx(31 / 18, rel=1e-5)
    # advantages -4.5, -5 and -2, of mean -23/6 and the same distances
    expected = np.array([-2 / 3, -7 / 6, 11 / 6, 0.0]) / np.sqrt(31 / 18)
    np.testing.assert_allclose(credit.advantage.reshape(2, 4), [expected] * 2, rtol=1e-4, atol=1e-6)


def test_streams_that_learn_from_one_another_share_what_they_earn() -> None:
    # Two segments of one step, two streams; the second segment pays 8 in the second stream alone. Both streams of the first
    # segment get the mean, 4.
    reward = jnp.zeros((2, 1, 1, 2)).at[1, 0, 0, 1].set(8.0)
    batch = lifetimes(reward, done=jnp.ones((2, 1, 1, 2), bool))
    target, _ = raw_targets(SharedCritic(discount=1.0, gae_lambda=1.0), batch)
    np.testing.assert_allclose(target.reshape(2, 2), [[4.0, 4.0], [4.0, 4.0]], rtol=1e-5)
    alone, _ = raw_targets(LifetimeCritic(discount=1.0, gae_lambda=1.0), batch)
    np.testing.assert_allclose(alone.reshape(2, 2), [[0.0, 8.0], [0.0, 8.0]], atol=1e-5)


def test_the_scale_of_returns_is_right_far_from_zero() -> None:
    """Returns 10,000 +- 1: squares of 1e8 have a resolution of 8 in float32, so E[x^2] - E[x]^2 would be anything."""
    critic = LifetimeCritic(discount=0.0, scale_rate=0.1)
    statistics = critic.init()
    for offset in (0.0, 0.0, 2.0):
        reward = offset + jnp.array([9_999.0, 10_001.0]).reshape(1, 2, 1, 1)
        _, statistics = critic.assign(statistics, lifetimes(reward))
    # weights .1 * .9^2, .1 * .9, .1 of the three batches: shares .271 = .081 + .09 + .1; the last has .1 / .271 = .369.
    # mean 10,000 + 2 * .369; variance 1 + .369 * .631 * 2^2 = 1.931
    location, scale = statistics.location_and_scale()
    assert float(location) == pytest.approx(10_000.738, abs=2e-3)
    assert float(scale) == pytest.approx(np.sqrt(1.9314), rel=1e-3)


def test_credit_reaches_as_far_as_its_span_and_memory_do() -> None:
    tasks = BernoulliBandit(3, 2)
    build = jmeta.algorithms.rl2
    assert type(build(tasks, hidden_size=4, num_tasks=4).credit) is LifetimeCritic
    assert type(build(tasks, hidden_size=4, num_tasks=4, memory_span="episode").credit) is EpisodeCritic
    assert type(build(tasks, hidden_size=4, num_tasks=4, credit_span="episode").credit) is EpisodeCritic
    assert type(jmeta.algorithms.hypernetwork(tasks, hidden_size=4, num_tasks=4, num_streams=2).credit) is SharedCritic


def test_exploring_is_worth_what_it_made_of_every_later_episode() -> None:
    # Two tasks, two streams; the last segment is two episodes of one step in each. One stream earns 1 and the other 3 in the
    # first task, -1 and 1 in the second: mean returns 2 and 0, and advantages of standard deviation 1, since the baseline is the
    # mean. What comes before earns 4 episodes * (2 - 0) / 1.
    reward = jnp.zeros((2, 2, 2, 2)).at[1, :, 0].set(jnp.array([1.0, 3.0])).at[1, :, 1].set(jnp.array([-1.0, 1.0]))
    critic = Exploration(discount=1.0)
    credit, _ = critic.assign(critic.init(), lifetimes(reward, done=jnp.ones((2, 2, 2, 2), bool)))
    np.testing.assert_allclose(credit.advantage[0, :, 0], np.full((2, 2), 8.0), rtol=1e-3)
    np.testing.assert_allclose(credit.advantage[0, :, 1], np.full((2, 2), -8.0), rtol=1e-3)


def test_exploring_in_vain_is_not_worth_more_than_exploring() -> None:
    # Two tasks, two streams of one step. In the last segment one stream of the first task earns 4 and the other 0: a return of 2
    # and a spread of 2. In the second task nobody earns anything: a spread of 0. The root mean square of 2 and 0 is 1.414, of
    # which half is .707: 2 episodes * (2 - 0) / 2, and 2 episodes * (0 - 2) / .707.
    reward = jnp.zeros((2, 1, 2, 2)).at[1, 0, 0, 0].set(4.0)
    critic = Exploration(discount=1.0)
    credit, _ = critic.assign(critic.init(), lifetimes(reward, done=jnp.ones((2, 1, 2, 2), bool)))
    np.testing.assert_allclose(credit.advantage[0, 0, 0], [2.0, 2.0], rtol=1e-3)
    np.testing.assert_allclose(credit.advantage[0, 0, 1], [-5.657, -5.657], rtol=1e-3)


def test_an_episode_that_is_cut_off_is_not_among_those_that_exploring_is_credited_for() -> None:
    # Three steps of two streams in the last segment, an episode of two and one cut off, which earns 50 and counts nothing. Steps
    # of 1 and 3 in the first task, of 0 in the second: returns of 2 and 6, mean 4, and 0. The baseline knows the time, so the
    # advantages are -1 and 1 at the second step and -2 and 2 at the first: a spread of sqrt(2.5).
    reward = jnp.zeros((2, 3, 2, 2)).at[1, :, 0].set(jnp.array([1.0, 3.0])).at[1, 2, 0].set(50.0)
    done = jnp.zeros((2, 3, 2, 2), bool).at[:, 1].set(True)
    critic = Exploration(discount=1.0)
    credit, _ = critic.assign(critic.init(), lifetimes(reward, done=done))
    np.testing.assert_allclose(credit.advantage[0, :2, 0], 2 * 4 / np.sqrt(2.5), rtol=1e-3)
