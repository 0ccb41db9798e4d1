"""What every task distribution gets from its base class."""

import dataclasses
import itertools
from typing import Any, ClassVar

import gymnax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnax.environments import environment, spaces

from jmeta import struct
from jmeta.tasks.base import TaskDistribution
from jmeta.tasks.bernoulli_bandit import BernoulliBandit
from jmeta.tasks.point_navigation import PointNavigation
from jmeta.tasks.splits import GRID, SPLITS
from jmeta.types import Continuous, Discrete


@dataclasses.dataclass(frozen=True)
class OneTask(TaskDistribution):
    """Any environment with its own parameters: what a subclass has to write, and no more."""

    env_id: str = "CartPole-v1"

    name: ClassVar[str] = "one-task"

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "_environment", gymnax.make(self.env_id)[0])

    @property
    def environment(self):
        return self._environment

    def sample(self, key):
        return self.environment.default_params


class WithActionSpace(OneTask):
    """The same with another action space."""

    def replace_space(self, space):
        environment = gymnax.make(self.env_id)[0]
        environment.action_space = lambda params=None: space
        object.__setattr__(self, "_environment", environment)
        return self


def cells(numbers):
    """The cell of the grid that each number is the middle of."""
    scaled = np.asarray(numbers, np.float64) * GRID - 0.5
    np.testing.assert_array_equal(scaled, np.round(scaled))
    return scaled.astype(np.int64)


# Splits.


def test_numbers_of_different_splits_come_from_different_cells():
    tasks = PointNavigation()
    splits = [dataclasses.replace(tasks, split=split) for split in SPLITS]
    draws = {tasks.split: cells(tasks.uniform(jax.random.key(0), (100_000,))) for tasks in splits}
    assert np.all(draws["train"] % 2 == 0)
    assert np.all(draws["held-out"] % 4 == 1)
    assert np.all(draws["validation"] % 4 == 3)
    for drawn in draws.values():
        assert drawn.min() >= 0
        assert drawn.max() < GRID


def test_every_cell_of_a_split_can_be_drawn():
    # 100,000 draws from m cells: about m (1 - exp(-1e5 / m)) different ones, standard deviation below 130.
    tasks = PointNavigation()
    for part, expected in ((tasks, 91_024), (tasks.held_out, 83_127), (tasks.validation, 83_127)):
        assert abs(len(np.unique(cells(part.uniform(jax.random.key(1), (100_000,))))) - expected) < 600


def test_the_two_ends_of_the_grid_are_inside_the_unit_interval():
    # The smallest number is half a cell, the largest 1 minus half a cell, and float32 holds both exactly.
    assert np.float32(0.5 / GRID) > 0.0
    assert np.float32((GRID - 0.5) / GRID) < 1.0
    assert float(np.float32((GRID - 0.5) / GRID)) == (GRID - 0.5) / GRID


@pytest.mark.parametrize("split", SPLITS)
def test_numbers_are_uniform(split):
    tasks = dataclasses.replace(PointNavigation(), split=split)
    x = np.asarray(tasks.uniform(jax.random.key(2), (200_000,)), np.float64)
    n = x.size
    # Uniform on (0, 1): mean 1/2, variance 1/12, and (x - 1/2)^2 has mean 1/12 and variance 1/180. Both z below 4.
    assert abs(x.mean() - 1 / 2) / np.sqrt(1 / 12 / n) < 4
    assert abs(((x - 1 / 2) ** 2).mean() - 1 / 12) / np.sqrt(1 / 180 / n) < 4
    # Ten bins of mean n / 10: a chi-square of 9 degrees of freedom is below 33 with probability 0.9999.
    counts = np.histogram(x, bins=10, range=(0, 1))[0]
    assert ((counts - n / 10) ** 2 / (n / 10)).sum() < 33


def test_one_key_gives_each_split_unrelated_numbers():
    keys = jax.random.split(jax.random.key(3), 10_000)
    drawn = [
        np.asarray(jax.jit(jax.vmap(dataclasses.replace(PointNavigation(), split=split).uniform))(keys), np.float64)
        for split in SPLITS
    ]
    for a, b in itertools.combinations(drawn, 2):
        # Independent uniforms have correlation 0 with standard error 1 / sqrt(n), and |a - b| has mean 1/3, variance 1/18.
        assert abs(np.corrcoef(a, b)[0, 1]) * np.sqrt(a.size) < 4
        assert abs(np.abs(a - b).mean() - 1 / 3) / np.sqrt(1 / 18 / a.size) < 4


