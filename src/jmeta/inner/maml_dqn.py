"""MAML with DQN: action values to begin with, from which a few temporal-difference steps are enough (Finn et al. 2017)."""

from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jmeta import struct
from jmeta.inner.dqn import DQN
from jmeta.inner.off_policy import OffPolicyAgent, OwnReplay, ReplayStep, mean_loss, observed_steps
from jmeta.ranges import Count, Limit, Positive, Share
from jmeta.types import ActionSpace, Decision, Memory, Metrics, Phi, PyTree, Segment, Theta, Timestep


class MAMLDQNPhi(NamedTuple):
    """Task parameters."""

    weights: PyTree
    own: OwnReplay


@struct.dataclass
class MAMLDQN(OffPolicyAgent):
    """Action values adapt to a task by gradient steps on Huber's loss of its own replay; theta is where they begin.

        phi <- phi - inner_rate * grad_phi mean_i huber(q(x_i, a_i; phi) - target_i)          num_updates times, from theta
        minimise over theta   the same loss after that, of other steps of the task.

    Training adapts to what a new task gives: the first segments of a lifetime, a random number of them, from one to all but the
    last. Targets are double Q-learning's: of the inner steps with the weights as they were before the first
    of an adaptation, of the outer loss with what the target parameters become by the same inner steps. The former are
    constants for an inner step's gradient, as ever, but not for the meta-gradient, which goes through all of an inner step unless
    ``first_order``: theta is what bootstraps them, and left out of account it drifts to where they are of no use.

    Attributes:
      num_updates: inner steps at each adaptation.
      adapt_batch_size: steps of the task's own replay in each.
      exploration_epsilon: until it has adapted, the agent takes any action at least so often: of what it does not try it learns
        nothing.
      capacity: steps of the task that are kept; with as many as a segment has, each adaptation sees the newest segment alone.
      inner_rate: of the inner steps.
      max_inner_norm: an inner gradient's global norm is clipped here. Values grow in training, and with them curvature: a step
        that overshoots makes the next one larger, and the meta-gradient through all of them useless.
      first_order: if True inner gradients count as constants (FOMAML).

    References:
      Finn et al. 2017, arXiv 1703.03400. Mnih et al. 2015, Nature 518.

    Deviations from the paper:
      The paper adapts policies by policy gradients; here action values adapt by temporal differences on replay. Inner gradients
      are clipped, and the outer loss is of steps that any policy lived.
    """

    takes_shaped: ClassVar[bool] = False
    least_segments: ClassVar[int] = 2  # it adapts when a segment ends, for the next one

    observation_size: int = struct.field(pytree_node=False)
    action_space: ActionSpace = struct.field(pytree_node=False)
    q_learner: DQN
    num_updates: Count = struct.field(pytree_node=False, default=3)
    adapt_batch_size: Count = struct.field(pytree_node=False, default=64)
    capacity: Count = struct.field(pytree_node=False, default=1000)
    inner_rate: jax.Array | Positive = 0.05
    max_inner_norm: jax.Array | Limit = 1.0
    exploration_epsilon: jax.Array | Share = 0.3
    first_order: bool = struct.field(pytree_node=False, default=False)

    def init(self, key: jax.Array) -> Theta:
        return self.q_learner.init(key)

    def begin(self, theta: Theta, num_streams: int, key: jax.Array) -> tuple[Phi, Memory]:
        own = OwnReplay.empty(self.capacity, self.q_learner.num_inputs, self.action_space)
        return MAMLDQNPhi(theta, own), ()

    def act(self, theta: Theta, phi: Phi, memory: Memory, timestep: Timestep) -> tuple[Decision, Memory]:
        epsilon = self.q_learner.epsilon
        epsilon = jnp.where(phi.own.number > 0, epsilon, jnp.maximum(epsilon, self.exploration_epsilon))
        return self.q_learner.replace(epsilon=epsilon).decide(phi.weights, timestep.observation), memory  # type: ignore[attr-defined]

    def adapt(self, theta: Theta, phi: Phi, memory: Memory, segment: Segment, key: jax.Array) -> tuple[Phi, Memory]:
        own = phi.own.add(observed_steps(segment))
        return MAMLDQNPhi(self._tune(phi.weights, own, key), own), memory

    def target_parameters(self, theta: Theta) -> PyTree:
        return theta

    def parts(self, theta: Theta) -> PyTree:
        return self.q_learner.parts(theta)

    def loss(
        self, theta: Theta, target_parameters: PyTree, context: Segment, batch: ReplayStep, key: jax.Array
    ) -> tuple[jax.Array, Metrics]:
        adapt_key, loss_key = jax.random.split(key)
        weights = self._adapted(theta, context, adapt_key)
        target_parameters = self._adapted(target_parameters, context, adapt_key)
        steps = observed_steps(batch)
        loss, metrics = mean_loss(self.q_learner, weights, target_parameters, steps, loss_key)
        before, _ = mean_loss(self.q_learner, jax.lax.stop_gradient(theta), target_parameters, steps, loss_key)
        return loss, metrics | {"loss/before": before}

    def _adapted(self, theta: Theta, context: Segment, key: jax.Array) -> PyTree:
        """Weights after some of a lifetime's first segments [K, T, 1]."""
        begin_key, number_key, adapt_key = jax.random.split(key, 3)
        most = len(context.reward) - 1
        segments = jax.tree.map(lambda x: x[:most], context)

        def take_in(phi: Phi, data: tuple[Segment, jax.Array]) -> tuple[Phi, PyTree]:
            phi, _ = self.adapt(theta, phi, (), *data)
            return phi, phi.weights

        phi, _ = self.begin(theta, 1, begin_key)
        _, after = jax.lax.scan(take_in, phi, (segments, jax.random.split(adapt_key, most)))
        number = jax.random.randint(number_key, (), 0, most)
        return jax.tree.map(lambda x: x[number], after)

    def _tune(self, initial: PyTree, own: OwnReplay, key: jax.Array) -> PyTree:
        """Weights after the inner steps; targets are of the initial ones."""

        def update(weights: PyTree, key: jax.Array) -> tuple[PyTree, None]:
            sample_key, loss_key = jax.random.split(key)
            steps = own.sample(sample_key, self.adapt_batch_size)
            gradient = jax.grad(lambda w: mean_loss(self.q_learner, w, initial, steps, loss_key)[0])(weights)
            if self.first_order:
                gradient = jax.lax.stop_gradient(gradient)
            norm = jnp.sqrt(optax.tree.norm(gradient, squared=True) + 1e-12)  # smooth where there is nothing to learn
            rate = self.inner_rate * jnp.minimum(1.0, self.max_inner_norm / norm)
            return jax.tree.map(lambda w, g: w - rate * g, weights, gradient), None

        return jax.lax.scan(update, initial, jax.random.split(key, self.num_updates))[0]
