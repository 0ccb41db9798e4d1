"""Dark Room and Dark Key-to-Door of Laskin et al. 2022 (algorithm distillation, arXiv 2210.14215), with RL².

    python -m benchmarks.dark --row "Dark Room"

Twenty episodes in the one room and ten in the other, which show neither goal; the last of them are the asymptote. Held-out goals
are a fifth of all.
"""

from benchmarks.published import Row, reproduce
from jmeta.training import Recipe


def row(name: str, task: str, num_steps: int, published: dict[str, str], room: dict[str, int], **settings: float) -> Row:
    """RL² in one environment, ``room`` its fields."""
    fields = {
        "anneal_steps": num_steps,
        "num_tasks": 512,
        "num_minibatches": 8,
        "num_epochs": 2,
        "discount": 0.97,
        "learning_rate": 4e-3,
        "entropy_coefficient": 0.03,
    } | settings
    return Row(name, Recipe("rl2", fields, task, room), num_steps, published)


ROWS = [
    row(
        "Dark Room",
        "dark-room",
        150,
        {"goal known": "16.54"},
        {"num_episodes": 20},
        num_tasks=256,
        hidden_size=128,
        anneal_steps=250,
        entropy_coefficient=0.08,
    ),
    row("Dark Key-to-Door", "dark-key-to-door", 700, {"goal known": "2"}, {}),
]

if __name__ == "__main__":
    reproduce("dark", ROWS, __doc__)
