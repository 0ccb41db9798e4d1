"""Finds where and why a training became non-finite: its first such metric, theta, observation or reward."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jmeta.lifetime import live_in_new_task
from jmeta.outer.base import OuterLearner
from jmeta.types import PyTree

NUM_TASKS = 256  # tasks to roll out in when looking for a cause


class NonFiniteError(FloatingPointError):
    """A metric or the meta-state became NaN or infinite; training stopped there.

    Attributes:
      step: the outer step, counted from 1.
      metric: the first metric that was not finite, or the path of the first such array of a state that was to be saved.
      last_good_step: the newest checkpoint, or None.
      cause: the non-finite input of learning that was found (theta, an observation, a reward), or None.
    """

    def __init__(
        self,
        step: int,
        metric: str,
        value: float,
        last_good_step: int | None,
        where: str | None,
        cause: str | None = None,
        *,
        trained: bool = True,
    ):
        """Explains what is left.

        Args:
          step: see above; likewise the next two and ``cause``.
          metric: see above.
          value: its value.
          last_good_step: see above.
          where: the run directory, if there is one.
          cause: see above.
          trained: whether any outer step before was finite; otherwise the next start replaces the directory.
        """
        self.step, self.metric, self.last_good_step, self.cause = step, metric, last_good_step, cause
        if last_good_step is not None:
            good = f"the last good checkpoint is step {last_good_step} in {where}"
        elif where is None:
            good = "no checkpoint was written"
        elif trained:
            good = f"no checkpoint was written, so remove {where} or choose another directory for the next run"
        else:
            good = f"no checkpoint was written, and the next run may use {where} again"
        super().__init__(
            f"{metric} is {value} at outer step {step}; {good}. "
            + (cause[0].upper() + cause[1:] if cause else "Try a lower learning rate or a smaller gradient norm")
        )


def first_cause(outer: OuterLearner, theta: PyTree, key: jax.Array) -> str | None:
    """Returns a description of the non-finite input of learning, or None if none is found.

    Rolls out lifetimes in newly drawn tasks, under the meta-parameters of the last finite steps, and checks the observations and
    rewards of the environment.

    Args:
      outer: the learner.
      theta: its meta-parameters before the outer step that failed, or a few steps earlier.
      key: seeds the tasks and the rollouts.
    """
    for path, leaf in jax.tree_util.tree_leaves_with_path(theta):
        if jnp.issubdtype(leaf.dtype, jnp.inexact) and not bool(jnp.isfinite(leaf).all()):
            return f"theta ({jax.tree_util.keystr(path, simple=True, separator='.')}) was already not finite before that step"

    def look(key: jax.Array) -> Any:
        task, (segments, _) = live_in_new_task(outer.inner, outer.tasks, theta, key, protocol=outer.protocol)

        def bad_by_step(values: Any) -> jax.Array:  # [K, T, B, ...] -> [K, T]
            bad = [~jnp.isfinite(x) for x in jax.tree.leaves(values) if jnp.issubdtype(x.dtype, jnp.inexact)]
            flat = [x.reshape(*x.shape[:2], -1).any(-1) for x in bad]
            return jnp.stack(flat).any(0) if flat else jnp.zeros(segments.reward.shape[:2], bool)

        observed = bad_by_step((segments.timestep.observation, segments.next_observation))
        return task, observed.reshape(-1), bad_by_step(segments.reward).reshape(-1)

    keys = jax.random.split(key, NUM_TASKS)
    tasks, observed, rewarded = jax.device_get(jax.jit(lambda keys: jax.lax.map(look, keys, batch_size=16))(keys))
    for index in range(len(keys)):
        found = np.flatnonzero(observed[index] | rewarded[index])
        if len(found):
            step = int(found[0])
            what = "observation" if observed[index, step] else "reward"
            values = {
                jax.tree_util.keystr(path, simple=True, separator="."): np.asarray(leaf)[index].tolist()
                for path, leaf in jax.tree_util.tree_leaves_with_path(tasks)
            }
            number = int((observed | rewarded).any(-1).sum())
            return (
                f"the environment's {what} is not finite: at step {step + 1} of a lifetime in the task {str(values)[:300]}, "
                f"and in {number} of {len(keys)} lifetimes that were looked at"
            )
    return None


def first_non_finite(metrics: dict[str, np.ndarray]) -> tuple[int, str] | None:
    """Returns (index, name) of the first value of metrics [n] that is not finite, or None if all are finite.

    Example:
      >>> first_non_finite({"loss": np.array([1.0, np.nan]), "norm": np.array([np.inf, np.inf]), "return": np.array([0.0, 0.0])})
      (0, 'norm')
    """
    bad = {name: int(np.argmin(np.isfinite(values))) for name, values in metrics.items() if not np.isfinite(values).all()}
    if not bad:
        return None
    name = min(bad, key=lambda name: bad[name])
    return bad[name], name
