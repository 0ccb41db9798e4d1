"""Episodes of an environment that is stepped from outside, as pure functions: one environment, or several by ``vmap``.

Everything that is drawn comes from one seed. With n the number of the episode, from 0 on, and ``key = jax.random.key(seed)``,

    for_task, for_reset, for_steps = jax.random.split(jax.random.fold_in(key, n), 3)

are the keys of the task, if a new one is drawn, of the reset, and of the steps. Step t, from 0 on, consumes
``jax.random.fold_in(for_steps, t)``.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jmeta.tasks import TaskDistribution
from jmeta.tasks.constant import outside_of_traces
from jmeta.tasks.spaces import BoxShape
from jmeta.types import MultiDiscrete, PyTree, Task


class Running(NamedTuple):
    """An environment in an episode; all fields are arrays, so that it can be copied and pickled."""

    seed: jax.Array  # [] uint32
    episode: jax.Array  # [] int32, number of the episode since the seed was given
    in_task: jax.Array  # [] int32, episodes that began in this task
    task: Task
    state: PyTree
    time: jax.Array  # [] int32, environment steps of this episode
    observation: jax.Array  # [observation_size]


class Outcome(NamedTuple):
    """The outcome of a step."""

    observation: jax.Array  # [observation_size], before a reset
    reward: jax.Array  # []
    terminated: jax.Array  # [] bool
    truncated: jax.Array  # [] bool
    info: dict[str, jax.Array]  # {name: []}


def keys_of(seed: jax.Array, episode: jax.Array) -> jax.Array:
    """Returns the keys [3] of an episode: of its task, its reset and its steps."""
    return jax.random.split(jax.random.fold_in(jax.random.key(seed), episode), 3)


def enter(tasks: TaskDistribution, seed: jax.Array, episode: jax.Array, task: Task) -> Running:
    """Begins the first episode of a lifetime in ``task``."""
    observation, state = tasks.reset(task, keys_of(seed, episode)[1])
    return Running(seed, episode, jnp.ones_like(episode), task, state, jnp.zeros_like(episode), observation)


def draw(drawn_from: TaskDistribution, seed: jax.Array, episode: jax.Array) -> Task:
    """Draws the task of a lifetime that begins with this episode."""
    return drawn_from.sample(keys_of(seed, episode)[0])


def begin_again(tasks: TaskDistribution, running: Running) -> Running:
    """Begins the next episode of a lifetime, in the same task."""
    episode = running.episode + 1
    observation, state = tasks.restart(running.task, running.state, keys_of(running.seed, episode)[1])
    return running._replace(
        episode=episode,
        in_task=running.in_task + 1,
        state=state,
        time=jnp.zeros_like(running.time),
        observation=observation,
    )


def step(tasks: TaskDistribution, running: Running, action: jax.Array) -> tuple[Running, Outcome]:
    """Takes one step; ``action`` is in the environment's own units, and the horizon truncates the episode."""
    key = jax.random.fold_in(keys_of(running.seed, running.episode)[2], running.time)
    after = tasks.step(running.task, running.state, as_policy_acts(tasks, action), key)
    time = running.time + 1
    truncated = after.truncated | (time >= tasks.horizon) & ~after.terminated
    running = running._replace(state=after.state, time=time, observation=after.observation)
    return running, Outcome(after.observation, after.reward, after.terminated, truncated, after.info)


def as_policy_acts(tasks: TaskDistribution, action: jax.Array) -> jax.Array:
    """Returns an action in the environment's units as ``tasks.step`` takes it: -1 and 1 are the bounds of a finite axis."""
    with outside_of_traces():
        box = tasks.action_box
    if box is None:
        return action.reshape(-1) if isinstance(tasks.action_space, MultiDiscrete) else action
    return _from_box(action.reshape(-1), box)


def _from_box(action: jax.Array, box: BoxShape) -> jax.Array:
    low, high = box.low.reshape(-1), box.high.reshape(-1)
    bounded = jnp.isfinite(low) & jnp.isfinite(high)
    base, width = jnp.where(bounded, low, 0.0), jnp.where(bounded, high - low, 1.0)
    return jnp.where(bounded, 2.0 * (action - base) / width - 1.0, action)


enter_jitted = partial(jax.jit, static_argnums=0)(enter)
draw_jitted = partial(jax.jit, static_argnums=0)(draw)
begin_again_jitted = partial(jax.jit, static_argnums=0)(begin_again)
step_jitted = partial(jax.jit, static_argnums=0)(step)
