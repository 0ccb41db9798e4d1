"""Tiny families of every kind of space: an environment observes what is drawn from its space, and pays for the action."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments import spaces

from jmeta.tasks import TaskDistribution
from tests.tasks.broken_families import Corridor, Corridors, Params, State

INF = float("inf")
LINE = spaces.Box(-1.0, 1.0, (1,))


def draw(space: Any, key: jax.Array) -> Any:
    """Draws an element of a space of gymnax or gymnasium under a trace."""
    kind = type(space).__name__
    if kind in ("Dict", "Tuple"):
        parts = space.spaces.items() if kind == "Dict" else enumerate(space.spaces)
        drawn = {name: draw(part, jax.random.fold_in(key, place)) for place, (name, part) in enumerate(parts)}
        return drawn if kind == "Dict" else tuple(drawn.values())
    if kind == "Discrete":
        return jax.random.randint(key, (), 0, int(space.n))
    if kind == "MultiDiscrete":
        return jax.random.randint(key, space.nvec.shape, 0, jnp.asarray(space.nvec))
    if kind == "MultiBinary":
        return jax.random.bernoulli(key, shape=space.shape).astype(jnp.int8)
    if np.dtype(space.dtype) == bool:
        return jax.random.bernoulli(key, shape=space.shape)
    if np.dtype(space.dtype).kind in "iu":
        return jax.random.randint(key, space.shape, jnp.asarray(space.low), jnp.asarray(space.high) + 1).astype(space.dtype)
    return jax.random.uniform(key, space.shape, minval=-1.0, maxval=1.0)


class Showing(Corridor):
    """Observes an element of its space, and pays the task's prize times a weighted sum of the action, squashed."""

    def __init__(self, observation: Any, action: Any) -> None:
        self.observation, self.action = observation, action

    def reset_env(self, key: jax.Array, params: Params) -> tuple:
        return draw(self.observation, key), State(position=jnp.zeros(()), time=jnp.zeros((), jnp.int32))

    def step_env(self, key: jax.Array, state: State, action: Any, params: Params) -> tuple:
        assert jnp.shape(action) == tuple(getattr(self.action, "shape", ())), action  # the environment's own shape
        flat = jnp.asarray(action, jnp.float32).reshape(-1)
        total = jnp.tanh(0.2 * jnp.sum(flat / (1.0 + jnp.arange(flat.size))))
        state = State(position=total, time=state.time + 1)
        return draw(self.observation, key), state, params.prize * total, jnp.array(False), {}

    def action_space(self, params: Params) -> Any:
        return self.action

    def observation_space(self, params: Params) -> Any:
        return self.observation


def pixels(*shape: int) -> spaces.Box:
    return spaces.Box(0, 255, shape, jnp.uint8)


OBSERVATIONS: dict[str, Any] = {
    "matrix": spaces.Box(-1.0, 1.0, (2, 3)),
    "boolean": spaces.Box(False, True, (3,), jnp.bool_),
    "image": pixels(3, 4, 2),
    "discrete": spaces.Discrete(4),
    "dict": spaces.Dict({"speed": spaces.Box(-1.0, 1.0, (2,)), "door": spaces.Discrete(3)}),
    "tuple": spaces.Tuple((spaces.Discrete(3), spaces.Box(-1.0, 1.0, (2,)))),
    "nested": spaces.Dict({"view": spaces.Tuple((pixels(2, 2, 1), spaces.Discrete(2))), "at": spaces.Box(-1.0, 1.0, ())}),
    "multi-discrete": gymnasium.spaces.MultiDiscrete([2, 3]),
    "multi-binary": gymnasium.spaces.MultiBinary(3),
    "gymnasium-dict": gymnasium.spaces.Dict({"b": gymnasium.spaces.Discrete(2), "a": gymnasium.spaces.Box(-1.0, 1.0, (2,))}),
}
ACTIONS: dict[str, Any] = {
    "multi-discrete": gymnasium.spaces.MultiDiscrete([2, 3]),
    "multi-discrete-matrix": gymnasium.spaces.MultiDiscrete([[2, 3], [4, 2]]),
    "multi-binary": gymnasium.spaces.MultiBinary(3),
    "matrix": spaces.Box(-2.0, 4.0, (2, 3)),
    "unbounded": spaces.Box(-INF, INF, (2,)),
    "one-sided": spaces.Box(0.0, INF, (2, 2)),
}


@dataclasses.dataclass(frozen=True)
class Shown(Corridors):
    """A family by the names of its spaces; an empty name stands for the plain space.

    Attributes:
      observation: name in ``OBSERVATIONS``.
      action: name in ``ACTIONS``.
    """

    observation: str = ""
    action: str = ""

    @functools.cached_property
    def environment(self) -> Showing:
        return Showing(OBSERVATIONS.get(self.observation, LINE), ACTIONS.get(self.action, spaces.Discrete(2)))


TWO = spaces.Discrete(2)


def with_spaces(observation: Any = LINE, action: Any = TWO) -> TaskDistribution:
    """Returns a family of any two spaces."""

    @dataclasses.dataclass(frozen=True)
    class Family(Corridors):
        environment = Showing(observation, action)

    return Family()


FAMILIES: dict[str, Callable[[], TaskDistribution]] = {
    **{f"observes-{name}": functools.partial(Shown, observation=name) for name in OBSERVATIONS},
    **{f"acts-{name}": functools.partial(Shown, action=name) for name in ACTIONS},
    "observes-dict-acts-multi-discrete": functools.partial(Shown, observation="dict", action="multi-discrete"),
}
