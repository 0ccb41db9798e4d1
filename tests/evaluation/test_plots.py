"""Plots: what is attainable, and what acting at random earns, beside the curves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jmeta.evaluation import plots
from jmeta.evaluation.plots import _reference_lines, adaptation_curve, finish, show_all_spans


def lines_of(reference: dict[str, Any] | None, num_streams: int) -> dict[str, float]:
    axes = Figure().subplots()
    evaluation = {
        "reference": reference,
        "random": {"episode_return": 0.5},
        "protocol": {"num_segments": 1, "segment_length": 4, "num_streams": num_streams},
        "episode_returns": [0.6, 0.7],
    }
    _reference_lines(axes, evaluation, label="run", colour="black")
    return {str(line.get_label()): float(np.asarray(line.get_ydata())[0]) for line in axes.get_lines()}


@pytest.mark.parametrize(
    ("reference", "num_streams", "expected"),
    [
        (None, 1, {}),
        ({"label": "goal known", "value": 0.9, "per": "episode"}, 4, {"run, goal known": 0.9}),
        # 1.6 in a lifetime of two episodes is 0.8 each
        ({"label": "Bayes optimum", "value": 1.6, "per": "lifetime"}, 1, {"run, Bayes optimum, mean over a lifetime": 0.8}),
        ({"label": "Bayes optimum", "value": 1.6, "per": "lifetime"}, 4, {}),  # of one stream, where four know more
    ],
)
def test_reference_lines(reference: dict[str, Any] | None, num_streams: int, expected: dict[str, float]) -> None:
    assert lines_of(reference, num_streams) == expected | {"run, at random": 0.5}


def test_reference_lines_do_not_change_the_axis() -> None:
    axes = Figure().subplots()
    axes.plot([0.0, 100.0], [0.0, 1.0], label="curve")
    axes.axhline(0.5)  # from 0 to 1 of the axis' width, which is no span of environment steps
    show_all_spans(axes)
    assert axes.get_xscale() == "linear"


def test_a_legend_has_a_ground_of_its_own() -> None:
    axes = Figure().subplots()
    adaptation_curve(axes, [0.0, 1.0], [0.0, 1.0], [0.1, 0.1], label="run", colour="black")
    finish(axes)
    legend = axes.get_legend()
    assert legend is not None
    assert legend.get_frame_on()
    assert legend.get_frame().get_alpha() > 0.8


class Run:
    """A run directory with a metric, and an evaluation of two episodes."""

    def __init__(self, name: str, infos: dict[str, list[float]]):
        self.path, self.infos = Path(name), infos

    def read_config(self) -> None:
        pass

    def read_metrics(self) -> list[dict[str, float]]:
        return [{"env_steps": 1.0, "return/before": 0.0, "return/after": 1.0}]


EVALUATION = {
    "env_steps": [0.0, 5.0],
    "episode_returns": [0.6, 0.7],
    "episode_standard_errors": [0.1, 0.1],
    "num_tasks": 3,
    "split": "held-out",
}


def panels_of(monkeypatch: pytest.MonkeyPatch, runs: Sequence[Run], **evaluation: Any) -> dict[str, Axes]:
    """The panels that ``plot_runs`` draws, by title."""
    shown: dict[str, Axes] = {}
    monkeypatch.setattr(Run, "newest_evaluation", lambda run: EVALUATION | {"infos": run.infos} | evaluation, raising=False)
    monkeypatch.setattr(plots, "save", lambda figure, out: shown.update({axes.get_title(): axes for axes in figure.axes}))
    plots.plot_runs(runs, Path("plot.png"))  # type: ignore[arg-type]
    return shown


def test_infos_have_curves_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """One run says success, the other success and cost: two more panels, with a curve for each that has a number."""
    runs = [Run("one", {"success": [0.2, 0.9]}), Run("two", {"success": [0.3, 0.4], "cost": [2.0, 1.0]})]
    shown = panels_of(monkeypatch, runs)
    assert list(shown) == ["Meta-training", "Adaptation in a new task", "success", "cost"]
    curves = {name: [np.asarray(line.get_ydata()).tolist() for line in shown[name].get_lines()] for name in ("success", "cost")}
    assert curves == {"success": [[0.2, 0.9], [0.3, 0.4]], "cost": [[2.0, 1.0]]}


def test_a_plot_has_the_reference_lines_of_its_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    references = {
        "reference": {"label": "goal known", "value": 0.9, "per": "episode"},
        "random": {"episode_return": 0.5},
        "protocol": {"num_segments": 1, "segment_length": 10, "num_streams": 1},
    }
    axes = panels_of(monkeypatch, [Run("one", {})], **references)["Adaptation in a new task"]
    drawn = {line.get_label(): np.asarray(line.get_ydata())[0] for line in axes.get_lines()}
    assert (drawn["one, goal known"], drawn["one, at random"]) == (0.9, 0.5)
