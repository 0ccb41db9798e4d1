"""``make demo``: an agent learns to learn, and is measured against what is attainable.

Meta-trains RL² on the 10-pull, 5-armed Bernoulli bandit (Duan et al. 2016, arXiv 1611.02779), then lives 100,000 held-out tasks
beside classical learners and the exact Bayes optimum, and draws a picture.
"""

import argparse
import json
import time
from pathlib import Path

import jax
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

import jmeta
from jmeta.evaluation import Evaluation
from jmeta.evaluation.evaluate import EVALUATION_FOLD
from jmeta.evaluation.plots import COLOURS, adaptation_curve, finish, learning_curve, save
from jmeta.references import UCB1, Random, ThompsonSampling
from jmeta.registry import build
from jmeta.training import Recipe, RunDirectory
from jmeta.training.provenance import device, versions

NUM_ARMS, NUM_PULLS = 5, 10


def next_directory(parent: Path) -> Path:
    """The first of demo-1, demo-2, ... that is free."""
    number = 1
    while (parent / f"demo-{number}").exists():
        number += 1
    return parent / f"demo-{number}"


def draw(run: RunDirectory, results: dict[str, Evaluation], optimum: float) -> Path:
    """Learning curve, reward by pull, and totals against the optimum."""
    figure = Figure(figsize=(15, 4.4), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    learning_curve(left, run.read_metrics(), label="RL²", colour=COLOURS[0])
    left.set_ylabel("reward of a pull")
    for colour, (name, result) in zip(COLOURS, results.items(), strict=False):
        summary = result.summary()
        adaptation_curve(
            middle,
            range(1, NUM_PULLS + 1),
            summary["episode_returns"],
            summary["episode_standard_errors"],
            label=name,
            colour=colour,
        )
    middle.set_xlabel("pull")
    middle.set_ylabel("mean reward")
    middle.set_title(f"Learning, in {next(iter(results.values())).num_tasks:,} bandits not seen before")
    names = list(results)
    scores = [results[name].mean_return for name in names]
    bars = right.barh(names, scores, color=COLOURS[: len(names)], height=0.6)
    right.bar_label(bars, fmt="%.3f", padding=-36, color="white")
    right.axvline(optimum, color="black", lw=1.2, ls="--")
    label = f"Bayes optimum {optimum:.3f}"
    right.annotate(label, (optimum, len(names) - 0.85), xytext=(-4, 0), textcoords="offset points", ha="right", fontsize=9)
    right.set_xlim(4.5, 7.0)
    right.invert_yaxis()
    right.set_xlabel(f"total reward of {NUM_PULLS} pulls")
    right.set_title("Against what is attainable")
    for panel in (left, middle, right):
        finish(panel)
    right.grid(visible=False)
    out = run.path / "demo.png"
    save(figure, out)
    return out


def main() -> None:
    """Trains, evaluates, prints and draws."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num-steps", type=int, default=600, help="outer steps")
    parser.add_argument("--num-tasks", type=int, default=100_000, help="held-out tasks")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--parent", type=Path, default=Path("runs"), help="where to make the run directory")
    options = parser.parse_args()
    console = Console()
    out = next_directory(options.parent)
    fields = {"discount": 1.0, "entropy_coefficient": 0.05, "anneal_steps": options.num_steps}
    recipe = Recipe("rl2", fields, "bernoulli-bandit", {"num_arms": NUM_ARMS, "num_pulls": NUM_PULLS})
    outer = build(recipe)
    console.print(
        f"An agent with a recurrent network meets bandits of {NUM_ARMS} arms with unknown odds, {NUM_PULLS} pulls each.\n"
        "Nobody tells it how to explore: meta-training makes its hidden state a learning algorithm.\n",
        highlight=False,
    )
    started = time.perf_counter()
    run_options = {
        "seed": options.seed,
        "num_steps": options.num_steps,
        "num_devices": None,
        "checkpoint_every": 100,
        "keep": 3,
        "wandb_project": None,
    }
    trained = jmeta.train(outer, jax.random.key(options.seed), options.num_steps, out=out, recipe=recipe, options=run_options)
    if trained.interrupted_by:
        return
    training_seconds = time.perf_counter() - started
    tasks = outer.tasks.held_out
    sizes = (tasks.observation_size, tasks.action_space)
    contenders = {
        "RL² (learned)": (outer.inner, trained.theta),
        "UCB1, tuned": (UCB1(*sizes, exploration=0.02, prior=1.0), ()),
        "UCB1": (UCB1(*sizes), ()),
        "Thompson sampling": (ThompsonSampling(*sizes), ()),
        "random": (Random(*sizes), ()),
    }
    key = jax.random.fold_in(jax.random.key(options.seed), EVALUATION_FOLD)
    results = {
        name: jmeta.evaluate(inner, tasks, theta, key, protocol=outer.protocol, num_tasks=options.num_tasks)
        for name, (inner, theta) in contenders.items()
    }
    reference = tasks.reference_return(NUM_PULLS)
    assert reference is not None
    table = Table("agent", "total reward", "± s.e.", title=f"{options.num_tasks:,} held-out bandits")
    for name, result in results.items():
        table.add_row(name, f"{result.mean_return:.4f}", f"{result.standard_error:.4f}")
    table.add_row("Bayes optimum (exact)", f"{reference.value:.4f}", "", style="bold")
    console.print(table)
    run = RunDirectory(out)
    scores = {name: {"mean": r.mean_return, "standard_error": r.standard_error} for name, r in results.items()}
    record = {
        "scores": scores,
        "bayes_optimum": reference.value,
        "num_tasks": options.num_tasks,
        "training_seconds": training_seconds,
        "compile_seconds": trained.compile_seconds,
        "outer_steps": trained.step,
        "versions": versions(),
        "device": device(),
    }
    (out / "demo.json").write_text(json.dumps(record, indent=2) + "\n")
    console.print(
        f"trained in {training_seconds:.0f} s; a picture worth opening: {draw(run, results, reference.value)}", soft_wrap=True
    )


if __name__ == "__main__":
    main()
