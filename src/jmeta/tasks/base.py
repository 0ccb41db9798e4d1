"""A distribution over tasks: one gymnax environment whose parameters are the task."""

import abc
import dataclasses
import functools
import math
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self, TypeAlias

import jax
import jax.numpy as jnp
from gymnax.environments import spaces
from gymnax.environments.environment import Environment

from jmeta.tasks.render import draw_rewards
from jmeta.types import ActionSpace, Continuous, Discrete, PyTree, Segment, Task

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Split: TypeAlias = Literal["train", "held-out", "ood"]
SPLITS: tuple[Split, ...] = ("train", "held-out", "ood")

GRID = 2**20  # cells of [0, 1) that training and held-out tasks share out between them


class Transition(NamedTuple):
    """One environment step, nothing reset."""

    observation: jax.Array  # [observation_size]
    state: PyTree
    reward: jax.Array  # []
    terminated: jax.Array  # [] bool, a natural end
    truncated: jax.Array  # [] bool, the time limit and no natural end
    info: PyTree = ()  # {name: []}, the single numbers in what the environment's step_env said besides, by name


class Reference(NamedTuple):
    """A return that is known without learning."""

    label: str  # "Bayes optimum", "goal known", ...
    value: float
    per: Literal["lifetime", "episode"]


@dataclasses.dataclass(frozen=True)
class TaskDistribution(abc.ABC):
    """p(task) over one environment. Subclass it with an ``environment`` and a ``sample``, and that is a new task family.

    A task is data: usually the environment's own ``EnvParams``, so a batch of tasks is a ``vmap``. The task is held for a
    whole lifetime; ``reset`` begins an episode of it and never redraws it. ``step`` does not reset, and keeps natural ends apart
    from time limits.

    A subclass is a frozen dataclass of its settings. Drawing through ``self.uniform`` makes its training and held-out tasks
    disjoint by construction.

    Attributes:
      split: which tasks ``sample`` draws. Change it with ``held_out`` and ``out_of_distribution``.

    Example:
      See ``jmeta.tasks.point_navigation`` for a complete one, and the README for one of your own.
    """

    split: Split = dataclasses.field(default="train", kw_only=True)

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise ValueError(f"split={self.split!r} is not one of {', '.join(SPLITS)}")
        if self.split == "ood" and not self.has_out_of_distribution:
            raise ValueError(f"{type(self).__name__} has no out-of-distribution tasks: evaluate on the held-out split instead")
        if self.split == "held-out" and not self.has_held_out:
            raise ValueError(f"{type(self).__name__} {self._why_none_is_held_out}")

    @property
    @abc.abstractmethod
    def environment(self) -> Environment:
        """The gymnax environment; the same object every time."""

    @abc.abstractmethod
    def sample(self, key: jax.Array) -> Task:
        """One task of this split."""

    # The three parts of p(task).

    @property
    def train(self) -> Self:
        """The tasks to meta-train on."""
        return dataclasses.replace(self, split="train")

    @property
    def held_out(self) -> Self:
        """The same distribution on tasks that training never draws."""
        return dataclasses.replace(self, split="held-out")

    @property
    def has_held_out(self) -> bool:
        """Whether there are tasks that training never draws; where there are too few to spare any, evaluate on ``train``."""
        return True

    @property
    def _why_none_is_held_out(self) -> str:
        return "holds no tasks out: evaluate on the training split, with another seed"

    @property
    def has_out_of_distribution(self) -> bool:
        """Whether ``sample`` can draw tasks outside the training distribution's support."""
        return False

    @property
    def out_of_distribution(self) -> Self:
        """Tasks outside the support of training, over the same environment."""
        return dataclasses.replace(self, split="ood")

    def uniform(self, key: jax.Array, shape: tuple[int, ...] = ()) -> jax.Array:
        """Uniform on (0, 1), from cells of width 2^-20 that are even for training tasks and odd for held-out ones.

        So no number drawn for one split is ever drawn for another, and both are uniform to 1e-6.
        """
        split = SPLITS.index(self.split)
        cell = jax.random.randint(jax.random.fold_in(key, split), shape, 0, GRID // 2)
        return (2 * cell + (split == 1) + 0.5).astype(jnp.float32) / GRID

    # Sizes, known before anything is compiled.

    @property
    def horizon(self) -> int:
        """The longest episode, in environment steps."""
        return int(self.environment.default_params.max_steps_in_episode)

    @property
    def lifetime_length(self) -> int:
        """Environment steps of a lifetime, where the literature has a custom; else one episode."""
        return self.horizon

    @functools.cached_property
    def action_space(self) -> ActionSpace:
        """What a policy must produce."""
        space = self.environment.action_space(self.environment.default_params)
        if isinstance(space, spaces.Discrete):
            return Discrete(int(space.n))
        if isinstance(space, spaces.Box) and len(space.shape) <= 1:
            return Continuous(int(space.shape[0]) if space.shape else 1)
        raise ValueError(
            f"{self.environment.name} has action space {space}: policies act in Discrete(n) and in Box with one axis"
        )

    @functools.cached_property
    def observation_size(self) -> int:
        """Length of the observation vector."""
        observation, _ = jax.eval_shape(lambda key: self.reset(self.sample(key), key), jax.random.key(0))
        return int(observation.shape[0])

    @functools.cached_property
    def image_shape(self) -> tuple[int, int, int] | None:
        """(height, width, channels) of the picture that an observation is, flattened; None if it is none."""
        shape = getattr(self._observation_space, "shape", ())
        shape = (*shape, 1) if len(shape) == 2 else shape
        return shape if len(shape) == 3 and math.prod(shape) == self.observation_size else None

    # The environment, one stream.

    def reset(self, task: Task, key: jax.Array) -> tuple[jax.Array, PyTree]:
        """Begins an episode of ``task``: (observation [observation_size], state)."""
        observation, state = self.environment.reset_env(key, task)
        return self._vector(observation), self._settle(state)

    def restart(self, task: Task, state: PyTree, key: jax.Array) -> tuple[jax.Array, PyTree]:
        """Begins the next episode of a lifetime, the last one having ended in ``state``: a reset, unless some of it lives on."""
        del state
        return self.reset(task, key)

    def step(self, task: Task, state: PyTree, action: jax.Array, key: jax.Array) -> Transition:
        """Takes one step. Continuous actions are clipped to [-1, 1] and scaled to the task's own box."""
        environment = self.environment
        observation, state, reward, terminated, info = environment.step_env(key, state, self._scale(task, action), task)
        terminated = jnp.asarray(terminated, bool)
        truncated = jnp.asarray(environment.is_truncated(state, task), bool) & ~terminated
        return Transition(
            self._vector(observation),
            self._settle(state),
            jnp.asarray(reward, jnp.float32).reshape(()),
            terminated.reshape(()),
            truncated.reshape(()),
            _numbers_in(info),
        )

    def describe(self, task: Task) -> jax.Array:
        """The task as a vector [D], for an agent that is told it: by default all its floating-point leaves, in order."""
        leaves = [jnp.asarray(leaf) for leaf in jax.tree.leaves(task)]
        floats = [leaf.astype(jnp.float32).reshape(-1) for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.floating)]
        return jnp.concatenate([jnp.zeros(0, jnp.float32), *floats])

    def shaped_reward(
        self, task: Task, observation: jax.Array, reward: jax.Array, next_observation: jax.Array
    ) -> jax.Array | None:
        """What to learn from a step [], for learners that may be told more in training than agents ever see.

        None where there is nothing better than the reward.
        """
        del task, observation, reward, next_observation
        return None

    def oracle_return(self, task: Task, num_steps: int) -> jax.Array | None:
        """The expected return [] of ``num_steps`` steps of one stream for an agent that knows ``task``, or None if not known.

        It can be jitted, and vmapped over tasks.
        """
        del task, num_steps
        return None

    def reference_return(self, num_steps: int) -> Reference | None:
        """What is attainable in a lifetime of ``num_steps`` steps of one stream, where that is known."""
        del num_steps
        return None

    def render(self, task: Task, lived: Segment, axes: "Axes") -> None:
        """Draws what one stream did in ``task``: by default the reward of every step.

        Args:
          task: where it was.
          lived: the steps of one stream, [T, ...], one episode or several.
          axes: where to draw.
        """
        del task
        draw_rewards(axes, lived)

    def _scale(self, params: PyTree, action: jax.Array) -> jax.Array:
        if isinstance(self.action_space, Discrete):
            return action
        box = self.environment.action_space(params)
        low = jnp.broadcast_to(jnp.asarray(box.low, jnp.float32), action.shape)
        high = jnp.broadcast_to(jnp.asarray(box.high, jnp.float32), action.shape)
        scaled = low + (jnp.clip(action, -1.0, 1.0) + 1.0) * 0.5 * (high - low)
        bounded = jnp.isfinite(low) & jnp.isfinite(high)
        return jnp.where(bounded, scaled, action).reshape(box.shape)

    def _vector(self, observation: Any) -> jax.Array:
        space = self._observation_space
        if isinstance(space, spaces.Discrete):
            return jax.nn.one_hot(observation, space.n, dtype=jnp.float32).reshape(space.n)
        leaves = [jnp.asarray(leaf, jnp.float32).reshape(-1) for leaf in jax.tree.leaves(observation)]
        return jnp.concatenate(leaves)

    @functools.cached_property
    def _observation_space(self) -> Any:
        return self.environment.observation_space(self.environment.default_params)

    def _settle(self, state: PyTree) -> PyTree:
        """Gives every leaf of a state one shape and one dtype, since ``reset_env`` and ``step_env`` need not agree."""
        return jax.tree.map(lambda leaf, like: jnp.asarray(leaf, like.dtype).reshape(like.shape), state, self._state_template)

    @functools.cached_property
    def _state_template(self) -> PyTree:
        environment, params = self.environment, self.environment.default_params

        def both(key: jax.Array) -> tuple[PyTree, PyTree]:
            _, state = environment.reset_env(key, params)
            action = environment.action_space(params).sample(key)
            return state, environment.step_env(key, state, action, params)[1]

        fresh, later = jax.eval_shape(both, jax.random.key(0))
        return jax.tree.map(lambda a, b: jax.ShapeDtypeStruct(b.shape, jnp.promote_types(a.dtype, b.dtype)), fresh, later)


def _numbers_in(info: PyTree) -> dict[str, jax.Array]:
    """The single numbers in an environment's info, by name; not the discount that gymnax's own environments put there."""
    leaves = {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in jax.tree.leaves_with_path(info)}
    numbers = {name: leaf for name, leaf in leaves.items() if isinstance(leaf, (bool, int, float)) or hasattr(leaf, "dtype")}
    return {name: jnp.asarray(leaf) for name, leaf in numbers.items() if jnp.ndim(leaf) == 0 and name != "discount"}
