"""Decodes an agent's belief about the hidden goal of a grid, step by step (Zintgraf et al. 2020, figure 3)."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from jmeta.inner.varibad import VariBAD
from jmeta.lifetime import live_in_new_task
from jmeta.networks.beliefs import Belief
from jmeta.tasks.grid import GridTasks
from jmeta.types import Parts, Protocol

LIFETIMES_AT_ONCE = 16


class GoalBeliefs(NamedTuple):
    """Beliefs before each step of N lifetimes of T steps, over G goals."""

    goals: np.ndarray  # [G, 2] cells
    belief: np.ndarray  # [N, T, G] probability of each goal
    possible: np.ndarray  # [N, T, G] bool, goals that the steps so far do not rule out
    position: np.ndarray  # [N, T, 2] cells
    goal: np.ndarray  # [N, 2] cell of the true goal

    @property
    def mass_on_possible(self) -> np.ndarray:
        """[N, T] total probability of the goals that are still possible."""
        return (self.belief * self.possible).sum(-1)


def decode_goals(
    inner: VariBAD, tasks: GridTasks, theta: Parts, key: jax.Array, *, protocol: Protocol, num_tasks: int = 100
) -> GoalBeliefs:
    """Rolls out a lifetime in ``num_tasks`` tasks and decodes the belief about the goal cell before each step.

    The belief of a goal is the probability that staying on it pays the highest reward, divided by the sum over goals.

    Args:
      inner: the agent; its decoder gives probabilities of rewards, ``reward_values``.
      tasks: grid tasks with one goal.
      theta: its meta-parameters.
      key: consumed.
      protocol: the experience of a lifetime.
      num_tasks: N.

    Raises:
      ValueError: if the agent is not VariBAD, or normalises; if its decoder has no probabilities; if tasks have several targets.

    References:
      Zintgraf et al. 2020, arXiv 1910.08348, figure 3.
    """
    if not isinstance(inner, VariBAD):
        raise ValueError(
            f"{type(inner).__name__} is not VariBAD, whose decoder gives probabilities of rewards in the task's own units: "
            "train varibad without normalize_observations and normalize_rewards"
        )
    if not inner.reward_values:
        raise ValueError(
            "reward_values=(): beliefs about goals are decoded from probabilities; train with the rewards of the tasks"
        )
    if tasks.targets.shape[1] != 1:
        raise ValueError(f"{type(tasks).__name__} has {tasks.targets.shape[1]} targets: beliefs are drawn for one goal")
    goals = tasks.targets[:, 0]
    pays = int(np.argmax(inner.reward_values))

    def one_task(key: jax.Array) -> tuple[jax.Array, ...]:
        live_key, decode_key = jax.random.split(key)
        task, lifetime = live_in_new_task(inner, tasks, theta, live_key, protocol=protocol)
        seen = (lifetime.segments.timestep, lifetime.segments.next_observation, lifetime.segments.reward)
        timesteps, after, reward = jax.tree.map(lambda x: x[0, :, 0], seen)
        there = jax.vmap(tasks.environment.see)(jnp.asarray(goals))
        stay = jnp.broadcast_to(tasks.action_space.encode(jnp.int32(0)), (len(goals), tasks.action_space.encoding_size))

        def decode(belief: Belief, key: jax.Array) -> jax.Array:
            probability = inner.predicted_rewards(theta, belief, there, stay, there, key)[:, pays]
            return probability / probability.sum()

        beliefs = jax.vmap(decode)(inner.beliefs(theta, timesteps), jax.random.split(decode_key, len(reward)))
        return beliefs, timesteps.observation, after, reward, task.targets[0]

    # A hundred latents, all steps and all goals are decoded together, 16 MB a lifetime, so only a few lifetimes run at once.
    keys = jax.random.split(key, num_tasks)
    results = jax.jit(partial(jax.lax.map, one_task, batch_size=LIFETIMES_AT_ONCE))(keys)
    belief, before, after, reward, goal = (np.asarray(x) for x in results)
    arrived = tasks.positions(after)  # [N, T, 2]
    on_goal = np.all(arrived[:, :, None] == goals, axis=-1)
    paid = (reward == max(inner.reward_values))[..., None]
    ruled_out_now = np.where(paid, ~on_goal, on_goal)
    ruled_out = np.cumsum(ruled_out_now, axis=1) - ruled_out_now > 0  # before the step
    return GoalBeliefs(goals, belief, ~ruled_out, tasks.positions(before), goal)


def plot_goal_beliefs(beliefs: GoalBeliefs, size: int, *, index: int = 0, steps: int = 15) -> Figure:
    """Draws the belief before each of the first steps of a lifetime as a grid, with the agent as a ring and the goal as an x.

    Darker cells are likelier.

    Args:
      beliefs: what ``decode_goals`` returned.
      size: cells per side of the grid.
      index: index of the lifetime.
      steps: number of steps to draw.
    """
    columns = min(8, steps)
    rows = -(-steps // columns)
    figure = Figure(figsize=(1.5 * columns, 1.7 * rows), dpi=100, layout="constrained")
    for step, axes in enumerate(figure.subplots(rows, columns, squeeze=False).ravel()):
        axes.set_axis_off()
        if step >= steps:
            continue
        grid = np.zeros((size, size))
        grid[tuple(beliefs.goals.T)] = beliefs.belief[index, step]
        axes.imshow(grid.T, origin="lower", cmap="Blues", vmin=0.0, vmax=max(0.2, grid.max()))
        axes.plot(*beliefs.position[index, step], "o", ms=9, mfc="none", mec="#d1603d", mew=2)
        axes.plot(*beliefs.goal[index], "x", ms=7, color="#4f9d69", mew=2)
        axes.set_title(f"step {step}", fontsize=9)
    return figure
