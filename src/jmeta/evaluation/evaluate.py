"""Evaluation: returns of an inner learner in tasks that it was not trained on, by episode and by segment."""

import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jmeta.evaluation.checks import check_agent
from jmeta.evaluation.progress import EvaluationProgress
from jmeta.evaluation.result import Evaluation
from jmeta.inner.base import InnerLearner
from jmeta.keys import as_key
from jmeta.lifetime import live_in_new_task
from jmeta.objectives import episode_begins, finished_later, returns_by_episode
from jmeta.outer.checks import check_at_least_one, check_protocol
from jmeta.parallel import BY_TASK, num_task_devices, over_tasks, task_mesh
from jmeta.tasks.base import TaskDistribution
from jmeta.training.memory import GIB, check_program, host_memory
from jmeta.types import Decision, Protocol, PyTree, RolloutOptions, Task, Theta

EVALUATION_FOLD = 2**31 - 1  # draw evaluations from fold_in(key, this), which no outer step of training does
ENV_STEPS_AT_ONCE = 200_000  # per device; bounds memory, and keeps the working set near the caches


def evaluate(
    inner: InnerLearner,
    tasks: TaskDistribution,
    theta: Theta,
    key: jax.Array | int,
    *,
    protocol: Protocol,
    num_tasks: int | None = None,
    given: Task | Sequence[Task] | None = None,
    greedy: bool = False,
    progress: bool = True,
) -> Evaluation:
    """Evaluates an inner learner over one lifetime in each of ``num_tasks`` tasks.

    The learner acts as it does in training, sampling its actions, unless ``greedy``. Works for any inner learner, trained,
    untrained or hand-written. Tasks are spread over all local devices (the ambient mesh, if there is one) and run in chunks, so
    only the memory of the returns grows with their number.

    Args:
      inner: the agent.
      tasks: the distribution to draw tasks from; usually ``outer.tasks.held_out``.
      theta: its meta-parameters, ``outer.deploy(state)``.
      key: a typed key, a raw key or a seed; consumed. The same key gives the same tasks, whatever the agent.
      protocol: the experience of one lifetime; more segments than in training is allowed.
      num_tasks: N, 1,000 by default.
      given: the tasks to evaluate on, instead of N drawn ones: a list of tasks, or a batch with leaves [N, ...].
      greedy: take the most likely action, or the mean of a continuous distribution, at every step. An agent that adapts to its
        trajectories then adapts to these, and loses the exploration that comes from sampling.
      progress: show progress on standard error, if the evaluation takes long.

    Returns:
      Returns of every task, and the tasks.

    Raises:
      ValueError: if a segment is not a whole number of episodes, or a count is not positive; if the agent was built for other
        observations or actions than the tasks have; if theta is another agent's, or not finite; if a stream completes fewer
        episodes than fit into a segment; if given tasks are not like those of the distribution; if it does not fit into memory.
      TypeError: for an outer learner, a meta-state or a training's result; for an inner learner made with flax's dataclass rather
        than ``jmeta.struct``'s; inside ``jax.jit``, ``vmap`` or ``grad``.
      FloatingPointError: if decisions are NaN, as those of diverged inner steps are.

    Example:
      >>> import jax, jmeta
      >>> tasks = jmeta.tasks.BernoulliBandit()
      >>> agent = jmeta.algorithms.rl2(tasks, hidden_size=8, num_tasks=16)
      >>> theta = agent.deploy(agent.init(jax.random.key(0)))
      >>> result = jmeta.evaluate(agent.inner, tasks.held_out, theta, jax.random.key(1), protocol=agent.protocol, num_tasks=100)
      >>> result.episode_returns.shape
      (100, 10)
    """
    key = as_key(key)
    check_agent(inner, tasks, theta, key)
    check_protocol(tasks, protocol)
    batch = None if given is None else _batch(tasks, given)
    if batch is not None:
        number = jax.tree.leaves(batch)[0].shape[0]
        if num_tasks not in (None, number):
            raise ValueError(f"num_tasks={num_tasks}, but {number} tasks are given: leave num_tasks out")
        num_tasks = number
    num_tasks = 1000 if num_tasks is None else num_tasks
    check_at_least_one(num_tasks=num_tasks)
    _check_results(tasks, protocol, num_tasks)
    with contextlib.ExitStack() as stack:
        if jax.sharding.get_abstract_mesh().empty:
            stack.enter_context(jax.set_mesh(task_mesh()))
        report = stack.enter_context(EvaluationProgress(num_tasks, enabled=progress))
        lived = _live_all((inner, theta), tasks, key, batch, num_tasks, protocol=protocol, greedy=greedy, report=report)
    _check_episodes(tasks, protocol, lived["completed"])
    _check_decisions(inner, lived["undefined"])
    return Evaluation(
        lifetime_returns=lived["lifetime"],
        episode_returns=lived["episode"],
        segment_returns=lived["segment"],
        trajectory_returns=lived["trajectory"],
        episode_env_steps=lived["begins"].mean(0),
        segment_env_steps=np.arange(protocol.num_segments) * protocol.segment_length * protocol.num_streams,
        protocol=protocol,
        split=tasks.split if given is None else "given",
        tasks=lived["task"],
        infos=lived["infos"],
        greedy=greedy,
    )


