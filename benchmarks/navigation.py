"""2-D navigation of Finn et al. 2017 (MAML, arXiv 1703.03400), with MAML: return after 0, 1, 2 and 3 gradient steps.

    python benchmarks/navigation.py

Evaluation is the publication's: 40 trajectories of 100 steps for each gradient step, at rate 0.5, then 0.25.
"""

from jmeta.training import Recipe
from published import Row, reproduce

ROWS = [
    Row(
        "MAML",
        Recipe("maml", {"anneal_steps": 1500}, "point-navigation", {}),
        1500,
        {"MAML": "-40.4, -11.68, -3.33, -3.23", "pretrained": "-40.8, -19.7, -11.7, -8.5"},
        num_tasks=1000,
        protocol={"num_segments": 4, "num_streams": 40},
    ),
]

if __name__ == "__main__":
    reproduce("navigation", ROWS, __doc__)
