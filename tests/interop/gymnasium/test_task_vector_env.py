"""``TaskVectorEnv`` does what Gymnasium's ``SyncVectorEnv`` does with as many single environments."""

from typing import Any

import gymnasium
import jax
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from jmeta.interop.gymnasium import TaskEnv, TaskVectorEnv
from jmeta.tasks import BernoulliBandit, CartPole, DarkRoom, GridNavi, Pendulum, TabularMDP, TaskDistribution

MODES = list(AutoresetMode)
GRID = GridNavi(horizon=3, held_out_goals=8)


def both(tasks: TaskDistribution, mode: AutoresetMode, num_envs: int = 5, **settings: Any) -> tuple[Any, Any]:
    ours = TaskVectorEnv(tasks, num_envs, autoreset_mode=mode, **settings)
    theirs = SyncVectorEnv([lambda: TaskEnv(tasks, **settings)] * num_envs, autoreset_mode=mode)
    return ours, theirs


def assert_same(one: Any, other: Any) -> None:
    """The same values under the same names, up to rounding and the precision of numbers in infos."""
    if isinstance(one, dict):
        assert set(one) == set(other)
        for name in one:
            assert_same(one[name], other[name])
    elif isinstance(one, tuple):
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    elif isinstance(one, np.ndarray) and one.dtype == object:
        assert [each is None for each in one] == [each is None for each in other]
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    elif one is not None:
        assert np.shape(one) == np.shape(other)
        np.testing.assert_allclose(np.asarray(one, float), np.asarray(other, float), rtol=1e-5, atol=1e-5)


def act_alike(ours: Any, theirs: Any, num_steps: int) -> int:
    """Steps both, and returns the number of episodes that ended."""
    ended = 0
    for step in range(num_steps):
        ours.action_space.seed(step)
        action = ours.action_space.sample()
        one, other = ours.step(action), theirs.step(action)
        assert_same(one[4], other[4])
        for ours_now, theirs_now in zip(one[:4], other[:4], strict=True):
            assert ours_now.dtype == theirs_now.dtype
            assert_same(ours_now, theirs_now)
        assert one[0].flags.writeable
        done = one[2] | one[3]
        ended += int(done.sum())
        if done.any() and ours.metadata["autoreset_mode"] == AutoresetMode.DISABLED:
            assert_same(*(envs.reset(options={"reset_mask": done.copy()}) for envs in (ours, theirs)))
    return ended


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("episodes_per_task", [None, 2])
def test_it_steps_as_single_environments(mode: AutoresetMode, episodes_per_task: int | None) -> None:
    ours, theirs = both(GRID, mode, episodes_per_task=episodes_per_task)
    assert ours.metadata["autoreset_mode"] == mode
    for name in ("single_observation_space", "single_action_space", "observation_space", "action_space"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert_same(ours.reset(seed=3), theirs.reset(seed=3))
    assert act_alike(ours, theirs, 20) > 20
    asked: Any
    for asked in (
        {"options": {"task": "new"}},
        {"options": {"split": "held-out"}},
        {"options": {"task": 4}},
        {},
        {"seed": [9, 8, 7, 6, 5]},
    ):
        assert_same(*(envs.reset(**asked) for envs in (ours, theirs)))
        act_alike(ours, theirs, 4)


@pytest.mark.slow
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "tasks",
    [CartPole(max_steps=15), Pendulum(max_steps=4), TabularMDP(), BernoulliBandit(), DarkRoom(horizon=4)],
    ids=lambda tasks: tasks.name,
)
def test_it_steps_as_single_environments_of_other_families(mode: AutoresetMode, tasks: TaskDistribution) -> None:
    """CartPole ends at different times, Pendulum acts in a box, an MDP observes integers, and a bandit ends at every step."""
    ours, theirs = both(tasks, mode, episodes_per_task=2)
    assert_same(ours.reset(seed=3), theirs.reset(seed=3))
    assert act_alike(ours, theirs, 40) > 5


