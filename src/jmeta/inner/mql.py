"""Meta-Q-learning: a recurrent multi-task agent, fine-tuned on new data and on reweighted old data (Fakoor et al. 2020)."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import ClassVar, NamedTuple, Self, TypeAlias

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from jmeta import struct
from jmeta.inner.base import for_streams
from jmeta.inner.off_policy import EncodingAgent, OwnReplay, ReplayStep, mean_loss
from jmeta.inner.q_learner import QLearner, Step
from jmeta.networks import Core, Network
from jmeta.networks.perception import Perception
from jmeta.objectives import density_ratio, effective_sample_size, fit_propensity
from jmeta.parallel import merge_axis
from jmeta.ranges import Count, CountOrZero, Positive, PositiveShare
from jmeta.types import ActionSpace, Decision, Experience, Metrics, Parts, PyTree, Segment, Timestep


class Context(nnx.Module):
    """Maps timesteps to a context of the task by a recurrent core."""

    def __init__(self, perception: Perception, core: Core):
        self.perception = perception
        self.core = core

    def initial_memory(self) -> PyTree:
        return self.core.initial_memory()

    def __call__(self, memory: PyTree, timestep: Timestep) -> tuple[PyTree, jax.Array]:
        return self.core(memory, self.perception(timestep))

    def unroll(self, memory: PyTree, timesteps: Timestep, opens: jax.Array) -> tuple[PyTree, jax.Array]:
        """Returns the memory [L, ...] and context [L, H] after each step of a row [L]; memory is reset where ``opens`` [L]."""
        inputs = jax.vmap(self.perception)(timesteps)

        def step(memory: PyTree, now: tuple[jax.Array, jax.Array]) -> tuple[PyTree, tuple[PyTree, jax.Array]]:
            memory, context = self.core(self.core.forget(memory, now[1]), now[0])
            return memory, (memory, context)

        _, (memories, contexts) = jax.lax.scan(step, memory, (inputs, opens))
        return memories, contexts


Draw: TypeAlias = Callable[[jax.Array], tuple[Step, jax.Array]]
"""A function from a key to steps [n] and their weights [n]."""


class OldSteps(NamedTuple):
    """Steps of the training tasks that are deployed with theta."""

    steps: Step  # [n, ...]
    is_lived: jax.Array  # [n] bool; False where a task's replay was too short to sample from


class MQLPhi(NamedTuple):
    """Task parameters."""

    weights: PyTree  # parameters of policy and critics
    target_parameters: PyTree  # moving average, for the target networks
    own: OwnReplay


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


@struct.dataclass
class MQL(EncodingAgent[MQLPhi, PyTree], FineTuningSettings):
    """A recurrent context distinguishes tasks; when a segment ends, policy and critics are fine-tuned off-policy.

    Meta-training minimises the mean loss of all tasks without adaptation. In a new task, ``num_own_updates`` gradient steps on
    the task's own data are followed by ``num_old_updates`` steps on replay of the training tasks. Old steps are weighted by the
    ratio of the density of their context in the new task to that in the training tasks:

        own:  minimise  mean_i loss_i(weights)
        old:  minimise  mean_i beta_i loss_i(weights) + (1 - ESS) / 2 |weights - meta-trained weights|^2

    beta_i is the propensity of step i, estimated by logistic regression. ESS is the normalised effective sample size of the old
    steps under these propensities. The less even the propensities are, the stronger is the pull to the meta-trained weights. ESS
    does not depend on their size: if all old contexts are equally far from those of the task, every beta is small, ESS is near 1,
    and there is no pull. ``deploy`` adds the old data to theta. Without old data, only the task's own data is used. The encoder
    does not adapt.

    Attributes:
      encoder: a ``Context`` as pure functions: initial_memory, __call__ and unroll.
      q_learner: policy and critics, whose features are observation and context.
      adapt_target_update_rate: update rate of the target networks during fine-tuning.
      adapts: whether the agent is fine-tuned; False for the behaviour policy in training.

    References:
      Fakoor et al. 2020, arXiv 1910.00125.

    Deviations from the paper:
      Policy and critics share one context encoder, which is trained by the critic loss and does not adapt; the authors use one
      for each. The policy is updated at every step, and not at every second one. ``num_shipped`` old steps are kept, 2,000 by
      default, while the authors keep all replay, up to a million steps. The default fine-tuning is 20 and 40 updates with batches
      of 64, while the authors' is 15 to 400 updates with batches of 256. beta is bounded by ``largest_weight``.
    """

    takes_shaped: ClassVar[bool] = False
    least_segments: ClassVar[int] = 2  # it adapts between segments

    observation_size: int = struct.field(pytree_node=False)
    action_space: ActionSpace = struct.field(pytree_node=False)
    q_learner: QLearner
    encoder: Network = struct.field(pytree_node=False)
    _: dataclasses.KW_ONLY
    adapt_target_update_rate: jax.Array | PositiveShare = 0.005
    adapts: bool = struct.field(pytree_node=False, default=True)

    def init(self, key: jax.Array) -> Parts:
        encoder_key, learner_key = jax.random.split(key)
        return {"encoder": self.encoder.init(encoder_key), "q_learner": self.q_learner.init(learner_key)}

    def begin(self, theta: Parts, num_streams: int, key: jax.Array) -> tuple[MQLPhi, PyTree]:
        memory = self.encoder.apply(theta["encoder"], method="initial_memory")
        weights = theta["q_learner"]
        own = OwnReplay.empty(self.adapt_capacity, self.q_learner.num_inputs, self.action_space)
        return MQLPhi(weights, self.q_learner.target_parameters(weights), own), for_streams(memory, num_streams)

    def act(self, theta: Parts, phi: MQLPhi, memory: PyTree, timestep: Timestep) -> tuple[Decision, PyTree]:
        memory, context = self.encoder.apply(theta["encoder"], memory, timestep)
        return self.q_learner.decide(phi.weights, jnp.concatenate([timestep.observation, context])), memory

    def behaviour_policy(self, remaining: jax.Array | float) -> Self:
        return super().behaviour_policy(remaining).replace(adapts=False)  # type: ignore[attr-defined]

    def loss(
        self, theta: Parts, target_parameters: PyTree, context: Experience, batch: ReplayStep, key: jax.Array
    ) -> tuple[jax.Array, Metrics]:
        fresh = self.encoder.apply(theta["encoder"], method="initial_memory")
        rows = jax.vmap(partial(self._steps, theta, fresh))(batch)  # [n, L]
        steps = merge_axis(jax.tree.map(lambda x: x[:, self.burn_in :], rows), 0)
        return mean_loss(self.q_learner, theta["q_learner"], target_parameters, steps, key)

    def ship(self, theta: Parts, rows: ReplayStep, is_lived: jax.Array) -> Parts:
        fresh = self.encoder.apply(theta["encoder"], method="initial_memory")
        last = jax.tree.map(lambda x: x[:, -1], jax.vmap(partial(self._steps, theta, fresh))(rows))
        return theta | {"old": OldSteps(last, is_lived)}

    def adapt(self, theta: Parts, phi: MQLPhi, memory: PyTree, segment: Segment, key: jax.Array) -> tuple[MQLPhi, PyTree]:
        if not self.adapts:
            return phi, memory
        phi = self._take_in(theta, phi, segment)
        own_key, old_key = jax.random.split(key)

        def of_own(key: jax.Array) -> tuple[Step, jax.Array]:
            return phi.own.sample(key, self.adapt_batch_size), jnp.ones(self.adapt_batch_size, jnp.float32)

        phi = self._tune(theta, phi, of_own, 0.0, self.num_own_updates, own_key)
        if "old" not in theta:
            return phi, memory
        old: OldSteps = theta["old"]
        weight, pull = self.propensities(phi.own, old)
        lived_first, num_lived = jnp.argsort(~old.is_lived), old.is_lived.sum()

        def of_old(key: jax.Array) -> tuple[Step, jax.Array]:
            which = lived_first[jax.random.randint(key, (self.adapt_batch_size,), 0, num_lived)]
            return jax.tree.map(lambda x: x[which], old.steps), weight[which]

        tuned = self._tune(theta, phi, of_old, pull, self.num_old_updates, old_key)
        return jax.tree.map(lambda new, own: jnp.where(num_lived > 0, new, own), tuned, phi), memory

    def propensities(self, own: OwnReplay, old: OldSteps) -> tuple[jax.Array, jax.Array]:
        """Returns (beta [n] of the old steps, 0 for empty ones; the strength [] of the pull, 1 - ESS)."""
        context = lambda steps: steps.x_tm1[:, self.observation_size :]  # noqa: E731
        lived = old.is_lived.astype(jnp.float32)
        fitted = fit_propensity(context(own.steps), context(old.steps), own.is_lived.astype(jnp.float32), lived)
        ratio = jax.vmap(density_ratio, in_axes=(None, 0))(fitted, context(old.steps))
        weight = lived * jnp.minimum(ratio, self.largest_weight)
        share_lived = jnp.maximum(lived.mean(), 1e-6)
        return weight, 1.0 - effective_sample_size(weight) / share_lived

    def _tune(self, theta: Parts, phi: MQLPhi, draw: Draw, pull: jax.Array | float, num_updates: int, key: jax.Array) -> MQLPhi:
        """Takes gradient steps on drawn batches, with a quadratic penalty on the distance to the meta-trained weights."""
        transformation = optax.adam(self.adapt_rate)

        def loss(weights: PyTree, target_parameters: PyTree, key: jax.Array) -> jax.Array:
            draw_key, loss_key = jax.random.split(key)
            steps, weight = draw(draw_key)
            fit, _ = mean_loss(self.q_learner, weights, target_parameters, steps, loss_key, weight)
            away = optax.tree.sub(weights, theta["q_learner"])
            return fit + 0.5 * pull * optax.tree.norm(away, squared=True)

        def update(carry: PyTree, key: jax.Array) -> tuple[PyTree, None]:
            weights, target_parameters, opt_state = carry
            updates, opt_state = transformation.update(jax.grad(loss)(weights, target_parameters, key), opt_state)
            weights = optax.apply_updates(weights, updates)
            followed = self.q_learner.target_parameters(weights)
            target_parameters = optax.incremental_update(followed, target_parameters, self.adapt_target_update_rate)
            return (weights, target_parameters, opt_state), None

        begun = (phi.weights, phi.target_parameters, transformation.init(phi.weights))
        (weights, target_parameters, _), _ = jax.lax.scan(update, begun, jax.random.split(key, num_updates))
        return phi._replace(weights=weights, target_parameters=target_parameters)

    def _take_in(self, theta: Parts, phi: MQLPhi, segment: Segment) -> MQLPhi:
        """Adds a segment [T, B] to the task's own replay."""
        middle = jnp.ones_like(segment.reward, jnp.int32)  # no lifetime begins in a segment: memory is not reset
        rows = ReplayStep.of(segment, worth=segment.reward, time=middle)
        new = jax.vmap(partial(self._steps, theta), in_axes=(0, 1))(segment.memory, rows)
        return phi._replace(own=phi.own.add(merge_axis(new, 0)))

    def _steps(self, theta: Parts, memory: PyTree, row: ReplayStep) -> Step:
        """Returns the steps of a row [L] with features as inputs, from the memory at the beginning of the row."""
        encoder = partial(self.encoder.apply, theta["encoder"])
        memories, contexts = encoder(memory, row.timestep, row.time == 0, method="unroll")
        encoded = jax.vmap(self.action_space.encode)(row.action)
        following = Timestep(row.next_observation, encoded, row.reward, jnp.zeros_like(row.terminated), row.next_observation)
        _, next_contexts = jax.vmap(encoder)(memories, following)
        x_tm1 = jnp.concatenate([row.timestep.observation, contexts], axis=1)
        x_t = jnp.concatenate([row.next_observation, next_contexts], axis=1)
        return Step(x_tm1, row.action, row.worth, row.terminated, x_t)
