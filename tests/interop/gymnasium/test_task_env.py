"""``TaskEnv``: Gymnasium's check of every family, episodes as in JAX, and tasks that are kept, drawn and given."""

import copy
import pickle
import warnings
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import jmeta
import jmeta.interop.gymnasium
from jmeta.interop.gymnasium import TaskEnv, TaskVectorEnv
from jmeta.tasks import TASKS, GridNavi, Pendulum, PointNavigation, Switching, TabularMDP, TaskDistribution, ToldTasks
from tests.tasks.spaced_families import Shown

FAST = ("grid-navi", "bernoulli-bandit", "point-navigation", "tabular-mdp")
FAMILIES = [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in TASKS]
HONEST = (  # what Gymnasium recommends, and the environments do not have
    "maximum value is infinity",
    "minimum value is -infinity",
    "we recommend using a symmetric and normalized space",  # actions are in the environment's own units
)


def make(name: str, **settings: Any) -> Any:
    return gymnasium.make(f"jmeta/{TASKS[name].__name__}-v0", **settings)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_passes_gymnasium_s_check(name: str) -> None:
    env = make(name)
    with warnings.catch_warnings():
        for message in HONEST:
            warnings.filterwarnings("ignore", f".*{message}")
        check_env(env.unwrapped)
    assert env.unwrapped.metadata["render_modes"] == (["rgb_array"] if TASKS[name].render is not TaskDistribution.render else [])
    env.reset(seed=0)
    for _ in range(3):  # the checks of make, and the observations of several episodes
        observation, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        assert observation in env.observation_space
        assert type(reward) is float
        if terminated or truncated:
            assert env.reset()[0] in env.observation_space
    env.close()


@pytest.mark.parametrize(
    ("family", "low", "high"),
    [
        (Shown("image", "multi-discrete-matrix"), 0.0, 1.0),
        (Shown("multi-discrete", "multi-binary"), 0.0, 1.0),
        (Shown("nested", "one-sided"), -np.inf, np.inf),
    ],
)
def test_families_of_richer_spaces_pass_it_too(family: Shown, low: float, high: float) -> None:
    """Images of bytes, dictionaries and several integers are the vector that networks see."""
    env = TaskEnv(family)
    with warnings.catch_warnings():
        for message in HONEST:
            warnings.filterwarnings("ignore", f".*{message}")
        check_env(env, skip_render_check=True)
    assert env.observation_space == gymnasium.spaces.Box(low, high, (family.observation_size,), np.float32)
    assert env.action_space.shape == family.action_shape
    env.reset(seed=0)
    vector, _, _, _, _ = env.step(env.action_space.sample())
    assert vector.max() <= 1.0


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_a_family_passes_the_check_of_stable_baselines(name: str) -> None:
    checker = pytest.importorskip("stable_baselines3.common.env_checker")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*symmetric and normalized Box action space")
        if name == "minatar":  # it takes the grid of 10 by 10 cells for a photograph
            warnings.filterwarnings("ignore", ".*image")
        checker.check_env(make(name).unwrapped)


def test_a_class_in_place_of_tasks_is_named() -> None:
    for kind in (TaskEnv, TaskVectorEnv):
        with pytest.raises(TypeError, match="tasks is the class GridNavi: give an instance of it"):
            kind(GridNavi)  # type: ignore[call-arg,arg-type]


# Episodes


@pytest.mark.parametrize(
    "tasks", [GridNavi(horizon=6), Pendulum(max_steps=5), TabularMDP(horizon=5), Switching(GridNavi(horizon=4), at_step=6)]
)
def test_episodes_are_those_of_the_environment_in_jax(tasks: TaskDistribution) -> None:
    """Two episodes in one task, with the keys that ``jmeta.interop.gymnasium.episodes`` documents."""
    env = TaskEnv(tasks)
    random = np.random.default_rng(0)
    seen = (lambda vector: vector) if tasks.num_observations is None else np.argmax
    number = int(gymnasium.utils.seeding.np_random(7)[0].integers(2**32, dtype=np.uint32))
    scale = 1 if tasks.action_box is None else tasks.action_box.high
    task: Any = None
    reset, restart, step = map(jax.jit, (tasks.reset, tasks.restart, tasks.step))
    for episode in range(2):
        for_task, for_reset, for_steps = jax.random.split(jax.random.fold_in(jax.random.key(number), episode), 3)
        if episode == 0:
            task = tasks.sample(for_task)
            vector, state = reset(task, for_reset)
            observation, info = env.reset(seed=7)
        else:
            vector, state = restart(task, state, for_reset)
            observation, info = env.reset()
        for name, leaf in info["task"].items():
            np.testing.assert_allclose(leaf, getattr(task, name, leaf), rtol=1e-5)
        np.testing.assert_allclose(observation, seen(vector), atol=1e-6)
        for time in range(tasks.horizon):
            policy = random.integers(5) if tasks.action_box is None else random.uniform(-1.0, 1.0, 1).astype(np.float32)
            after = step(task, state, jnp.asarray(policy), jax.random.fold_in(for_steps, time))
            state = after.state
            observation, reward, terminated, truncated, info = env.step(policy * scale)
            np.testing.assert_allclose(observation, seen(after.observation), atol=1e-5)
            assert reward == pytest.approx(float(after.reward), abs=1e-5)
            assert (terminated, truncated) == (bool(after.terminated), time + 1 == tasks.horizon)
            for name, value in after.info.items():
                assert info[name] == pytest.approx(float(value))
    with pytest.raises(gymnasium.error.ResetNeeded, match="the episode has ended"):
        env.step(policy * scale)


