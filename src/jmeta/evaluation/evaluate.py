"""Evaluation: returns of an inner learner in tasks that it was not trained on, by episode and by segment."""

import contextlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jmeta.evaluation.checks import check_agent
from jmeta.evaluation.given_tasks import as_batch
from jmeta.evaluation.program import live_chunk
from jmeta.evaluation.progress import EvaluationProgress
from jmeta.evaluation.result import Evaluation
from jmeta.evaluation.result_checks import check_decisions, check_episodes, check_results
from jmeta.inner.base import InnerLearner
from jmeta.keys import as_key
from jmeta.outer.checks import check_at_least_one, check_protocol
from jmeta.parallel import num_task_devices, task_mesh
from jmeta.tasks.base import TaskDistribution
from jmeta.training.memory import check_program
from jmeta.types import Protocol, PyTree, Task, Theta

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
        than ``jmeta.struct``'s; if ``greedy`` is not True or False; inside ``jax.jit``, ``vmap`` or ``grad``.
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
    batch = None if given is None else as_batch(tasks, given)
    if batch is not None:
        number = jax.tree.leaves(batch)[0].shape[0]
        if num_tasks not in (None, number):
            raise ValueError(f"num_tasks={num_tasks}, but {number} tasks are given: leave num_tasks out")
        num_tasks = number
    num_tasks = 1000 if num_tasks is None else num_tasks
    check_at_least_one(num_tasks=num_tasks)
    if not isinstance(greedy, bool | np.bool_):
        raise TypeError(f"greedy={greedy!r}: give True or False")
    check_results(tasks, protocol, num_tasks)
    with contextlib.ExitStack() as stack:
        if jax.sharding.get_abstract_mesh().empty:
            stack.enter_context(jax.set_mesh(task_mesh()))
        report = stack.enter_context(EvaluationProgress(num_tasks, enabled=progress))
        lived = _live_all((inner, theta), tasks, key, batch, num_tasks, protocol=protocol, greedy=greedy, report=report)
    check_episodes(tasks, protocol, lived["completed"])
    check_decisions(inner, lived["undefined"])
    split = tasks.split if given is None else "given"
    return Evaluation.of(lived, protocol, split=split, tasks=lived["task"], greedy=greedy)


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
    run: Any = partial(live_chunk, size=size, tasks=tasks, protocol=protocol, greedy=greedy)
    if protocol.num_env_steps > ENV_STEPS_AT_ONCE:
        compiled = live_chunk.lower(
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
