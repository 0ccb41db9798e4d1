"""Makes an agent of a learner: exports its functions as StableHLO, for any number of tasks and streams at once."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from jmeta.agent.agent import Agent
from jmeta.agent.programs import KEY_IMPLEMENTATION, Layout, Programs
from jmeta.agent.spaces import ActionBox, ObservationForm
from jmeta.inner.base import InnerLearner
from jmeta.lifetime import TaskKeys, most_likely
from jmeta.lifetime.keys import BetweenSegments, StepKeys, segment_keys, step_keys
from jmeta.lifetime.rollouts import single_precision
from jmeta.tasks.base import TaskDistribution
from jmeta.types import Memory, Phi, Protocol, PyTree, Segment, Theta, Timestep

Arrays = dict[str, Any]
"""Arrays by name, such as "timestep/observation"."""


def agent_of(
    inner: InnerLearner,
    tasks: TaskDistribution,
    theta: Theta,
    protocol: Protocol,
    *,
    about: dict[str, Any] | None = None,
    **options: Any,
) -> Agent:
    """Makes an agent of a learner, which can be a hand-written one.

    Args:
      inner: the learner.
      tasks: the tasks in whose form observations are given and actions returned.
      theta: its meta-parameters.
      protocol: the experience of a lifetime, after whose segments the agent adapts.
      about: what is known of its training.
      **options: those of ``Agent``: num_tasks, num_envs, greedy and action_bounds.
    """
    make = partial(export_programs, inner, theta, protocol)
    weights = [np.asarray(x) for x in jax.tree.leaves(theta)]
    forms = ObservationForm.of(tasks), ActionBox.of(tasks)
    return Agent(make(), weights, *forms, about=about or {}, export=lambda platforms: make(platforms=platforms), **options)


def export_programs(inner: InnerLearner, theta: Theta, protocol: Protocol, *, platforms: Sequence[str] | None = None) -> Programs:
    """Exports what an agent does: how it begins in a task, acts and adapts.

    Args:
      inner: the learner.
      theta: its meta-parameters, whose shapes are read.
      protocol: the experience of a lifetime.
      platforms: where the programs can run, such as ``("cpu", "cuda", "tpu")``; this machine's own platform by default.
    """
    functions = _Functions(inner, theta, protocol)
    reads_to_act = functions.read("act")
    recorded = functions.read("adapt") if protocol.num_segments > 1 else ()
    layout = Layout(
        num_segments=protocol.num_segments,
        segment_length=protocol.segment_length,
        num_streams=protocol.num_streams,
        observation_size=inner.observation_size,
        encoding_size=inner.action_space.encoding_size,
        recorded=recorded,
        reads_arrival="timestep/arrival" in reads_to_act,
    )
    (rows,) = export.symbolic_shape("n")

    def exported(name: str) -> export.Exported:
        arguments, in_axes = functions.arguments(name, recorded)
        many = [
            tree if axis is None else jax.tree.map(lambda x: jax.ShapeDtypeStruct((rows, *x.shape), x.dtype), tree)
            for tree, axis in zip(arguments, in_axes, strict=True)
        ]
        return export.export(jax.jit(jax.vmap(getattr(functions, name), in_axes)), platforms=platforms)(*many)

    adapt = exported("adapt") if protocol.num_segments > 1 else None
    return Programs(exported("begin"), exported("act"), adapt, exported("extend"), layout)


class _Functions:
    """The functions of a learner for one task, or in ``act`` for one stream. Trees are lists of arrays, and keys their data."""

    def __init__(self, inner: InnerLearner, theta: Theta, protocol: Protocol) -> None:
        self.inner, self.protocol = inner, protocol
        key = jax.eval_shape(lambda: jax.random.key(0, impl=KEY_IMPLEMENTATION))
        begun = jax.eval_shape(lambda theta, key: inner.begin(theta, protocol.num_streams, key), theta, key)
        self.trees: list[Any] = [jax.tree.structure(tree) for tree in (theta, *begun)]
        self.leaves = [[jax.ShapeDtypeStruct(jnp.shape(x), x.dtype) for x in jax.tree.leaves(tree)] for tree in (theta, *begun)]
        self.stream = [jax.ShapeDtypeStruct(x.shape[1:], x.dtype) for x in self.leaves[2]]
        step = jax.eval_shape(partial(_a_step, inner), theta, begun[0], self.trees[2].unflatten(self.stream), key)
        self.step = _by_name(step)
        self.step_tree: Any = jax.tree.structure(step)
        self.timestep = {name: x for name, x in self.step.items() if name.startswith("timestep/")}

    def arguments(self, name: str, recorded: Sequence[str]) -> tuple[list[PyTree], tuple[int | None, ...]]:
        """Returns the shapes of a function's arguments, and which of them have an axis of tasks or streams."""
        theta, phi, memory = self.leaves
        key = jax.ShapeDtypeStruct((2,), jnp.uint32)
        size = (self.protocol.segment_length, self.protocol.num_streams)
        steps = {name: jax.ShapeDtypeStruct((*size, *self.step[name].shape), self.step[name].dtype) for name in recorded}
        greedy, number = jax.ShapeDtypeStruct((), bool), jax.ShapeDtypeStruct((), jnp.int32)
        functions: dict[str, tuple[list[PyTree], tuple[int | None, ...]]] = {
            "begin": ([theta, key], (None, 0)),
            "act": ([theta, phi, self.stream, self.timestep, key, greedy], (None, 0, 0, 0, 0, None)),
            "adapt": ([theta, phi, memory, memory, steps, key], (None, 0, 0, 0, 0, 0)),
            "extend": ([key, number], (0, None)),
        }
        return functions[name]

    def read(self, name: str) -> tuple[str, ...]:
        """Returns the names of the arrays of a step that the results of a function depend on.

        They are among the arguments that an exported function of known shapes keeps.
        """
        arguments, _ = self.arguments(name, list(self.step))
        kept = set(export.export(jax.jit(getattr(self, name)))(*arguments).module_kept_var_idx)
        paths = [path for path, _ in jax.tree.leaves_with_path(arguments)]
        keys = [path[-1].key for index, path in enumerate(paths) if index in kept and isinstance(path[-1], jax.tree_util.DictKey)]
        return tuple(keys)

    def begin(self, theta: list[jax.Array], key: jax.Array) -> PyTree:
        """Returns phi, the memory of each stream, the act keys [L, B] of the first segment, and the keys [K] of later ones."""
        keys = TaskKeys.of(_key(key)).lifetime
        begun = self.inner.begin(self.trees[0].unflatten(theta), self.protocol.num_streams, keys.begin)
        first_key, later_keys = segment_keys(keys.live, self.protocol.num_segments)
        beyond = jax.random.fold_in(keys.live, 2)  # a third key, after the two of ``segment_keys``
        later = jnp.concatenate([jax.random.key_data(later_keys), jax.random.key_data(beyond)[None]])
        return (*map(jax.tree.leaves, begun), self._act_keys(first_key), later)

    def act(
        self,
        theta: list[jax.Array],
        phi: list[jax.Array],
        memory: list[jax.Array],
        timestep: Arrays,
        key: jax.Array,
        greedy: jax.Array,
    ) -> PyTree:
        """Returns the action, its encoding, the arrays of the decision by name, and memory."""
        told = Timestep(**{name.removeprefix("timestep/"): value for name, value in timestep.items()})
        decision, after = self.inner.act(*self._agent(theta, phi, memory), told)
        distribution = decision.distribution
        action = single_precision(jnp.where(greedy, most_likely(distribution), distribution.sample(_key(key))))
        made = {f"decision/{name}": x for name, x in _by_name(decision._replace(extras=())).items()}
        return action, self.inner.action_space.encode(action), made, jax.tree.leaves(after)

    def adapt(
        self,
        theta: list[jax.Array],
        phi: list[jax.Array],
        memory_before: list[jax.Array],
        memory: list[jax.Array],
        steps: Arrays,
        key: jax.Array,
    ) -> PyTree:
        """Returns phi and the memory of each stream after a segment [L, B], and the act keys [L, B] of the next one.

        ``steps`` may leave out what the learner does not read.
        """
        keys = BetweenSegments.of(_key(key))
        size = (self.protocol.segment_length, self.protocol.num_streams)
        lived: Segment = self.step_tree.unflatten(
            [steps[name] if name in steps else jnp.zeros((*size, *x.shape), x.dtype) for name, x in self.step.items()]
        )
        segment = lived.replace(memory=self.trees[2].unflatten(memory_before))  # type: ignore[attr-defined]
        return (
            *map(jax.tree.leaves, self.inner.adapt(*self._agent(theta, phi, memory), segment, keys.adapt)),
            self._act_keys(keys.rollout),
        )

    def extend(self, key: jax.Array, number: jax.Array) -> jax.Array:
        """Returns the act keys [L, B] of a segment beyond the last one."""
        return self._act_keys(jax.random.fold_in(_key(key), number))

    def _agent(self, *leaves: list[jax.Array]) -> tuple[Theta, Phi, Memory]:
        theta, phi, memory = (tree.unflatten(arrays) for tree, arrays in zip(self.trees, leaves, strict=True))
        return theta, phi, memory

    def _act_keys(self, rollout_key: jax.Array) -> jax.Array:
        keys = step_keys(rollout_key, self.protocol.segment_length, self.protocol.num_streams)
        return jax.random.key_data(jax.vmap(jax.vmap(lambda key: StepKeys.of(key).act))(keys))


def _a_step(inner: InnerLearner, theta: Theta, phi: Phi, memory: Memory, key: jax.Array) -> Segment:
    """Returns a step of one stream, as a segment records it."""
    observation, reward, flag = jnp.zeros(inner.observation_size, jnp.float32), jnp.zeros((), jnp.float32), jnp.zeros((), bool)
    timestep = Timestep(observation, jnp.zeros(inner.action_space.encoding_size, jnp.float32), reward, flag, observation)
    decision, _ = inner.act(theta, phi, memory, timestep)
    return Segment(
        timestep=timestep,
        action=single_precision(decision.distribution.sample(key)),
        reward=reward,
        terminated=flag,
        truncated=flag,
        next_observation=observation,
        decision=decision._replace(extras=()),
        memory=(),
    )


def _by_name(tree: PyTree) -> Arrays:
    return {jax.tree_util.keystr(path, simple=True, separator="/"): leaf for path, leaf in jax.tree.leaves_with_path(tree)}


def _key(data: jax.Array) -> jax.Array:
    return jax.random.wrap_key_data(data, impl=KEY_IMPLEMENTATION)
