"""Scores agents in Gymnasium's environments: the agent acts and adapts in a simulator that was not written in JAX."""

from functools import partial
from typing import Any

import jax
import numpy as np
from gymnasium import vector

from jmeta.agent import Agent
from jmeta.evaluation import Evaluation
from jmeta.evaluation.measures import measure
from jmeta.evaluation.progress import EvaluationProgress
from jmeta.interop.gymnasium.space_checks import check_spaces
from jmeta.interop.gymnasium.varied_tasks import MakeEnv
from jmeta.types import Protocol


def evaluate(
    agent: Agent,
    make_env: MakeEnv,
    *,
    seed: int = 0,
    horizon: int | None = None,
    asynchronous: bool = False,
    progress: bool = True,
) -> Evaluation:
    """Evaluates an agent over one lifetime in each of ``agent.num_tasks`` tasks of Gymnasium environments.

    As in ``jmeta.evaluate``, the agent acts as in training, adapts between segments, and episodes are truncated at the horizon.
    The result has the same fields; it has no tasks and no values of ``info``.

    Args:
      agent: the agent, such as ``jmeta.load(DIR).agent(num_tasks=100)``.
      make_env: returns an environment of the task of a number, from 0 on.
      seed: seed of the agent's actions, and of the environments' resets.
      horizon: the longest episode in environment steps; as in training by default.
      asynchronous: whether each environment steps in a process of its own (``gymnasium.vector.AsyncVectorEnv``).
      progress: show progress on standard error, if the evaluation takes long.

    Raises:
      ValueError: if observations or actions of the environments are not like those of the training tasks, or a segment is not a
        whole number of episodes.

    Example:
      >>> import gymnasium, jmeta  # doctest: +SKIP
      >>> agent = jmeta.load("runs/cart-pole").agent(num_tasks=100)  # doctest: +SKIP
      >>> make_env = varied("CartPole-v1", {"length": (0.3, 1.5)}, seed=1)  # doctest: +SKIP
      >>> jmeta.interop.gymnasium.evaluate(agent, make_env).episode_returns.mean(0)  # doctest: +SKIP
    """
    layout = agent.programs.layout
    protocol = Protocol(layout.num_segments, layout.segment_length, layout.num_streams)
    horizon = _horizon(agent, protocol, horizon)
    num_tasks, num_envs = agent.num_tasks or 1, agent.num_envs or 1
    rows = num_tasks * num_envs
    makers = [partial(make_env, task) for task in range(num_tasks) for _ in range(num_envs)]
    kind = vector.AsyncVectorEnv if asynchronous else vector.SyncVectorEnv
    envs: Any = kind(makers, autoreset_mode=vector.AutoresetMode.DISABLED)
    sizes = (num_tasks, protocol.num_segments, protocol.segment_length, protocol.num_streams)
    rewards, done = np.zeros(sizes, np.float32), np.zeros(sizes, bool)
    try:
        check_spaces(agent, envs.single_observation_space, envs.single_action_space)
        agent.begin(seed)
        seeds = np.random.SeedSequence(seed).generate_state(rows)
        observation, _ = envs.reset(seed=[int(each) for each in seeds])
        time = np.zeros(rows, int)
        steps = [
            (segment, step, slice(turn * num_envs, (turn + 1) * num_envs))
            for segment in range(protocol.num_segments)
            for turn in range(protocol.num_streams // num_envs)
            for step in range(protocol.segment_length)
        ]
        with EvaluationProgress(len(steps), enabled=progress, what="steps") as report:
            for number, (segment, step, streams) in enumerate(steps):
                action = np.asarray(agent.act(_rows_to_batch(observation, agent.batch)))
                action = action.reshape(rows, *action.shape[len(agent.batch) :])
                observation, reward, terminated, truncated, _ = envs.step(action)
                time += 1
                truncated = (truncated | (time >= horizon)) & ~terminated
                outcome = _rows_to_batch((reward, terminated, truncated, observation), agent.batch)
                needed = np.asarray(agent.observe(*outcome)).reshape(rows)
                rewards[:, segment, step, streams] = reward.reshape(num_tasks, num_envs)
                done[:, segment, step, streams] = (terminated | truncated).reshape(num_tasks, num_envs)
                if needed.any():
                    observation, _ = envs.reset(options={"reset_mask": needed})
                    time[needed] = 0
                report.update(number + 1)
    finally:
        envs.close()
    measures = jax.vmap(lambda r, d: measure(r, d, {}, protocol, horizon))(rewards, done)
    return Evaluation.of(jax.tree.map(np.asarray, measures), protocol, split="gymnasium", greedy=agent.greedy)


def _horizon(agent: Agent, protocol: Protocol, horizon: int | None) -> int:
    horizon = agent.about.get("horizon") if horizon is None else horizon
    if horizon is None:
        raise ValueError("horizon: the agent does not say how long its episodes are; give the longest, in environment steps")
    if horizon < 1 or protocol.segment_length % horizon:
        raise ValueError(
            f"horizon={horizon}: a segment of {protocol.segment_length} environment steps is no whole number of episodes; give a "
            f"divisor of {protocol.segment_length}"
        )
    return horizon


def _rows_to_batch(rows: Any, batch: tuple[int, ...]) -> Any:
    """Returns arrays [n, ...] with the axes of tasks and environments that the agent has."""
    return jax.tree.map(lambda x: np.reshape(x, (*batch, *np.shape(x)[1:])), rows)
