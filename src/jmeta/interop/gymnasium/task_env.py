"""``TaskEnv``: a task family as a Gymnasium environment."""

from typing import Any, ClassVar

import gymnasium
import jax.numpy as jnp
import numpy as np

from jmeta.interop.gymnasium import episodes
from jmeta.interop.gymnasium.options import as_dictionary, as_task, read_options
from jmeta.interop.gymnasium.recording import Recording, has_pictures
from jmeta.interop.gymnasium.spaces import check_action, read_observation, spaces_of
from jmeta.interop.gymnasium.vector_infos import first_number
from jmeta.outer.checks import check_tasks
from jmeta.tasks import TaskDistribution


class TaskEnv(gymnasium.Env[Any, Any]):
    """An environment in one task of a family at a time; ``reset`` begins an episode.

    **Tasks.** The first reset draws a task, and so does every reset with a seed. Other resets *keep the task*, so that an agent
    can adapt to it over several episodes, unless the options ask for another one:

    - ``reset(options={"task": "new"})`` draws a new task.
    - ``reset(options={"split": "held-out"})`` draws a new task of this split, and later ones come from it too. The splits are
      ``train``, ``held-out`` and ``ood``.
    - ``reset(options={"task": 7})`` enters the task number 7 of the split, ``tasks.sample(jax.random.key(7))``.
    - ``reset(options={"task": task})`` enters a task that is given, as the family has it or as ``info["task"]``.

    With ``episodes_per_task=n`` every n-th reset draws a new task. Algorithms that do not adapt are trained on all tasks with 1.

    **Seeds.** The same seed gives the same task and episodes. All random numbers come from one number that is drawn from
    ``np_random`` when a seed is given, or at the first reset; ``jmeta.interop.gymnasium.episodes`` says how.

    **Steps.** Actions are in the environment's own units, and a box clips them. The horizon of the family truncates an episode.
    ``info`` has the numbers that the family's environment reports, and ``info["task"]`` has the task, as a dictionary of NumPy
    arrays.

    Args:
      tasks: the task family; tasks are drawn from its split.
      task: number of the task to enter, or a task, wherever the options do not ask for another one; None draws tasks.
      episodes_per_task: number of episodes after which ``reset`` draws a new task; None keeps the task until asked.
      render_mode: ``rgb_array`` draws all episodes in the task so far, for families that define ``render``; None draws nothing.

    Raises:
      TypeError: if ``tasks`` is no task distribution.
      ValueError: if a setting, an option or an action is not one of these environments.
      gymnasium.error.ResetNeeded: if an episode has ended, or none has begun, and ``step`` is called.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 4}  # type: ignore[misc]

    def __init__(
        self,
        tasks: TaskDistribution,
        *,
        task: Any = None,
        episodes_per_task: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        check_tasks(tasks)
        check_episodes_per_task(episodes_per_task)
        modes = ["rgb_array"] if has_pictures(tasks) else []
        if render_mode not in (None, *modes):
            can = "choose rgb_array, or leave it out" if modes else f"{type(tasks).__name__} draws no pictures; leave it out"
            raise ValueError(f"render_mode={render_mode!r}: {can}")
        self.metadata = {**type(self).metadata, "render_modes": modes}  # type: ignore[misc]
        self.render_mode = render_mode
        self.tasks = tasks.train
        self.episodes_per_task = episodes_per_task
        self.observation_space, self.action_space = spaces_of(tasks)
        self._drawn_from = tasks
        self._fixed = None if task is None else as_task(tasks, task)
        self._running: episodes.Running | None = None
        self._needs_reset = True
        self._recording = None if render_mode is None else Recording(self.tasks)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins an episode: (observation, info); see the class for the options."""
        asked = read_options(self._drawn_from, options)
        given = None if asked.task is None else as_task(asked.drawn_from, asked.task)
        super().reset(seed=seed)
        self._drawn_from = asked.drawn_from
        if self._running is None or seed is not None:
            number, episode = jnp.asarray(first_number(self.np_random)), jnp.int32(0)
            is_over = True
        else:
            number, episode = self._running.seed, self._running.episode + 1
            is_over = self.episodes_per_task is not None and int(self._running.in_task) >= self.episodes_per_task
        enters = is_over or asked.new or given is not None
        if enters:
            if given is None:
                given = None if asked.new else self._fixed
            task = episodes.draw_jitted(self._drawn_from, number, episode) if given is None else given
            self._running = episodes.enter_jitted(self.tasks, number, episode, task)
        else:
            assert self._running is not None
            self._running = episodes.begin_again_jitted(self.tasks, self._running)
        self._needs_reset = False
        if self._recording is not None:
            self._recording.begin(self._running.observation, new_task=enters)
        return read_observation(self.observation_space, self._running.observation), {"task": as_dictionary(self._running.task)}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Takes one step: (observation, reward, terminated, truncated, info)."""
        if self._running is None or self._needs_reset:
            raise gymnasium.error.ResetNeeded("the episode has ended, or none has begun: call reset()")
        action = check_action(self.action_space, action)
        self._running, outcome = episodes.step_jitted(self.tasks, self._running, action)
        terminated, truncated = bool(outcome.terminated), bool(outcome.truncated)
        self._needs_reset = terminated or truncated
        if self._recording is not None:
            self._recording.add(episodes.as_policy_acts(self.tasks, action), outcome)
        observation = read_observation(self.observation_space, outcome.observation)
        info = {name: np.asarray(value).item() for name, value in outcome.info.items()}
        info["task"] = as_dictionary(self._running.task)
        return observation, float(outcome.reward), terminated, truncated, info

    def render(self) -> Any:
        """Returns a picture [400, 400, 3] uint8 of all episodes in the task so far, or None without a ``render_mode``."""
        if self._recording is None:
            return None
        if self._running is None:
            raise gymnasium.error.ResetNeeded("there is nothing to draw before the first episode: call reset()")
        return self._recording.frame(self._running.task)


def check_episodes_per_task(episodes_per_task: int | None) -> None:
    """Raises ValueError unless it is None or a whole number from 1 on."""
    is_whole = isinstance(episodes_per_task, int | np.integer) and not isinstance(episodes_per_task, bool)
    if episodes_per_task is not None and not (is_whole and episodes_per_task >= 1):
        raise ValueError(f"episodes_per_task={episodes_per_task!r}: give a whole number from 1 on, or None to keep the task")
