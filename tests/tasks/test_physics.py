"""Classic control with physics that vary."""

import dataclasses

import jax
import numpy as np
import pytest

from jmeta.tasks import Acrobot, CartPole, GymnaxTasks, MountainCar, MountainCarContinuous, Pendulum, Reacher
from jmeta.types import Continuous, Discrete

FAMILIES = [
    (Acrobot, "Acrobot-v1", Discrete(3), 500),
    (CartPole, "CartPole-v1", Discrete(2), 500),
    (MountainCar, "MountainCar-v0", Discrete(3), 200),
    (MountainCarContinuous, "MountainCarContinuous-v0", Continuous(1), 999),
    (Pendulum, "Pendulum-v1", Continuous(1), 200),
    (Reacher, "Reacher-misc", Continuous(2), 100),
]
KEYS = jax.random.split(jax.random.key(0), 2000)


@pytest.mark.parametrize(("family", "env_id", "actions", "horizon"), FAMILIES)
def test_a_family_is_gymnax_tasks_with_ranges(family, env_id, actions, horizon):
    tasks = family()
    assert (tasks.env_id, tasks.action_space, tasks.horizon, tasks.lifetime_length) == (env_id, actions, horizon, horizon)
    same = GymnaxTasks(env_id, ranges=dict(tasks.ranges))
    one, other = tasks.held_out.sample(KEYS[0]), same.held_out.sample(KEYS[0])
    jax.tree.map(np.testing.assert_array_equal, one, other)
    assert dataclasses.replace(tasks, lifetime_episodes=3).lifetime_length == 3 * horizon


@pytest.mark.parametrize(("family", "env_id", "actions", "horizon"), FAMILIES)
def test_gymnax_s_own_value_is_a_training_task_and_every_split_keeps_to_its_range(family, env_id, actions, horizon):
    tasks = family()
    default = tasks.environment.default_params
    train, ood = (jax.jit(jax.vmap(split.sample))(KEYS).params for split in (tasks, tasks.out_of_distribution))
    for name, (low, high) in tasks.ranges:
        assert low < getattr(default, name) < high
        inside, outside = np.asarray(getattr(train, name)), np.asarray(getattr(ood, name))
        assert (inside.min() > low, inside.max() < high) == (True, True)
        assert np.all((outside < low) | (outside > high))
        assert outside.min() > 0


@pytest.mark.parametrize("family", [Acrobot, Pendulum])
def test_out_of_distribution_is_the_paper_s_extreme(family):
    ood = jax.jit(jax.vmap(family().out_of_distribution.sample))(KEYS).params
    for name, _ in family().ranges:
        values = np.asarray(getattr(ood, name))
        assert (values.min() > 0.5, values.max() < 1.5) == (True, True)  # [0.5, 0.75] and [1.25, 1.5]
        assert (values.min() < 0.51, values.max() > 1.49) == (True, True)


def test_cart_pole_s_derived_parameters_follow():
    params = jax.jit(jax.vmap(CartPole().sample))(KEYS).params
    np.testing.assert_allclose(params.total_mass, params.masscart + params.masspole, rtol=1e-6)


def test_reacher_draws_a_goal_for_every_episode_and_shows_it():
    tasks = Reacher()
    task = tasks.sample(KEYS[0])
    goals = np.array([tasks.reset(task, key)[0][-2:] for key in KEYS[:5]])
    assert len(np.unique(goals, axis=0)) == 5


def test_what_a_family_fixes_cannot_be_set():
    with pytest.raises(TypeError, match="env_id"):
        CartPole(env_id="Pendulum-v1")
    assert CartPole(ranges={"gravity": (5.0, 15.0)}).ranges == (("gravity", (5.0, 15.0)),)
    with pytest.raises(ValueError, match="'mass' is not a parameter of CartPole-v1"):
        CartPole(ranges={"mass": (0.1, 0.2)})
