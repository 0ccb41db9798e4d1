"""Bernoulli bandits of Duan et al. 2016 (RL², arXiv 1611.02779), table 1, with RL², by backpropagation and by evolution.

And two dependent arms, of Wang et al. 2016 (arXiv 1611.05763).

    python -m benchmarks.bandits --row n=10,k=5 --seeds 5

The classical learners of the same table are scored by ``benchmarks/references.py``.
"""

from benchmarks.published import Row, reproduce
from jmeta.training import Recipe


def row(num_pulls: int, num_arms: int, num_steps: int, published: dict[str, str], **settings: float) -> Row:
    """RL² at one size."""
    fields = {"discount": 1.0, "anneal_steps": num_steps, "entropy_coefficient": 0.05} | settings
    recipe = Recipe("rl2", fields, "bernoulli-bandit", {"num_arms": num_arms, "num_pulls": num_pulls})
    return Row(f"n={num_pulls},k={num_arms}", recipe, num_steps, published)


LONG = {
    "num_tasks": 1024,
    "num_epochs": 2,
    "num_minibatches": 16,
    "discount": 0.99,
    "gae_lambda": 0.9,
    "learning_rate": 4e-3,
    "entropy_coefficient": 0.06,
}
# With a discount of 0.99 and a gae_lambda of 0.9, trying one more arm seems not worth what it brings so much later.
FAR_SIGHTED = {"discount": 1.0, "gae_lambda": 0.98, "learning_rate": 3e-3}
# Counts of pulls and rewards are sums over time, which a linear recurrence keeps: early on it learns from fewer steps than a GRU.
DEPENDENT = {
    "core": "lru",
    "encoder_widths": (64,),
    "head_widths": (64,),
    "num_tasks": 512,
    "num_epochs": 2,
    "num_minibatches": 8,
    "discount": 0.99,
    "gae_lambda": 0.9,
    "learning_rate": 3e-3,
    "entropy_coefficient": 0.03,
    "anneal_steps": 800,
}
SHORT = {"RL²": "6.7", "SNAIL": "6.6", "Gittins": "6.6"}
ROWS = [
    row(10, 5, 1000, SHORT),
    Row(
        "n=10,k=5,evolution",
        Recipe("rl2-es", {"num_tasks": 1024}, "bernoulli-bandit", {"num_arms": 5, "num_pulls": 10}),
        500,
        SHORT,
    ),
    row(10, 10, 1000, {"RL²": "6.7", "SNAIL": "6.7", "Gittins": "6.6"}),
    row(100, 5, 2400, {"RL²": "78.7", "SNAIL": "79.1", "Gittins": "78.3"}, **LONG | FAR_SIGHTED),
    row(100, 10, 4500, {"RL²": "83.5", "SNAIL": "83.5", "Gittins": "82.8"}, **LONG | FAR_SIGHTED | {"entropy_coefficient": 0.1}),
    Row(
        "dependent,n=100",
        Recipe("rl2", DEPENDENT, "dependent-bandit", {"num_pulls": 100}),
        800,
        {"optimal regret": "1.221"},
    ),
]

if __name__ == "__main__":
    reproduce("bandits", ROWS, __doc__)
