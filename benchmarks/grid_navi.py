"""GridNavi of Zintgraf et al. 2020 (VariBAD, arXiv 1910.08348), four episodes in a 5 x 5 grid, an unknown goal: RL² and VariBAD.

    python -m benchmarks.grid_navi --seeds 5

The optimum is exact (``jmeta.references``): 4.0 in the first episode, then 11.0714. VariBAD's budget was 2e7 frames.
"""

from benchmarks.published import Row, reproduce
from jmeta.training import Recipe

STEPS = 800
FIELDS = {"discount": 1.0, "anneal_steps": STEPS, "num_tasks": 1024, "entropy_coefficient": 0.05}

VARIBAD_STEPS = 1000
VARIBAD = {
    "reward_values": (-0.1, 1.0),
    "reward_decoder": "one-state",
    "decodes_transitions": False,
    "latent_size": 10,
    "decoder_widths": (64, 64),
    "kl_weight": 0.03,
    "num_belief_updates": 12,
    "belief_learning_rate": 2e-3,
    "buffer_steps": 30,
    "policy_widths": (128, 128),
    "num_tasks": 1024,
    "num_epochs": 4,
    "num_minibatches": 4,
    "discount": 1.0,
    "entropy_coefficient": 0.08,
    "learning_rate": 2e-3,
    "anneal_steps": VARIBAD_STEPS,
}
PUBLISHED = {"VariBAD": "close to optimal in episode 1 (a plot)"}

ROWS = [
    Row("RL²", Recipe("rl2", FIELDS, "grid-navi", {}), STEPS, PUBLISHED, split="train"),
    Row("VariBAD", Recipe("varibad", VARIBAD, "grid-navi", {"sight": "one-hot"}), VARIBAD_STEPS, PUBLISHED, split="train"),
]

if __name__ == "__main__":
    reproduce("grid-navi", ROWS, __doc__)
