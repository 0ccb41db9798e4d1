"""Any gymnax environment as a distribution over tasks."""

import dataclasses
import functools
import math

import gymnax
import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
import tyro
from gymnax.environments.misc import rooms

from jmeta import lifetime, struct
from jmeta.inner.base import InnerLearner
from jmeta.tasks import gymnax_ranges
from jmeta.tasks.gymnax import GymnaxTasks
from jmeta.tasks.gymnax_held_fields import fold_of, words_of
from jmeta.tasks.splits import GRID
from jmeta.types import ActionSpace, Decision, Discrete

ENVIRONMENTS = [env_id for env_id in gymnax.registered_envs if "MNIST" not in env_id]  # MNIST would be downloaded

CART_POLE = GymnaxTasks("CartPole-v1", ranges={"length": (0.25, 0.75)})
POINT_ROBOT = GymnaxTasks("PointRobot-misc", held_fields=("goal",), max_steps=4)
MAZE = GymnaxTasks("MetaMaze-misc", held_fields=("goal",))
SWIMMER = GymnaxTasks("Swimmer-misc", held_fields=("urchin_xys", "goal_xy"), max_steps=3)


@struct.dataclass
class Random(InnerLearner):
    """Acts at random and learns nothing."""

    observation_size: int = struct.field(pytree_node=False)
    action_space: ActionSpace = struct.field(pytree_node=False)

    def init(self, key):
        return ()

    def begin(self, theta, num_streams, key):
        return (), ()

    def act(self, theta, phi, memory, timestep):
        zeros = jnp.zeros(self.action_space.encoding_size)
        discrete = isinstance(self.action_space, Discrete)
        distribution = dist.CategoricalLogits(zeros) if discrete else dist.Normal(zeros, 1.0).to_event(1)
        return Decision(distribution, jnp.zeros(())), memory

    def adapt(self, theta, phi, memory, segment, key):
        return phi, memory


