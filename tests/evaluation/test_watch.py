"""The GIF of a lifetime."""

import dataclasses
import itertools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import jmeta
from jmeta.evaluation.watch import _draw, _panels, watch
from jmeta.references import Random
from jmeta.tasks import BernoulliBandit, GaussianBandit, GridNavi, TaskDistribution
from jmeta.types import Protocol


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tasks", "protocol", "num_frames", "width"),
    [(BernoulliBandit(2, 6), Protocol(1, 6, 1), 6, 480), (GridNavi(horizon=4, num_episodes=3), Protocol(2, 12, 3), 4, 960)],
)
def test_a_gif_has_a_frame_for_every_step(
    tasks: TaskDistribution, protocol: Protocol, num_frames: int, width: int, tmp_path: Path
):
    inner = Random(tasks.observation_size, tasks.action_space)
    out = watch(inner, tasks, (), jax.random.key(0), protocol=protocol, out=tmp_path / "new" / "life.gif")
    with Image.open(out) as image:
        assert image.size == (width, 420)
        assert image.n_frames == num_frames  # the last one is held, not repeated
        frames = [np.asarray(image.convert("L")) for index in range(num_frames) if image.seek(index) is None]
    assert all((a != b).any() for a, b in itertools.pairwise(frames))


def test_the_first_episode_and_the_last_that_is_finished() -> None:
    tasks = GridNavi(horizon=3)
    inner = Random(tasks.observation_size, tasks.action_space)
    life = jmeta.lifetime.start(tasks, tasks.sample(jax.random.key(0)), ((), ()), num_streams=1, key=jax.random.key(1))
    _, lived = jmeta.lifetime.live(inner, tasks, (), life, num_segments=2, length=8, key=jax.random.key(2))
    stream = jax.tree.map(lambda x: np.asarray(x)[:, :, 0], lived.segments.plain())
    stream = dataclasses.replace(stream, reward=np.arange(16.0).reshape(2, 8))
    panels = _panels(stream, tasks.horizon)
    assert {name: lived.reward.tolist() for name, lived in panels.items()} == {
        "First episode": [0.0, 1.0, 2.0],
        "Last episode": [11.0, 12.0, 13.0],  # steps 14 and 15 begin one that the lifetime's end cuts off
    }
    assert jnp.ndim(panels["Last episode"].timestep.observation) == 2


def test_segments_must_be_whole_episodes(tmp_path: Path) -> None:
    tasks = GridNavi(horizon=4)
    inner = Random(tasks.observation_size, tasks.action_space)
    with pytest.raises(ValueError, match="not a whole number of episodes"):
        watch(inner, tasks, (), jax.random.key(0), protocol=Protocol(1, 6, 1), out=tmp_path / "life.gif")


def test_every_frame_has_the_same_axes_and_colours() -> None:
    """Rewards from -2 to 3 come late, so that a frame's own scale would change: bars and pulls stay where they are."""
    tasks = GaussianBandit(num_arms=3, num_pulls=6)
    task = tasks.sample(jax.random.key(0))
    inner = Random(tasks.observation_size, tasks.action_space)
    life = jmeta.lifetime.start(tasks, task, ((), ()), num_streams=1, key=jax.random.key(1))
    _, lived = jmeta.lifetime.rollout(inner, tasks, (), life, length=6, key=jax.random.key(2))
    stream = jax.tree.map(lambda x: np.asarray(x)[:, 0], lived.plain())
    panels = {"A lifetime": dataclasses.replace(stream, reward=np.array([0.1, 0.2, 0.1, -2.0, 0.3, 3.0]))}
    figure = Figure(figsize=(4.8, 4.2), dpi=100, layout="constrained")
    limits = _draw(figure, tasks, task, panels, 6, None)
    assert limits.colours is not None
    np.testing.assert_allclose(
        limits.colours, [min(-2.0, tasks.mean_rewards(task).min()), max(3.0, tasks.mean_rewards(task).max())]
    )
    seen = []
    for step in (1, 3, 6):
        _draw(figure, tasks, task, panels, step, limits)
        figure.canvas.draw()
        marks = figure.axes[0].collections[0]
        places = [axes.get_position().bounds for axes in figure.axes]  # the panel's and the colour bar's
        seen.append((marks.get_clim(), figure.axes[0].get_xlim(), figure.axes[0].get_ylim(), *places))
    for frame in seen[:2]:
        for value, last in zip(frame, seen[2], strict=True):
            np.testing.assert_allclose(value, last, atol=0.01)


def test_the_stream_that_is_drawn_takes_the_most_likely_actions(monkeypatch, tmp_path: Path) -> None:
    """Random on a bandit finds all arms alike, and the first of them is the most likely."""
    drawn = []
    monkeypatch.setattr(BernoulliBandit, "render", lambda self, task, lived, axes: drawn.append(np.asarray(lived.action)))
    tasks = BernoulliBandit(num_arms=4, num_pulls=5)
    inner = Random(tasks.observation_size, tasks.action_space)
    watch(inner, tasks, (), jax.random.key(0), protocol=Protocol(1, 5, 3), out=tmp_path / "life.gif")
    np.testing.assert_array_equal(drawn[0], np.zeros(5))
