"""Evaluation: what an inner learner makes of tasks it has not seen, by episode and by segment."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jmeta.evaluation.checks import check_agent
from jmeta.inner.base import InnerLearner
from jmeta.keys import as_key
from jmeta.lifetime import live_in_new_task
from jmeta.objectives import episode_begins, finished_later, returns_by_episode
from jmeta.outer.base import check_protocol
from jmeta.parallel import BY_TASK, num_task_devices, over_tasks, task_mesh
from jmeta.tasks.base import TaskDistribution
from jmeta.types import Protocol, PyTree, Theta

EVALUATION_FOLD = 2**31 - 1  # draw evaluations from fold_in(key, this), which no outer step of training does
ENV_STEPS_AT_ONCE = 200_000  # per device; bounds memory, and keeps the working set near the caches


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Raw returns of every task, averaged over its streams only.

    An episode counts if every stream surely completes it: the first ``segment_length // horizon`` of each segment. So where
    episodes may end early, a fast agent's extra episodes are in the segment's total but bias no episode's mean.

    Attributes:
      lifetime_returns: [N] sum of all rewards of a stream.
      episode_returns: [N, E] undiscounted return of each episode, in order.
      segment_returns: [N, K] sum of the rewards of each segment.
      trajectory_returns: [N, K] mean undiscounted return of *all* episodes that end within a segment, however many: what
        publications report that average a batch of experience, in which quick episodes are more numerous.
      episode_env_steps: [E] environment steps spent in the task, all streams together, before each episode (mean over tasks).
      segment_env_steps: [K] the same before each segment, exact.
      protocol: what a lifetime was.
      split: which tasks.
    """

    lifetime_returns: np.ndarray
    episode_returns: np.ndarray
    segment_returns: np.ndarray
    trajectory_returns: np.ndarray
    episode_env_steps: np.ndarray
    segment_env_steps: np.ndarray
    protocol: Protocol
    split: str

    @property
    def num_tasks(self) -> int:
        """N."""
        return len(self.lifetime_returns)

    @property
    def mean_return(self) -> float:
        """Mean lifetime return over tasks."""
        return float(self.lifetime_returns.mean())

    @property
    def standard_error(self) -> float:
        """Of ``mean_return``, over tasks; infinite for a single task."""
        return standard_error(self.lifetime_returns)

    def summary(self) -> dict[str, Any]:
        """Means over tasks, as plain numbers and lists for JSON; standard errors are None for a single task."""
        known = self.num_tasks > 1
        return {
            "mean_return": self.mean_return,
            "standard_error": self.standard_error if known else None,
            "episode_returns": self.episode_returns.mean(0).tolist(),
            "episode_standard_errors": [standard_error(x) if known else None for x in self.episode_returns.T],
            "segment_returns": self.segment_returns.mean(0).tolist(),
            "segment_standard_errors": [standard_error(x) if known else None for x in self.segment_returns.T],
            "trajectory_returns": self.trajectory_returns.mean(0).tolist(),
            "env_steps": self.episode_env_steps.tolist(),
            "segment_env_steps": self.segment_env_steps.tolist(),
            "num_tasks": self.num_tasks,
            "split": self.split,
            "protocol": self.protocol._asdict(),
        }


def standard_error(sample: np.ndarray) -> float:
    """Of the mean of independent values [N]."""
    return float(sample.std(ddof=1) / np.sqrt(len(sample))) if len(sample) > 1 else float("inf")