def test_splits_are_copies_that_differ_in_the_split_alone():
    tasks = PointNavigation(horizon=7)
    assert tasks.split == "train"
    assert tasks.held_out == PointNavigation(horizon=7, split="held-out")
    assert tasks.validation == PointNavigation(horizon=7, split="validation") == tasks.on_split("validation")
    assert tasks.out_of_distribution == PointNavigation(horizon=7, split="ood")
    assert tasks.held_out.train == tasks
    assert hash(tasks.held_out.train) == hash(tasks)
    assert tasks.held_out != tasks


def test_an_unknown_split_names_the_known_ones():
    with pytest.raises(ValueError, match="split='test' is not one of train, validation, held-out, ood"):
        PointNavigation(split="test")


def test_without_out_of_distribution_tasks_the_held_out_ones_are_recommended():
    with pytest.raises(ValueError, match="BernoulliBandit has no out-of-distribution tasks: evaluate on the held-out split"):
        _ = BernoulliBandit().out_of_distribution


# Actions.


def test_actions_from_minus_one_to_one_span_the_box_and_are_clipped():
    tasks = OneTask("Pendulum-v1")  # torque in [-2, 2]
    params = tasks.environment.default_params
    _, state = tasks.reset(params, jax.random.key(0))
    key = jax.random.key(1)
    for action, torque in ((-5.0, -2.0), (-1.0, -2.0), (0.0, 0.0), (0.25, 0.5), (1.0, 2.0), (5.0, 2.0)):
        after = tasks.step(params, state, jnp.array([action]), key)
        _, expected, *_ = tasks.environment.step_env(key, state, jnp.array([torque]), params)
        assert float(after.state.last_u) == torque
        np.testing.assert_allclose(after.state.theta_dot, expected.theta_dot, rtol=1e-6)


def test_a_box_need_not_be_symmetric():
    space = spaces.Box(jnp.array([0.0, -4.0]), jnp.array([10.0, 0.0]), (2,))
    tasks = WithActionSpace("Reacher-misc").replace_space(space)
    # 0 is the middle of each side, (0 + 10) / 2 = 5 and (-4 + 0) / 2 = -2; 0.5 is three quarters of the way up.
    np.testing.assert_allclose(tasks._scale(None, jnp.array([0.0, 0.0])), [5.0, -2.0])
    np.testing.assert_allclose(tasks._scale(None, jnp.array([0.5, 0.5])), [7.5, -1.0])
    np.testing.assert_allclose(tasks._scale(None, jnp.array([3.0, -3.0])), [10.0, -4.0])


def test_actions_of_an_unbounded_box_pass_as_they_are():
    tasks = WithActionSpace("Reacher-misc").replace_space(spaces.Box(-jnp.inf, jnp.inf, (2,)))
    np.testing.assert_array_equal(tasks._scale(None, jnp.array([-3.0, 0.5])), [-3.0, 0.5])


def test_action_spaces_become_the_policy_s_own():
    assert OneTask("CartPole-v1").action_space == Discrete(2)
    assert OneTask("Pendulum-v1").action_space == Continuous(1)
    assert OneTask("Swimmer-misc").action_space == Continuous(2)
    scalar = WithActionSpace("Pendulum-v1").replace_space(spaces.Box(-1.0, 1.0, ()))
    assert scalar.action_space == Continuous(1)
    assert scalar._scale(None, jnp.array([0.5])).shape == ()


@pytest.mark.parametrize("space", [spaces.Dict({"turn": spaces.Discrete(2)}), spaces.Tuple([spaces.Discrete(2)])])
def test_an_action_space_that_policies_cannot_act_in_is_refused(space):
    with pytest.raises(ValueError, match=r"CartPole-v1 has action space .*: policies act in Discrete\(n\), .* and Box"):
        _ = WithActionSpace("CartPole-v1").replace_space(space).action_space


# Natural ends and time limits.


def cart_pole(*, falls, last_step):
    """One step of CartPole from a chosen state: its pole is about to pass 12 degrees, or its time limit is one step away."""
    tasks = OneTask("CartPole-v1")
    params = tasks.environment.default_params
    _, state = tasks.reset(params, jax.random.key(0))
    if falls:  # 0.20 + 0.02 s of 3 rad/s = 0.26 rad, over the limit of 0.2094
        state = state.replace(theta=jnp.array(0.20), theta_dot=jnp.array(3.0))
    if last_step:
        state = state.replace(time=jnp.array(499))
    return tasks.step(params, state, jnp.array(1), jax.random.key(1))


