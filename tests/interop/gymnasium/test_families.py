"""Families under their names in Gymnasium, and a score in them that is the score in JAX."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import jax
import numpy as np
import pytest

import jmeta
from jmeta.agent.export import agent_of
from jmeta.interop.gymnasium import TaskEnv, TaskVectorEnv, evaluate
from jmeta.tasks import TASKS, GridNavi


def test_every_family_is_registered() -> None:
    names = {name for name in gymnasium.registry if name.startswith("jmeta/")}
    assert names == {f"jmeta/{family.__name__}-v0" for family in TASKS.values()}
    for name in names:
        spec = gymnasium.spec(name)
        assert gymnasium.envs.registration.EnvSpec.from_json(spec.to_json()) == spec


def test_settings_are_those_of_family_and_environment() -> None:
    env: Any = gymnasium.make("jmeta/GridNavi-v0", size=6, horizon=9, task=3).unwrapped
    assert isinstance(env, TaskEnv)
    assert env.tasks == GridNavi(size=6, horizon=9)
    envs: Any = gymnasium.make_vec("jmeta/CartPole-v0", num_envs=2, ranges=[["length", [0.3, 0.6]]], split="held-out")
    assert isinstance(envs, TaskVectorEnv)
    assert envs.tasks.ranges == (("length", (0.3, 0.6)),)
    sync = gymnasium.make_vec("jmeta/GridNavi-v0", num_envs=2, vectorization_mode="sync", horizon=9)
    assert isinstance(sync, gymnasium.vector.SyncVectorEnv)
    with pytest.raises(TypeError, match="horizon"):
        gymnasium.make("jmeta/GridNavi-v0", horizn=9)
    with pytest.raises(ValueError, match="trains on all its goals, as published"):
        gymnasium.make("jmeta/GridNavi-v0", split="held-out")
    with pytest.raises(ValueError, match="split='test' is not one of train, validation, held-out, ood"):
        gymnasium.make("jmeta/GridNavi-v0", split="test")
    listed: Any = gymnasium.make("jmeta/GridNavi-v0", render_mode="rgb_array_list")
    listed.reset(seed=0)
    listed.step(1)
    assert len(listed.render()) == 2


@pytest.mark.slow
def test_the_name_of_the_module_registers_them() -> None:
    code = "import gymnasium; print(gymnasium.make('jmeta.interop.gymnasium:jmeta/GridNavi-v0').reset(seed=0)[0])"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[-1. -1.]"


@pytest.mark.slow
def test_environments_run_in_processes_of_their_own() -> None:
    envs = gymnasium.make_vec(
        "jmeta/GridNavi-v0", num_envs=2, vectorization_mode="async", vector_kwargs={"context": "spawn"}, horizon=3
    )
    twin = gymnasium.make_vec("jmeta/GridNavi-v0", num_envs=2, horizon=3)
    np.testing.assert_array_equal(envs.reset(seed=0)[1]["task"]["targets"], twin.reset(seed=0)[1]["task"]["targets"])
    for one, other in zip(envs.step(np.array([1, 2]))[:4], twin.step(np.array([1, 2]))[:4], strict=True):
        np.testing.assert_allclose(one, other)
    envs.close()


def test_a_saved_agent_scores_in_gymnasium_as_in_jax(tmp_path: Path) -> None:
    """An agent without training, in 800 episodes of 200 tasks here and 8,000 in JAX; within four standard errors."""
    tasks = GridNavi(size=3, horizon=6, num_episodes=4)
    outer = jmeta.algorithms.rl2(tasks, hidden_size=8, num_tasks=8)
    theta = jax.jit(outer.inner.init)(jax.random.key(1))
    agent_of(outer.inner, tasks, theta, outer.protocol, about={"horizon": tasks.horizon}).save(tmp_path / "agent.jmeta")
    agent = jmeta.load_agent(tmp_path / "agent.jmeta", num_tasks=200)

    def make_env(number: int) -> gymnasium.Env:
        return gymnasium.make("jmeta/GridNavi-v0", size=3, horizon=6, task=number)

    found = evaluate(agent, make_env, seed=5, progress=False)
    twin = jmeta.evaluate(outer.inner, tasks, theta, 5, protocol=outer.protocol, num_tasks=2000, progress=False)
    assert found.episode_returns.shape == (200, 4)
    for name in ("lifetime_returns", "episode_returns"):  # [tasks], [tasks, episodes]
        one, other = getattr(found, name), getattr(twin, name)
        error = np.hypot(one.std(0) / np.sqrt(len(one)), other.std(0) / np.sqrt(len(other)))
        assert (abs(one.mean(0) - other.mean(0)) < 4 * error).all()
        assert (error < 0.2).all()  # of returns between -0.6 and 6 for each of four episodes
