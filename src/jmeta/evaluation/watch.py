"""Draws one lifetime of an agent as a GIF, its first episode beside its last."""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from matplotlib.animation import PillowWriter
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jmeta.evaluation.checks import check_agent
from jmeta.inner.base import InnerLearner
from jmeta.keys import as_key
from jmeta.lifetime import live_in_new_task
from jmeta.outer.checks import check_protocol
from jmeta.tasks.base import TaskDistribution
from jmeta.types import Experience, Protocol, RolloutOptions, Task, Theta

MAX_FRAMES, FRAMES_PER_SECOND, FRAMES_AT_THE_END = 60, 8, 12


def watch(
    inner: InnerLearner, tasks: TaskDistribution, theta: Theta, key: jax.Array | int, *, protocol: Protocol, out: Path
) -> Path:
    """Rolls out one lifetime in one task and draws its first stream step by step with ``tasks.render``.

    The first stream takes the most likely action at every step and the others sample theirs, so it shows what was learned from
    all of them. Two panels show the first episode, before any adaptation, and the last, after all of it. Where an episode is one
    step, as in bandits, a single panel shows the whole lifetime.

    Args:
      inner: the agent.
      tasks: the distribution to draw the task from.
      theta: its meta-parameters.
      key: seeds the task and all that happens in it; a typed key, a raw key or a seed.
      protocol: the experience of the lifetime.
      out: path of the GIF.

    Returns:
      The path written.

    Raises:
      ValueError: if a segment is not a whole number of episodes, or agent, theta and tasks do not fit.
      TypeError: for an outer learner, or a meta-state.
      OSError: if ``out`` can't be written.
    """
    key = as_key(key)
    check_agent(inner, tasks, theta, key)
    check_protocol(tasks, protocol)
    live = jax.jit(live_in_new_task, static_argnames=("tasks", "protocol", "options"))
    task, (segments, _) = live(inner, tasks, theta, key, protocol=protocol, options=RolloutOptions(greedy=1))
    stream = jax.tree.map(lambda x: np.asarray(x)[:, :, 0], segments.plain())  # [K, T]
    panels = _panels(stream, tasks.horizon)
    length = max(len(lived.reward) for lived in panels.values())
    figure = Figure(figsize=(4.8 * len(panels), 4.2), dpi=100, layout="constrained")
    limits = _draw(figure, tasks, task, panels, length, None)
    steps = np.unique(np.linspace(1, length, min(length, MAX_FRAMES)).round().astype(int))
    out.parent.mkdir(parents=True, exist_ok=True)
    writer = PillowWriter(fps=FRAMES_PER_SECOND)
    with writer.saving(figure, str(out), dpi=100):
        for step in [*steps, *[length] * FRAMES_AT_THE_END]:
            _draw(figure, tasks, task, panels, step, limits)
            writer.grab_frame()
    return out


def _panels(stream: Experience, horizon: int) -> dict[str, Experience]:
    """Returns the [T] steps that each panel shows of a stream [K, T]."""
    num_segments, length = stream.reward.shape
    flat = jax.tree.map(lambda x: x.reshape(num_segments * length, *x.shape[2:]), stream)
    if horizon == 1:
        return {"A lifetime": flat}
    first = np.asarray(stream.timestep.first)
    begins = [np.flatnonzero(segment | (np.arange(length) == 0)) for segment in first]

    def episode(segment: int, number: int) -> Experience:
        bounds = [*begins[segment], length]
        return jax.tree.map(lambda x: x[segment, bounds[number] : bounds[number + 1]], stream)

    ended = bool((stream.terminated | stream.truncated)[-1, -1])
    finished = len(begins[-1]) - (0 if ended else 1)  # an episode that is cut off by the lifetime's end has no full return
    return {"First episode": episode(0, 0), "Last episode": episode(-1, max(finished - 1, 0))}


class _Limits(NamedTuple):
    """Axes and colour limits shared by all frames."""

    x: tuple[float, float]
    y: tuple[float, float]
    colours: tuple[float, float] | None  # of artists that are coloured by value, if there are any


def _draw(
    figure: Figure, tasks: TaskDistribution, task: Task, panels: dict[str, Experience], step: int, limits: _Limits | None
) -> _Limits:
    """Draws a frame, the first ``step`` steps of each panel, in the given limits; returns limits that hold all panels."""
    figure.clear()
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for panel, (title, lived) in zip(axes, panels.items(), strict=True):
        shown = jax.tree.map(lambda x: x[:step], lived)
        tasks.render(task, shown, panel)
        panel.set_title(f"{title}: return {float(shown.reward.sum()):.3g} after {len(shown.reward)} steps", fontsize=10)
        if limits is not None:
            panel.set(xlim=limits.x, ylim=limits.y)
            for marks in _coloured(panel):
                marks.set_clim(limits.colours)
    clims = np.array([marks.get_clim() for panel in axes for marks in _coloured(panel)])  # [marks, 2]
    x, y = (np.array([of(panel) for panel in axes]) for of in (Axes.get_xlim, Axes.get_ylim))  # [panels, 2]
    around = lambda ends: (float(ends[:, 0].min()), float(ends[:, 1].max()))  # noqa: E731
    return _Limits(around(x), around(y), around(clims) if clims.size else None)


def _coloured(panel: Axes) -> list[Any]:
    """Returns the artists that are coloured by value."""
    return [marks for marks in panel.collections if marks.get_array() is not None]
