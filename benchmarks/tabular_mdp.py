"""Random tabular MDPs of Duan et al. 2016 (RL², arXiv 1611.02779), table 2, with RL².

    python benchmarks/tabular_mdp.py --row n=10

The classical learners of the same table are scored by ``benchmarks/references.py``.
"""

from jmeta.training import Recipe
from published import Row, reproduce


def row(num_episodes: int, num_steps: int, published: dict[str, str], **settings: float) -> Row:
    """RL² on lifetimes of one length."""
    fields = {"discount": 1.0, "anneal_steps": num_steps, "num_tasks": 256, "hidden_size": 128} | settings
    return Row(f"n={num_episodes}", Recipe("rl2", fields, "tabular-mdp", {"num_episodes": num_episodes}), num_steps, published)


ROWS = [
    row(
        10,
        6000,
        {"RL²": "156.2", "SNAIL": "159.1", "BEB": "150.2", "UCRL2": "146.6", "PSRL": "138.1"},
        learning_rate=1e-3,
        entropy_coefficient=0.02,
    )
]

if __name__ == "__main__":
    reproduce("tabular-mdp", ROWS, __doc__)