def test_each_environment_has_a_task_of_its_own() -> None:
    envs = TaskVectorEnv(GRID, 40)
    _, infos = envs.reset(seed=0)
    assert len(np.unique(infos["task"]["targets"].reshape(40, 2), axis=0)) > 5
    again = TaskVectorEnv(GRID, 40).reset(seed=0)[1]
    np.testing.assert_array_equal(again["task"]["targets"], infos["task"]["targets"])
    _, given = envs.reset(options={"task": infos["task"]})
    np.testing.assert_array_equal(given["task"]["targets"], infos["task"]["targets"])
    batch = jax.vmap(GRID.sample)(jax.random.split(jax.random.key(1), 40))
    _, given = envs.reset(options={"task": batch})
    np.testing.assert_array_equal(given["task"]["targets"], batch.targets)
    _, given = envs.reset(options={"task": np.arange(40)})
    for number in (0, 39):
        np.testing.assert_array_equal(given["task"]["targets"][number], GRID.sample(jax.random.key(number)).targets)
    numbers = TaskVectorEnv(GRID, 3, task=[5, 6, 5])
    targets = numbers.reset(seed=1)[1]["task"]["targets"]
    np.testing.assert_array_equal(targets[0], targets[2])
    np.testing.assert_array_equal(targets, numbers.reset(seed=2)[1]["task"]["targets"])
    unseeded = [TaskVectorEnv(GRID, 8).reset()[1]["task"]["targets"].tobytes() for _ in range(4)]
    assert len(set(unseeded)) > 1


def test_a_mask_resets_some() -> None:
    envs = TaskVectorEnv(GRID, 4, autoreset_mode="Disabled")
    with pytest.raises(gymnasium.error.ResetNeeded, match="call reset"):
        envs.reset(options={"reset_mask": np.array([True, False, False, True])})
    before, _ = envs.reset(seed=0)
    moved = envs.step(np.array([1, 2, 1, 2]))[0]
    mask = np.array([True, False, False, True])
    observation, infos = envs.reset(options={"reset_mask": mask, "task": "new"})
    np.testing.assert_array_equal(observation, np.where(mask[:, None], before, moved))
    np.testing.assert_array_equal(infos["_task"], mask)
    for _ in range(2):
        ended = envs.step(np.zeros(4, int))[3]
    np.testing.assert_array_equal(ended, ~mask)
    with pytest.raises(gymnasium.error.ResetNeeded, match="with a reset_mask if you like"):
        envs.step(np.zeros(4, int))


def test_wrappers_of_gymnasium_take_it() -> None:
    envs = gymnasium.make_vec("jmeta/GridNavi-v0", num_envs=3, horizon=4)
    assert isinstance(envs, TaskVectorEnv)
    envs = gymnasium.wrappers.vector.NormalizeReward(gymnasium.wrappers.vector.RecordEpisodeStatistics(envs))
    envs.reset(seed=0)
    for step in range(1, 10):
        infos = envs.step(np.full(3, 1))[4]
        assert ("episode" in infos) == (step in (4, 9))
    np.testing.assert_array_equal(infos["episode"]["l"], [4, 4, 4])
    mdps = gymnasium.wrappers.vector.FlattenObservation(gymnasium.make_vec("jmeta/TabularMDP-v0", num_envs=3))
    np.testing.assert_array_equal(mdps.reset(seed=0)[0].sum(-1), 1.0)  # one-hot
    listed = gymnasium.wrappers.vector.DictInfoToList(gymnasium.make_vec("jmeta/GridNavi-v0", num_envs=3))
    assert set(listed.reset(seed=0)[1][0]["task"]) == {"targets", "max_steps_in_episode"}
    envs.close()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_envs": 0}, "num_envs=0: give at least 1"),
        ({"autoreset_mode": "never"}, "autoreset_mode='never' is not one of NextStep, SameStep, Disabled"),
        ({"render_mode": "rgb_array"}, "give vectorization_mode='sync' too"),
        ({"episodes_per_task": True}, "episodes_per_task=True: give a whole number"),
        ({"task": [1, 2]}, "task: 2 tasks for 3 environments"),
    ],
)
def test_other_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TaskVectorEnv(GRID, **{"num_envs": 3, **settings})


def test_other_calls_are_refused() -> None:
    envs = TaskVectorEnv(GRID, 3)
    with pytest.raises(gymnasium.error.ResetNeeded, match="none has begun"):
        envs.step(np.zeros(3, int))
    envs.reset(seed=0)
    for asked, message in (
        ({"seed": [1, 2]}, "seed: 2 seeds for 3 environments"),
        ({"options": {"reset_mask": [0, 1, 1]}}, r"options\['reset_mask'\]=.*: give booleans \[3\]"),
        ({"options": {"reset_masks": 1}}, "they have 'task', 'split' and 'reset_mask'"),
        ({"options": {"task": {"targets": np.zeros((2, 1, 2), int), "max_steps_in_episode": np.ones(2, int)}}}, "2 tasks for 3"),
    ):
        with pytest.raises(ValueError, match=message):
            envs.reset(**asked)
    for action, message in (([0, 1, 5], "out of range"), ([0, 1], r"has shape \[2\]")):
        with pytest.raises(ValueError, match=message):
            envs.step(action)