# Most of the time here goes into compiling: less optimisation takes less of it and changes nothing that is tested.
jit = functools.partial(
    jax.jit, compiler_options={"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
)


def random_life(tasks, task, length, key):
    """Random behaviour in one task and two streams: (the life at its end, the segment [length, 2])."""
    start_key, rollout_key = jax.random.split(key)
    inner = Random(tasks.observation_size, tasks.action_space)
    life = lifetime.start(tasks, task, ((), ()), num_streams=2, key=start_key)
    return lifetime.rollout(inner, tasks, (), life, length=length, key=rollout_key)


roll_out = jit(random_life, static_argnums=(0, 2))


@functools.cache
def samples(tasks, n=20_000):
    """Tasks [n]."""
    return jit(jax.vmap(tasks.sample))(jax.random.split(jax.random.key(1), n))


# Every environment.


def lives(tasks):
    """Random behaviour in a batch of tasks: keys [3] -> (lives, segments [3, 5, 2])."""

    def run(key):
        task_key, rollout_key = jax.random.split(key)
        return random_life(tasks, tasks.sample(task_key), 5, rollout_key)

    return jax.vmap(run), jax.random.split(jax.random.key(0), 3)


@pytest.mark.slow
@pytest.mark.parametrize("env_id", ENVIRONMENTS)
def test_every_environment_can_be_lived_in(env_id):
    # Tracing is where environments fail whose reset and step disagree, or whose parameters may not be arrays.
    tasks = GymnaxTasks(env_id, max_steps=2)
    life, segment = jax.eval_shape(*lives(tasks))
    assert segment.timestep.observation.shape == (3, 5, 2, tasks.observation_size)
    assert segment.reward.shape == segment.terminated.shape == segment.truncated.shape == (3, 5, 2)
    assert not any(leaf.weak_type for leaf in jax.tree.leaves((life, segment)))


@pytest.mark.parametrize("env_id", ["Pendulum-v1", "Breakout-MinAtar", "SimpleBandit-bsuite", "FrozenLake-misc"])
def test_environments_run_through_several_episodes(env_id):
    tasks = GymnaxTasks(env_id, max_steps=2)
    run, keys = lives(tasks)
    _, segment = jit(run)(keys)
    assert np.isfinite(segment.timestep.observation).all()
    assert np.isfinite(segment.reward).all()
    ends = np.asarray(segment.terminated | segment.truncated)
    assert not np.any(segment.terminated & segment.truncated)
    assert np.all(ends.sum(1) >= 2)  # a time limit of 2 ends at least two episodes in 5 steps
    np.testing.assert_array_equal(segment.timestep.first[:, 1:], ends[:, :-1])


@pytest.mark.parametrize("env_id", ["CartPole-v1", "PointRobot-misc", "SpaceInvaders-MinAtar"])
def test_without_ranges_the_one_task_is_gymnax_s_own(env_id):
    tasks = GymnaxTasks(env_id)
    task = tasks.sample(jax.random.key(0))
    default = tasks.environment.default_params
    assert task.held == {}
    jax.tree.map(np.testing.assert_array_equal, task.params, jax.tree.map(jnp.asarray, default))
    observation, state = tasks.reset(task, jax.random.key(1))
    expected, expected_state = tasks.environment.reset_env(jax.random.key(1), default)
    np.testing.assert_array_equal(observation, np.asarray(expected).reshape(-1))
    jax.tree.map(np.testing.assert_array_equal, state, expected_state)


def test_every_leaf_of_a_task_is_a_strongly_typed_array():
    for tasks in (CART_POLE, POINT_ROBOT, GymnaxTasks("Acrobot-v1")):
        for leaf in jax.tree.leaves(tasks.sample(jax.random.key(0))):
            assert isinstance(leaf, jax.Array)
            assert not leaf.weak_type


def test_nothing_is_traced_twice():
    traces = []

    @functools.partial(jax.jit, static_argnums=0)
    def episode(tasks, task, key):
        traces.append(tasks)
        return tasks.reset(task, key)

    for key in jax.random.split(jax.random.key(0), 3):
        episode(CART_POLE, CART_POLE.sample(key), key)
        episode(GymnaxTasks("CartPole-v1", ranges={"length": (0.25, 0.75)}), jax.jit(CART_POLE.sample)(key), key)
    assert traces == [CART_POLE]


# Ranges.


@pytest.mark.parametrize("split", ["train", "held-out"])
def test_a_ranged_parameter_is_uniform_on_its_range(split):
    length = np.asarray(samples(dataclasses.replace(CART_POLE, split=split)).params.length, np.float64)
    n = length.size
    assert length.min() > 0.25
    assert length.max() < 0.75
    # u = (length - 1/4) / (1/2) is uniform: mean 1/2, variance 1/12; (u - 1/2)^2 has variance 1/180. z below 4.
    u = (length - 0.25) / 0.5
    assert abs(u.mean() - 1 / 2) / math.sqrt(1 / 12 / n) < 4
    assert abs(((u - 1 / 2) ** 2).mean() - 1 / 12) / math.sqrt(1 / 180 / n) < 4


def test_no_held_out_parameter_is_a_training_parameter():
    # 0.25 + u / 2 loses no bit of u's 21, so the cell can be read off the length: even in training, odd held out.
    for tasks, parity in ((CART_POLE, 0), (CART_POLE.held_out, 1)):
        cells = (np.asarray(samples(tasks).params.length, np.float64) - 0.25) * 2 * GRID - 0.5
        np.testing.assert_array_equal(cells % 2, parity)


def test_one_key_gives_unrelated_tasks_in_each_split():
    train, held_out = (np.asarray(samples(t).params.length, np.float64) for t in (CART_POLE, CART_POLE.held_out))
    # Independent uniforms on a range of 1/2: 1/6 apart on average, with variance (1/2)^2 / 18.
    apart = np.abs(train - held_out)
    assert abs(apart.mean() - 1 / 6) / math.sqrt(1 / 72 / apart.size) < 4


def test_several_ranges_vary_independently_and_leave_the_rest_alone():
    tasks = GymnaxTasks("Pendulum-v1", ranges={"m": (0.5, 1.5), "g": (8.0, 12.0)})
    params = samples(tasks).params
    m, g = np.asarray(params.m, np.float64), np.asarray(params.g, np.float64)
    assert (m.min() > 0.5, m.max() < 1.5, g.min() > 8.0, g.max() < 12.0) == (True, True, True, True)
    assert abs(np.corrcoef(m, g)[0, 1]) * math.sqrt(m.size) < 4
    assert abs(m.mean() - 1.0) / math.sqrt(1 / 12 / m.size) < 4
    assert abs(g.mean() - 10.0) / math.sqrt(16 / 12 / g.size) < 4
    for name in ("l", "dt", "max_torque", "max_speed", "max_steps_in_episode"):
        assert np.all(getattr(params, name) == np.float32(getattr(tasks.environment.default_params, name)))


@pytest.mark.parametrize(
    ("low", "high"), [(0.25, 0.75), (8.75, 10.0), (0.721875, 0.8), (-3.3, -2.9875), (-1.0, 1.0), (0.0, 7.0), (4.315, 5.001)]
)
def test_float32_keeps_every_cell_of_the_narrowest_ranges_apart(low, high):
    u = (jnp.arange(GRID) + 0.5).astype(jnp.float32) / GRID
    inside = np.asarray(jax.jit(gymnax_ranges.within, static_argnums=1)(u, (low, high)))
    beside = np.asarray(jax.jit(gymnax_ranges.beside, static_argnums=1)(u, (low, high)))
    assert np.all(np.diff(inside) > 0)
    assert np.all((beside < inside[0]) | (beside > inside[-1]))


def test_cart_pole_s_derived_parameters_follow():
    params = samples(GymnaxTasks("CartPole-v1", ranges={"length": (0.3, 0.8), "masspole": (0.05, 0.5)})).params
    np.testing.assert_allclose(params.polemass_length, params.masspole * params.length, rtol=1e-6)
    np.testing.assert_allclose(params.total_mass, 1.0 + params.masspole, rtol=1e-6)
    assert np.std(params.polemass_length) > 0.01


def test_cart_pole_s_derived_parameters_matter():
    # Pole upright and at rest, pushed with 10 N. Then temp = F / total and
    # thetaacc = -temp / (l (4/3 - m / total)), xacc = temp - m l thetaacc / total, here with m = 0.4, l = 0.8, total = 1.4:
    # temp = 7.142857, thetaacc = -7.142857 / (0.8 (1.333333 - 0.285714)) = -8.522727,
    # xacc = 7.142857 + 0.4 0.8 8.522727 / 1.4 = 9.090909; after tau = 0.02 s, 0.1818182.
    tasks = GymnaxTasks("CartPole-v1", ranges={"length": (0.3, 0.8), "masspole": (0.05, 0.5)})
    task = tasks.sample(jax.random.key(0))
    rules = {"total_mass": 1.4, "polemass_length": 0.32}
    task = task._replace(params=task.params.replace(masspole=0.4, length=0.8, **rules))
    _, state = tasks.reset(task, jax.random.key(1))
    state = jax.tree.map(jnp.zeros_like, state)
    after = tasks.step(task, state, jnp.array(1), jax.random.key(2))
    np.testing.assert_allclose(after.observation, [0.0, 0.1818182, 0.0, -0.1704545], rtol=1e-5)


def test_actions_are_scaled_to_the_box_of_the_task_at_hand():
    tasks = GymnaxTasks("Pendulum-v1", ranges={"max_torque": (1.0, 4.0)})
    for seed in range(3):
        task = tasks.sample(jax.random.key(seed))
        _, state = tasks.reset(task, jax.random.key(9))
        for action, share in ((1.0, 1.0), (-1.0, -1.0), (0.5, 0.5), (3.0, 1.0)):
            after = tasks.step(task, state, jnp.array([action]), jax.random.key(9))
            np.testing.assert_allclose(after.state.last_u, share * task.params.max_torque, rtol=1e-6)
    torques = {float(tasks.sample(jax.random.key(seed)).params.max_torque) for seed in range(3)}
    assert len(torques) == 3


# Out of distribution.


@pytest.mark.parametrize(
    ("bounds", "below", "above"),
    [
        ((0.25, 0.75), (0.125, 0.25), (0.75, 1.0)),  # half of 0.5 below would be 0: half way, 0.125, is as far as it goes
        ((3.0, 4.0), (2.5, 3.0), (4.0, 4.5)),
        ((-1.0, 1.0), (-2.0, -1.0), (1.0, 2.0)),
        ((-4.0, -0.5), (-5.75, -4.0), (-0.5, -0.25)),
        ((0.0, 2.0), None, (2.0, 3.0)),  # nothing of the same sign below
    ],
)
def test_out_of_distribution_parameters_lie_beside_the_range(bounds, below, above):
    u = CART_POLE.out_of_distribution.uniform(jax.random.key(1), (20_000,))
    g = np.asarray(gymnax_ranges.beside(u, bounds), np.float64)
    low, high = bounds
    width_below = below[1] - below[0] if below else 0.0
    share = width_below / (width_below + above[1] - above[0])
    is_below = g < low
    assert np.all(is_below | (g > high))
    assert abs(is_below.mean() - share) <= 4 * math.sqrt(share * (1 - share) / g.size)
    for part, interval in ((g[is_below], below), (g[~is_below], above)):
        if interval is None:
            assert part.size == 0
            continue
        start, end = interval
        assert (part.min() >= start, part.max() <= end) == (True, True)
        assert abs(part.mean() - (start + end) / 2) / ((end - start) / math.sqrt(12 * part.size)) < 4


def test_out_of_distribution_tasks_lie_outside_every_range_and_keep_derived_parameters():
    tasks = GymnaxTasks("CartPole-v1", ranges={"length": (0.25, 0.75), "masspole": (0.05, 0.15)})
    assert tasks.has_out_of_distribution
    params = samples(tasks.out_of_distribution).params
    assert not np.any((params.length >= 0.25) & (params.length <= 0.75))
    assert not np.any((params.masspole >= 0.05) & (params.masspole <= 0.15))
    np.testing.assert_allclose(params.polemass_length, params.masspole * params.length, rtol=1e-6)


# Held fields.


def states_of_a_lifetime(tasks, task, num_steps, key):
    """The states [num_steps, 2 streams, ...] at the beginning of each step, and where episodes begin [num_steps, 2]."""
    inner = Random(tasks.observation_size, tasks.action_space)
    start_key, rollout_key = jax.random.split(key)

    @jit
    def run(task):
        def step(life, key):
            after, _ = lifetime.rollout(inner, tasks, (), life, length=1, key=key)
            return after, (life.state, life.timestep)

        life = lifetime.start(tasks, task, ((), ()), num_streams=2, key=start_key)
        return jax.lax.scan(step, life, jax.random.split(rollout_key, num_steps))[1]

    return run(task)


def test_the_task_never_changes_inside_a_lifetime():
    task = POINT_ROBOT.sample(jax.random.key(0))
    states, timesteps = states_of_a_lifetime(POINT_ROBOT, task, 20, jax.random.key(1))
    assert np.asarray(timesteps.first).sum(0).tolist() == [5, 5]  # 20 steps, episodes of 4
    assert np.all(states.goal == task.held["goal"])
    # What is not held is a fresh reset's: the robot begins each episode of each stream elsewhere.
    beginnings = np.asarray(states.pos)[np.asarray(timesteps.first)]
    assert len(np.unique(beginnings, axis=0)) == 10


def test_gymnax_s_own_reset_would_have_changed_it():
    free = GymnaxTasks("PointRobot-misc", max_steps=4)
    states, _ = states_of_a_lifetime(free, free.sample(jax.random.key(0)), 20, jax.random.key(1))
    assert len(np.unique(np.asarray(states.goal).reshape(-1, 2), axis=0)) == 10
    environment, params = gymnax.make("PointRobot-misc")
    params = params.replace(max_steps_in_episode=1)
    _, state = environment.reset(jax.random.key(0), params)
    _, following, *_ = environment.step(jax.random.key(1), state, jnp.zeros(2), params)
    assert not np.any(state.goal == following.goal)


def test_both_streams_and_all_segments_are_in_the_same_task():
    task = SWIMMER.sample(jax.random.key(0))
    life, segment = roll_out(SWIMMER, task, 7, jax.random.key(1))
    life = lifetime.new_episodes(SWIMMER, life, key=jax.random.key(2))
    # Swimmer shows its goal last: resets must show the held one, not the one that they drew.
    for observation in (segment.timestep.observation, segment.next_observation, life.timestep.observation):
        assert np.all(observation[..., -2:] == task.held["goal_xy"])


def test_the_observation_of_a_reset_is_that_of_its_state():
    task = SWIMMER.sample(jax.random.key(0))
    observation, state = SWIMMER.reset(task, jax.random.key(1))
    np.testing.assert_array_equal(observation, SWIMMER.environment.get_obs(state, task.params))
    np.testing.assert_array_equal(state.urchin_xys, task.held["urchin_xys"])
    np.testing.assert_array_equal(state.goal_xy, task.held["goal_xy"])


def test_held_values_are_distributed_as_the_environment_draws_them():
    # PointRobot's goal lies on the upper unit semicircle, its angle uniform on (0, pi). The hash knows nothing of angles.
    for tasks in (POINT_ROBOT, POINT_ROBOT.held_out):
        goal = np.asarray(samples(tasks).held["goal"], np.float64)
        turns = np.arctan2(goal[:, 1], goal[:, 0]) / math.pi
        assert abs(turns.mean() - 1 / 2) / math.sqrt(1 / 12 / turns.size) < 4
        assert abs(((turns - 1 / 2) ** 2).mean() - 1 / 12) / math.sqrt(1 / 180 / turns.size) < 4


def as_set(held):
    rows = np.concatenate([np.asarray(leaf).reshape(len(leaf), -1) for leaf in jax.tree.leaves(held)], axis=-1)
    return {row.tobytes() for row in rows}


def test_no_held_out_value_is_a_training_value():
    # The maze has few enough goals for every one to be drawn; each belongs to one split, and together they are all goals.
    splits = [as_set(samples(tasks).held) for tasks in MAZE._splits]
    goals = np.unique(np.asarray(MAZE.environment.available_goals), axis=0)
    assert len(set().union(*splits)) == sum(map(len, splits)) == len(goals)
    assert min(map(len, splits)) >= 4
    # A continuous field's values share no cell of 12 bits either.
    splits = [as_set(np.asarray(samples(tasks).held["goal"]).view(np.uint32) >> 11) for tasks in POINT_ROBOT._splits]
    assert len(set().union(*splits)) == sum(map(len, splits))


def test_minus_zero_is_zero():
    held = [fold_of(words_of({"goal": jnp.array([zero, 0.3])})) for zero in (0.0, -0.0)]
    assert held[0] == held[1]
    np.testing.assert_array_equal(words_of(jnp.array([-0.0, 0.0])), [0, 0])


def test_one_key_gives_one_task_in_every_program():
    # One by one, batched, and both compiled: roundings differ, and must not change which candidate is taken.
    keys = jax.random.split(jax.random.key(3), 8)
    batch = jax.jit(jax.vmap(POINT_ROBOT.held_out.sample))(keys)
    for i in range(8):
        np.testing.assert_allclose(POINT_ROBOT.held_out.sample(keys[i]).held["goal"], batch.held["goal"][i], rtol=1e-5, atol=1e-6)


def fold_by_hand(values):
    """MurmurHash3's finaliser over the words of values [n, W], in NumPy: floats without the last 11 of their 23 bits."""

    def mix(x):
        x = (x ^ (x >> np.uint32(16))) * np.uint32(0x85EBCA6B)
        x = (x ^ (x >> np.uint32(13))) * np.uint32(0xC2B2AE35)
        return x ^ (x >> np.uint32(16))

    words = np.ascontiguousarray(values).view(np.uint32)
    words = words >> np.uint32(11) if values.dtype == np.float32 else words
    position = mix(np.arange(words.shape[1], dtype=np.uint32))
    return mix(mix(words ^ position).sum(1, dtype=np.uint32)) % 8


@pytest.mark.parametrize("fold", [0, 4])
def test_one_value_in_eight_is_held_out_and_one_for_validation(fold):
    free = GymnaxTasks("PointRobot-misc", max_steps=4)
    reset = jit(jax.vmap(lambda key: free.reset(free.sample(key), key)[1].goal))
    share = np.mean(fold_by_hand(np.asarray(reset(jax.random.split(jax.random.key(7), 20_000)))) == fold)
    assert abs(share - 1 / 8) / math.sqrt(7 / 64 / 20_000) < 4


@pytest.mark.parametrize("tasks", [POINT_ROBOT, MAZE], ids=["point-robot", "maze"])
def test_the_split_is_that_of_an_independent_hash(tasks):
    for part, folds in ((tasks, [1, 2, 3, 5, 6, 7]), (tasks.held_out, [0]), (tasks.validation, [4])):
        assert np.all(np.isin(fold_by_hand(np.asarray(samples(part).held["goal"])), folds))


def test_one_key_gives_unrelated_held_values_in_each_split():
    goals = [np.asarray(samples(tasks).held["goal"], np.float64) for tasks in (POINT_ROBOT, POINT_ROBOT.held_out)]
    train, held_out = (np.arctan2(goal[:, 1], goal[:, 0]) / math.pi for goal in goals)
    apart = np.abs(train - held_out)
    assert abs(apart.mean() - 1 / 3) / math.sqrt(1 / 18 / apart.size) < 4


def test_with_ranges_the_held_field_follows_the_task_s_own_parameters():
    # A bandit of gymnax: p is reward_prob or 1 - reward_prob. Two values per parameter would be too few to split alone.
    tasks = GymnaxTasks("BernoulliBandit-misc", ranges={"reward_prob": (0.05, 0.3)}, held_fields=("reward_probs",))
    better = []
    for part in (tasks, tasks.held_out):
        task = samples(part)
        np.testing.assert_allclose(task.held["reward_probs"].min(-1), task.params.reward_prob, atol=1e-6)
        better.append(np.asarray(task.held["reward_probs"][:, 0] > 0.5))
    # The better arm is either with probability 1/2, and one key gives unrelated ones in each split.
    for share in (better[0].mean(), better[1].mean(), (better[0] == better[1]).mean()):
        assert abs(share - 1 / 2) / math.sqrt(1 / 4 / 20_000) < 4


def test_a_flag_is_set_by_registering_the_environment_again(monkeypatch):
    class RoomsWithGoals(rooms.FourRooms):
        @property
        def default_params(self):
            return super().default_params.replace(resample_goal_pos=True)

    monkeypatch.setitem(gymnax.registration._registry, "FourRooms-goals", RoomsWithGoals)
    monkeypatch.setattr(gymnax, "registered_envs", [*gymnax.registered_envs, "FourRooms-goals"])
    tasks = GymnaxTasks("FourRooms-goals", held_fields=("goal",))
    assert not as_set(samples(tasks).held) & as_set(samples(tasks.held_out).held)


# Ends.


def test_falling_is_natural_and_the_time_limit_is_not():
    tasks = GymnaxTasks("CartPole-v1", ranges={"length": (0.3, 0.8)}, max_steps=3)
    task = tasks.sample(jax.random.key(0))
    _, state = tasks.reset(task, jax.random.key(1))
    falling = state.replace(theta=jnp.array(0.2), theta_dot=jnp.array(3.0))  # 0.2 + 0.02 3 = 0.26 rad, over 0.2094
    late = jnp.array(2)

    def ends(state):
        after = tasks.step(task, state, jnp.array(1), jax.random.key(2))
        return bool(after.terminated), bool(after.truncated)

    assert ends(state) == (False, False)
    assert ends(falling) == (True, False)
    assert ends(state.replace(time=late)) == (False, True)
    assert ends(falling.replace(time=late)) == (True, False)


@pytest.mark.parametrize("env_id", ["PointRobot-misc", "BernoulliBandit-misc"])  # the latter's own limit is a float
def test_max_steps_is_the_time_limit(env_id):
    tasks = GymnaxTasks(env_id, max_steps=3, lifetime_episodes=2)
    assert (tasks.horizon, tasks.lifetime_length) == (3, 6)
    task = tasks.sample(jax.random.key(0))
    default = tasks.environment.default_params.max_steps_in_episode
    assert task.params.max_steps_in_episode.dtype == jnp.asarray(default).dtype
    _, segment = roll_out(tasks, task, 7, jax.random.key(1))
    np.testing.assert_array_equal(segment.truncated[:, 0], [False, False, True, False, False, True, False])


def test_sizes_are_the_environment_s_own_unless_said_otherwise():
    tasks = GymnaxTasks("BernoulliBandit-misc", lifetime_episodes=2)
    assert (tasks.horizon, tasks.lifetime_length) == (100, 200)
    assert tasks.reference_return(100) is None


# Settings.


def test_settings_are_hashable_however_they_are_written():
    written = [
        GymnaxTasks("CartPole-v1", ranges={"masspole": (0.05, 0.2), "length": (0.3, 0.8)}),
        GymnaxTasks("CartPole-v1", ranges={"length": [0.3, 0.8], "masspole": (0.05, 0.2)}),
        GymnaxTasks("CartPole-v1", ranges=(("masspole", (0.05, 0.2)), ("length", (0.3, 0.8)))),
        GymnaxTasks("CartPole-v1", ranges=[["length", [0.3, 0.8]], ["masspole", [0.05, 0.2]]]),  # as JSON has it
    ]
    assert len(set(written)) == 1
    assert written[0].ranges == (("length", (0.3, 0.8)), ("masspole", (0.05, 0.2)))
    assert written[0].held_out.train == written[0]
    assert dataclasses.replace(written[0], max_steps=5).ranges == written[0].ranges
    assert GymnaxTasks("Swimmer-misc", held_fields=["goal_xy", "urchin_xys"], max_steps=3) == SWIMMER


def test_the_command_line_reads_them():
    args = ["--env-id", "CartPole-v1", "--ranges", "length", "0.3", "0.8", "masspole", "0.05", "0.2", "--max-steps", "50"]
    assert tyro.cli(GymnaxTasks, args=args) == GymnaxTasks(
        "CartPole-v1", ranges={"length": (0.3, 0.8), "masspole": (0.05, 0.2)}, max_steps=50
    )
    assert tyro.cli(GymnaxTasks, args=["--env-id", "PointRobot-misc", "--held-fields", "goal"]) == GymnaxTasks(
        "PointRobot-misc", held_fields=("goal",)
    )
    assert tyro.cli(GymnaxTasks, args=[], default=CART_POLE) == CART_POLE
    assert tyro.cli(GymnaxTasks, args=["--ranges", "gravity", "5", "15"], default=CART_POLE) == GymnaxTasks(
        "CartPole-v1", ranges={"gravity": (5.0, 15.0)}
    )
    assert tyro.cli(GymnaxTasks, args=[]) == GymnaxTasks()


def test_it_can_be_built_while_something_else_is_traced():
    @jax.jit
    def sample(key):
        tasks = GymnaxTasks("GaussianBandit-misc", held_fields=("mu",), lifetime_episodes=7)
        return tasks.held_out.sample(key).held["mu"]

    with jax.checking_leaks():
        mu = sample(jax.random.key(0))
    tasks = GymnaxTasks("GaussianBandit-misc", held_fields=("mu",)).held_out
    np.testing.assert_allclose(mu, tasks.sample(jax.random.key(0)).held["mu"], rtol=1e-5)


# Mistakes.


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"env_id": "Cartpole"},
            r"'Cartpole' is not a registered gymnax environment \(did you mean 'CartPole-v1'\?\).*Pendulum-v1",
        ),
        ({"env_id": "?"}, r"'\?' is not a registered gymnax environment: choose from Acrobot-v1, "),
        ({"ranges": {"lenght": (0.3, 0.8)}}, r"'lenght' is not a parameter of CartPole-v1 \(did you mean 'length'\?\).*masspole"),
        (
            {"ranges": {"total_mass": (1.0, 2.0)}},
            "'total_mass' of CartPole-v1 follows from other parameters: choose from .*masspole",
        ),
        ({"ranges": {"max_steps_in_episode": (1.0, 9.0)}}, "'max_steps_in_episode' cannot vary.*set max_steps"),
        ({"ranges": {"length": (0.8, 0.3)}}, r"'length' is \(0.8, 0.3\): give finite numbers with low < high"),
        ({"ranges": {"length": (0.3, 0.3)}}, "give finite numbers with low < high"),
        ({"ranges": {"length": (0.3, math.inf)}}, r"'length' is \(0.3, inf\): give finite numbers"),
        ({"ranges": {"length": (math.nan, 0.3)}}, "give finite numbers"),
        ({"ranges": {"gravity": (9.8, 9.9)}}, r"\(9.8, 9.9\), too narrow for float32 .* at least 1.25 wide"),
        ({"ranges": {"length": 0.5}}, r"give \(low, high\) for each name"),
        ({"ranges": {"length": (0.1, 0.2, 0.3)}}, r"give \(low, high\) for each name"),
        ({"ranges": (("length", (0.1, 0.2)), ("length", (0.3, 0.8)))}, "'length' 2 times"),
        (
            {"env_id": "PointRobot-misc", "ranges": {"dense_reward": (0, 1)}},
            "'dense_reward' of PointRobot-misc is False.*goal_radius",
        ),
        (
            {"env_id": "Asterix-MinAtar", "ranges": {"ramp_interval": (1, 9)}},
            "is 100, and only a single float.*or use held_fields",
        ),
        ({"env_id": "Acrobot-v1", "ranges": {"available_torque": (0, 1)}}, "only a single float can be drawn: choose from dt, "),
        ({"env_id": "BernoulliBandit-misc", "ranges": {"max_steps_in_episode": (1, 9)}}, "cannot vary"),
        (
            {"env_id": "PointRobot-misc", "held_fields": ("gaol",)},
            r"'gaol' is not a field of .* \(did you mean 'goal'\?\).*last_reward",
        ),
        ({"env_id": "PointRobot-misc", "held_fields": "goal"}, r"'goal' is a string: give a tuple of names, \('goal',\)"),
        (
            {"env_id": "FourRooms-misc", "held_fields": ("goal",)},
            "took 1 different values .* in 512 resets of FourRooms.*too few to be split",
        ),
        ({"env_id": "UmbrellaChain-bsuite", "held_fields": ("need_umbrella",)}, "took 2 different values.*or give ranges too"),
        ({"lifetime_episodes": 0}, "lifetime_episodes=0: a lifetime has at least one episode"),
        ({"max_steps": 0}, "max_steps=0: an episode has at least 1 environment step"),
        ({"split": "test"}, "split='test' is not one of train, validation, held-out, ood"),
        ({"split": "held-out"}, "CartPole-v1 has one task and none to hold out: give ranges"),
        ({"split": "ood"}, "no out-of-distribution tasks"),
    ],
)
def test_mistakes_name_the_value_and_the_remedy(settings, message):
    with pytest.raises(ValueError, match=message):
        GymnaxTasks(**settings)


def test_one_task_alone_has_nothing_held_out():
    tasks = GymnaxTasks("CartPole-v1")
    assert not tasks.has_out_of_distribution
    with pytest.raises(ValueError, match="CartPole-v1 has one task and none to hold out"):
        _ = tasks.held_out
    with pytest.raises(ValueError, match="no out-of-distribution tasks"):
        _ = tasks.out_of_distribution
    with pytest.raises(ValueError, match="no out-of-distribution tasks"):
        _ = POINT_ROBOT.out_of_distribution


def test_an_environment_that_cannot_be_made_says_why(monkeypatch):
    def broken():
        raise OSError("no network")

    monkeypatch.setitem(gymnax.registration._registry, "Broken-v0", broken)
    monkeypatch.setattr(gymnax, "registered_envs", [*gymnax.registered_envs, "Broken-v0"])
    with pytest.raises(ValueError, match=r"env_id='Broken-v0': gymnax could not make it \(OSError: no network\)"):
        GymnaxTasks("Broken-v0")
