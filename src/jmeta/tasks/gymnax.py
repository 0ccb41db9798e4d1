"""Any environment of gymnax (Lange 2022) as a distribution over tasks."""

import dataclasses
from typing import ClassVar

import jax

from jmeta.tasks.gymnax_family import GymnaxFamily, GymnaxTask
from jmeta.tasks.gymnax_held_fields import check_can_be_split, is_of, words_of
from jmeta.tasks.gymnax_ranges import Ranges
from jmeta.types import PyTree

__all__ = ["GymnaxTask", "GymnaxTasks"]


@dataclasses.dataclass(frozen=True)
class GymnaxTasks(GymnaxFamily):
    """Tasks that differ in a gymnax environment's parameters, in fields of its state, or in both.

    ``ranges`` draws parameters uniformly, one value for a lifetime. Parameters that depend on them, such as CartPole's
    ``polemass_length``, are recomputed. ``held_fields`` is for environments that draw their task at every reset, such as the goal
    of PointRobot. These state fields are drawn once for a lifetime, and every later reset restores them.

    Training, validation and held-out tasks are disjoint. With ranges, ``uniform`` ensures it. With held fields alone, a hash of
    their values (floats to 12 bits) assigns an eighth of the tasks each to the held-out and the validation split, and ``sample``
    draws until it hits its own split.

    Out of distribution, which needs ranges, every ranged parameter lies in one of the two intervals beside its range. Each is
    half as wide as the range, but extends at most half way to zero, so positive parameters stay positive.

    With neither ranges nor held fields there is a single task.

    Args:
      env_id: name of an environment in ``gymnax.registered_envs``; ``gymnax.register`` adds your own.
      ranges: (low, high) for each parameter that varies, as in ``{"length": (0.3, 0.8)}``; stored as sorted pairs. Only floats
        vary: to set a flag such as FourRooms' ``resample_goal_pos``, register the environment with other ``default_params``.
      held_fields: names of state fields that are drawn once and restored at every reset of the lifetime. ``step`` may still
        change them within an episode, and the other fields are reset as usual.
      lifetime_episodes: full-length episodes in a lifetime, at least 1.
      max_steps: time limit of an episode in environment steps, at least 1; None keeps the environment's own.

    Raises:
      ValueError: if a name is unknown, a range cannot be drawn from, the held fields take too few values to be split, or held-out
        or out-of-distribution tasks are asked for where nothing varies.

    Example:
      >>> tasks = GymnaxTasks("CartPole-v1", ranges={"length": (0.3, 0.8)})
      >>> params = tasks.sample(jax.random.key(0)).params
      >>> bool(0.3 < params.length < 0.8), bool(params.polemass_length == params.masspole * params.length)
      (True, True)
      >>> tasks = GymnaxTasks("PointRobot-misc", held_fields=("goal",), lifetime_episodes=3)
      >>> task = tasks.held_out.sample(jax.random.key(0))
      >>> _, state = tasks.reset(task, jax.random.key(1))
      >>> bool((state.goal == task.held["goal"]).all()), tasks.lifetime_length
      (True, 300)

    References:
      Lange 2022, https://github.com/RobertTLange/gymnax.
    """

    env_id: str = "CartPole-v1"
    ranges: Ranges = ()
    held_fields: tuple[str, ...] = ()
    lifetime_episodes: int = 1
    max_steps: int | None = None

    name: ClassVar[str] = "gymnax"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.held_fields and not self.ranges and self.has_held_out:
            check_can_be_split(GymnaxTasks(self.env_id), self.env_id, self.held_fields)

    def sample(self, key: jax.Array) -> GymnaxTask:
        params_key, held_key = jax.random.split(self._split_key(key))
        params = self._draw_params(params_key)
        if not self.held_fields:
            return GymnaxTask(params, {})
        if self.ranges:  # the ranges have split the tasks already
            return GymnaxTask(params, self._draw_held(params, held_key))

        def next_candidate(carry: tuple[jax.Array, PyTree]) -> tuple[jax.Array, PyTree]:
            next_key, draw_key = jax.random.split(carry[0])
            return next_key, self._draw_held(params, draw_key)

        def is_of_other_split(carry: tuple[jax.Array, PyTree]) -> jax.Array:
            return ~is_of(self.split, words_of(carry[1]))

        _, held = jax.lax.while_loop(is_of_other_split, next_candidate, next_candidate((held_key, None)))
        return GymnaxTask(params, held)
