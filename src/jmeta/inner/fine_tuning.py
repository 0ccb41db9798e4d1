"""Fine-tuning of a policy and critics in a new task, on the task's own steps and on those of the training tasks."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax

from jmeta import struct
from jmeta.inner.off_policy import mean_loss
from jmeta.inner.own_replay import OwnReplay
from jmeta.inner.q_learner import QLearner, Step
from jmeta.objectives import density_ratio, effective_sample_size, fit_propensity
from jmeta.ranges import Count, CountOrZero, Positive
from jmeta.types import PyTree

Draw: TypeAlias = Callable[[jax.Array], tuple[Step, jax.Array]]
"""A function from a key to steps [n] and their weights [n]."""


class OldSteps(NamedTuple):
    """Steps of the training tasks that are deployed with theta."""

    steps: Step  # [n, ...]
    is_lived: jax.Array  # [n] bool; False where a task's replay was too short to sample from


@struct.settings
class FineTuningSettings:
    """Settings of MQL's contexts, and of fine-tuning in a new task.

    Attributes:
      sequence_length: length in environment steps of the replay sequences over which contexts are recomputed in training.
      burn_in: initial steps of a sequence that only warm up the context and have no loss.
      adapt_capacity: capacity of a new task's replay buffer, in environment steps.
      num_shipped: environment steps of the training tasks' replay that are stored with the deployed agent.
      num_own_updates: gradient steps on the new task's data after each segment.
      num_old_updates: gradient steps on the stored data of the training tasks after each segment.
      adapt_batch_size: environment steps in each of these gradient steps.
      adapt_rate: learning rate of Adam in these gradient steps.
      largest_weight: upper bound of the importance weight of a stored step.
    """

    sequence_length: Count = struct.field(pytree_node=False, default=20)
    burn_in: CountOrZero = struct.field(pytree_node=False, default=10)
    adapt_capacity: Count = struct.field(pytree_node=False, default=1000)
    num_shipped: CountOrZero = struct.field(pytree_node=False, default=2000)
    num_own_updates: CountOrZero = struct.field(pytree_node=False, default=20)
    num_old_updates: CountOrZero = struct.field(pytree_node=False, default=40)
    adapt_batch_size: Count = struct.field(pytree_node=False, default=64)
    adapt_rate: jax.Array | Positive = 3e-4
    largest_weight: jax.Array | Positive = 2.0


def propensities(
    own: OwnReplay, old: OldSteps, *, observation_size: int, largest_weight: jax.Array | float
) -> tuple[jax.Array, jax.Array]:
    """Returns (beta [n] of the old steps, 0 for empty ones; the strength [] of the pull, 1 - ESS).

    The features of a step are its observation [observation_size], and its context.
    """
    context = lambda steps: steps.x_tm1[:, observation_size:]  # noqa: E731
    lived = old.is_lived.astype(jnp.float32)
    fitted = fit_propensity(context(own.steps), context(old.steps), own.is_lived.astype(jnp.float32), lived)
    ratio = jax.vmap(density_ratio, in_axes=(None, 0))(fitted, context(old.steps))
    weight = lived * jnp.minimum(ratio, largest_weight)
    share_lived = jnp.maximum(lived.mean(), 1e-6)
    return weight, 1.0 - effective_sample_size(weight) / share_lived


def fine_tune(
    q_learner: QLearner,
    weights: PyTree,
    target_parameters: PyTree,
    meta_trained: PyTree,
    draw: Draw,
    pull: jax.Array | float,
    *,
    rate: jax.Array | float,
    target_update_rate: jax.Array | float,
    num_updates: int,
    key: jax.Array,
) -> tuple[PyTree, PyTree]:
    """Takes gradient steps on drawn batches, with a quadratic penalty on the distance to the meta-trained weights.

    Args:
      q_learner: policy and critics.
      weights: their parameters before the first step.
      target_parameters: parameters of the target networks.
      meta_trained: the weights to which ``pull`` [] pulls.
      draw: draws a batch.
      pull: strength of the pull.
      rate: learning rate of Adam.
      target_update_rate: update rate of the target networks.
      num_updates: number of gradient steps.
      key: consumed.

    Returns:
      The weights and the target networks' parameters.
    """
    transformation = optax.adam(rate)

    def loss(weights: PyTree, target_parameters: PyTree, key: jax.Array) -> jax.Array:
        draw_key, loss_key = jax.random.split(key)
        steps, weight = draw(draw_key)
        fit, _ = mean_loss(q_learner, weights, target_parameters, steps, loss_key, weight)
        away = optax.tree.sub(weights, meta_trained)
        return fit + 0.5 * pull * optax.tree.norm(away, squared=True)

    def update(carry: PyTree, key: jax.Array) -> tuple[PyTree, None]:
        weights, target_parameters, opt_state = carry
        updates, opt_state = transformation.update(jax.grad(loss)(weights, target_parameters, key), opt_state)
        weights = optax.apply_updates(weights, updates)
        followed = q_learner.target_parameters(weights)
        target_parameters = optax.incremental_update(followed, target_parameters, target_update_rate)
        return (weights, target_parameters, opt_state), None

    begun = (weights, target_parameters, transformation.init(weights))
    (weights, target_parameters, _), _ = jax.lax.scan(update, begun, jax.random.split(key, num_updates))
    return weights, target_parameters
