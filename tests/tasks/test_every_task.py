"""What every task distribution on offer does."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jmeta import lifetime
from jmeta.lifetime import LifetimeKeys, live_in
from jmeta.references import Random
from jmeta.tasks import TASKS, GymnaxTasks, MinAtar, TabularMDP
from jmeta.tasks.gymnax_environments import make
from jmeta.types import Discrete, Protocol

# Where the default takes long to compile or cannot be split, the same family with other settings.
OTHERWISE = {
    "gymnax": GymnaxTasks(ranges={"length": (0.3, 0.8)}),
    "minatar": MinAtar(("breakout",), ("freeway",)),
    "tabular-mdp": TabularMDP(num_states=4, num_actions=3),
}
ALL = [OTHERWISE.get(name) or family() for name, family in TASKS.items()]
SPLIT = [tasks for tasks in ALL if tasks.has_held_out and tasks.name != "minatar"]
KNOWN = [tasks for tasks in ALL if type(tasks).oracle_return is not TASKS["gymnax"].oracle_return]

every = pytest.mark.parametrize("tasks", ALL, ids=lambda tasks: tasks.name)

# Most of the time here goes into compiling: less optimisation takes less of it and changes nothing that is tested.
jit = functools.partial(
    jax.jit, compiler_options={"xla_backend_optimization_level": 0, "xla_llvm_disable_expensive_passes": True}
)


def kinds(tree):
    return [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(tree)]


@functools.cache
def random_lives(tasks):
    """Random behaviour in 128 tasks, two streams each: tasks, their descriptions and oracle's returns, lives after, segments."""
    length = 30 if tasks in KNOWN else 12
    inner = Random(tasks.observation_size, tasks.action_space)

    @jit
    @jax.vmap
    def live(key):
        task_key, start_key, rollout_key = jax.random.split(key, 3)
        task = tasks.sample(task_key)
        life = lifetime.start(tasks, task, ((), ()), num_streams=2, key=start_key)
        lived = lifetime.rollout(inner, tasks, (), life, length=length, key=rollout_key)
        return task, tasks.describe(task), tasks.oracle_return(task, length), *lived

    return live(jax.random.split(jax.random.key(0), 128))


def bytes_of(tasks, n):
    """One string for each of n tasks; 12 bits of mantissa are left of a float, so that rounding makes no new tasks."""
    drawn = jax.jit(jax.vmap(tasks.sample))(jax.random.split(jax.random.key(1), n))
    leaves = [np.asarray(leaf).reshape(n, -1) for leaf in jax.tree.leaves(drawn)]
    return {row.tobytes() for row in np.concatenate([leaf.astype(np.float64) for leaf in leaves], axis=1)}


@every
def test_reset_and_step_have_one_type_and_the_spaces_sizes(tasks):
    def both(key):
        task = tasks.sample(key)
        observation, state = tasks.reset(task, key)
        discrete = isinstance(tasks.action_space, Discrete)
        action = jnp.array(0) if discrete else jnp.zeros(tasks.action_space.size)
        return (observation, state), tasks.step(task, state, action, key), tasks.restart(task, state, key)

    fresh, after, again = jax.eval_shape(both, jax.random.key(0))
    assert kinds(fresh) == kinds((after.observation, after.state)) == kinds(again)
    assert not any(leaf.weak_type for leaf in jax.tree.leaves((fresh, after, again)))
    assert kinds(fresh[0]) == [((tasks.observation_size,), jnp.float32)]
    assert kinds(after.reward) == [((), jnp.float32)]
    assert kinds((after.terminated, after.truncated)) == 2 * [((), jnp.bool_)]
    assert tasks.lifetime_length % tasks.horizon == 0


@pytest.mark.slow
@every
def test_random_lives_keep_their_task_and_stay_finite(tasks):
    task, _, _, life, segment = random_lives(tasks)
    jax.tree.map(np.testing.assert_array_equal, life.task, task)
    assert all(np.isfinite(leaf).all() for leaf in (segment.timestep.observation, segment.reward))
    assert not np.any(segment.terminated & segment.truncated)
    for name, value in getattr(task, "held", {}).items():
        expected = np.broadcast_to(np.asarray(value)[:, None], getattr(life.state, name).shape)
        np.testing.assert_array_equal(getattr(life.state, name), expected)


