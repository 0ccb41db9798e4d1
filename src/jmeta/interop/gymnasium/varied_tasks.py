"""Gymnasium environments whose attributes vary between tasks."""

from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import numpy as np

MakeEnv = Callable[[int], Any]
"""Returns a new Gymnasium environment of the task of this number; called once for each environment of the task."""


def varied(env_id: str, ranges: Mapping[str, tuple[float, float]], *, seed: int = 0, **options: Any) -> MakeEnv:
    """Returns a ``make_env`` of an environment whose attributes are drawn uniformly from ranges, once for each task.

    What CartPole computes from its masses and length is computed again.

    Args:
      env_id: a name of ``gymnasium.make``.
      ranges: (low, high) of numbers that are attributes of the environment, by name.
      seed: seed of the tasks.
      **options: those of ``gymnasium.make``.

    Raises:
      ValueError: if there is no environment of that name; when an environment is made, if it has no such attribute or its
        ``low`` is not below its ``high``.
    """
    try:
        gymnasium.spec(env_id)
    except gymnasium.error.Error as error:
        raise ValueError(f"{env_id}: {error}") from error

    def make_env(task: int) -> Any:
        env = gymnasium.make(env_id, **options)
        inside: Any = env.unwrapped
        random = np.random.default_rng([seed, task])
        for name, (low, high) in ranges.items():
            value = getattr(inside, name, None)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                numbers = sorted(key for key, x in vars(inside).items() if type(x) in (int, float))
                raise ValueError(f"{env_id} has no number {name!r} to vary: choose among {', '.join(numbers)}")
            if not low < high:
                raise ValueError(f"{name}: its range ({low}, {high}) must have a low below its high")
            setattr(inside, name, float(random.uniform(low, high)))
        if hasattr(inside, "polemass_length"):
            inside.total_mass = inside.masspole + inside.masscart
            inside.polemass_length = inside.masspole * inside.length
        return env

    return make_env
