"""Agents trained in JAX that adapt in Gymnasium's own CartPole, beside the same agents in the tasks that they were trained in.

    python -m benchmarks.simulators RUNS

CartPole has a push of unknown strength and sign and a pole of unknown length (the comparison ``cart-pole``). Each algorithm is
trained by its recipe into the directory RUNS, unless a run is there. The agents are scored on held-out tasks in JAX, and in
Gymnasium's CartPole-v1 with the same ranges. An oracle is told push and length there by a wrapper.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

import jmeta
from jmeta.interop.gymnasium import evaluate, varied
from jmeta.loaded_run import LoadedRun

RECIPES = ("rl2/cart-pole", "maml/cart-pole-push", "average/cart-pole", "oracle/cart-pole")
SEED = 3  # of the trainings
RESULTS = Path(__file__).parent / "results" / "simulators.json"
JAX_TASKS = 1000


class Told(gymnasium.ObservationWrapper):
    """Appends push and length, scaled from their ranges to [-1, 1], as the oracle observes them in JAX."""

    def __init__(self, env: Any, ranges: dict[str, tuple[float, float]]) -> None:
        super().__init__(env)
        values = [(getattr(env.unwrapped, name) - low) / (high - low) * 2.0 - 1.0 for name, (low, high) in ranges.items()]
        self.told = np.asarray(values, np.float32)
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (4 + len(values),), np.float32)

    def observation(self, observation: np.ndarray) -> np.ndarray:
        return np.concatenate([observation, self.told])


def main() -> None:
    parser = argparse.ArgumentParser(description="Score agents trained in JAX in Gymnasium's CartPole.")
    parser.add_argument("runs", type=Path, help="directory of the runs")
    parser.add_argument("--num-tasks", type=int, default=100, help="tasks in Gymnasium")
    arguments = parser.parse_args()
    rows = {}
    for recipe in RECIPES:
        run = arguments.runs / recipe.replace("/", "-")
        if not run.exists():
            words = ["train", "--recipe", recipe, "--seed", str(SEED), "--out", str(run)]
            subprocess.run([sys.executable, "-m", "jmeta", *words], check=True)
        rows[recipe] = compared(jmeta.load(run), arguments.num_tasks)
        print(recipe, json.dumps(rows[recipe]))
    ranges = dict(jmeta.recipes.get(RECIPES[0]).build().tasks.ranges)
    rows["random"] = {"gymnasium": random_returns(ranges, arguments.num_tasks)}
    RESULTS.write_text(json.dumps({"num_tasks": arguments.num_tasks, "jax_tasks": JAX_TASKS, "rows": rows}, indent=2) + "\n")


def compared(opened: LoadedRun, num_tasks: int) -> dict[str, Any]:
    """Returns the mean return of each episode and its standard error in JAX and in Gymnasium, and their quotient."""
    tasks = opened.tasks.held_out
    in_jax = jmeta.evaluate(opened.inner, tasks, opened.theta, 1, protocol=opened.protocol, num_tasks=JAX_TASKS, progress=False)
    is_told = isinstance(opened.tasks, jmeta.tasks.ToldTasks)
    ranges = dict((opened.tasks.tasks if is_told else opened.tasks).ranges)  # type: ignore[attr-defined]
    make_env = varied("CartPole-v1", ranges, seed=1)
    made = (lambda task: Told(make_env(task), ranges)) if is_told else make_env
    there = evaluate(opened.agent(num_tasks=num_tasks), made, seed=1, progress=False)
    here, away = in_jax.episode_returns, there.episode_returns
    return {
        "jax": _episodes(here),
        "gymnasium": _episodes(away),
        "share": round(float(away.mean() / here.mean()), 4),
    }


def random_returns(ranges: dict[str, tuple[float, float]], num_tasks: int) -> dict[str, list[float]]:
    """Returns the mean return of an episode of random actions in Gymnasium."""
    returns = []
    for env in map(varied("CartPole-v1", ranges, seed=1), range(num_tasks)):
        env.reset(seed=0)
        env.action_space.seed(0)
        total, over = 0.0, False
        while not over:
            _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            total, over = total + float(reward), terminated or truncated
        returns.append([total])
    return _episodes(np.asarray(returns))


def _episodes(returns: np.ndarray) -> dict[str, list[float]]:
    returns = returns.astype(float)
    error = returns.std(0, ddof=1) / len(returns) ** 0.5
    return {"returns": np.round(returns.mean(0), 2).tolist(), "standard_errors": np.round(error, 2).tolist()}


if __name__ == "__main__":
    main()
