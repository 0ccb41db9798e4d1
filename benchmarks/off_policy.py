"""Off-policy learners on a single task each: SAC, TD3 and DQN.

python -m benchmarks.off_policy
"""

from typing import Any

from benchmarks.published import Row, reproduce
from jmeta.training import Recipe

PENDULUM: dict[str, Any] = {
    "widths": (64, 64),
    "num_training_tasks": 4,
    "num_passes": 200,
    "batch_size": 64,
    "learning_rate": 1e-3,
}
CART_POLE: dict[str, Any] = PENDULUM | {
    "widths": (120, 84),
    "batch_size": 32,
    "explore_steps": 40,
    "target_update_rate": 0.02,
    "learning_rate": 5e-4,
    "reward_scale": 0.05,
    "anneal_steps": 120,
}


def single(name: str, algorithm: str, env_id: str, num_steps: int, fields: dict[str, Any]) -> Row:
    """One task, four copies of it lived in side by side; its first episode is scored."""
    recipe = Recipe(algorithm, fields, "gymnax", {"env_id": env_id})
    return Row(name, recipe, num_steps, {}, num_tasks=1000, split="train", protocol={"num_segments": 1})


ROWS = [
    single("SAC, Pendulum-v1", "sac", "Pendulum-v1", 40, PENDULUM),
    single("TD3, Pendulum-v1", "td3", "Pendulum-v1", 40, PENDULUM),
    single("DQN, CartPole-v1", "dqn", "CartPole-v1", 120, CART_POLE),
]

if __name__ == "__main__":
    reproduce("off-policy", ROWS, __doc__)