def evaluate(
    inner: InnerLearner,
    tasks: TaskDistribution,
    theta: Theta,
    key: jax.Array | int,
    *,
    protocol: Protocol,
    num_tasks: int = 1000,
) -> Evaluation:
    """Lives one lifetime in each of ``num_tasks`` tasks and reports what was earned when.

    The learner acts as it does in training, sampling its actions. Works for any inner learner, trained, untrained or
    hand-written. Tasks are spread over all local devices (the ambient mesh, if there is one) and lived in chunks, so memory
    does not grow with their number.

    Args:
      inner: the agent.
      tasks: which tasks; usually ``outer.tasks.held_out``.
      theta: its meta-parameters, ``outer.deploy(state)``.
      key: a typed key, a raw key or a seed; consumed. The same key gives the same tasks, whatever the agent.
      protocol: the experience of one lifetime; more segments than in training is allowed.
      num_tasks: N.

    Returns:
      Returns of every task.

    Raises:
      ValueError: if segments are no whole number of episodes, or a count is not positive; if the agent was built for other
        observations or actions than the tasks have; if theta is another agent's, or not finite; if a stream completes fewer
        episodes than fit into a segment.
      TypeError: for an outer learner, a meta-state or a training's result; for an inner learner made with flax's dataclass rather
        than ``jmeta.struct``'s; inside ``jax.jit``, ``vmap`` or ``grad``.

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
    if num_tasks < 1:
        raise ValueError(f"num_tasks={num_tasks}: evaluate on at least 1 task")
    if jax.sharding.get_abstract_mesh().empty:
        with jax.set_mesh(task_mesh()):
            return evaluate(inner, tasks, theta, key, protocol=protocol, num_tasks=num_tasks)
    num_devices = num_task_devices()
    padded = -(-num_tasks // num_devices) * num_devices
    results = _live_all((inner, theta), jax.random.split(key, padded), tasks=tasks, protocol=protocol)
    lifetime, episode, segment, trajectory, begins, completed = (np.asarray(x)[:num_tasks] for x in results)
    _check_episodes(tasks, protocol, completed)
    return Evaluation(
        lifetime_returns=lifetime,
        episode_returns=episode,
        segment_returns=segment,
        trajectory_returns=trajectory,
        episode_env_steps=begins.mean(0),
        segment_env_steps=np.arange(protocol.num_segments) * protocol.segment_length * protocol.num_streams,
        protocol=protocol,
        split=tasks.split,
    )


@partial(jax.jit, static_argnames=("tasks", "protocol"))
def _live_all(agent: PyTree, keys: jax.Array, *, tasks: TaskDistribution, protocol: Protocol) -> PyTree:
    per_segment = protocol.segment_length // tasks.horizon
    at_once = max(1, ENV_STEPS_AT_ONCE // protocol.num_env_steps)

    def one_task(agent: PyTree, key: jax.Array) -> PyTree:
        inner, theta = agent
        _, (segments, _) = live_in_new_task(inner, tasks, theta, key, protocol=protocol)
        reward, done = segments.reward, segments.terminated | segments.truncated  # [K, T, B]
        by_stream = _over_streams(partial(returns_by_episode, num_episodes=per_segment))
        episode_returns = by_stream(reward, done).mean(-1).reshape(-1)
        ended = _over_streams(finished_later)(done)
        trajectory_returns = (reward * ended).sum((1, 2)) / done.sum((1, 2))
        begins = _over_streams(partial(episode_begins, num_episodes=per_segment))(done).mean(-1)
        offset = jnp.arange(protocol.num_segments)[:, None] * protocol.segment_length
        env_steps = ((begins + offset) * protocol.num_streams).reshape(-1)
        return (
            reward.sum((0, 1)).mean(),
            episode_returns,
            reward.sum(1).mean(-1),
            trajectory_returns,
            env_steps,
            done.sum(1).min(),
        )

    def share(agent: PyTree, keys: jax.Array) -> PyTree:
        return jax.lax.map(partial(one_task, agent), keys, batch_size=min(at_once, keys.shape[0]))

    return over_tasks(share, output=BY_TASK)(agent, keys)


def _over_streams(function: Callable[..., jax.Array]) -> Callable[..., jax.Array]:
    """A function of one stream [T], over [K, T, B]."""
    return jax.vmap(jax.vmap(function, 1, 1))


def _check_episodes(tasks: TaskDistribution, protocol: Protocol, completed: np.ndarray) -> None:
    """Raises ValueError unless every stream completed the episodes that are reported, given the fewest of each task [N]."""
    quota = protocol.segment_length // tasks.horizon
    short = completed < quota
    if short.any():
        raise ValueError(
            f"in {short.sum()} of {len(short)} tasks of {type(tasks).__name__} a stream completed {completed.min()} of {quota} "
            f"episodes in a segment of {protocol.segment_length} steps: they last longer than its horizon, {tasks.horizon}, so "
            "there is no return to report; make the longest episode the horizon, max_steps_in_episode of default_params"
        )
