"""Agents of the zoo as text: the list with their scores, and the card of one."""

import textwrap

from jmeta import recipes, zoo
from jmeta.cli.recipes import aligned, evaluation_options
from jmeta.recipes import SCORES
from jmeta.zoo import PREFIX, ZooAgent

WORDS: dict[str, str] = dict(SCORES)  # type: ignore[arg-type]
BELOW = (
    "Scores are means over test tasks, ± the standard error over tasks. The optimum is the Bayes optimum, or the return of "
    "an agent that knows the goal. `jmeta list zoo:NAME` shows the card of an agent. `jmeta evaluate zoo:NAME`, `watch` and "
    "`export` take it as they take a run."
)


def zoo_table(width: int) -> str:
    """Returns a line for each agent of the zoo, by what its score is the mean of."""
    agents = {name: zoo.get(name) for name in zoo.names()}
    rows = {name: _row(name, agent) for name, agent in agents.items()}
    titles = ("agent", "score", "optimum", "random", "kB")
    widths = [max(map(len, column)) for column in zip(titles, *rows.values(), strict=True)]
    blocks = []
    for of, says in WORDS.items():
        lines = [aligned(rows[name], widths) for name, agent in agents.items() if agent.card.of == of]
        if lines:
            blocks.append("\n".join([*textwrap.wrap(f"Score: {says}", width), aligned(titles, widths), *lines]))
    return "\n\n".join([*blocks, textwrap.fill(BELOW, width, break_on_hyphens=False)])


def zoo_details(name: str, width: int) -> str:
    """Returns the card of an agent of the zoo.

    Raises:
      ValueError: if there is none of that name; the message names the nearest.
    """
    agent = zoo.get(name)
    card = agent.card
    name = PREFIX + name.removeprefix(PREFIX)
    segments, length, streams = card.protocol
    lives = f"{segments} x {length} environment steps" + (f" in {streams} streams" if streams > 1 else "")
    episodes = " ".join(f"{each:.4g}" for each in card.episode_returns)
    says = [
        f"score: {card.score:.5g} ± {card.standard_error:.2g} (standard error), {WORDS[card.of]}; {card.num_tasks:,} "
        f"{card.split} tasks, a lifetime of {lives}",
        *([] if card.optimum is None else [f"optimum: {card.optimum:#.4g} ({card.optimum_label})"]),
        f"random actions: {card.random:.4g}",
        f"return of each episode: {episodes}",
        f"trained by: {card.command}; {card.outer_steps:,} outer steps, {card.env_steps:,} environment steps, seed {card.seed}",
        f"versions: {', '.join(f'{what} {version}' for what, version in card.versions.items())}",
        f"limits: {card.limits}",
    ]
    split = "" if card.split == "held-out" else f" --split {card.split}"
    commands = [
        f"jmeta evaluate {name}{evaluation_options(recipes.get(card.recipe))}",
        f"jmeta watch {name}{split} --out FILE.gif",
        f"jmeta export {name} --out FILE.jmeta",
    ]
    return "\n\n".join(
        [
            f"{name}, a trained agent of {agent.num_bytes / 1024:.0f} kB",
            "\n".join(textwrap.fill(line, width, subsequent_indent="  ", break_on_hyphens=False) for line in says),
            "\n".join(["use:", *(f"  {each}" for each in commands), f'  jmeta.load("{name}").agent() in Python']),
        ]
    )


def _row(name: str, agent: ZooAgent) -> tuple[str, ...]:
    card = agent.card
    optimum = "" if card.optimum is None else f"{card.optimum:#.4g}"
    score = f"{card.score:#.4g} ± {card.standard_error:.1g}"
    return name, score, optimum, f"{card.random:.3g}", f"{agent.num_bytes / 1024:.0f}"