class Short(Pendulum):
    """A family whose environment has no time limit before the horizon."""

    @property
    def horizon(self) -> int:
        return 3


def test_the_horizon_truncates_where_the_environment_does_not() -> None:
    env, envs = TaskEnv(Short(max_steps=50)), TaskVectorEnv(Short(max_steps=50), 2)
    env.reset(seed=0)
    assert [env.step(np.zeros(1))[2:4] for _ in range(3)] == [(False, False), (False, False), (False, True)]
    envs.reset(seed=0)
    assert [envs.step(np.zeros((2, 1)))[3].tolist() for _ in range(3)] == [[False] * 2, [False] * 2, [True] * 2]


def test_boxes_hold_what_the_family_allows() -> None:
    env = TaskEnv(Pendulum(max_steps=5))
    assert env.action_space == gymnasium.spaces.Box(-2.0, 2.0, (1,))
    assert TaskEnv(PointNavigation()).action_space == gymnasium.spaces.Box(-0.1, 0.1, (2,))
    env.reset(seed=0)
    twin = copy.deepcopy(env)
    np.testing.assert_array_equal(env.step(np.array([5.0]))[0], twin.step(np.array([2.0]))[0])  # clipped
    assert make("tabular-mdp").observation_space == gymnasium.spaces.Discrete(10)
    assert make("two-task-bandit").observation_space == gymnasium.spaces.Box(0.0, 1.0, (1,))  # it is always 1
    told = TaskEnv(ToldTasks(GridNavi()))
    assert told.observation_space.shape == (ToldTasks(GridNavi()).observation_size,)
    for name in ("gymnax-gaussian-bandit", "gymnax-meta-maze"):
        space: Any = make(name).observation_space
        assert not np.isfinite(space.low).any()


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (5, r"action=5 is out of range: give an action of Discrete\(5\)"),
        (-1, "out of range"),
        (1.0, "dtype float64"),
        ([1], r"has shape \[1\]"),
        (None, "dtype object"),
    ],
)
def test_other_actions_are_refused(action: Any, message: str) -> None:
    env = TaskEnv(GridNavi())
    env.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        env.step(action)
    pendulum = TaskEnv(Pendulum(max_steps=5))
    pendulum.reset(seed=0)
    with pytest.raises(ValueError, match="NaN or infinite"):
        pendulum.step(np.array([np.nan]))


# Tasks

SOME = GridNavi(horizon=3, held_out_goals=8)


def goal(info: dict[str, Any]) -> tuple[int, ...]:
    return tuple(info["task"]["targets"].reshape(-1).tolist())


def test_a_task_is_kept_until_another_is_asked_for() -> None:
    env = TaskEnv(SOME)
    first = goal(env.reset(seed=3)[1])
    assert {goal(env.reset()[1]) for _ in range(20)} == {first}
    assert {goal(env.reset(options={})[1]) for _ in range(3)} == {first}
    assert len({goal(env.reset(options={"task": "new"})[1]) for _ in range(60)}) > 8
    assert goal(env.reset(seed=3)[1]) == first
    assert len({goal(env.reset(seed=seed)[1]) for seed in range(60)}) > 8


def test_tasks_come_from_the_split_that_was_asked_for() -> None:
    env = TaskEnv(SOME)
    goals = {split: {goal(env.reset(options={"split": split})[1]) for _ in range(60)} for split in ("train", "held-out")}
    targets, splits = SOME.all_targets()
    held_out = {tuple(cell.reshape(-1).tolist()) for cell in np.asarray(targets[splits == "held-out"])}
    assert goals["held-out"] == held_out
    assert not goals["train"] & held_out
    assert {goal(env.reset(options={"task": "new"})[1]) for _ in range(20)} <= held_out  # the last split
    made = gymnasium.make("jmeta/GridNavi-v0", split="held-out", held_out_goals=8, horizon=3)
    assert goal(made.reset(seed=0)[1]) in held_out


