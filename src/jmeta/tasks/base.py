"""A distribution over tasks: one gymnax environment whose parameters are the task."""

import abc
import dataclasses
import functools
import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from gymnax.environments.environment import Environment

from jmeta.observation_spaces import Categories, Numbers, ObservationSpace
from jmeta.tasks.actions import like_an_action, read_action_space, to_environment
from jmeta.tasks.constant import constant, outside_of_traces
from jmeta.tasks.definition import CheckedDefinition
from jmeta.tasks.description import Bounds, as_vector, integer_ranges, is_float
from jmeta.tasks.environment import beginning_of, check_environment, check_sampled, name_of, numbers_in, outcome_of
from jmeta.tasks.render import draw_rewards
from jmeta.tasks.sampled_tasks import sampled_tasks
from jmeta.tasks.spaces import BoxShape, check_parts, read_observation_space, read_space
from jmeta.tasks.splits import Splits
from jmeta.tasks.states import settle, shapes_of, state_template
from jmeta.tasks.time_limits import read_horizon
from jmeta.types import ActionSpace, Experience, PyTree, Task

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Transition(NamedTuple):
    """The outcome of one environment step, without a reset: what the environment adds to the agent's timestep and action.

    ``jmeta.lifetime.rollout`` makes an ``Experience`` of the three, with the horizon's truncation, and goes on from ``state``.
    """

    observation: jax.Array  # [observation_size]
    state: PyTree
    reward: jax.Array  # []
    terminated: jax.Array  # [] bool, a natural end
    truncated: jax.Array  # [] bool, ended by the time limit alone
    info: PyTree = ()  # {name: []}, the numbers in the info that the environment's step_env returned


class Reference(NamedTuple):
    """A return that is known without learning."""

    label: str  # "Bayes optimum", "goal known", ...
    value: float
    per: Literal["lifetime", "episode"]


