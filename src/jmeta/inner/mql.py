"""Meta-Q-learning: a recurrent multi-task agent, fine-tuned on new data and on reweighted old data (Fakoor et al. 2020)."""

import dataclasses
from functools import partial
from typing import ClassVar, NamedTuple, Self

import jax
import jax.numpy as jnp

from jmeta import struct
from jmeta.axes import merge_axis
from jmeta.inner.base import for_streams
from jmeta.inner.encoding_agent import EncodingAgent, EncodingTheta
from jmeta.inner.fine_tuning import Draw, FineTuningSettings, OldSteps, fine_tune, propensities
from jmeta.inner.off_policy import ReplayStep, mean_loss
from jmeta.inner.own_replay import OwnReplay
from jmeta.inner.q_learner import QLearner, Step
from jmeta.networks import Network
from jmeta.ranges import PositiveShare
from jmeta.types import ActionSpace, Decision, Experience, Metrics, PyTree, Segment, Timestep


class MQLTheta(EncodingTheta):
    """Meta-parameters, and replay of the training tasks where they are deployed."""

    old: OldSteps | None  # None in training


class MQLPhi(NamedTuple):
    """Task parameters."""

    weights: PyTree  # parameters of policy and critics
    target_parameters: PyTree  # moving average, for the target networks
    own: OwnReplay


@struct.dataclass
class MQL(EncodingAgent[MQLTheta, MQLPhi, PyTree], FineTuningSettings):
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
      encoder: a ``jmeta.networks.step_contexts.Context`` as pure functions: initial_memory, __call__ and unroll.
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

    def init(self, key: jax.Array) -> MQLTheta:
        encoder_key, learner_key = jax.random.split(key)
        return {"encoder": self.encoder.init(encoder_key), "q_learner": self.q_learner.init(learner_key), "old": None}

    def begin(self, theta: MQLTheta, num_streams: int, key: jax.Array) -> tuple[MQLPhi, PyTree]:
        memory = self.encoder.apply(theta["encoder"], method="initial_memory")
        weights = theta["q_learner"]
        own = OwnReplay.empty(self.adapt_capacity, self.q_learner.num_inputs, self.action_space)
        return MQLPhi(weights, self.q_learner.target_parameters(weights), own), for_streams(memory, num_streams)

    def act(self, theta: MQLTheta, phi: MQLPhi, memory: PyTree, timestep: Timestep) -> tuple[Decision, PyTree]:
        memory, context = self.encoder.apply(theta["encoder"], memory, timestep)
        return self.q_learner.decide(phi.weights, jnp.concatenate([timestep.observation, context])), memory

    def parts(self, theta: MQLTheta) -> PyTree:
        return super().parts(theta) | {"old": None}

    def behaviour_policy(self, remaining: jax.Array | float) -> Self:
        return super().behaviour_policy(remaining).replace(adapts=False)  # type: ignore[attr-defined]

    def loss(
        self, theta: MQLTheta, target_parameters: PyTree, context: Experience, batch: ReplayStep, key: jax.Array
    ) -> tuple[jax.Array, Metrics]:
        fresh = self.encoder.apply(theta["encoder"], method="initial_memory")
        rows = jax.vmap(partial(self._steps, theta, fresh))(batch)  # [n, L]
        steps = merge_axis(jax.tree.map(lambda x: x[:, self.burn_in :], rows), 0)
        return mean_loss(self.q_learner, theta["q_learner"], target_parameters, steps, key)

    def ship(self, theta: MQLTheta, rows: ReplayStep, is_lived: jax.Array) -> MQLTheta:
        fresh = self.encoder.apply(theta["encoder"], method="initial_memory")
        last = jax.tree.map(lambda x: x[:, -1], jax.vmap(partial(self._steps, theta, fresh))(rows))
        return {**theta, "old": OldSteps(last, is_lived)}

    def adapt(self, theta: MQLTheta, phi: MQLPhi, memory: PyTree, segment: Segment, key: jax.Array) -> tuple[MQLPhi, PyTree]:
        if not self.adapts:
            return phi, memory
        phi = self._take_in(theta, phi, segment)
        own_key, old_key = jax.random.split(key)

        def of_own(key: jax.Array) -> tuple[Step, jax.Array]:
            return phi.own.sample(key, self.adapt_batch_size), jnp.ones(self.adapt_batch_size, jnp.float32)

        phi = self._tune(theta, phi, of_own, 0.0, self.num_own_updates, own_key)
        old = theta["old"]
        if old is None:
            return phi, memory
        weight, pull = self.propensities(phi.own, old)
        lived_first, num_lived = jnp.argsort(~old.is_lived), old.is_lived.sum()

        def of_old(key: jax.Array) -> tuple[Step, jax.Array]:
            which = lived_first[jax.random.randint(key, (self.adapt_batch_size,), 0, num_lived)]
            return jax.tree.map(lambda x: x[which], old.steps), weight[which]

        tuned = self._tune(theta, phi, of_old, pull, self.num_old_updates, old_key)
        return jax.tree.map(lambda new, own: jnp.where(num_lived > 0, new, own), tuned, phi), memory

    def propensities(self, own: OwnReplay, old: OldSteps) -> tuple[jax.Array, jax.Array]:
        """Returns the weights [n] of old steps and the strength [] of the pull; see ``fine_tuning.propensities``."""
        return propensities(own, old, observation_size=self.observation_size, largest_weight=self.largest_weight)

    def _tune(
        self, theta: MQLTheta, phi: MQLPhi, draw: Draw, pull: jax.Array | float, num_updates: int, key: jax.Array
    ) -> MQLPhi:
        weights, target_parameters = fine_tune(
            self.q_learner,
            phi.weights,
            phi.target_parameters,
            theta["q_learner"],
            draw,
            pull,
            rate=self.adapt_rate,
            target_update_rate=self.adapt_target_update_rate,
            num_updates=num_updates,
            key=key,
        )
        return phi._replace(weights=weights, target_parameters=target_parameters)

    def _take_in(self, theta: MQLTheta, phi: MQLPhi, segment: Segment) -> MQLPhi:
        """Adds a segment [T, B] to the task's own replay."""
        middle = jnp.ones_like(segment.reward, jnp.int32)  # no lifetime begins in a segment: memory is not reset
        rows = ReplayStep.of(segment, worth=segment.reward, time=middle)
        new = jax.vmap(partial(self._steps, theta), in_axes=(0, 1))(segment.memory, rows)
        return phi._replace(own=phi.own.add(merge_axis(new, 0)))

    def _steps(self, theta: MQLTheta, memory: PyTree, row: ReplayStep) -> Step:
        """Returns the steps of a row [L] with features as inputs, from the memory at the beginning of the row."""
        encoder = partial(self.encoder.apply, theta["encoder"])
        memories, contexts = encoder(memory, row.timestep, row.time == 0, method="unroll")
        encoded = jax.vmap(self.action_space.encode)(row.action)
        following = Timestep(row.next_observation, encoded, row.reward, jnp.zeros_like(row.terminated), row.next_observation)
        _, next_contexts = jax.vmap(encoder)(memories, following)
        x_tm1 = jnp.concatenate([row.timestep.observation, contexts], axis=1)
        x_t = jnp.concatenate([row.next_observation, next_contexts], axis=1)
        return Step(x_tm1, row.action, row.worth, row.terminated, x_t)
