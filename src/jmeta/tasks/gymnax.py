"""Any environment of gymnax (Lange 2022) as a distribution over tasks."""

import collections
import dataclasses
import difflib
import functools
import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, TypeAlias

import gymnax
import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments.environment import Environment

from jmeta.tasks.base import GRID, SPLITS, TaskDistribution, Transition, constant
from jmeta.types import PyTree

Range: TypeAlias = tuple[float, float]
if TYPE_CHECKING:
    Ranges: TypeAlias = Mapping[str, Range] | tuple[tuple[str, Range], ...]
else:  # what is stored, which the command line also reads: --ranges length 0.3 0.8 masspole 0.05 0.2
    Ranges: TypeAlias = tuple[tuple[str, Range], ...]

DERIVED: dict[str, dict[str, Callable[[Any], jax.Array]]] = {
    "CartPole-v1": {
        "total_mass": lambda params: params.masscart + params.masspole,
        "polemass_length": lambda params: params.masspole * params.length,
    },
}
"""Parameters that gymnax stores although they depend on others, by environment; they are recomputed for each task."""

FLOAT_BITS = 12  # mantissa bits of a float that decide whether it is held out; values within a part in 4096 share a split
CANDIDATES = 512  # resets drawn at construction, to check that the held fields' values can be split
FEWEST_TASKS = 4  # least number of distinct candidates in each of the training and held-out splits


class GymnaxTask(NamedTuple):
    """One task of a gymnax environment."""

    params: PyTree  # the environment's EnvParams
    held: dict[str, PyTree]  # state fields that every reset of the lifetime restores


