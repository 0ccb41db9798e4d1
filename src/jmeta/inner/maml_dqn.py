"""MAML with DQN: initial action values that adapt by a few temporal-difference steps (Finn et al. 2017)."""

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jmeta import struct
from jmeta.inner.dqn import DQN
from jmeta.inner.off_policy import OffPolicyAgent, ReplayStep, mean_loss, observed_steps
from jmeta.inner.own_replay import OwnReplay
from jmeta.ranges import Count, Limit, Positive, Share
from jmeta.settings import FirstOrderSettings
from jmeta.types import ActionSpace, Decision, Empty, Experience, Metrics, PyTree, Segment, Timestep


class MAMLDQNPhi(NamedTuple):
    """Task parameters."""

    weights: PyTree
    own: OwnReplay


@struct.settings
class InnerUpdateSettings(FirstOrderSettings):
    """Settings of MAML-DQN's adaptation.

    Attributes:
      num_updates: inner steps at each adaptation.
      adapt_batch_size: environment steps of the task's replay in each inner step.
      adapt_capacity: capacity of the adaptation's replay buffer, in environment steps of the task. With the length of a
        segment, an adaptation uses only the newest segment.
      inner_rate: learning rate of the inner steps.
      max_inner_norm: inner gradients are clipped to this global norm. An inner step that overshoots makes the next one larger,
        and the meta-gradient through all of them becomes useless.
      exploration_epsilon: lower bound on the probability of a random action in the first segment of a task, before the agent has
        adapted. It can only learn the values of actions that it has tried.
    """

    num_updates: Count = struct.field(pytree_node=False, default=3)
    adapt_batch_size: Count = struct.field(pytree_node=False, default=64)
    adapt_capacity: Count = struct.field(pytree_node=False, default=1000)
    inner_rate: jax.Array | Positive = 0.05
    max_inner_norm: jax.Array | Limit = 1.0
    exploration_epsilon: jax.Array | Share = 0.3


@struct.dataclass
class MAMLDQN(OffPolicyAgent[PyTree, MAMLDQNPhi, Empty], InnerUpdateSettings):
    """Adapts action values to a task by gradient steps on the Huber loss of the task's own replay; theta is the initial weights.

        phi <- phi - inner_rate * grad_phi mean_i huber(q(x_i, a_i; phi) - target_i)          num_updates times, from theta
        minimise over theta   the same loss at the adapted weights, of other steps of the task.

    In training, the agent adapts to the first segments of a lifetime. Their number is random, from one to all but the last.
    Targets are those of double Q-learning. The target network of the inner steps has the weights from before the adaptation. The
    target network of the outer loss has the target parameters after the same inner steps. Inner targets are constants for the
    gradient of an inner step, but not for the meta-gradient, which differentiates the whole inner step unless ``first_order``.
    If the meta-gradient ignored that theta determines the inner targets, theta would drift to values with useless targets.

    References:
      Finn et al. 2017, arXiv 1703.03400. Mnih et al. 2015, Nature 518.

    Deviations from the paper:
      The paper adapts policies by policy gradients; here action values adapt by temporal differences on replay. Inner gradients
      are clipped, and the outer loss is off-policy.
    """

    takes_shaped: ClassVar[bool] = False
    least_segments: ClassVar[int] = 2  # it adapts between segments

    observation_size: int = struct.field(pytree_node=False)
    action_space: ActionSpace = struct.field(pytree_node=False)
    q_learner: DQN

    def init(self, key: jax.Array) -> PyTree:
        return self.q_learner.init(key)

    def begin(self, theta: PyTree, num_streams: int, key: jax.Array) -> tuple[MAMLDQNPhi, Empty]:
        own = OwnReplay.empty(self.adapt_capacity, self.q_learner.num_inputs, self.action_space)
        return MAMLDQNPhi(theta, own), ()

    def act(self, theta: PyTree, phi: MAMLDQNPhi, memory: Empty, timestep: Timestep) -> tuple[Decision, Empty]:
        epsilon = self.q_learner.epsilon
        epsilon = jnp.where(phi.own.number > 0, epsilon, jnp.maximum(epsilon, self.exploration_epsilon))
        return self.q_learner.replace(epsilon=epsilon).decide(phi.weights, timestep.observation), memory  # type: ignore[attr-defined]

    def adapt(self, theta: PyTree, phi: MAMLDQNPhi, memory: Empty, segment: Segment, key: jax.Array) -> tuple[MAMLDQNPhi, Empty]:
        return self._take_in(phi, segment, key), memory

    def target_parameters(self, theta: PyTree) -> PyTree:
        return theta

    def parts(self, theta: PyTree) -> PyTree:
        return self.q_learner.parts(theta)

    def loss(
        self, theta: PyTree, target_parameters: PyTree, context: Experience, batch: ReplayStep, key: jax.Array
    ) -> tuple[jax.Array, Metrics]:
        adapt_key, loss_key = jax.random.split(key)
        weights = self._adapted(theta, context, adapt_key)
        target_parameters = self._adapted(target_parameters, context, adapt_key)
        steps = observed_steps(batch, batch.worth)
        loss, metrics = mean_loss(self.q_learner, weights, target_parameters, steps, loss_key)
        before, _ = mean_loss(self.q_learner, jax.lax.stop_gradient(theta), target_parameters, steps, loss_key)
        return loss, metrics | {"loss/before": before}

    def _adapted(self, theta: PyTree, context: Experience, key: jax.Array) -> PyTree:
        """Returns the weights adapted to a random number of the first segments of a lifetime [K, T, 1]."""
        begin_key, number_key, adapt_key = jax.random.split(key, 3)
        most = len(context.reward) - 1
        segments = jax.tree.map(lambda x: x[:most], context)

        def take_in(phi: MAMLDQNPhi, data: tuple[Experience, jax.Array]) -> tuple[MAMLDQNPhi, PyTree]:
            phi = self._take_in(phi, *data)
            return phi, phi.weights

        phi, _ = self.begin(theta, 1, begin_key)
        _, after = jax.lax.scan(take_in, phi, (segments, jax.random.split(adapt_key, most)))
        number = jax.random.randint(number_key, (), 0, most)
        return jax.tree.map(lambda x: x[number], after)

    def _take_in(self, phi: MAMLDQNPhi, segment: Experience, key: jax.Array) -> MAMLDQNPhi:
        """Adds a segment [T, B] to the task's own replay, and adapts to a sample of it."""
        own = phi.own.add(observed_steps(segment, segment.reward))
        return MAMLDQNPhi(self._tune(phi.weights, own, key), own)

    def _tune(self, initial: PyTree, own: OwnReplay, key: jax.Array) -> PyTree:
        """Returns the weights after the inner steps; targets use the initial weights."""

        def update(weights: PyTree, key: jax.Array) -> tuple[PyTree, None]:
            sample_key, loss_key = jax.random.split(key)
            steps = own.sample(sample_key, self.adapt_batch_size)
            gradient = jax.grad(lambda w: mean_loss(self.q_learner, w, initial, steps, loss_key)[0])(weights)
            if self.first_order:
                gradient = jax.lax.stop_gradient(gradient)
            norm = jnp.sqrt(optax.tree.norm(gradient, squared=True) + 1e-12)  # smooth at a zero gradient
            rate = self.inner_rate * jnp.minimum(1.0, self.max_inner_norm / norm)
            return jax.tree.map(lambda w, g: w - rate * g, weights, gradient), None

        return jax.lax.scan(update, initial, jax.random.split(key, self.num_updates))[0]
