"""A distribution over tasks: one gymnax environment whose parameters are the task."""

import abc
import contextlib
import dataclasses
import functools
import inspect
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments.environment import Environment, EnvParams

from jmeta.tasks.render import draw_rewards
from jmeta.tasks.spaces import BoxShape, Count, read_space
from jmeta.types import ActionSpace, Continuous, Discrete, PyTree, Segment, Task

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Split: TypeAlias = Literal["train", "held-out", "ood"]
SPLITS: tuple[Split, ...] = ("train", "held-out", "ood")

GRID = 2**20  # cells of [0, 1), alternately for training and held-out tasks
SAMPLED_TASKS = 512  # tasks sampled from each split to find the fields that differ between tasks
WIDEST_ONE_HOT = 64  # longest one-hot encoding of an integer leaf in ``describe``
ARGUMENTS = {  # positional arguments of an environment's methods
    "reset_env": ("key", "params"),
    "step_env": ("key", "state", "action", "params"),
    "action_space": ("params",),
    "observation_space": ("params",),
}


class Transition(NamedTuple):
    """The outcome of one environment step, without a reset."""

    observation: jax.Array  # [observation_size]
    state: PyTree
    reward: jax.Array  # []
    terminated: jax.Array  # [] bool, a natural end
    truncated: jax.Array  # [] bool, ended by the time limit alone
    info: PyTree = ()  # {name: []}, the scalars in the info that the environment's step_env returned, by name


class Reference(NamedTuple):
    """A return that is known without learning."""

    label: str  # "Bayes optimum", "goal known", ...
    value: float
    per: Literal["lifetime", "episode"]


@contextlib.contextmanager
def outside_of_traces() -> Iterator[None]:
    """Evaluates JAX code eagerly within any trace, on the ambient mesh's devices and sharded over none of its axes."""
    with jax.sharding.use_abstract_mesh(jax.sharding.AbstractMesh((), ())), jax.ensure_compile_time_eval():
        yield


class constant(functools.cached_property):
    """A cached property that is computed outside of any trace, so that it never keeps a tracer."""

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        with outside_of_traces():
            return super().__get__(instance, owner)


class _Checked(abc.ABCMeta):
    """Checks a distribution when it is made, independently of the ``__post_init__`` of its class."""

    @property
    def __signature__(cls) -> inspect.Signature:
        """Signature of ``__init__``, in place of that of ``__call__`` below."""
        initialise: Any = cls.__init__  # type: ignore[misc]
        try:
            signature = inspect.signature(initialise, eval_str=True)
        except NameError:  # an annotation that can't be evaluated
            signature = inspect.signature(initialise)
        return signature.replace(parameters=list(signature.parameters.values())[1:])

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        missing = sorted(cls.__abstractmethods__)
        if missing:
            raise ValueError(f"{cls.__name__} does not define {' and '.join(missing)}: a task distribution needs both {NEEDED}")
        owner = next(kind for kind in cls.__mro__ if "__init__" in vars(kind))
        if "__dataclass_fields__" not in vars(owner):
            raise ValueError(
                f"{cls.__name__} has an __init__ of its own, so its settings could be neither copied nor compared: make it a "
                "@dataclasses.dataclass(frozen=True) with a field for each setting, and do what is left to do in __post_init__"
            )
        made = super().__call__(*args, **kwargs)
        if not _can_be_called(made.sample, ("key",)):
            raise ValueError(
                f"sample of {cls.__name__} can't be called with (key): write sample(self, key), which returns one task"
            )
        for field in dataclasses.fields(made):
            value = getattr(made, field.name)
            try:
                hash(value)
            except TypeError:
                raise ValueError(
                    f"the field {field.name!r} of {cls.__name__} is a {type(value).__name__}, which can't be hashed, and "
                    "distributions are compared by their fields: give it as a number, a string or a tuple of those, and make the "
                    "array in sample or in the environment"
                ) from None
        return made


NEEDED = "`environment`, an instance of a gymnax environment, and `sample(self, key)`, which draws its parameters"


