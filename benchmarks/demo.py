"""``make demo``: an agent learns to explore a bandit, and is compared with classical learners and the exact Bayes optimum.

Runs the comparison ``specs/demo.toml``, prints its table of total rewards and draws a picture. What the results directory holds
already is not computed again, so an interrupted demo continues. ``jmeta compare demo --out runs/demo`` reports all statistics.
"""

import argparse
import dataclasses
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from jmeta.comparison import SPECS, CellResult, Comparison, compare, read_spec
from jmeta.evaluation import standard_error
from jmeta.evaluation.plots import COLOURS, adaptation_curve, finish, learning_curve, save

LABELS = {
    "rl2": "RL² (learned)",
    "ucb1-tuned": "UCB1, tuned",
    "ucb1": "UCB1",
    "thompson-sampling": "Thompson sampling",
    "random": "random",
}


def run(comparison: Comparison, out: Path) -> Path | None:
    """Trains and scores all agents, prints the table, and returns the path of the picture; None if training ended early."""
    console = Console()
    if (out / "cells" / "bandit" / "rl2" / "result.json").exists():
        console.print(
            f"{out} holds a finished training, which is shown: give another --out to train again\n",
            highlight=False,
            soft_wrap=True,
        )
    outcome = compare(comparison, out, say=lambda message: Console(stderr=True).print(message, highlight=False))
    results = {LABELS[result.cell.algorithm]: result for result in outcome.results}
    learned = next(iter(results.values()))
    if outcome.interrupted_by or learned.returns is None:
        return None
    optimum = learned.info["reference"]["value"]
    table = Table("agent", "total reward", "± s.e.", title=f"{comparison.num_test_tasks:,} held-out bandits")
    for label, rewards in total_rewards(results).items():
        table.add_row(label, f"{rewards.mean():.4f}", f"{standard_error(rewards):.4f}")
    table.add_row("Bayes optimum (exact)", f"{optimum:.4f}", "", style="bold")
    console.print(table)
    picture = out / "demo.png"
    save(draw(results, optimum), picture)
    console.print(f"trained in {learned.info['train_seconds']:.0f} s; a picture worth opening: {picture}", soft_wrap=True)
    return picture


def total_rewards(results: dict[str, CellResult]) -> dict[str, np.ndarray]:
    """Returns the total reward in each task [N], by agent; those of the first seed."""
    return {label: result.returns.lifetime_returns[0, 0] for label, result in results.items() if result.returns is not None}


def draw(results: dict[str, CellResult], optimum: float) -> Figure:
    """Draws the learning curve, the reward by pull, and the totals beside the optimum."""
    figure = Figure(figsize=(15, 4.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    curves = next(iter(results.values())).learning
    if curves is not None:
        steps = zip(curves.env_steps, curves.return_before[0, 0], curves.return_after[0, 0], strict=True)
        metrics = [{"env_steps": n, "return/before": before, "return/after": after} for n, before, after in steps]
        learning_curve(left, metrics, label="RL²", colour=COLOURS[0])
    left.set_ylabel("reward of a pull")
    for colour, (label, result) in zip(COLOURS, results.items(), strict=False):
        if result.returns is not None:
            pulls = result.returns.episode_returns[0, 0]  # [N, E]
            errors = [standard_error(rewards) for rewards in pulls.T]
            adaptation_curve(middle, range(1, pulls.shape[1] + 1), pulls.mean(0), errors, label=label, colour=colour)
    middle.set_xlabel("pull")
    middle.set_ylabel("mean reward")
    totals = total_rewards(results)
    num_tasks = len(next(iter(totals.values())))
    middle.set_title(f"Learning, in {num_tasks:,} bandits not seen before")
    bars = right.barh(list(totals), [rewards.mean() for rewards in totals.values()], color=COLOURS[: len(totals)], height=0.6)
    right.bar_label(bars, fmt="%.3f", padding=-36, color="white")
    right.axvline(optimum, color="black", lw=1.2, ls="--")
    label, place = f"Bayes optimum {optimum:.3f}", (optimum, len(totals) - 0.85)
    right.annotate(label, place, xytext=(-4, 0), textcoords="offset points", ha="right", fontsize=9)
    right.set_xlim(4.5, 7.0)
    right.invert_yaxis()
    right.set_xlabel("total reward of a lifetime")
    right.set_title("Against what is attainable")
    for panel in (left, middle, right):
        finish(panel)
    right.grid(visible=False)
    return figure


def main() -> None:
    """Runs the demo."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0, help="seed of the training and of the test tasks")
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="results directory")
    options = parser.parse_args()
    comparison = dataclasses.replace(read_spec(SPECS / "demo.toml"), seed=options.seed)
    tasks = comparison.cells[0].learner.tasks
    Console().print(
        f"An agent with a recurrent network meets bandits of {tasks.num_arms} arms with unknown odds, {tasks.num_pulls} pulls "
        "each.\nNobody tells it how to explore: meta-training makes its hidden state a learning algorithm.\n",
        highlight=False,
    )
    try:
        picture = run(comparison, options.out)
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    if picture is None:
        raise SystemExit("the training did not finish; the same command continues it")


if __name__ == "__main__":
    main()
