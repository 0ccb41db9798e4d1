"""Does MQL's adaptation pay? Paired with the same agent that does not adapt, and with parts of the adaptation left out.

    python -m benchmarks.mql_adaptation

The same tasks and keys for all, so differences are paired: the mean difference of the last episode's return over tasks, held out
and out of distribution, of each training seed, and over all seeds with a 95 % interval (bootstrap of seeds and tasks).

This is a script rather than a spec of ``jmeta compare``, which scores each training once: here each training is scored in two
splits and with five ways to adapt, so that differences are not between trainings.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
from rich.console import Console

import jmeta
from jmeta.inner.mql import MQL
from jmeta.tasks.base import TaskDistribution
from jmeta.training.provenance import device, git_commit, versions

RESULTS = Path(__file__).parent / "results" / "mql-adaptation.json"
NUM_TASKS = 200
FAMILIES: dict[str, tuple[TaskDistribution, int, dict[str, Any]]] = {
    "pendulum": (jmeta.tasks.Pendulum(), 150, {"reward_scale": 0.1}),
    "point-navigation": (jmeta.tasks.PointNavigation(), 200, {}),
}
SHARED: dict[str, Any] = {
    "num_segments": 3,
    "num_training_tasks": 32,
    "num_tasks": 8,
    "widths": (128, 128),
    "num_passes": 8,
    "num_minibatches": 4,
    "batch_size": 16,
    "learning_rate": 1e-3,
    "target_update_rate": 0.01,
}
VARIANTS: dict[str, dict[str, Any]] = {
    "whole": {},
    "own data alone": {"num_old_updates": 0},
    "old data alone": {"num_own_updates": 0},
    "slower": {"adapt_rate": 1e-4},
}


def differences(outer: Any, theta: Any, key: jax.Array) -> dict[str, dict[str, np.ndarray]]:
    """By split and variant, of each task the last episode's return with adaptation less that without; and that without."""
    agent: MQL = outer.inner
    found: dict[str, dict[str, np.ndarray]] = {}
    for split, tasks in (("held-out", outer.tasks.held_out), ("ood", outer.tasks.out_of_distribution)):

        def last_episode(agent: Any, tasks: TaskDistribution = tasks) -> np.ndarray:
            result = jmeta.evaluate(agent, tasks, theta, key, protocol=outer.protocol, num_tasks=NUM_TASKS)
            return result.episode_returns[:, -1]

        still = last_episode(agent.replace(adapts=False))  # type: ignore[attr-defined]
        variants = {name: last_episode(agent.replace(**fields)) - still for name, fields in VARIANTS.items()}  # type: ignore[attr-defined]
        found[split] = {"no adaptation": still} | variants
    return found


def interval(samples: list[np.ndarray]) -> list[float]:
    """The mean over seeds and tasks, and its 95 % interval: seeds drawn again, and tasks within them."""
    draw = np.random.default_rng(0)
    means = []
    for _ in range(2000):
        seeds = draw.integers(len(samples), size=len(samples))
        means.append(np.mean([draw.choice(samples[seed], NUM_TASKS).mean() for seed in seeds]))
    return [float(np.mean([sample.mean() for sample in samples])), *np.quantile(means, [0.025, 0.975]).tolist()]


def main() -> None:
    """Runs what is asked for, and keeps it in ``results/mql-adaptation.json``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", action="append", choices=FAMILIES, help="only this one; may be repeated")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    record = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"families": {}}
    for family in options.family or FAMILIES:
        tasks, num_steps, settings = FAMILIES[family]
        outer = jmeta.algorithms.mql(tasks, **SHARED | settings, anneal_steps=num_steps)
        by_seed = []
        for seed in range(options.seeds):
            key = jax.random.key(seed)
            theta = jmeta.train(outer, key, num_steps, progress=False).theta
            by_seed.append(differences(outer, theta, jax.random.fold_in(key, 1)))
        summary = {
            split: {name: interval([found[split][name] for found in by_seed]) for name in names}
            for split, names in by_seed[0].items()
        }
        record["families"][family] = {
            "summary": summary,
            "by_seed": [
                {split: {name: float(x.mean()) for name, x in names.items()} for split, names in found.items()}
                for found in by_seed
            ],
            "env_steps": num_steps * outer.num_env_steps,
        }
        record |= {"versions": versions(), "device": device(), "git_commit": git_commit()}
        RESULTS.write_text(json.dumps(record, indent=2) + "\n")
        for split, names in summary.items():
            for name, (mean, low, high) in names.items():
                Console(width=140).print(f"{family}, {split}, {name}: {mean:.3f} [{low:.3f}, {high:.3f}]", highlight=False)


if __name__ == "__main__":
    main()