@dataclasses.dataclass(frozen=True)
class GymnaxTasks(TaskDistribution):
    """Tasks that differ in a gymnax environment's parameters, in fields of its state, or in both.

    ``ranges`` draws parameters uniformly, one value for a lifetime. Parameters that depend on them, such as CartPole's
    ``polemass_length``, are recomputed. ``held_fields`` is for environments that draw their task at every reset, such as the goal
    of PointRobot. These state fields are drawn once for a lifetime, and every later reset restores them.

    Training and held-out tasks are disjoint. With ranges, ``uniform`` ensures it. With held fields alone, a hash of their values
    (floats to 12 bits) assigns a quarter of the tasks to the held-out split, and ``sample`` draws until it hits its own split.

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
        if isinstance(self.held_fields, str):
            raise ValueError(f"held_fields={self.held_fields!r} is a string: give a tuple of names, ({self.held_fields!r},)")
        object.__setattr__(self, "ranges", _pairs(self.ranges))
        object.__setattr__(self, "held_fields", tuple(sorted(set(self.held_fields))))
        object.__setattr__(self, "_environment", self._make())
        super().__post_init__()
        if self.lifetime_episodes < 1:
            raise ValueError(f"lifetime_episodes={self.lifetime_episodes}: a lifetime has at least one episode")
        if self.max_steps is not None and self.max_steps < 1:
            raise ValueError(f"max_steps={self.max_steps}: an episode has at least 1 environment step")
        _ = self.action_space  # raises if it is not supported
        for name, bounds in self._pairs:
            _check_range(self.env_id, self.environment.default_params, name, bounds)
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

    def sample(self, key: jax.Array) -> GymnaxTask:
        params_key, held_key = jax.random.split(jax.random.fold_in(key, SPLITS.index(self.split)))
        params = self._draw_params(params_key)
        if not self.held_fields:
            return GymnaxTask(params, {})
        if self.ranges:  # the ranges have split the tasks already
            return GymnaxTask(params, self._draw_held(params, held_key))

        def next_candidate(carry: tuple[jax.Array, PyTree]) -> tuple[jax.Array, PyTree]:
            next_key, draw_key = jax.random.split(carry[0])
            return next_key, self._draw_held(params, draw_key)

        def is_of_other_split(carry: tuple[jax.Array, PyTree]) -> jax.Array:
            return _is_held_out(_words(carry[1])) != (self.split == "held-out")

        _, held = jax.lax.while_loop(is_of_other_split, next_candidate, next_candidate((held_key, None)))
        return GymnaxTask(params, held)

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
        place = _beside if self.split == "ood" else _within
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
        if not self.held_fields:
            return
        fields = [field.name for field in dataclasses.fields(self._state_template(self._default_params))]
        for name in self.held_fields:
            if name not in fields:
                raise _unknown("held_fields", name, f"field of {self.env_id}'s state", fields)
        if self.ranges or not self.has_held_out:
            return
        training, held_out = _count_tasks(self.env_id, self.held_fields)
        if min(training, held_out) < FEWEST_TASKS:
            raise ValueError(
                f"held_fields={self.held_fields} took {training + held_out} different values (floats to {FLOAT_BITS} bits) in "
                f"{CANDIDATES} resets of {self.env_id}, {training} for training and {held_out} held out: too few to be split. "
                "Hold a field that varies more, or give ranges too, which split the tasks themselves"
            )


def _pairs(ranges: Ranges) -> tuple[tuple[str, Range], ...]:
    """Returns ranges as sorted pairs, from a dict, the command line or a file."""
    items = ranges.items() if isinstance(ranges, Mapping) else ranges
    try:
        pairs = sorted((str(name), (float(low), float(high))) for name, (low, high) in items)
    except (TypeError, ValueError) as error:
        raise ValueError(f"ranges={ranges!r}: give (low, high) for each name, as in {{'length': (0.3, 0.8)}}") from error
    for name, count in collections.Counter(name for name, _ in pairs).items():
        if count > 1:
            raise ValueError(f"ranges gives {name!r} {count} times: give each parameter one (low, high)")
    return tuple(pairs)


@functools.cache
def make(env_id: str, **settings: Any) -> Environment:
    """Returns the cached instance of a registered environment with these settings of its constructor."""
    if env_id not in gymnax.registered_envs:
        raise _unknown("env_id", env_id, "registered gymnax environment", gymnax.registered_envs)
    try:
        with jax.ensure_compile_time_eval():
            return gymnax.make(env_id, **settings)[0]
    except Exception as error:
        raise ValueError(f"env_id={env_id!r}: gymnax could not make it ({type(error).__name__}: {error})") from error


def _unknown(setting: str, name: str, what: str, known: Iterable[str]) -> ValueError:
    known = sorted(known)
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean {nearest[0]!r}?)" if nearest else ""
    return ValueError(f"{setting}: {name!r} is not a {what}{hint}: choose from {', '.join(known) or '(none)'}")


def _check_range(env_id: str, params: PyTree, name: str, bounds: Range) -> None:
    values = {field.name: getattr(params, field.name) for field in dataclasses.fields(params)}
    derived = DERIVED.get(env_id, {})
    floats = [name for name, value in values.items() if _is_float(value) and name not in (*derived, "max_steps_in_episode")]
    if name == "max_steps_in_episode":
        raise ValueError(f"ranges: {name!r} cannot vary, since every task of a batch runs equally long: set max_steps")
    if name in derived:
        raise ValueError(f"ranges: {name!r} of {env_id} follows from other parameters: choose from {', '.join(floats)}")
    if name not in values:
        raise _unknown("ranges", name, f"parameter of {env_id}", floats)
    if name not in floats:
        raise ValueError(
            f"ranges: {name!r} of {env_id} is {values[name]!r}, and only a single float can be drawn: "
            f"choose from {', '.join(floats) or '(none)'}, or use held_fields"
        )
    low, high = bounds
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"ranges: {name!r} is ({low}, {high}): give finite numbers with low < high")
    # Through two roundings to float32, neighbouring cells stay apart if they are more than 8/7 of its spacing wide.
    narrowest = 1.25 * GRID * float(np.spacing(np.float32(max(abs(low), abs(high)))))
    if high - low < narrowest:
        raise ValueError(
            f"ranges: {name!r} is ({low}, {high}), too narrow for float32 to keep training and held-out values apart: "
            f"numbers of this size need a range at least {narrowest:.3g} wide"
        )


def _is_float(value: Any) -> bool:
    if isinstance(value, jax.Array | np.ndarray):
        return value.ndim == 0 and bool(jnp.issubdtype(value.dtype, jnp.floating))
    return isinstance(value, float | np.floating)


def _within(u: jax.Array, bounds: Range) -> jax.Array:
    """Maps u, uniform on (0, 1), to a range."""
    low, high = bounds
    return low + u * (high - low)


def _beside(u: jax.Array, bounds: Range) -> jax.Array:
    """Maps u, uniform on (0, 1), to the two intervals beside a range."""
    low, high = bounds
    below = above = (high - low) / 2
    if low >= 0:
        below = min(below, low / 2)
    if high <= 0:
        above = min(above, -high / 2)
    bottom, top = np.float32(low), np.float32(low) + np.float32(high - low)  # as rounded in _within
    distance = u * (below + above)
    return jnp.where(distance < below, bottom - distance, top + (distance - below))


def _words(held: PyTree) -> jax.Array:
    """Returns values as words uint32 [W]: integers unchanged, floats to ``FLOAT_BITS`` bits of mantissa.

    The last of all 23 bits depends on how XLA fuses, so with it one key would give different tasks in different programs.
    """

    def word(leaf: jax.Array) -> jax.Array:
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            return leaf.astype(jnp.uint32).reshape(-1)
        leaf = jnp.where(leaf == 0, 0.0, leaf).astype(jnp.float32)  # -0.0 is 0.0
        return (jax.lax.bitcast_convert_type(leaf, jnp.uint32) >> (23 - FLOAT_BITS)).reshape(-1)

    return jnp.concatenate([word(leaf) for leaf in jax.tree.leaves(held)])


def _is_held_out(words: jax.Array) -> jax.Array:
    """Returns whether the values of these words [W] are held out: their hash falls into one bucket of four."""
    index = jnp.arange(words.size, dtype=jnp.uint32)
    return _mix(jnp.sum(_mix(words ^ _mix(index)), dtype=jnp.uint32)) % 4 == 0


def _mix(x: jax.Array) -> jax.Array:
    """MurmurHash3's finaliser: every bit of a uint32 depends on every bit of the input."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x85EBCA6B)
    x = (x ^ (x >> 13)) * jnp.uint32(0xC2B2AE35)
    return x ^ (x >> 16)


@functools.cache
def _count_tasks(env_id: str, held_fields: tuple[str, ...]) -> tuple[int, int]:
    """Returns the numbers of different (training, held-out) values of the fields in ``CANDIDATES`` resets."""
    tasks = GymnaxTasks(env_id)

    def candidate(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        _, state = tasks.reset(tasks.sample(key), key)
        words = _words({name: getattr(state, name) for name in held_fields})
        return words, _is_held_out(words)

    with jax.ensure_compile_time_eval():
        words, held_out = jax.jit(jax.vmap(candidate))(jax.random.split(jax.random.key(0), CANDIDATES))
        distinct = {(row.tobytes(), bool(out)) for row, out in zip(np.asarray(words), np.asarray(held_out), strict=True)}
    num_held_out = sum(out for _, out in distinct)
    return len(distinct) - num_held_out, num_held_out
