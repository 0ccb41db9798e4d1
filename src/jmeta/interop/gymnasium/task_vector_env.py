"""``TaskVectorEnv``: many environments of a task family as one compiled program, for Gymnasium."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import jax
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from jmeta.interop.gymnasium.episodes import Running
from jmeta.interop.gymnasium.options import as_dictionary, as_tasks, read_options
from jmeta.interop.gymnasium.spaces import check_action, read_observation, spaces_of
from jmeta.interop.gymnasium.task_env import check_episodes_per_task
from jmeta.interop.gymnasium.vector_episodes import Renewal, advance, begin_where, choose, draw_all, enter_all
from jmeta.interop.gymnasium.vector_infos import batched, last_ones, numbers_of_seeds
from jmeta.outer.checks import check_tasks
from jmeta.tasks import TaskDistribution


class TaskVectorEnv(VectorEnv[Any, Any, Any]):
    """``num_envs`` environments, each in a task of its own; a step of all is one compiled program.

    It does what ``gymnasium.vector.SyncVectorEnv`` does with as many ``TaskEnv``, and has the same options. The seed ``s`` seeds
    sub-environment i with ``s + i``; a list has a seed for each. The options ``task`` and ``split`` count for all
    that are reset. ``task`` is one task for all, a list of one for each, or a batch such as ``infos["task"]``. In the option
    ``reset_mask``, booleans [num_envs] choose the sub-environments to reset.

    Autoresets keep the task, as ``reset`` does without options: set ``episodes_per_task`` to draw new ones.

    Args:
      tasks: the task family; tasks are drawn from its split.
      num_envs: number of sub-environments.
      task: as in ``TaskEnv``, or a list of one for each sub-environment.
      episodes_per_task: as in ``TaskEnv``.
      autoreset_mode: when an episode that follows one that ended begins: ``NextStep``, ``SameStep``, or ``Disabled``, where
        ``reset`` with a ``reset_mask`` begins it.
      render_mode: None; single environments draw pictures.

    Raises:
      TypeError: if ``tasks`` is no task distribution.
      ValueError: if a setting, an option or an action is not one of these environments.
      gymnasium.error.ResetNeeded: if ``step`` is called before ``reset``, or after the end of an episode without autoresets.
    """

    def __init__(
        self,
        tasks: TaskDistribution,
        num_envs: int = 1,
        *,
        task: Any = None,
        episodes_per_task: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        check_tasks(tasks)
        check_episodes_per_task(episodes_per_task)
        if num_envs < 1:
            raise ValueError(f"num_envs={num_envs}: give at least 1")
        if render_mode is not None:
            raise ValueError(f"render_mode={render_mode!r}: one program draws no pictures; give vectorization_mode='sync' too")
        names = [mode.value for mode in AutoresetMode]
        if not isinstance(autoreset_mode, AutoresetMode) and autoreset_mode not in names:
            raise ValueError(f"autoreset_mode={autoreset_mode!r} is not one of {', '.join(names)}")
        self._mode = AutoresetMode(autoreset_mode)
        self.metadata = {"render_modes": [], "autoreset_mode": self._mode}
        self.num_envs, self.tasks, self.episodes_per_task = num_envs, tasks.train, episodes_per_task
        self.single_observation_space, self.single_action_space = spaces_of(tasks)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._drawn_from = tasks
        self._fixed = None if task is None else as_tasks(tasks, task, num_envs)
        self._running: Running | None = None
        self._ended = np.zeros(num_envs, bool)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begins an episode in all sub-environments, or in those of ``reset_mask``: (observations, infos)."""
        asked = read_options(self._drawn_from, options, self.num_envs)
        given = None if asked.task is None else as_tasks(asked.drawn_from, asked.task, self.num_envs)
        numbers, seeded = numbers_of_seeds(seed, self.num_envs)
        if self._running is None and asked.mask is not None:
            raise gymnasium.error.ResetNeeded("reset_mask resets some environments, and none has begun: call reset() first")
        super().reset(seed=None if seed is None or not isinstance(seed, int | np.integer) else int(seed))
        self._drawn_from = asked.drawn_from
        mask = np.ones(self.num_envs, bool) if asked.mask is None else asked.mask
        enters, episode = mask & (seeded | asked.new | (given is not None)), np.zeros(self.num_envs, np.int32)
        if self._running is None:
            random = self.np_random.integers(2**32, size=self.num_envs, dtype=np.uint32)
            numbers, enters = np.where(seeded, numbers, random), np.ones_like(mask)
        else:
            numbers = np.where(seeded, numbers, np.asarray(self._running.seed))
            episode = np.where(seeded, episode, np.asarray(self._running.episode) + 1)
        kept = self._running
        if kept is not None and (mask & ~enters).any():
            kept = begin_where(self.tasks, self._renewal, kept, mask & ~enters, self._fixed)
        if enters.any():
            if given is None:
                given = None if asked.new else self._fixed
            task = draw_all(self._drawn_from, numbers, episode) if given is None else given
            entered = enter_all(self.tasks, numbers, episode, task)
            kept = entered if kept is None else choose(enters, entered, kept)
        assert kept is not None
        self._running, self._ended, self._task = kept, self._ended & ~mask, as_dictionary(kept.task)
        observation = read_observation(self.single_observation_space, kept.observation, (self.num_envs,))
        return observation, batched({"task": self._task}, mask)

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Takes one step in all sub-environments: (observations, rewards, terminations, truncations, infos)."""
        if self._running is None or (self._mode == AutoresetMode.DISABLED and self._ended.any()):
            raise gymnasium.error.ResetNeeded(
                "an episode has ended, or none has begun: call reset(), with a reset_mask if you like"
            )
        action = check_action(self.action_space, actions)
        running, outcome = advance(self.tasks, self._renewal, self._mode, self._running, self._ended, action, self._fixed)
        self._running, outcome = running, jax.tree.map(np.array, outcome)
        ended, all_of_them = outcome.terminated | outcome.truncated, np.ones(self.num_envs, bool)
        same = self._mode == AutoresetMode.SAME_STEP
        infos = batched(outcome.info, ~ended if same else ~self._ended)
        read = lambda vector: read_observation(self.single_observation_space, vector, (self.num_envs,))  # noqa: E731
        if same and ended.any():
            infos |= last_ones(read(outcome.observation), batched(outcome.info | {"task": self._task}, ended), ended)
        if self.episodes_per_task is not None and (ended if same else self._ended).any():
            self._task = as_dictionary(running.task)
        infos |= batched({"task": self._task}, all_of_them)
        self._ended = np.zeros_like(ended) if same else ended
        rewards = outcome.reward.astype(np.float64)
        return read(running.observation), rewards, outcome.terminated, outcome.truncated, infos

    @property
    def _renewal(self) -> Renewal:
        return Renewal(self._drawn_from, self.episodes_per_task)