@dataclasses.dataclass(frozen=True)
class TaskDistribution(metaclass=_Checked):
    """A distribution p(task) over one environment. A new task family is a subclass with an ``environment`` and a ``sample``.

    A task is data, usually the environment's own ``EnvParams``, so a batch of tasks is a ``vmap``. The task is fixed for a
    whole lifetime; ``reset`` begins an episode of it and never redraws it. ``step`` does not reset, and distinguishes natural
    ends from time limits.

    A subclass is a frozen dataclass of its settings. Each setting must be hashable, since compiled programs are cached by them.
    Drawing through ``self.uniform`` makes training and held-out tasks disjoint by construction. A family without held-out tasks
    defines a property ``has_held_out`` that returns False. ``jmeta.testing.check_tasks`` looks for mistakes.

    ``environment`` must return the same object every time. If it does not depend on a setting, make it a class attribute,
    ``environment = Corridor()``, without an annotation, which would make it a setting. Otherwise make it a cached property::

        @functools.cached_property
        def environment(self):
            return Corridor(self.length)

    Cached properties of a subclass are computed outside of any trace, and are not pickled.

    Attributes:
      split: the split that ``sample`` draws tasks from. Change it with ``train``, ``held_out`` and ``out_of_distribution``.

    Raises:
      ValueError: if ``environment`` or ``sample`` is missing, if a field can't be hashed, or if the class has an ``__init__`` of
        its own.

    Example:
      See ``jmeta.tasks.point_navigation`` for a complete family, and the README for how to write your own.
    """

    split: Split = dataclasses.field(default="train", kw_only=True)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, value in list(vars(cls).items()):
            if type(value) is functools.cached_property:
                kept = constant(value.func)
                kept.__set_name__(cls, name)
                setattr(cls, name, kept)

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ValueError(f"split={self.split!r} is not one of {', '.join(SPLITS)}")
        if self.split == "ood" and not self.has_out_of_distribution:
            raise ValueError(f"{type(self).__name__} has no out-of-distribution tasks: evaluate on the held-out split instead")
        if self.split == "held-out" and not self.has_held_out:
            raise ValueError(f"{type(self).__name__} {self._why_none_is_held_out}")

    def __getstate__(self) -> dict[str, Any]:
        """Returns the state to pickle and copy, without cached properties, which are computed anew."""
        cached = lambda name: isinstance(getattr(type(self), name, None), functools.cached_property)  # noqa: E731
        return {name: value for name, value in vars(self).items() if not cached(name) and name != "_templates"}

    @property
    @abc.abstractmethod
    def environment(self) -> Environment:
        """The gymnax environment; it must be the same object every time."""

    @abc.abstractmethod
    def sample(self, key: jax.Array) -> Task:
        """Draws one task of this split."""

    # The three splits of p(task).

    @property
    def train(self) -> Self:
        """The same distribution on the training split."""
        return dataclasses.replace(self, split="train")

    @property
    def held_out(self) -> Self:
        """The same distribution on the held-out split, whose tasks training never draws."""
        return dataclasses.replace(self, split="held-out")

    @property
    def has_held_out(self) -> bool:
        """Returns whether there are tasks that training never draws; without them, evaluate on ``train``."""
        return True

    @property
    def _why_none_is_held_out(self) -> str:
        return "holds no tasks out: evaluate on the training split, with another seed"

    @property
    def has_out_of_distribution(self) -> bool:
        """Returns whether ``sample`` can draw tasks outside the training distribution's support."""
        return False

    @property
    def out_of_distribution(self) -> Self:
        """The same distribution on tasks outside the support of training."""
        return dataclasses.replace(self, split="ood")

    def uniform(self, key: jax.Array, shape: tuple[int, ...] = ()) -> jax.Array:
        """Draws uniformly from (0, 1), from the even cells of width 2^-20 for training tasks and the odd ones for held-out tasks.

        So no number drawn for training is ever drawn for the held-out split, and both splits are uniform to 1e-6.
        """
        split = SPLITS.index(self.split)
        cell = jax.random.randint(jax.random.fold_in(key, split), shape, 0, GRID // 2)
        return (2 * cell + (split == 1) + 0.5).astype(jnp.float32) / GRID

    # Sizes, which are known before compilation.

    @property
    def horizon(self) -> int:
        """The longest episode of any task, in environment steps; longer ones are truncated.

        Raises:
          ValueError: if the environment's parameters have no ``max_steps_in_episode``, or only inherit gymnax's, which is 1.
        """
        with outside_of_traces():
            params = self._environment_checked.default_params
            kind, limit = type(params), getattr(params, "max_steps_in_episode", None)
            if limit is None:
                raise ValueError(
                    f"{kind.__name__}, the parameters of {self._environment_name}, has no max_steps_in_episode: declare it as a "
                    f"field, `max_steps_in_episode: int = 100`, or define the property `horizon` in {type(self).__name__}"
                )
            if int(limit) != limit:
                raise ValueError(f"{kind.__name__} has max_steps_in_episode={limit}: give a whole number of environment steps")
            declares = ("max_steps_in_episode" in vars(base).get("__annotations__", {}) for base in kind.__mro__)
            if int(limit) == 1 and isinstance(params, EnvParams) and sum(declares) == 1:
                raise ValueError(
                    f"{kind.__name__}, the parameters of {self._environment_name}, inherits max_steps_in_episode=1 from gymnax, "
                    "so every episode would be a single step: declare it as a field, `max_steps_in_episode: int = 100`"
                )
            return int(limit)

    def time_limit(self, task: Task) -> jax.Array | None:
        """Returns the longest episode [] of ``task`` in environment steps, at most ``horizon``; None if unknown."""
        return getattr(task, "max_steps_in_episode", None)

    @property
    def lifetime_length(self) -> int:
        """Default length of a lifetime in environment steps: that of the literature where there is one, else one episode."""
        return self.horizon

    @constant
    def action_space(self) -> ActionSpace:
        """Action space of the policy."""
        found = self._environment_checked.action_space(self._example)
        space = read_space(found)
        if isinstance(space, Count):
            if space.n < 1:
                raise ValueError(f"{self._environment_name} has action space {found}: there must be an action to take")
            return Discrete(space.n)
        if not isinstance(space, BoxShape) or len(space.shape) > 1:
            raise ValueError(
                f"{self._environment_name} has action space {found}: policies act in Discrete(n) and in Box with one axis; "
                "flatten it, and take the action apart in step_env"
            )
        size = space.shape[0] if space.shape else 1
        low, high = (side.reshape(-1).astype(float) for side in (space.low, space.high))
        if not size:
            raise ValueError(f"{self._environment_name} has action space {found}: there must be an action to take")
        for axis in np.flatnonzero(~(low < high)):  # NaN too
            raise ValueError(
                f"{self._environment_name} has actions from {low[axis]:g} to {high[axis]:g} at position {axis}: its action_space "
                "must have a low below its high everywhere; leave out what is always the same"
            )
        bounded = np.isfinite(low) & np.isfinite(high)
        if bounded.all():
            return Continuous(size)
        return Continuous(size, tuple(np.where(bounded, -1.0, low).tolist()), tuple(np.where(bounded, 1.0, high).tolist()))

    @constant
    def observation_size(self) -> int:
        """Length of the observation vector."""
        _ = self._example  # raises first if sample does not return a task
        observation, _ = jax.eval_shape(lambda key: self.reset(self.sample(key), key), jax.random.key(0))
        return int(observation.shape[0])

    @constant
    def image_shape(self) -> tuple[int, int, int] | None:
        """(height, width, channels) of image observations, which are flattened; None for other observations."""
        space = self._observation_space
        shape = space.shape if isinstance(space, BoxShape) else ()
        shape = (*shape, 1) if len(shape) == 2 else shape
        return shape if len(shape) == 3 and math.prod(shape) == self.observation_size else None

    # The environment, for one stream.

    def reset(self, task: Task, key: jax.Array) -> tuple[jax.Array, PyTree]:
        """Begins an episode of ``task``: (observation [observation_size], state)."""
        observation, state = self._environment_checked.reset_env(key, task)
        return self._vector(observation), self._settle(state, task)

    def restart(self, task: Task, state: PyTree, key: jax.Array) -> tuple[jax.Array, PyTree]:
        """Begins the next episode of a lifetime after one that ended in ``state``; by default it is a reset."""
        del state
        return self.reset(task, key)

    def step(self, task: Task, state: PyTree, action: jax.Array, key: jax.Array) -> Transition:
        """Takes one step. Continuous actions are clipped to [-1, 1] and scaled to the task's own box."""
        environment = self._environment_checked
        outcome = environment.step_env(key, state, self._scale(task, action), task)
        observation, state, reward, terminated, info = self._five(outcome)
        terminated = jnp.asarray(terminated, bool)
        truncated = jnp.asarray(environment.is_truncated(state, task), bool) & ~terminated
        return Transition(
            self._vector(observation),
            self._settle(state, task),
            jnp.asarray(reward, jnp.float32).reshape(()),
            terminated.reshape(()),
            truncated.reshape(()),
            _numbers_in(info),
        )

    def describe(self, task: Task) -> jax.Array:
        """Returns the task as a vector [D], for agents that observe the task: by default all its leaves, in order.

        Floats are unchanged. A boolean is 0 or 1. An integer is one-hot over its range, or, where that is long, a number from
        -1 to 1. Integers and booleans that are the same in all tasks are left out.
        """
        leaves = [jnp.asarray(leaf) for leaf in jax.tree.leaves(task)]
        is_float = [jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in leaves]
        ranges = [None] * len(leaves) if all(is_float) else self._integer_ranges
        told = [jnp.zeros(0, jnp.float32)]
        for leaf, bounds, floating in zip(leaves, ranges, is_float, strict=True):
            if floating:
                told.append(leaf.astype(jnp.float32).reshape(-1))
            elif bounds is not None:
                told.append(_tell_integers(leaf, *bounds))
        return jnp.concatenate(told)

    def shaped_reward(
        self, task: Task, observation: jax.Array, reward: jax.Array, next_observation: jax.Array
    ) -> jax.Array | None:
        """Returns the shaped reward [] of a step, for learners that may use more information in training than agents observe.

        It is None by default, for families without a shaped reward.
        """
        del task, observation, reward, next_observation
        return None

    def oracle_return(self, task: Task, num_steps: int) -> jax.Array | None:
        """Returns the expected return [] of ``num_steps`` steps in one stream for an agent that knows ``task``, or None.

        It can be jitted, and vmapped over tasks.
        """
        del task, num_steps
        return None

    def reference_return(self, num_steps: int) -> Reference | None:
        """Returns the best attainable return of ``num_steps`` steps in one stream, or None where it is not known."""
        del num_steps
        return None

    def render(self, task: Task, lived: Segment, axes: "Axes") -> None:
        """Draws the trajectory of one stream in ``task``: by default the reward of every step.

        Args:
          task: the task of the stream.
          lived: the steps of one stream, [T, ...], one episode or several.
          axes: the matplotlib axes to draw on.
        """
        del task
        draw_rewards(axes, lived)

    def _scale(self, params: PyTree, action: jax.Array) -> jax.Array:
        if isinstance(self.action_space, Discrete):
            return action
        box = self._environment_checked.action_space(params)
        low = jnp.broadcast_to(jnp.asarray(box.low, jnp.float32), box.shape).reshape(action.shape)
        high = jnp.broadcast_to(jnp.asarray(box.high, jnp.float32), box.shape).reshape(action.shape)
        scaled = low + (jnp.clip(action, -1.0, 1.0) + 1.0) * 0.5 * (high - low)
        bounded = jnp.isfinite(low) & jnp.isfinite(high)
        return jnp.where(bounded, scaled, jnp.clip(action, low, high)).reshape(box.shape)

    def _vector(self, observation: Any) -> jax.Array:
        space = self._observation_space
        if isinstance(space, Count):
            return jax.nn.one_hot(observation, space.n, dtype=jnp.float32).reshape(space.n)
        leaves = [jnp.asarray(leaf, jnp.float32).reshape(-1) for leaf in jax.tree.leaves(observation)]
        return jnp.concatenate(leaves)

    # Cached and checked properties of the environment.

    @constant
    def _environment_checked(self) -> Environment:
        environment, name = self.environment, type(self).__name__
        if isinstance(environment, type):
            raise ValueError(
                f"the environment of {name} is the class {environment.__name__}: give an instance, {environment.__name__}()"
            )
        if not hasattr(environment, "step_env"):
            kind = type(environment)
            raise ValueError(
                f"the environment of {name} is a {kind.__module__}.{kind.__qualname__}, which has no step_env: jmeta compiles "
                "environments, so it takes those of gymnax (gymnax.environments.environment.Environment) and none that step in "
                "Python"
            )
        for method in ARGUMENTS:
            found = getattr(environment, method, None)
            if found is None or getattr(found, "__func__", found) is getattr(Environment, method):
                raise ValueError(f"{type(environment).__name__} does not define {method}: {_HOW_TO[method]}")
            if not callable(found):
                raise ValueError(f"{method} of {type(environment).__name__} is a {type(found).__name__}: {_HOW_TO[method]}")
            if not _can_be_called(found, ARGUMENTS[method]):
                raise ValueError(
                    f"{method} of {type(environment).__name__} can't be called with ({', '.join(ARGUMENTS[method])}): "
                    f"{_HOW_TO[method]}"
                )
        return environment

    @property
    def _environment_name(self) -> str:
        return str(getattr(self._environment_checked, "name", type(self._environment_checked).__name__))

    @constant
    def _example(self) -> PyTree:
        """Parameters with the shapes of this distribution's tasks: the default ones if they match, else a sampled task."""
        default = self._environment_checked.default_params
        vars(self)["_example"] = default  # in case ``sample`` resets the environment, which reads _example
        task = jax.eval_shape(self.sample, jax.random.key(0))
        if not jax.tree.leaves(task):
            raise ValueError(
                f"sample of {type(self).__name__} returns {task!r:.60}, in which there is no number: return the environment's "
                "parameters, a flax.struct.dataclass or a NamedTuple of arrays"
            )
        kind = type(self._environment_checked)
        if getattr(kind, "default_params", None) is Environment.default_params and type(task) is not type(default):
            raise ValueError(
                f"{kind.__name__} does not define default_params, so it has gymnax's, which are no {type(task).__name__}: write "
                f"default_params = {type(task).__name__}()"
            )
        if type(task) is not type(default) or _shapes(task) == _shapes(default):
            return default
        for name in ("_observation_space", "action_space"):
            vars(self).pop(name, None)
        return self.sample(jax.random.key(0))

    @constant
    def _observation_space(self) -> BoxShape | Count | None:
        return read_space(self._environment_checked.observation_space(self._example))

    @constant
    def _integer_ranges(self) -> list[tuple[int, int] | None]:
        """Returns the (lowest, highest) value of each leaf of a task that is an integer and differs between tasks, else None."""
        drawn = [sampled_tasks(split) for split in self._splits]

        def ranged(*parts: Any) -> tuple[int, int] | None:
            if not isinstance(parts[0], np.ndarray) or parts[0].dtype.kind not in "iub":
                return None
            values = np.concatenate(parts)
            return (int(values.min()), int(values.max())) if (values != values[:1]).any() else None

        return [ranged(*parts) for parts in zip(*map(jax.tree.leaves, drawn), strict=True)]

    @property
    def _splits(self) -> list[Self]:
        """Returns the distribution on each of its splits."""
        has: dict[Split, bool] = {"train": True, "held-out": self.has_held_out, "ood": self.has_out_of_distribution}
        return [dataclasses.replace(self, split=split) for split in SPLITS if has[split]]

    def _five(self, outcome: Any) -> tuple[Any, ...]:
        if not isinstance(outcome, tuple) or len(outcome) != 5:
            what = f"{len(outcome)} values" if isinstance(outcome, tuple) else f"a {type(outcome).__name__}"
            raise ValueError(
                f"step_env of {self._environment_name} returns {what}: return (observation, state, reward, terminated, info), "
                "and leave time limits to max_steps_in_episode and is_truncated"
            )
        return outcome

    def _settle(self, state: PyTree, params: PyTree) -> PyTree:
        """Gives every leaf of a state one shape and one dtype, since ``reset_env`` and ``step_env`` need not agree."""

        def settle(leaf: Any, like: jax.ShapeDtypeStruct) -> jax.Array:
            if jnp.issubdtype(like.dtype, jax.dtypes.prng_key):
                return leaf
            return jnp.asarray(leaf, like.dtype).reshape(like.shape)

        return jax.tree.map(settle, state, self._state_template(params))

    def _state_template(self, params: PyTree) -> PyTree:
        """Returns the shapes and dtypes of a state for parameters of these shapes."""
        templates = vars(self).setdefault("_templates", {})
        shapes = _shapes(params)
        if shapes not in templates:
            with outside_of_traces():
                templates[shapes] = self._make_state_template(params)
        return templates[shapes]

    def _make_state_template(self, params: PyTree) -> PyTree:
        environment, name, actions = self._environment_checked, self._environment_name, self.action_space
        shape = () if isinstance(actions, Discrete) else tuple(environment.action_space(self._example).shape)
        action = jax.ShapeDtypeStruct(shape, jnp.int32 if isinstance(actions, Discrete) else jnp.float32)

        def both(key: jax.Array, params: PyTree, action: jax.Array) -> tuple[PyTree, PyTree]:
            _, state = environment.reset_env(key, params)
            own_limit = getattr(type(environment), "is_truncated", None) is not Environment.is_truncated
            if not own_limit and not hasattr(state, "time"):
                raise ValueError(
                    f"the state of {name} ({type(state).__name__}) has no `time`: add the field `time: jax.Array`, 0 in "
                    "reset_env and one more in every step_env, or define is_truncated(self, state, params)"
                )
            return state, self._five(environment.step_env(key, state, action, params))[1]

        fresh, later = jax.eval_shape(both, jax.random.key(0), params, action)
        structures: list[Any] = [jax.tree.structure(state) for state in (fresh, later)]
        if structures[0] != structures[1]:
            raise ValueError(
                f"reset_env and step_env of {name} return states of different structure, {structures[0]} and {structures[1]}: "
                "give both the same fields"
            )
        for (path, a), b in zip(jax.tree_util.tree_leaves_with_path(fresh), jax.tree.leaves(later), strict=True):
            if a.size != b.size:
                where = jax.tree_util.keystr(path)
                raise ValueError(
                    f"state{where} of {name} has shape {a.shape} after reset_env and {b.shape} after step_env: keep one shape"
                )

        def common(a: jax.ShapeDtypeStruct, b: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
            is_key = jnp.issubdtype(b.dtype, jax.dtypes.prng_key)
            return jax.ShapeDtypeStruct(b.shape, b.dtype if is_key else jnp.promote_types(a.dtype, b.dtype))

        return jax.tree.map(common, fresh, later)


_HOW_TO = {
    "reset_env": "write reset_env(self, key, params), which returns (observation, state)",
    "step_env": "write step_env(self, key, state, action, params), which returns (observation, state, reward, terminated, info)",
    "action_space": "write action_space(self, params), which returns spaces.Discrete(n) or spaces.Box(low, high, (n,))",
    "observation_space": "write observation_space(self, params), which returns, say, spaces.Box(-jnp.inf, jnp.inf, (n,))",
}


def _can_be_called(function: Any, arguments: tuple[str, ...]) -> bool:
    """Returns whether a function takes these positional arguments; True if its signature is unknown."""
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError:
        return False
    except ValueError:
        pass
    return True


@functools.lru_cache(maxsize=64)
def sampled_tasks(tasks: TaskDistribution) -> PyTree:
    """Draws ``SAMPLED_TASKS`` tasks of a distribution as NumPy arrays, with the same keys for every split."""
    with outside_of_traces():
        keys = jax.random.split(jax.random.key(0), SAMPLED_TASKS)
        return jax.tree.map(_as_numpy, jax.jit(jax.vmap(tasks.sample))(keys))


def _as_numpy(leaf: jax.Array) -> Any:
    return leaf if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else np.asarray(leaf)


def _shapes(tree: PyTree) -> Any:
    """Returns a hashable description of the shapes and dtypes of a tree of arrays."""
    leaves, structure = jax.tree.flatten(tree)
    return structure, tuple((jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves)


def _tell_integers(leaf: jax.Array, low: int, high: int) -> jax.Array:
    """Encodes integers or booleans from ``low`` to ``high`` as float32 [D]."""
    if leaf.dtype == bool:
        return leaf.astype(jnp.float32).reshape(-1)
    if leaf.size * (high - low + 1) <= WIDEST_ONE_HOT:
        return jax.nn.one_hot(leaf.reshape(-1) - low, high - low + 1, dtype=jnp.float32).reshape(-1)
    return (leaf.astype(jnp.float32).reshape(-1) - low) * (2.0 / (high - low)) - 1.0


def _numbers_in(info: PyTree) -> dict[str, jax.Array]:
    """Returns the scalars in an environment's info by name, without the discount of gymnax's own environments."""
    leaves = {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in jax.tree.leaves_with_path(info)}
    numbers = {name: leaf for name, leaf in leaves.items() if isinstance(leaf, (bool, int, float)) or hasattr(leaf, "dtype")}
    return {name: jnp.asarray(leaf) for name, leaf in numbers.items() if jnp.ndim(leaf) == 0 and name != "discount"}
