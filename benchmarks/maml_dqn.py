"""MAML with DQN: returns after 0, 1, 3 and 10 inner steps, beside FOMAML, DQN pretrained on all tasks, and DQN from scratch.

    python -m benchmarks.maml_dqn

All adapt by the same inner steps to a first segment of a held-out task, lived epsilon-greedily, and are scored in the second
(GridNavi's goals are all trained on, as published). For pretrained and fresh weights the inner rate is the best of several on
training tasks. Replay off: a task's replay holds its newest lifetime alone.

This is a script rather than a spec of ``jmeta compare``, which scores each training once: here each training is scored after
several numbers of inner steps, and at rates that are chosen on training tasks.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console

import jmeta
from jmeta.inner.maml_dqn import MAMLDQN
from jmeta.outer.off_policy import OffPolicy
from jmeta.tasks.base import TaskDistribution
from jmeta.training.provenance import device, git_commit, versions

RESULTS = Path(__file__).parent / "results" / "maml-dqn.json"
NUM_UPDATES = (0, 1, 3, 10)
RATES = (0.003, 0.01, 0.03, 0.1, 0.3)
NUM_TASKS = 2000
SHARED: dict[str, Any] = {
    "widths": (64, 64),
    "num_training_tasks": 64,
    "num_tasks": 16,
    "num_contexts": 10,
    "batch_size": 32,
    "num_minibatches": 4,
    "target_update_rate": 0.02,
    "learning_rate": 5e-4,
    "explore_steps": 50,
}
BALANCE: dict[str, Any] = {"segment_length": 200, "num_passes": 16, "reward_scale": 0.05}
ADAPTING: dict[str, Any] = {"adapt_batch_size": 64, "num_updates": 3}
EITHER_WAY = (("force_mag", (-15.0, 15.0)), ("length", (0.25, 0.75)), ("masspole", (0.05, 0.5)))
FAMILIES: dict[str, tuple[TaskDistribution, int, dict[str, Any], dict[str, Any]]] = {  # what is trained, and what adapts
    "cart-pole": (jmeta.tasks.CartPole(max_steps=200), 100, BALANCE, {"exploration_epsilon": 0.5}),
    "cart-pole, pushes of either sign": (
        jmeta.tasks.CartPole(ranges=EITHER_WAY, max_steps=200),
        100,
        BALANCE,
        {"exploration_epsilon": 0.5},
    ),
    "tabular-mdp": (
        jmeta.tasks.TabularMDP(),
        120,
        {
            "segment_length": 100,
            "num_training_tasks": 512,
            "num_tasks": 64,
            "num_passes": 4,
            "num_minibatches": 16,
            "reward_scale": 0.3,
            "discount": 0.9,
            "learning_rate": 2e-4,
        },
        {"exploration_epsilon": 1.0, "inner_rate": 0.2},
    ),
    "grid-navi": (
        jmeta.tasks.GridNavi(sight="one-hot"),
        120,
        {"segment_length": 60, "num_passes": 16, "discount": 0.9, "last_epsilon": 0.3, "learning_rate": 2e-4},
        {"exploration_epsilon": 1.0, "inner_rate": 0.3, "num_updates": 5},
    ),
}


def methods(family: str) -> dict[str, OffPolicy]:
    """What is trained, each on as many environment steps."""
    tasks, num_steps, settings, adapts = FAMILIES[family]
    settings = SHARED | settings | {"anneal_steps": num_steps}
    adapting = settings | ADAPTING | adapts
    length = settings["segment_length"]
    newest = {"capacity": 2 * length, "num_contexts": 1}
    return {
        "MAML-DQN": jmeta.algorithms.maml_dqn(tasks, **adapting),
        "FOMAML-DQN": jmeta.algorithms.maml_dqn(tasks, **adapting, first_order=True),
        "MAML-DQN, replay off": jmeta.algorithms.maml_dqn(tasks, **adapting | newest),
        "DQN, pretrained": jmeta.algorithms.dqn(tasks, **settings | {"segment_length": 2 * length}),
    }


def after_updates(agent: MAMLDQN, tasks: TaskDistribution, theta: Any, length: int, key: jax.Array) -> list[list[float]]:
    """(mean, standard error) of the return of an episode of the second segment, for each of ``NUM_UPDATES``."""
    scores = []
    for number in NUM_UPDATES:
        protocol = jmeta.types.Protocol(2, length, 1)
        agent = agent.replace(num_updates=number)  # type: ignore[attr-defined]
        result = jmeta.evaluate(agent, tasks, theta, key, protocol=protocol, num_tasks=NUM_TASKS)
        per_episode = result.episode_returns.reshape(NUM_TASKS, 2, -1)[:, 1].mean(1)
        scores.append([float(per_episode.mean()), float(per_episode.std(ddof=1) / np.sqrt(NUM_TASKS))])
    return scores


def run(family: str) -> dict[str, Any]:
    """All methods on a family of tasks."""
    tasks, num_steps, settings, _ = FAMILIES[family]
    scored = tasks.held_out if tasks.has_held_out else tasks
    outers = methods(family)
    agent: Any = outers["MAML-DQN"].inner
    length, found = settings["segment_length"], {}

    def with_best_rate(weights: Any) -> dict[str, Any]:
        at_rate = lambda rate: agent.replace(inner_rate=rate)  # noqa: E731
        tried = {rate: after_updates(at_rate(rate), tasks, weights, length, jax.random.key(2))[-1][0] for rate in RATES}
        rate = max(tried, key=lambda rate: tried[rate])
        return {"rate": rate, "scores": after_updates(at_rate(rate), scored, weights, length, jax.random.key(1))}

    for name, outer in outers.items():
        started = time.perf_counter()
        theta = jmeta.train(outer, jax.random.key(0), num_steps, progress=False).theta
        seconds = time.perf_counter() - started
        if name == "DQN, pretrained":
            found[name] = with_best_rate(theta)
        else:
            scores = after_updates(agent, scored, theta, length, jax.random.key(1))
            found[name] = {"rate": float(outer.inner.inner_rate), "scores": scores}
        found[name] |= {"seconds": round(seconds, 1), "env_steps": num_steps * outer.num_env_steps}
    found["DQN, from scratch"] = with_best_rate(agent.q_learner.init(jax.random.key(3)))
    return found


def main() -> None:
    """Runs what is asked for, and keeps it in ``results/maml-dqn.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", action="append", choices=FAMILIES, help="only this one; may be repeated")
    options = parser.parse_args()
    record = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"families": {}}
    for family in options.family or FAMILIES:
        found = run(family)
        record["families"][family] = found
        record |= {"num_updates": NUM_UPDATES, "versions": versions(), "device": device(), "git_commit": git_commit()}
        RESULTS.write_text(json.dumps(record, indent=2) + "\n")
        for name, result in found.items():
            scores = ", ".join(f"{mean:.2f} ± {error:.2g}" for mean, error in result["scores"])
            Console(width=140).print(f"{family}, {name} (rate {result['rate']:.3g}): {scores}", highlight=False)


if __name__ == "__main__":
    main()
