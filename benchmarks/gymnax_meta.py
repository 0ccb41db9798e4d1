"""gymnax's own meta-learning environments, published by gymnax-blines with evolution strategies, with RL².

    python -m benchmarks.gymnax_meta --row GaussianBandit-misc

gymnax draws a new task at each reset, so one episode is one lifetime, and test tasks are fresh draws.
"""

from benchmarks.published import Row, reproduce
from jmeta.training import Recipe


def row(name: str, task: str, num_steps: int, published: str, **settings: float) -> Row:
    """RL² in one environment."""
    fields = {"discount": 1.0, "anneal_steps": num_steps, "num_tasks": 1024} | settings
    return Row(name, Recipe("rl2", fields, task, {}), num_steps, {"gymnax-blines": published}, split="train")


FEW_EPOCHS = {"num_tasks": 512, "num_epochs": 2, "num_minibatches": 8}

ROWS = [
    row("GaussianBandit-misc", "gymnax-gaussian-bandit", 200, "0.0"),
    row("BernoulliBandit-misc", "gymnax-bernoulli-bandit", 200, "89.2 to 89.5"),
    row(
        "PointRobot-misc",
        "gymnax-point-robot",
        3000,
        "10.4 to 10.7",
        discount=0.95,
        hidden_size=128,
        learning_rate=2e-3,
        entropy_coefficient=0.01,
        **FEW_EPOCHS,
    ),
    row(
        "MetaMaze-misc",
        "gymnax-meta-maze",
        150,
        "32.4",
        discount=0.97,
        learning_rate=4e-3,
        entropy_coefficient=0.03,
        **FEW_EPOCHS,
    ),
]

if __name__ == "__main__":
    reproduce("gymnax-meta", ROWS, __doc__)
