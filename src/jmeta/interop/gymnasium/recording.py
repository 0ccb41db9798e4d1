"""Pictures of an environment: what a family's ``render`` draws of the episodes that were lived in a task, as an RGB array."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jmeta.tasks import TaskDistribution
from jmeta.types import Experience, Task, Timestep

INCHES, DOTS_PER_INCH = 4.0, 100  # frames of 400 by 400 pixels


def has_pictures(tasks: TaskDistribution) -> bool:
    """Returns whether a family draws pictures of its own, and not only the reward of every step."""
    return type(tasks).render is not TaskDistribution.render


class Recording:
    """Steps of one environment since it entered a task."""

    def __init__(self, tasks: TaskDistribution) -> None:
        self.tasks = tasks
        self.steps: list[tuple[Any, ...]] = []
        self._first, self._arrival = True, np.zeros(0)

    def begin(self, observation: Any, *, new_task: bool) -> None:
        """Records that an episode begins."""
        if new_task:
            self.steps = []
        self._first, self._observation = True, np.asarray(observation)
        if not self.steps:
            self._arrival = self._observation

    def add(self, action: Any, outcome: Any) -> None:
        """Records a step: the action as a policy takes it, and its ``Outcome``."""
        after = np.asarray(outcome.observation)
        ends = (np.asarray(outcome.reward), np.asarray(outcome.terminated), np.asarray(outcome.truncated))
        self.steps.append((self._observation, self._first, self._arrival, np.asarray(action), *ends, after))
        self._first, self._observation, self._arrival = False, after, after

    def experience(self) -> Experience:
        """Returns the steps [T, ...]."""
        observation, first, arrival, action, reward, terminated, truncated, after = map(np.stack, zip(*self.steps, strict=True))
        encoded = np.asarray(jax.vmap(self.tasks.action_space.encode)(jnp.asarray(action)))
        before = lambda x: np.concatenate([np.zeros_like(x[:1]), x[:-1]])  # noqa: E731
        timestep = Timestep(observation, before(encoded), before(reward), first, arrival)  # type: ignore[arg-type]
        return Experience(timestep, action, reward, terminated, truncated, after)  # type: ignore[arg-type]

    def frame(self, task: Task) -> np.ndarray:
        """Returns a picture [400, 400, 3] uint8; before the first step in a task it is empty."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure((INCHES, INCHES), dpi=DOTS_PER_INCH, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        if self.steps:
            self.tasks.render(task, self.experience(), axes)
        else:
            axes.set_axis_off()
        canvas.draw()
        return np.array(canvas.buffer_rgba())[..., :3]
