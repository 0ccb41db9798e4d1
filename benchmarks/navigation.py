"""2-D navigation of Finn et al. 2017 (MAML, arXiv 1703.03400): return after 0, 1, 2 and 3 gradient steps, by every method.

    python -m benchmarks.navigation --seeds 3

Evaluation is the publication's: 4,000 environment steps for each gradient step, 40 trajectories at a time, at rate 0.5, then
0.25. Like it, the table gives the mean over all trajectories that end within those steps, in which quick ones are more numerous;
the first trajectory of each stream alone is given beside it.
"""

from typing import Any

from benchmarks.published import Row, reproduce
from jmeta.training import Recipe

MAML = {"MAML": "-40.4, -11.68, -3.33, -3.23"}


def row(name: str, algorithm: str, num_steps: int, published: dict[str, str] | None = None, **fields: Any) -> Row:
    """One method; ``fields`` are its settings."""
    return Row(
        name,
        Recipe(algorithm, fields, "point-navigation", {}),
        num_steps,
        published or {},
        num_tasks=500,
        protocol={"num_segments": 4, "num_streams": 40},
        adapted_by=Recipe("maml", {}, "point-navigation", {}) if algorithm == "average" else None,
    )


def annealed(name: str, algorithm: str, num_steps: int, published: dict[str, str] | None = None, **fields: Any) -> Row:
    """The same with a learning rate that falls to zero."""
    return row(name, algorithm, num_steps, published, anneal_steps=num_steps, **fields)


ROWS = [
    row("random", "maml", 0, {"random init": "-82.7, -58.0, -53.8, -46.8"}),
    annealed(
        "pretrained",
        "average",
        100,
        {"pretrained": "-40.8, -19.7, -11.7, -8.5"},
        widths=(100, 100),
    ),
    row("MAML, trust region", "maml-trpo", 120, MAML, surrogate="naive", initial_std=0.8, damping=0.01, num_cg_steps=5),
    annealed("MAML, Adam", "maml", 500, MAML, initial_std=0.8, learning_rate=3e-3),
    annealed("FOMAML", "fomaml", 300, initial_std=0.6, learning_rate=2e-3),
    annealed("ANIL", "anil", 300, initial_std=0.6, learning_rate=2e-3),
    annealed("Meta-SGD", "meta-sgd", 400, initial_std=0.6, learning_rate=3e-3, surrogate="naive"),
    annealed("CAVIA", "cavia", 300, initial_std=0.6, learning_rate=2e-3),
    annealed("iMAML", "imaml", 120, initial_std=0.6, strength=4.0, inner_rates=(0.12,), learning_rate=2e-3),
    annealed("Meta-LSTM", "meta-lstm", 300, initial_std=0.6, learning_rate=2e-3),
    annealed("ProMP", "promp", 300, num_epochs=3, learning_rate=1e-3),
    annealed("E-MAML", "e-maml", 400, initial_std=0.6, learning_rate=3e-3, exploration_coefficient=0.02),
    annealed("Reptile", "reptile", 60, learning_rate=1.0, num_inner_steps=4),
    annealed("ES-MAML", "es-maml", 300, num_tasks=8, learning_rate=0.05, inner_rate=0.1),
]

if __name__ == "__main__":
    reproduce("navigation", ROWS, __doc__)