def test_tasks_are_given_by_number_by_name_and_as_they_are() -> None:
    env = TaskEnv(SOME)
    task = SOME.held_out.sample(jax.random.key(7))
    wanted = tuple(np.asarray(task.targets).reshape(-1).tolist())
    _, info = env.reset(seed=1, options={"task": 7, "split": "held-out"})
    assert goal(info) == wanted
    assert goal(env.reset(options={"task": "new"})[1]) != wanted
    for given in (task, jax.tree.map(np.asarray, task), info["task"], np.int64(7)):
        assert goal(env.reset(options={"task": given})[1]) == wanted
        assert goal(env.reset()[1]) == wanted
    fixed = TaskEnv(SOME.held_out, task=7)
    assert [goal(fixed.reset(seed=seed)[1]) for seed in range(5)] == [wanted] * 5
    assert goal(fixed.reset(options={"task": 8})[1]) != wanted


def test_episodes_per_task() -> None:
    env = TaskEnv(SOME, episodes_per_task=3)
    goals = [goal(env.reset(seed=3 if step == 0 else None)[1]) for step in range(30)]
    assert all(len(set(goals[begin : begin + 3])) == 1 for begin in range(0, 30, 3))
    assert len(set(goals)) > 4
    every = TaskEnv(SOME, episodes_per_task=1)
    assert len({goal(every.reset()[1]) for _ in range(30)}) > 4
    with pytest.raises(ValueError, match="episodes_per_task=0: give a whole number from 1 on"):
        TaskEnv(SOME, episodes_per_task=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tasks": 3}, "options has 'tasks', which is no option of these environments: they have 'task', 'split'"),
        ({"task": "old"}, r"options\['task'\]='old': give 'new', the number of a task, or a task such as info"),
        ({"task": -1}, "task=-1: the number of a task is from 0 to 4294967295"),
        ({"task": {"cell": 3}}, "task has cell: a task of GridNavi has "),
        ({"task": 1.5}, "the given tasks are not like those of GridNavi"),
        ({"split": "test"}, "split='test' is not one of train, validation, held-out, ood"),
        ({"split": "ood"}, "GridNavi has no out-of-distribution tasks"),
        (["new"], "is a list: give a dictionary"),
    ],
)
def test_other_options_are_refused_and_change_nothing(options: Any, message: str) -> None:
    env = TaskEnv(SOME)
    before = goal(env.reset(seed=3)[1])
    with pytest.raises(ValueError, match=message):
        env.reset(seed=4, options=options)
    assert goal(env.reset()[1]) == before
    assert env.np_random_seed == 3


# Copies and pictures


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))])
def test_a_copy_goes_on_as_the_environment(duplicate: Any) -> None:
    env = TaskEnv(SOME)
    env.reset(seed=3)
    env.step(1)
    twin = duplicate(env)
    for one, other in ((env.step(2), twin.step(2)), (env.reset(), twin.reset())):
        np.testing.assert_array_equal(one[0], other[0])
        assert goal(one[-1]) == goal(other[-1])


@pytest.mark.parametrize("tasks", [GridNavi(horizon=4), jmeta.tasks.BernoulliBandit(), PointNavigation()])
def test_pictures_show_the_episodes_of_a_task(tasks: TaskDistribution) -> None:
    env = TaskEnv(tasks, render_mode="rgb_array")
    with pytest.raises(gymnasium.error.ResetNeeded, match="nothing to draw"):
        env.render()
    env.reset(seed=0)
    env.action_space.seed(1)
    frames = [env.render()]
    for _ in range(3):
        if any(env.step(env.action_space.sample())[2:4]):
            env.reset()
        frames.append(env.render())
    assert {(frame.shape, frame.dtype) for frame in frames} == {((400, 400, 3), np.dtype(np.uint8))}
    assert (frames[0] != frames[1]).any()
    assert (frames[1] != frames[3]).any()
    env.reset(options={"task": "new"})
    np.testing.assert_array_equal(env.render(), frames[0])  # nothing was lived in it
    assert TaskEnv(tasks).render() is None
    with pytest.raises(ValueError, match="render_mode='human': choose rgb_array, or leave it out"):
        TaskEnv(tasks, render_mode="human")
    with pytest.raises(ValueError, match="Pendulum draws no pictures; leave it out"):
        TaskEnv(Pendulum(), render_mode="rgb_array")


def test_the_record_of_a_picture_is_that_of_a_lifetime() -> None:
    env = TaskEnv(GridNavi(horizon=2), render_mode="rgb_array")
    env.reset(seed=0)
    for action in (1, 2, 3):
        if env.step(action)[3]:
            env.reset()
    assert env._recording is not None
    lived = env._recording.experience()
    np.testing.assert_array_equal(lived.action, [1, 2, 3])
    np.testing.assert_array_equal(lived.timestep.first, [True, False, True])
    np.testing.assert_array_equal(lived.timestep.previous_action.argmax(-1)[1:], [1, 2])
    np.testing.assert_array_equal(lived.timestep.arrival[2], lived.next_observation[1])
    np.testing.assert_array_equal(lived.timestep.observation[2], lived.timestep.observation[0])
