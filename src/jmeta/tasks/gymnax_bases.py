"""The two kinds of families of one gymnax environment: physics that vary, and environments whose reset draws the task."""

import abc
import dataclasses

import jax

from jmeta.tasks.gymnax_family import GymnaxFamily, GymnaxTask
from jmeta.tasks.gymnax_ranges import Ranges


@dataclasses.dataclass(frozen=True)
class Physics(GymnaxFamily):
    """Base of families whose tasks differ in parameters alone; a subclass has an ``env_id`` and ``ranges``."""

    ranges: Ranges
    held_fields: tuple[str, ...] = dataclasses.field(default=(), init=False)
    lifetime_episodes: int = 1
    max_steps: int | None = None

    def sample(self, key: jax.Array) -> GymnaxTask:
        params_key, _ = jax.random.split(self._split_key(key))
        return GymnaxTask(self._draw_params(params_key), {})


@dataclasses.dataclass(frozen=True)
class GymnaxMeta(GymnaxFamily):
    """Base of gymnax environments whose reset draws the task; a subclass has an ``env_id`` and ``held_fields``."""

    ranges: Ranges = dataclasses.field(default=(), init=False)
    lifetime_episodes: int = dataclasses.field(default=1, init=False)
    max_steps: int | None = dataclasses.field(default=None, init=False)

    @property
    @abc.abstractmethod
    def held_fields(self) -> tuple[str, ...]:  # type: ignore[override]
        """Names of the state fields that hold the task."""

    @property
    def has_held_out(self) -> bool:
        return False

    @property
    def _why_none_is_held_out(self) -> str:
        return "trains on all tasks, as published: evaluate on the training split, with another seed"

    def sample(self, key: jax.Array) -> GymnaxTask:
        params = self._default_params
        return GymnaxTask(params, self._draw_held(params, key))
