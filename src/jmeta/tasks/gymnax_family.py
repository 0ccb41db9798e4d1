"""Base of task families on gymnax's environments (Lange 2022): parameters from ranges, and state fields held for a lifetime."""

import abc
import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
from gymnax.environments.environment import Environment

from jmeta.tasks.base import TaskDistribution, Transition
from jmeta.tasks.constant import constant
from jmeta.tasks.gymnax_environments import make, unknown_name
from jmeta.tasks.gymnax_ranges import DERIVED, Range, Ranges, as_pairs, beside, check_range, within
from jmeta.types import PyTree


class GymnaxTask(NamedTuple):
    """One task of a gymnax environment."""

    params: PyTree  # the environment's EnvParams
    held: dict[str, PyTree]  # state fields that every reset of the lifetime restores


class GymnaxFamily(TaskDistribution):
    """Base of families of one gymnax environment; a subclass defines ``sample`` and has the fields below, with defaults.

    Attributes:
      ranges: (low, high) for each parameter that varies; stored as sorted pairs.
      held_fields: names of state fields that are drawn once and restored at every reset of the lifetime.
      lifetime_episodes: full-length episodes in a lifetime, at least 1.
      max_steps: time limit of an episode in environment steps, at least 1; None keeps the environment's own.
    """

    ranges: Ranges
    held_fields: tuple[str, ...]
    lifetime_episodes: int
    max_steps: int | None

    @property
    @abc.abstractmethod
    def env_id(self) -> str:
        """Name of the environment in ``gymnax.registered_envs``."""

    def __post_init__(self) -> None:
        if isinstance(self.held_fields, str):
            raise ValueError(f"held_fields={self.held_fields!r} is a string: give a tuple of names, ({self.held_fields!r},)")
        object.__setattr__(self, "ranges", as_pairs(self.ranges))
        object.__setattr__(self, "held_fields", tuple(sorted(set(self.held_fields))))
        object.__setattr__(self, "_environment", self._make())
        super().__post_init__()
        if self.lifetime_episodes < 1:
            raise ValueError(f"lifetime_episodes={self.lifetime_episodes}: a lifetime has at least one episode")
        if self.max_steps is not None and self.max_steps < 1:
            raise ValueError(f"max_steps={self.max_steps}: an episode has at least 1 environment step")
        _ = self.action_space  # raises if it is not supported
        for name, bounds in self._pairs:
            check_range(self.env_id, self.environment.default_params, name, bounds)
        if self.held_fields:
            self._check_held_fields()

    @property
    def environment(self) -> Environment:
        return self._environment  # type: ignore[attr-defined]

    @property
    def horizon(self) -> int:
        return super().horizon if self.max_steps is None else self.max_steps

    @property
    def lifetime_length(self) -> int:
        return self.lifetime_episodes * self.horizon

    @property
    def has_held_out(self) -> bool:
        return bool(self.ranges or self.held_fields)

    @property
    def _why_none_is_held_out(self) -> str:
        return (
            f"of {self.env_id} has one task and none to hold out: give ranges of its parameters, or held_fields of its state, "
            "or evaluate on the training split, with another seed"
        )

    @property
    def has_out_of_distribution(self) -> bool:
        return bool(self.ranges)

    def reset(self, task: GymnaxTask, key: jax.Array) -> tuple[jax.Array, PyTree]:
        """Begins an episode of ``task``: resets the environment, restores the held fields and observes the result."""
        if not self.held_fields:
            return super().reset(task.params, key)
        reset_key, observe_key = jax.random.split(key)
        _, state = super().reset(task.params, reset_key)
        state = dataclasses.replace(state, **task.held)
        return self._vector(self.environment.observe(observe_key, state, None, task.params)), state

    def step(self, task: GymnaxTask, state: PyTree, action: jax.Array, key: jax.Array) -> Transition:
        return super().step(task.params, state, action, key)

    def time_limit(self, task: GymnaxTask) -> jax.Array | None:
        return super().time_limit(task.params)

    def describe(self, task: GymnaxTask) -> jax.Array:
        """Returns the ranged parameters, scaled from their range to [-1, 1], and the held fields."""
        ranged = [(getattr(task.params, name) - low) / (high - low) * 2.0 - 1.0 for name, (low, high) in self._pairs]
        held = [jnp.asarray(leaf, jnp.float32).reshape(-1) for leaf in jax.tree.leaves(task.held)]
        return jnp.concatenate([jnp.asarray(ranged, jnp.float32), *held])

    def _make(self) -> Environment:
        return make(self.env_id)

    @constant
    def _example(self) -> PyTree:
        return self.environment.default_params

    @property
    def _pairs(self) -> tuple[tuple[str, Range], ...]:
        return self.ranges  # type: ignore[return-value]  # since __post_init__

    @property
    def _default_params(self) -> PyTree:
        """Returns the environment's parameters with this distribution's time limit, as strongly typed arrays."""
        params = self.environment.default_params
        if self.max_steps is not None:
            limit = jnp.asarray(self.max_steps, jnp.result_type(params.max_steps_in_episode))
            params = params.replace(max_steps_in_episode=limit)
        return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.result_type(leaf)), params)

    def _draw_params(self, key: jax.Array) -> PyTree:
        params = self._default_params
        if not self.ranges:
            return params
        place = beside if self.split == "ood" else within
        drawn = {
            name: place(u, bounds).astype(getattr(params, name).dtype)
            for u, (name, bounds) in zip(self.uniform(key, (len(self.ranges),)), self._pairs, strict=True)
        }
        params = params.replace(**drawn)
        return params.replace(**{name: rule(params) for name, rule in DERIVED.get(self.env_id, {}).items()})

    def _draw_held(self, params: PyTree, key: jax.Array) -> dict[str, PyTree]:
        _, state = super().reset(params, key)
        return {name: getattr(state, name) for name in self.held_fields}

    def _check_held_fields(self) -> None:
        fields = [field.name for field in dataclasses.fields(self._state_template(self._default_params))]
        for name in self.held_fields:
            if name not in fields:
                raise unknown_name("held_fields", name, f"field of {self.env_id}'s state", fields)
