"""Random tabular MDPs of Duan et al. 2016 (RL², arXiv 1611.02779), table 2, with RL² and SNAIL.

    python -m benchmarks.tabular_mdp --row n=10

The classical learners of the same table are scored by ``benchmarks/references.py``.
"""

from benchmarks.published import Row, reproduce
from jmeta.training import Recipe


def row(name: str, num_episodes: int, num_steps: int, published: dict[str, str], **settings: float | str) -> Row:
    """RL² on lifetimes of one length."""
    fields = {"anneal_steps": num_steps, "num_tasks": 256, "num_minibatches": 8, "num_epochs": 2} | settings
    return Row(name, Recipe("rl2", fields, "tabular-mdp", {"num_episodes": num_episodes}), num_steps, published)


# With rewards this noisy, credit over ten steps teaches in minutes to remember what each state's actions paid; over the whole
# lifetime (discount 1, gae_lambda .95) it stays with the action that is best on the whole, at 124, for as long as an hour.
TEN = {"RL²": "156.2", "SNAIL": "159.1", "BEB": "150.2", "UCRL2": "146.6", "PSRL": "138.1"}
ROWS = [
    row("n=10", 10, 12_000, TEN, discount=0.9, gae_lambda=0.6, learning_rate=8e-3, entropy_coefficient=0.04),
    row(
        "n=10,snail",
        10,
        700,
        TEN,
        core="snail",
        hidden_size=32,
        discount=0.95,
        gae_lambda=0.7,
        learning_rate=3e-3,
        entropy_coefficient=0.04,
    ),
]

if __name__ == "__main__":
    reproduce("tabular-mdp", ROWS, __doc__)
