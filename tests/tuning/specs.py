"""A small tuning: RL² on a bandit of two arms, four settings of one program and two of another."""

import copy
from typing import Any

SPEC: dict[str, Any] = {
    "name": "small",
    "seeds": 2,
    "num_test_tasks": 8,
    "tasks": {"bandit": {"task": "bernoulli-bandit", "num_arms": 2, "num_pulls": 3}},
    "algorithms": {
        "rl2": {"algorithm": "rl2", "hidden_size": 4, "num_tasks": 8, "num_epochs": 1, "num_minibatches": 1},
        "random": {"algorithm": "random"},
    },
    "tuning": {
        "env_steps": 96,
        "num_settings": 5,
        "num_rungs": 2,
        "reduction": 2,
        "num_tasks": 16,
        "space": {"rl2": {"learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}, "hidden_size": [4, 6]}},
    },
}


def changed(**tuning: Any) -> dict[str, Any]:
    """The specification with other values in its table ``tuning``."""
    spec = copy.deepcopy(SPEC)
    spec["tuning"] |= tuning
    return spec
