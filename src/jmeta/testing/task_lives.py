"""The check that lives with random actions in a task family are as its spaces and limits say, and finite."""

import jax
import jax.numpy as jnp
import numpy as np
from gymnax.environments.environment import Environment

from jmeta.lifetime import live_in_new_task
from jmeta.references import Random
from jmeta.tasks import TaskDistribution
from jmeta.types import Protocol, PyTree

LIVED_TASKS = 8  # lived in by a random policy
LIVED_STEPS = 200  # at most


def plain(tree: PyTree) -> PyTree:
    """Typed keys as the numbers that they are."""
    is_key = lambda leaf: jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)  # noqa: E731
    return jax.tree.map(lambda leaf: jax.random.key_data(leaf) if is_key(leaf) else leaf, tree)


def check_lives(tasks: TaskDistribution) -> dict[str, np.ndarray]:
    """Lives with random actions; raises ValueError where something is not finite, nor what the spaces and limits say.

    Returns:
      Observations [2 N, T, 1, D] before and after the steps, rewards [N, T, 1], and the length of each episode that ended [E].
    """
    inner = Random(tasks.observation_size, tasks.action_space)
    length = min(tasks.horizon, LIVED_STEPS)

    def live(key: jax.Array) -> tuple[PyTree, PyTree]:
        task, lifetime = live_in_new_task(inner, tasks, (), key, protocol=Protocol(1, length, 1))
        segment = jax.tree.map(lambda x: x[0], lifetime.segments.plain())
        return task, (segment.timestep, segment.next_observation, segment.reward, segment.terminated, segment.truncated)

    keys = jax.random.split(jax.random.key(2), LIVED_TASKS)
    task, (before, following, reward, terminated, truncated) = jax.device_get(plain(jax.jit(jax.vmap(live))(keys)))
    observation, first = before.observation, before.first
    for path, leaf in jax.tree_util.tree_leaves_with_path(task):
        if np.asarray(leaf).dtype.kind == "f" and np.isnan(leaf).any():
            raise ValueError(f"sample of {type(tasks).__name__} draws tasks in which {jax.tree_util.keystr(path)} is NaN")
    for what, values in (
        ("the observation of reset_env", np.where(first[..., None], observation, 0.0)),
        ("the observation of step_env", following),
        ("the reward", reward),
    ):
        bad = np.argwhere(~np.isfinite(values.reshape(LIVED_TASKS, length, -1)))
        if len(bad):
            index, step, place = bad[0]
            value = values.reshape(LIVED_TASKS, length, -1)[index, step, place]
            which = f" at position {place}" if what != "the reward" else ""
            raise ValueError(
                f"{what} of {tasks._environment_name} is {value}{which} after {step} random actions: look for a division by "
                "zero, a logarithm or a root, and for a state that grows without bound"
            )
    observed = np.concatenate([observation, following])
    start = 0
    for leaf in tasks._observation_space.leaves():
        for count in leaf.counts:
            if not observed[..., start : start + count].any(-1).all():
                raise ValueError(
                    f"{tasks._environment_name} observes a number outside of its observation space, Discrete({count}): only 0 to "
                    f"{count - 1} can be told apart"
                )
            start += count
        start += 0 if leaf.counts else leaf.size
    return {
        "observation": observed,
        "reward": reward,
        "episode": _episode_lengths(tasks, task, terminated[..., 0], truncated[..., 0]),
    }


def _episode_lengths(tasks: TaskDistribution, task: PyTree, terminated: np.ndarray, truncated: np.ndarray) -> np.ndarray:
    """Lengths of the episodes that ended [E]; raises ValueError where the clock of the state cut one before its limit."""
    limits = jax.vmap(tasks.time_limit)(task) if type(tasks.environment).is_truncated is Environment.is_truncated else None
    lengths = []
    for index in range(LIVED_TASKS):
        time = 0
        for ended, cut in zip(terminated[index], truncated[index], strict=True):
            time += 1
            if limits is not None and cut and time < min(limit := int(limits[index]), tasks.horizon):
                raise ValueError(
                    f"{tasks._environment_name} cut an episode after {time} steps, where its max_steps_in_episode is {limit}: "
                    "let the state's `time` be 0 in reset_env and one more in every step_env"
                )
            if ended or cut:
                lengths.append(time)
                time = 0
    return np.asarray(lengths)