@pytest.mark.parametrize(
    ("falls", "last_step", "terminated", "truncated"),
    [
        (False, False, False, False),
        (True, False, True, False),
        (False, True, False, True),
        (True, True, True, False),  # what follows is worth nothing, whatever the clock says
    ],
)
def test_a_natural_end_is_not_a_time_limit(falls, last_step, terminated, truncated):
    after = cart_pole(falls=falls, last_step=last_step)
    assert (bool(after.terminated), bool(after.truncated)) == (terminated, truncated)


def test_a_step_resets_nothing():
    after = cart_pole(falls=True, last_step=True)
    assert int(after.state.time) == 500
    np.testing.assert_allclose(after.state.theta, 0.26, rtol=1e-6)
    np.testing.assert_allclose(after.observation[2], 0.26, rtol=1e-6)


# Shapes and dtypes.


def test_a_discrete_observation_is_one_hot():
    tasks = OneTask("FrozenLake-misc")
    assert tasks.observation_size == 16
    observation, state = tasks.reset(tasks.environment.default_params, jax.random.key(0))
    np.testing.assert_array_equal(observation, np.eye(16)[int(state.position)])


def test_an_image_is_flattened_in_order():
    tasks = OneTask("Catch-bsuite")
    assert tasks.observation_size == 50
    key = jax.random.key(0)
    observation, _ = tasks.reset(tasks.environment.default_params, key)
    image, _ = tasks.environment.reset_env(key, tasks.environment.default_params)
    assert observation.dtype == jnp.float32
    np.testing.assert_array_equal(observation, np.asarray(image).reshape(-1))


@struct.dataclass
class LooseState(environment.EnvState):
    position: Any
    time: Any


class LooseEnvironment(environment.Environment):
    """Reset gives an integer and a time of shape [1], step a float and a time of shape []; its rewards are booleans."""

    def reset_env(self, key, params):
        state = LooseState(position=3, time=jnp.zeros(1))
        return jnp.array([3.0]), state

    def step_env(self, key, state, action, params):
        state = LooseState(position=state.position + 0.5, time=jnp.reshape(state.time + 1.0, ()))
        return jnp.reshape(state.position, (1, 1)), state, jnp.array([True]), False, {}

    def action_space(self, params=None):
        return spaces.Discrete(2)

    def observation_space(self, params):
        return spaces.Box(-jnp.inf, jnp.inf, (1,))


class LooseTasks(OneTask):
    def __post_init__(self):
        object.__setattr__(self, "_environment", LooseEnvironment())


def kinds(tree):
    return [(leaf.shape, leaf.dtype, leaf.weak_type) for leaf in jax.tree.leaves(tree)]


def test_reset_and_step_are_made_to_agree_on_shapes_and_dtypes():
    tasks = LooseTasks()
    params = environment.EnvParams(max_steps_in_episode=2)
    observation, state = tasks.reset(params, jax.random.key(0))
    one = tasks.step(params, state, jnp.array(0), jax.random.key(1))
    two = tasks.step(params, one.state, jnp.array(0), jax.random.key(1))
    scalar = ((), jnp.dtype(jnp.float32), False)  # strongly typed, so that nothing is traced twice
    assert kinds(state) == kinds(one.state) == [scalar, scalar]
    assert kinds(observation) == kinds(two.observation) == [((1,), jnp.dtype(jnp.float32), False)]
    assert kinds(one.reward) == [scalar]
    assert kinds((one.terminated, one.truncated)) == 2 * [((), jnp.dtype(jnp.bool_), False)]
    assert (float(state.position), float(two.state.position)) == (3.0, 4.0)
    assert (float(one.reward), bool(one.truncated), bool(two.truncated)) == (1.0, False, True)


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1", "PointRobot-misc", "FourRooms-misc"])
def test_states_keep_one_type_from_reset_to_step(env_id):
    tasks = OneTask(env_id)
    params = tasks.environment.default_params
    key = jax.random.key(0)
    _, state = tasks.reset(params, key)
    action = jnp.zeros(tasks.action_space.size) if isinstance(tasks.action_space, Continuous) else jnp.array(0)
    assert kinds(state) == kinds(tasks.step(params, state, action, key).state)
    assert not any(leaf.weak_type for leaf in jax.tree.leaves(state))
    raw = tasks.environment.reset_env(key, params)[1]
    jax.tree.map(np.testing.assert_array_equal, state, raw)


def test_a_lifetime_is_one_episode_unless_said_otherwise():
    tasks = OneTask("CartPole-v1")
    assert (tasks.horizon, tasks.lifetime_length) == (500, 500)
    assert tasks.reference_return(500) is None
