"""Episodes of N environments at once, by ``vmap`` of those of one; all arrays of ``Running`` and ``Outcome`` have an axis [N]."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from gymnasium.vector import AutoresetMode

from jmeta.interop.gymnasium.episodes import Outcome, Running, begin_again, draw, enter, step
from jmeta.tasks import TaskDistribution
from jmeta.types import PyTree, Task


@partial(jax.jit, static_argnums=0)
def enter_all(tasks: TaskDistribution, seed: jax.Array, episode: jax.Array, task: Task) -> Running:
    """Begins a lifetime in each of the tasks [N]."""
    return jax.vmap(partial(enter, tasks))(seed, episode, task)


@partial(jax.jit, static_argnums=0)
def draw_all(drawn_from: TaskDistribution, seed: jax.Array, episode: jax.Array) -> Task:
    """Draws N tasks."""
    return jax.vmap(partial(draw, drawn_from))(seed, episode)


def choose(mask: Any, one: PyTree, other: PyTree) -> PyTree:
    """Returns the rows of ``one`` where ``mask`` [N] is true, and those of ``other`` elsewhere."""
    return jax.vmap(lambda chosen, a, b: jax.tree.map(partial(jnp.where, chosen), a, b))(mask, one, other)


class Renewal(NamedTuple):
    """When ``begin_where`` leaves a task, and for which task."""

    drawn_from: TaskDistribution
    episodes_per_task: int | None  # None keeps the task


@partial(jax.jit, static_argnames=("tasks", "renewal"))
def begin_where(tasks: TaskDistribution, renewal: Renewal, running: Running, where: jax.Array, fixed: Task | None) -> Running:
    """Begins the next episode where ``where`` [N] is true: in the same task, or in another one after ``episodes_per_task``.

    The other one is drawn, or is ``fixed`` [N] if that is given.
    """
    again = jax.vmap(partial(begin_again, tasks))(running)
    if renewal.episodes_per_task is not None:
        episode = running.episode + 1
        task = draw_all(renewal.drawn_from, running.seed, episode) if fixed is None else fixed
        is_over = running.in_task >= renewal.episodes_per_task
        again = choose(is_over, enter_all(tasks, running.seed, episode, task), again)
    return choose(where, again, running)


@partial(jax.jit, static_argnames=("tasks", "renewal", "mode"))
def advance(
    tasks: TaskDistribution,
    renewal: Renewal,
    mode: AutoresetMode,
    running: Running,
    ended: jax.Array,
    action: jax.Array,
    fixed: Task | None,
) -> tuple[Running, Outcome]:
    """Takes one step in all environments, with the autoresets of ``mode``.

    Args:
      tasks: the task family.
      renewal: as of ``begin_where``.
      mode: ``NEXT_STEP`` begins an episode instead of the step after the end of one, with reward 0; ``SAME_STEP`` begins it in
        the step that ended one, and the outcome has the last observation of the old one.
      running: the environments.
      ended: [N] bool, where the step before ended an episode.
      action: [N, ...] in the environment's units.
      fixed: as of ``begin_where``.
    """
    stepped, outcome = jax.vmap(partial(step, tasks))(running, action)
    if mode == AutoresetMode.NEXT_STEP:
        again = lambda: choose(ended, begin_where(tasks, renewal, running, ended, fixed), stepped)  # noqa: E731
        after = jax.lax.cond(ended.any(), again, lambda: stepped)
        flags = {name: getattr(outcome, name) & ~ended for name in ("terminated", "truncated")}
        return after, outcome._replace(reward=jnp.where(ended, 0.0, outcome.reward), **flags)
    if mode == AutoresetMode.SAME_STEP:
        done = outcome.terminated | outcome.truncated
        return jax.lax.cond(done.any(), lambda: begin_where(tasks, renewal, stepped, done, fixed), lambda: stepped), outcome
    return stepped, outcome