def _live_all(
    agent: PyTree,
    tasks: TaskDistribution,
    key: jax.Array,
    batch: Task | None,
    num_tasks: int,
    *,
    protocol: Protocol,
    greedy: bool,
    report: EvaluationProgress,
) -> dict[str, Any]:
    """Returns the results of every task, leaves [N, ...], from one program that runs on a chunk of tasks at a time."""
    num_devices = num_task_devices()
    most = num_devices * max(1, ENV_STEPS_AT_ONCE // protocol.num_env_steps)
    num_chunks = -(-num_tasks // most)
    size = num_devices * -(-num_tasks // (num_devices * num_chunks))
    keys = jax.random.split(key, num_chunks * size)
    last = jnp.minimum(jnp.arange(len(keys)), num_tasks - 1)  # the last task again, to fill the last chunk
    padded = jax.tree.map(lambda leaf: leaf[last], batch)
    run: Any = partial(_live_chunk, size=size, tasks=tasks, protocol=protocol, greedy=greedy)
    if protocol.num_env_steps > ENV_STEPS_AT_ONCE:
        compiled = _live_chunk.lower(
            agent, keys, padded, jnp.int32(0), size=size, tasks=tasks, protocol=protocol, greedy=greedy
        ).compile()
        mesh_devices = list(jax.sharding.get_mesh().devices.flat)
        check_program("a lifetime", compiled, mesh_devices, "evaluate with fewer segments, streams or steps of a segment")
        run = compiled
    parts = []
    for chunk in range(num_chunks):
        parts.append(jax.device_get(run(agent, keys, padded, jnp.int32(chunk * size))))
        report.update(min(num_tasks, (chunk + 1) * size))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[:num_tasks], *parts)


@partial(jax.jit, static_argnames=("size", "tasks", "protocol", "greedy"))
def _live_chunk(
    agent: PyTree,
    keys: jax.Array,
    batch: Task | None,
    begin: jax.Array,
    *,
    size: int,
    tasks: TaskDistribution,
    protocol: Protocol,
    greedy: bool,
) -> dict[str, Any]:
    """Returns the results of ``size`` tasks, beginning with the one of index ``begin``."""
    per_segment = protocol.segment_length // tasks.horizon
    by_stream = _over_streams(partial(returns_by_episode, num_episodes=per_segment))

    def one_task(agent: PyTree, key_and_task: PyTree) -> PyTree:
        inner, theta = agent
        key, given = key_and_task
        task, (segments, _) = live_in_new_task(
            inner,
            tasks,
            theta,
            key,
            protocol=protocol,
            given=given,
            options=RolloutOptions(greedy * protocol.num_streams, keep_info=True),
        )
        reward, done = segments.reward, segments.terminated | segments.truncated  # [K, T, B]
        begins = _over_streams(partial(episode_begins, num_episodes=per_segment))(done).mean(-1)
        offset = jnp.arange(protocol.num_segments)[:, None] * protocol.segment_length

        def by_episode(info: jax.Array) -> jax.Array:
            total = by_stream(info.astype(jnp.float32), done)
            each = (total > 0).astype(jnp.float32) if info.dtype == bool else total
            return each.mean(-1).reshape(-1)

        return {
            "lifetime": reward.sum((0, 1)).mean(),
            "episode": by_stream(reward, done).mean(-1).reshape(-1),
            "segment": reward.sum(1).mean(-1),
            "trajectory": (reward * _over_streams(finished_later)(done)).sum((1, 2)) / done.sum((1, 2)),
            "begins": ((begins + offset) * protocol.num_streams).reshape(-1),
            "completed": done.sum(1).min(),
            "undefined": _undefined(segments.decision).any((1, 2)),
            "infos": jax.tree.map(by_episode, segments.info),
            "task": jax.tree.map(jnp.asarray, task),
        }

    def share(agent: PyTree, chunk: PyTree) -> PyTree:
        return jax.vmap(partial(one_task, agent))(chunk)

    chunk = jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, begin, size), (keys, batch))
    return over_tasks(share, output=BY_TASK)(agent, chunk)