@dataclasses.dataclass(frozen=True)
class TaskDistribution(Splits, metaclass=CheckedDefinition):
    """A distribution p(task) over one environment. A new task family is a subclass with an ``environment`` and a ``sample``.

    A task is data, usually the environment's own ``EnvParams``, so a batch of tasks is a ``vmap``. The task is fixed for a
    whole lifetime; ``reset`` begins an episode of it and never redraws it. ``step`` does not reset, and distinguishes natural
    ends from time limits.

    A subclass is a frozen dataclass of its settings. Each setting must be hashable, since compiled programs are cached by them.
    Drawing through ``self.uniform`` makes training, validation and held-out tasks disjoint by construction. A family without
    held-out tasks defines a property ``has_held_out`` that returns False, and one without validation tasks ``has_validation``.
    One with tasks out of distribution defines a property ``has_out_of_distribution`` that returns True, and draws them where
    ``self.split == "ood"``. ``jmeta.testing.check_tasks`` looks for mistakes.

    ``environment`` must return the same object every time. If it does not depend on a setting, make it a class attribute,
    ``environment = Corridor()``, without an annotation, which would make it a setting. Otherwise make it a cached property::

        @functools.cached_property
        def environment(self):
            return Corridor(self.length)

    Cached properties of a subclass are computed outside of any trace, and are not pickled.

    Attributes:
      split: the split that ``sample`` draws from; see ``train``, ``validation``, ``held_out`` and ``out_of_distribution``.

    Raises:
      ValueError: if ``environment`` or ``sample`` is missing, if a field can't be hashed, or if the class has an ``__init__`` of
        its own.

    Example:
      See ``jmeta.tasks.tabular_mdp`` for a complete family, and the README for how to write your own.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name, value in list(vars(cls).items()):
            if type(value) is functools.cached_property:
                kept = constant(value.func)
                kept.__set_name__(cls, name)
                setattr(cls, name, kept)

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

    # Sizes, which are known before compilation.

    @property
    def horizon(self) -> int:
        """The longest episode of any task, in environment steps; longer ones are truncated.

        Raises:
          ValueError: if the environment's parameters have no ``max_steps_in_episode``, or only inherit gymnax's, which is 1.
        """
        with outside_of_traces():
            return read_horizon(self._environment_checked, type(self).__name__)

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
        return read_action_space(self._environment_checked, self._example)

    @constant
    def observation_size(self) -> int:
        """Length of the observation vector."""
        _ = self._example  # raises first if sample does not return a task
        observation, _ = jax.eval_shape(lambda key: self.reset(self.sample(key), key), jax.random.key(0))
        return int(observation.shape[0])

    @property
    def observation_space(self) -> ObservationSpace:
        """Space that encodes the environment's observations as vectors; plain numbers if a family adds to the vector."""
        space = self._observation_space
        return space if space.size == self.observation_size else Numbers(self.observation_size)

    @property
    def num_observations(self) -> int | None:
        """Number of values of an observation that is one integer and observed one-hot; None for other observations."""
        counts = self.observation_space.counts if isinstance(self.observation_space, Categories) else ()
        return counts[0] if len(counts) == 1 else None

    @property
    def action_shape(self) -> tuple[int, ...]:
        """Shape of the actions that the environment takes."""
        return like_an_action(self._environment_checked, self.action_space, self._example).shape

    @property
    def action_box(self) -> BoxShape | None:
        """The environment's own box of continuous actions, with its default parameters; None for discrete actions."""
        box = read_space(self._environment_checked.action_space(self._example))
        return box if isinstance(box, BoxShape) else None

    @constant
    def image_shape(self) -> tuple[int, int, int] | None:
        """(height, width, channels) of image observations, which are flattened; None for other observations."""
        space = read_space(self._environment_checked.observation_space(self._example))
        shape = space.shape if isinstance(space, BoxShape) else ()
        shape = (*shape, 1) if len(shape) == 2 else shape
        return shape if len(shape) == 3 and math.prod(shape) == self.observation_size else None

    # The environment, for one stream.

    def reset(self, task: Task, key: jax.Array) -> tuple[jax.Array, PyTree]:
        """Begins an episode of ``task``: (observation [observation_size], state)."""
        observation, state = beginning_of(self._environment_checked, key, task)
        return self._vector(observation), self._settle(state, task)

    def restart(self, task: Task, state: PyTree, key: jax.Array) -> tuple[jax.Array, PyTree]:
        """Begins the next episode of a lifetime after one that ended in ``state``; by default it is a reset."""
        del state
        return self.reset(task, key)

    def step(self, task: Task, state: PyTree, action: jax.Array, key: jax.Array) -> Transition:
        """Takes one step. Continuous actions are clipped to [-1, 1] and scaled to the task's own box."""
        environment = self._environment_checked
        action = self._scale(task, action)
        observation, state, reward, terminated, info = outcome_of(environment, key, state, action, task)
        terminated = jnp.asarray(terminated, bool)
        truncated = jnp.asarray(environment.is_truncated(state, task), bool) & ~terminated
        return Transition(
            self._vector(observation),
            self._settle(state, task),
            jnp.asarray(reward, jnp.float32).reshape(()),
            terminated.reshape(()),
            truncated.reshape(()),
            numbers_in(info),
        )

    def describe(self, task: Task) -> jax.Array:
        """Returns the task as a vector [D], for agents that observe the task: by default all its leaves, in order.

        Floats are unchanged. A boolean is 0 or 1. An integer is one-hot over its range, or, where that is long, a number from
        -1 to 1. Integers and booleans that are the same in all tasks are left out.
        """
        leaves = [jnp.asarray(leaf) for leaf in jax.tree.leaves(task)]
        ranges = [None] * len(leaves) if all(map(is_float, leaves)) else self._integer_ranges
        return as_vector(leaves, ranges)

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

    def render(self, task: Task, lived: Experience, axes: "Axes") -> None:
        """Draws the trajectory of one stream in ``task``: by default the reward of every step.

        Args:
          task: the task of the stream.
          lived: the steps of one stream, [T, ...], one episode or several.
          axes: the matplotlib axes to draw on.
        """
        del task
        draw_rewards(axes, lived)

    def _scale(self, params: PyTree, action: jax.Array) -> jax.Array:
        return to_environment(action, self.action_space, self._environment_checked, params)

    def _vector(self, observation: Any) -> jax.Array:
        return self._observation_space.encode(observation)

    # Cached and checked properties of the environment.

    @constant
    def _environment_checked(self) -> Environment:
        return check_environment(self.environment, type(self).__name__)

    @property
    def _environment_name(self) -> str:
        return name_of(self._environment_checked)

    @constant
    def _example(self) -> PyTree:
        """Parameters with the shapes of this distribution's tasks: the default ones if they match, else a sampled task."""
        default = self._environment_checked.default_params
        vars(self)["_example"] = default  # in case ``sample`` resets the environment, which reads _example
        task = jax.eval_shape(self.sample, jax.random.key(0))
        check_sampled(task, default, self._environment_checked, type(self).__name__)
        if type(task) is not type(default) or shapes_of(task) == shapes_of(default):
            return default
        for name in ("_observation_space", "action_space"):
            vars(self).pop(name, None)
        return self.sample(jax.random.key(0))

    @constant
    def _observation_space(self) -> ObservationSpace:
        environment, name = self._environment_checked, self._environment_name
        try:
            space = read_observation_space(environment.observation_space(self._example))
        except ValueError as error:
            raise ValueError(f"observation_space of {name}: {error}") from None
        if not isinstance(space, Numbers):  # before it is encoded; of plain numbers any array is
            observation, *_ = jax.eval_shape(functools.partial(beginning_of, environment), jax.random.key(0), self._example)
            check_parts(space, observation, f"reset_env of {name}")
        return space

    @constant
    def _integer_ranges(self) -> list[Bounds | None]:
        return integer_ranges([sampled_tasks(split) for split in self._splits])

    def _settle(self, state: PyTree, params: PyTree) -> PyTree:
        return settle(state, self._state_template(params))

    def _state_template(self, params: PyTree) -> PyTree:
        """Returns the shapes and dtypes of a state for parameters of these shapes."""
        templates = vars(self).setdefault("_templates", {})
        shapes = shapes_of(params)
        if shapes not in templates:
            with outside_of_traces():
                templates[shapes] = state_template(self._environment_checked, self.action_space, self._example, params)
        return templates[shapes]
