"""Plots: what is attainable, and what acting at random earns, beside the curves."""

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

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