def _batch(tasks: TaskDistribution, given: Task | Sequence[Task]) -> Task:
    """Returns the given tasks as one batch, leaves [N, ...] of the dtypes that ``tasks.sample`` has."""
    like = jax.eval_shape(tasks.sample, jax.random.key(0))
    structure, family = str(jax.tree.structure(like)), type(tasks).__name__
    if isinstance(given, list) and not given:
        raise ValueError("given=[] has no tasks: give at least one, or leave given out to draw some")
    if str(jax.tree.structure(given)) != structure:
        if not isinstance(given, Sequence) or not given or any(str(jax.tree.structure(task)) != structure for task in given):
            raise ValueError(
                f"the given tasks are not like those of {family}: give what its sample returns, a list of it or a batch"
            )
        given = jax.tree.map(lambda *leaves: jnp.stack([jnp.asarray(leaf) for leaf in leaves]), *given)
    for leaf, own in zip(jax.tree.leaves(given), jax.tree.leaves(like), strict=True):
        if jnp.shape(leaf) == own.shape:
            raise ValueError("a single task is given: give a list, [task], or a batch with a leading axis")
        if jnp.shape(leaf)[1:] != own.shape:
            raise ValueError(
                f"a given task has a leaf {list(jnp.shape(leaf)[1:])} where those of {family} have {list(own.shape)}: give "
                "a list of what its sample returns, or a batch with a leading axis"
            )
    batch = jax.tree.map(lambda leaf, own: jnp.asarray(leaf).astype(own.dtype), given, like)
    limit = jax.vmap(tasks.time_limit)(batch)
    if limit is not None and int(limit.max()) > tasks.horizon:
        raise ValueError(
            f"a given task has episodes of {int(limit.max())} steps, but the horizon of {family} is {tasks.horizon}, where they "
            "would be cut: give tasks with a smaller limit"
        )
    return batch


def _check_results(tasks: TaskDistribution, protocol: Protocol, num_tasks: int) -> None:
    """Raises ValueError if the returns of all tasks do not fit into memory."""
    num_episodes = protocol.num_segments * (protocol.segment_length // tasks.horizon)
    need = 4 * num_tasks * (2 * num_episodes + 2 * protocol.num_segments)  # float32
    if need > host_memory():
        raise ValueError(
            f"the returns of {num_tasks:,} tasks with {num_episodes:,} episodes each need {need / GIB:.1f} GiB, and there are "
            f"{host_memory() / GIB:.1f} GiB: evaluate on fewer tasks, or with fewer segments"
        )


def _over_streams(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """Maps a function of one stream [T] over [K, T, B]."""
    return jax.vmap(jax.vmap(function, 1, 1))


def _undefined(decision: Decision) -> jax.Array:
    """Returns whether a number of a decision [K, T, B] is NaN; an environment may accept NaN as an action."""
    shape = decision.value.shape
    leaves = [jnp.isnan(leaf).reshape(*shape, -1).any(-1) for leaf in jax.tree.leaves(decision) if leaf.shape[:3] == shape]
    return jnp.stack(leaves).any(0)


def _check_decisions(inner: InnerLearner, undefined: np.ndarray) -> None:
    """Raises FloatingPointError if decisions were NaN, by task and segment [N, K]."""
    wrong = np.asarray(undefined.any(1))
    if wrong.any():
        task = int(wrong.argmax())
        segment = int(undefined[task].argmax())
        cause = "adapting made its weights NaN; use smaller inner rates" if segment else "its weights are too large"
        raise FloatingPointError(
            f"in {wrong.sum()} of {len(wrong)} tasks the decisions of this {type(inner).__name__} are NaN, in task {task} from "
            f"segment {segment} on: {cause}"
        )


def _check_episodes(tasks: TaskDistribution, protocol: Protocol, completed: np.ndarray) -> None:
    """Raises ValueError unless every stream completed the episodes that are reported, given the fewest of each task [N]."""
    quota = protocol.segment_length // tasks.horizon
    short = completed < quota
    if short.any():
        raise ValueError(
            f"in {short.sum()} of {len(short)} tasks of {type(tasks).__name__} a stream completed {completed.min()} of {quota} "
            f"episodes in a segment of {protocol.segment_length} steps: they last longer than its horizon, {tasks.horizon}, so "
            "there is no return to report; set the horizon, max_steps_in_episode of default_params, to the longest episode"
        )
