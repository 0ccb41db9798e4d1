"""Made-up cells of the bench, for tests of its summary, figures and pages."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.bench.rows import FAILED
from jmeta.comparison.learning import LearningCurves
from jmeta.comparison.spec.schema import Spec, check_structure
from jmeta.comparison.store import Returns, Store


def small_spec() -> Spec:
    """Returns three task families and five algorithms, of which one runs in the first task family only."""
    algorithms = {name: {"algorithm": name} for name in ("rl2", "maml", "oracle", "random")}
    return check_structure(
        {
            "name": "small",
            "seeds": 2,
            "experience": [0, 5],
            "tasks": {name: {"task": "bernoulli-bandit"} for name in ("one", "two", "three")},
            "algorithms": algorithms | {"dqn": {"algorithm": "dqn", "tasks": ["one"]}},
        }
    )


def made_up(data: Path, budget: str, task: str, algorithm: str, episodes: Any, **info: Any) -> None:
    """Writes a cell with these returns of episodes, seeds [S] x test tasks [N] x episodes [E], each of five steps."""
    returns = np.asarray(episodes, np.float32)[None]  # [1, S, N, E]
    num_seeds, num_episodes = returns.shape[1], returns.shape[3]
    begins = np.broadcast_to(5.0 * np.arange(num_episodes), (1, num_seeds, num_episodes))
    content = {
        "variants": [{"label": "", "failures": [None] * num_seeds}],
        "seeds": list(range(num_seeds)),
        "num_test_tasks": returns.shape[2],
        "split": "held-out",
        "why_not_held_out": None,
        "protocol": {"num_segments": 1, "segment_length": 5 * num_episodes, "num_streams": 1},
        "horizon": 5,
        "reference": None,
        "outer_steps": 0 if algorithm == "random" else 10,
        "env_steps": 0 if algorithm == "random" else 1000,
        "train_seconds": 0.0 if algorithm == "random" else 7.0,
        "compile_seconds": 0.0 if algorithm == "random" else 3.0,
        "device": "2 x cpu",
    }
    learned = np.linspace(0.0, 1.0, 90, dtype=np.float32).reshape(1, 1, 90).repeat(num_seeds, 1)
    learning = None if algorithm == "random" else LearningCurves(learned, learned, np.arange(10, 910, 10))
    store = Store(data / budget / "cells" / task / algorithm)
    store.begin({})
    store.finish(Returns(returns.sum(-1), returns, returns.sum(-1, keepdims=True), begins), content | info, learning)


def failed(data: Path, budget: str, task: str, algorithm: str, error: str) -> None:
    """Writes a cell whose program could not be run."""
    path = data / budget / "cells" / task / algorithm
    path.mkdir(parents=True)
    (path / FAILED).write_text(json.dumps({"error": error}))


def constant(score: float, seeds: Sequence[float] = (-0.1, 0.1)) -> list[Any]:
    """Returns the returns of seeds that differ from a score by these numbers, on two tasks and two episodes."""
    return [[[score + d, score + d]] * 2 for d in seeds]