@every
def test_a_description_tells_tasks_apart(tasks):
    task, described, *_ = random_lives(tasks)
    described = np.asarray(described)
    assert (described.dtype, described.ndim) == (np.float32, 2)
    assert np.isfinite(described).all()
    leaves = [np.asarray(leaf).reshape(128, -1).astype(np.float64) for leaf in jax.tree.leaves(task)]
    assert len(np.unique(described, axis=0)) == len(np.unique(np.concatenate(leaves, axis=1), axis=0))


@pytest.mark.parametrize("tasks", SPLIT, ids=lambda tasks: tasks.name)
def test_no_held_out_task_is_a_training_task(tasks):
    train, held_out = bytes_of(tasks, 4000), bytes_of(tasks.held_out, 4000)
    assert len(train) > 20
    assert len(held_out) > 10
    assert not train & held_out


@pytest.mark.parametrize("tasks", [tasks for tasks in ALL if tasks.has_validation], ids=lambda tasks: tasks.name)
def test_no_validation_task_is_one_of_another_split(tasks):
    validation = bytes_of(tasks.validation, 4000)
    assert len(validation) > 2
    for other in (tasks, tasks.held_out):
        assert not validation & bytes_of(other, 4000)


@pytest.mark.parametrize("tasks", [tasks for tasks in ALL if not tasks.has_held_out], ids=lambda tasks: tasks.name)
def test_where_none_is_held_out_asking_for_some_says_what_to_do(tasks):
    with pytest.raises(ValueError, match=f"{type(tasks).__name__} .*evaluate on the training split"):
        _ = tasks.held_out


@pytest.mark.parametrize("tasks", KNOWN, ids=lambda tasks: tasks.name)
def test_knowing_the_task_is_better_than_acting_at_random(tasks):
    _, _, oracle, _, segment = random_lives(tasks)
    difference = np.asarray(oracle, np.float64) - np.asarray(segment.reward, np.float64).sum(1).mean(-1)
    assert difference.shape == (128,)
    # By far more than the noise of 128 tasks in every family: a paired z above 5.
    assert difference.mean() / (difference.std() / np.sqrt(128)) > 5


@every
def test_settings_make_equal_distributions_equal(tasks):
    same = dataclasses.replace(tasks)
    assert same == tasks
    assert hash(same) == hash(tasks)


IN_SINGLE_ONLY = ("minatar", "gymnax-meta-maze")
"""Environments of gymnax that mix precisions in ``step_env``: Freeway, and the maze."""


@pytest.mark.parametrize("tasks", [tasks for tasks in ALL if tasks.name not in IN_SINGLE_ONLY], ids=lambda tasks: tasks.name)
def test_a_life_keeps_its_types_where_jax_computes_in_double(tasks):
    """Two segments of three steps, with resets; what agents see, are paid and are told of the task is in single precision."""
    inner = Random(tasks.observation_size, tasks.action_space)

    def live(key):
        task = tasks.sample(key)
        lived = live_in(inner, tasks, (), task, LifetimeKeys.of(key, key), protocol=Protocol(2, 3, 1))
        return lived.lifetime.segments, tasks.describe(task)

    with jax.enable_x64(True):
        segments, description = jax.eval_shape(live, jax.random.key(0))
    seen = (segments.timestep, segments.next_observation, segments.reward, segments.action, description)
    assert not [leaf.dtype for leaf in jax.tree.leaves(seen) if leaf.dtype == jnp.float64]


@pytest.mark.filterwarnings("ignore:scatter inputs have incompatible types:FutureWarning")
@pytest.mark.parametrize("name", IN_SINGLE_ONLY)
def test_an_environment_that_does_not_compile_in_double_says_so(name):
    says = r"(step|reset)_env of .* does not compile in double precision \(lax\.select requires .*\): turn jax_enable_x64 off"

    def reset(key):
        tasks = TASKS[name]()
        return tasks.reset(tasks.sample(key), key)

    make.cache_clear()  # an environment that was made in single precision has arrays of that
    try:
        with jax.enable_x64(True), pytest.raises(ValueError, match=says):
            jax.eval_shape(reset, jax.random.key(0))
    finally:
        make.cache_clear()
