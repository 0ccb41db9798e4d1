"""The law of an agent that acts outside of a compiled program."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jmeta.agent.export import agent_of
from jmeta.lifetime import TaskKeys
from jmeta.lifetime.keys import BetweenSegments, StepKeys, segment_keys, step_keys
from jmeta.testing.cases import LearnerCase, law_key
from jmeta.types import Continuous, Protocol, Task


def an_agent_driven_from_outside_does_what_live_does(case: LearnerCase) -> None:
    """``jmeta.Agent``, step by step in the same environment with the same keys, does and earns what ``live`` records."""
    _, recorded = case.lived
    protocol = case.outer.protocol
    space = case.inner.action_space
    bounds: dict[str, Any] = (
        {
            "action_bounds": tuple(
                np.broadcast_to(side, space.size).reshape(case.tasks.action_shape) for side in (space.low, space.high)
            )
        }
        if isinstance(space, Continuous)
        else {}
    )  # not scaled
    agent = agent_of(case.inner, case.tasks, case.theta, protocol, num_envs=protocol.num_streams, **bounds)
    agent.begin(law_key())
    found = drive(agent, case.tasks, case.tasks.sample(TaskKeys.of(law_key()).task), law_key(), protocol)
    action = jax.vmap(jax.vmap(jax.vmap(case.inner.action_space.encode)))(recorded.segments.action)
    expected = {
        "observation": recorded.segments.timestep.observation,
        "action": action,
        "reward": recorded.segments.reward,
    }
    for name, values in expected.items():
        np.testing.assert_allclose(
            found[name], values, rtol=1e-3, atol=1e-4, err_msg=f"an agent driven from outside differs from live in: {name}"
        )


def drive(agent: Any, tasks: Any, task: Task, key: jax.Array, protocol: Protocol) -> dict[str, np.ndarray]:
    """Drives an agent with B environments through a lifetime in the environment of a task distribution.

    Args:
      agent: the agent, which has begun with ``key``.
      tasks: the task distribution.
      task: the task.
      key: the key of the task and the lifetime, from which the environments draw as in ``live_in_new_task``.
      protocol: the experience of the lifetime.

    Returns:
      The observation, the encoded action and the reward of every step, [K, L, B, ...].
    """
    num_segments, length, num_streams = protocol
    keys = TaskKeys.of(key).lifetime
    reset = jax.jit(jax.vmap(tasks.reset, in_axes=(None, 0)))
    restart = jax.jit(jax.vmap(tasks.restart, in_axes=(None, 0, 0)))
    step = jax.jit(partial(_step, tasks))
    encode = jax.vmap(tasks.action_space.encode)
    observation, state = reset(task, jax.random.split(keys.start, num_streams))
    first_key, later_keys = segment_keys(keys.live, num_segments)
    rows: dict[str, list[np.ndarray]] = {"observation": [], "action": [], "reward": []}
    for segment in range(num_segments):
        rollout_key = first_key
        if segment:
            between = BetweenSegments.of(later_keys[segment - 1])
            rollout_key = between.rollout
            observation, state = restart(task, state, jax.random.split(between.episode, num_streams))
        time = jnp.zeros(num_streams, jnp.int32)
        for step_key in step_keys(rollout_key, length, num_streams):
            action = np.asarray(agent.act(observation)).reshape(num_streams, *tasks.action_space.shape)
            rows["observation"].append(np.asarray(observation))
            rows["action"].append(np.asarray(encode(action)))
            after = step(task, state, action, time, step_key)
            observation, state, time, outcome = after
            rows["reward"].append(np.asarray(outcome["reward"]))
            agent.observe(**jax.device_get(outcome))
    return {name: np.stack(each).reshape(num_segments, length, *each[0].shape) for name, each in rows.items()}


def _step(
    tasks: Any, task: Task, state: Any, action: jax.Array, time: jax.Array, keys: jax.Array
) -> tuple[jax.Array, Any, jax.Array, dict[str, jax.Array]]:
    """Steps all streams; where an episode ends, a new one starts."""

    def one(state: Any, action: jax.Array, time: jax.Array, key: jax.Array) -> Any:
        split = StepKeys.of(key)
        after = tasks.step(task, state, action, split.step)
        time = time + 1
        truncated = after.truncated | (time >= tasks.horizon) & ~after.terminated
        done = after.terminated | truncated
        fresh = tasks.restart(task, after.state, split.reset)
        observation, state = jax.tree.map(lambda a, b: jnp.where(done, a, b), fresh, (after.observation, after.state))
        outcome = {
            "reward": after.reward,
            "terminated": after.terminated,
            "truncated": truncated,
            "next_observation": after.observation,
        }
        return observation, state, jnp.where(done, 0, time), outcome

    return jax.vmap(one)(state, action, time, keys)
