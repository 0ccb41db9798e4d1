"""Plots: learning curves of meta-training, and adaptation curves within a lifetime."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jmeta.evaluation.plot_style import finish, save, show_all_spans
from jmeta.training.run_directory import RunDirectory
from jmeta.training.schema import fits

CURVE = ("env_steps", "return/before", "return/after")  # columns of metrics.jsonl that a learning curve needs, all numbers
COLOURS = ("#2f6fab", "#d1603d", "#4f9d69", "#8f5aa8", "#c29a2b", "#5b6770")


def learning_curve(axes: Axes, metrics: Sequence[dict[str, float]], *, label: str, colour: str) -> None:
    """Draws the return before and after adaptation against environment steps, smoothed over 2 % of the run.

    Args:
      axes: the axes to draw on.
      metrics: rows of metrics.jsonl.
      label: name of the run.
      colour: its colour.
    """
    env_steps = np.array([row["env_steps"] for row in metrics])
    window = max(1, len(metrics) // 50)
    for name, style, when in (("return/after", "-", "last episode"), ("return/before", ":", "first episode")):
        values = np.array([row[name] for row in metrics])
        smooth = np.convolve(values, np.ones(window) / window, mode="valid")
        axes.plot(env_steps[window - 1 :], smooth, style, color=colour, lw=1.8, label=f"{label}, {when}")
    axes.set_xlabel("environment steps of meta-training")
    axes.set_ylabel("return of an episode")
    axes.set_title("Meta-training")


def adaptation_curve(
    axes: Axes,
    env_steps: Sequence[float],
    returns: Sequence[float],
    errors: Sequence[float],
    *,
    label: str,
    colour: str,
) -> None:
    """Draws the return by episode against environment steps spent in the task, with 95 % intervals.

    Args:
      axes: the axes to draw on.
      env_steps: [E] steps spent in the task before each episode.
      returns: [E] means over tasks.
      errors: [E] standard errors of those means.
      label: name of the run.
      colour: its colour.
    """
    x, y, e = (np.asarray(values, float) for values in (env_steps, returns, errors))
    axes.plot(x, y, "o-", color=colour, ms=4, lw=1.8, label=label)
    if np.isfinite(e).all():
        axes.fill_between(x, y - 1.96 * e, y + 1.96 * e, color=colour, alpha=0.2, lw=0)
    show_all_spans(axes)
    axes.set_xlabel("environment steps spent in the task")
    axes.set_ylabel("return of an episode")
    axes.set_title("Adaptation in a new task")


def plot_runs(runs: Sequence[RunDirectory], out: Path) -> Path:
    """Draws learning curves of runs beside the adaptation curves of their newest evaluations, as a PNG.

    Each value of the environment's ``info``, such as success, has a panel of its own.

    Args:
      runs: at least one.
      out: path of the picture.

    Returns:
      The path written.

    Raises:
      ValueError: if a run has no metrics yet.
    """
    evaluations = [run.newest_evaluation() for run in runs]
    infos = list(dict.fromkeys(name for evaluation in evaluations if evaluation for name in evaluation.get("infos", {})))
    columns = (2 if any(evaluations) else 1) + len(infos)
    figure = Figure(figsize=(6.2 * columns, 4.2), layout="constrained")
    panels = figure.subplots(1, columns, squeeze=False)[0]
    for index, (run, evaluation) in enumerate(zip(runs, evaluations, strict=True)):
        colour = COLOURS[index % len(COLOURS)]
        run.read_config()
        metrics = [row for row in run.read_metrics() if all(fits(row.get(name), float) for name in CURVE)]
        if not metrics:
            raise ValueError(f"{run.path} has no metrics to plot yet")
        learning_curve(panels[0], metrics, label=run.path.name, colour=colour)
        if evaluation is not None:
            adaptation_curve(
                panels[1],
                evaluation["env_steps"],
                evaluation["episode_returns"],
                evaluation["episode_standard_errors"],
                label=f"{run.path.name}, {evaluation['num_tasks']} {evaluation['split']} tasks",
                colour=colour,
            )
            _reference_lines(panels[1], evaluation, label=run.path.name, colour=colour)
            for panel, name in zip(panels[2:], infos, strict=True):
                values = evaluation.get("infos", {}).get(name)
                if values is not None:
                    unknown = [np.nan] * len(values)
                    adaptation_curve(panel, evaluation["env_steps"], values, unknown, label=run.path.name, colour=colour)
                panel.set(title=name, ylabel=f"{name} of an episode")
    for panel in panels:
        finish(panel)
    save(figure, out)
    return out


def _reference_lines(axes: Axes, evaluation: dict[str, Any], *, label: str, colour: str) -> None:
    """Draws the optimum, dashed, and the return of random actions, dotted, per episode, where the evaluation has them.

    A reference for a lifetime of one stream is not drawn for several streams.
    """
    reference, random = evaluation.get("reference"), evaluation.get("random")
    if reference is not None and (reference["per"] == "episode" or evaluation["protocol"]["num_streams"] == 1):
        num_episodes = 1 if reference["per"] == "episode" else len(evaluation["episode_returns"])
        mean = "" if num_episodes == 1 else ", mean over a lifetime"
        name = f"{label}, {reference['label']}{mean}"
        axes.axhline(reference["value"] / num_episodes, color=colour, ls="--", lw=1.2, label=name)
    if random is not None:
        axes.axhline(random["episode_return"], color=colour, ls=":", lw=1.2, label=f"{label}, at random")
