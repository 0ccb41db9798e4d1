"""PPO for an agent that also learns a belief over tasks, from a buffer of lifetimes."""

from functools import partial
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jmeta import struct
from jmeta.inner.belief import BeliefAgent, Record
from jmeta.lifetime import live_in_new_task
from jmeta.outer.belief_buffer import draw, store
from jmeta.outer.checks import check_divides
from jmeta.outer.meta_batch import MetaBatch, split_each
from jmeta.outer.ppo_settings import PPOSettings
from jmeta.outer.proximal import Proximal
from jmeta.outer.schedules import left_of_share, remaining_rate
from jmeta.parallel import mean_over_devices
from jmeta.ranges import Count, Limit, Positive
from jmeta.types import TASK_AXES, Lifetime, MetaState, Metrics, Parts, PyTree, Task


class BeliefOptState(NamedTuple):
    """States of two optimisers over one theta; each parameter has a non-zero gradient in at most one of them."""

    policy: PyTree
    belief: PyTree


@struct.settings
class BeliefPPOSettings(PPOSettings):
    """Settings of learning a belief, beside those of the policy.

    Attributes:
      num_belief_updates: gradient steps on the belief's loss in an outer step.
      belief_batch_size: lifetimes in each gradient step of the belief; must divide num_tasks.
      belief_learning_rate: learning rate of Adam for the belief. It reaches zero before the policy's, since a policy of low
        entropy can't follow a changing belief.
      max_belief_gradient_norm: the gradient of the belief is clipped to this global norm. The divergence of two narrow beliefs
        can be arbitrarily large, and one such step could undo a run.
      buffer_steps: size of the belief's replay buffer in outer steps of num_tasks lifetimes each; half of it keeps the first
        outer steps, half the newest.
      learning_rate: learning rate of Adam for the policy.
      anneal_steps: outer steps over which the policy's learning rate falls linearly to zero, the entropy coefficient in three
        quarters of them and the belief's rate in 0.85; constant by default.
      max_gradient_norm: the gradient of the policy is clipped to this global norm.
    """

    num_belief_updates: Count = struct.field(pytree_node=False, default=3)
    belief_batch_size: Count = struct.field(pytree_node=False, default=64)
    belief_learning_rate: jax.Array | Positive = 1e-3
    max_belief_gradient_norm: jax.Array | Limit = 0.1
    buffer_steps: Count = struct.field(pytree_node=False, default=20)


@struct.dataclass
class BeliefPPO(Proximal[Parts], BeliefPPOSettings):
    """Updates the policy by PPO at each outer step, then the belief by ``num_belief_updates`` gradient steps on its own loss.

    The buffer keeps the lifetimes of ``buffer_steps`` outer steps. One half are the first of the run and stay, the other half are
    the newest. The belief still has to model behaviour that the policy has given up: a policy that goes straight to its goal
    gives no data about other places. A belief update draws ``belief_batch_size`` lifetimes: the tasks are split into as many
    equal groups, and one lifetime is drawn from each. So no data moves between devices, and results do not depend on their
    number.

    References:
      Zintgraf et al. 2020, arXiv 1910.08348.
    """

    inner: BeliefAgent

    learns_for: ClassVar[float] = 0.85
    """Share of ``anneal_steps`` over which the belief's learning rate falls to zero."""
    tries_for: ClassVar[float] = 0.75

    def __post_init__(self) -> None:
        if self.protocol.num_segments != 1 or self.protocol.num_streams != 1:
            raise ValueError(f"{self.protocol}: a belief is learned from lifetimes of one segment and one stream")
        super().__post_init__()

    def schedule(self, remaining: jax.Array) -> jax.Array:
        return remaining

    def check_devices(self, num_devices: int) -> None:
        super().check_devices(num_devices)
        check_divides("belief_batch_size", self.belief_batch_size, num_devices, f"{num_devices} device(s)")
        check_divides("num_tasks", self.num_tasks, self.belief_batch_size, f"a belief batch of {self.belief_batch_size}")

    def memory_remedy(self) -> str:
        return f"{super().memory_remedy()}, or fewer than buffer_steps={self.buffer_steps}"

    def init(self, key: jax.Array) -> MetaState:
        state = super().init(key)
        live = partial(live_in_new_task, self.inner, self.tasks, state.theta, protocol=self.protocol)
        one = jax.eval_shape(lambda: self._record(*live(key)))
        buffer = jax.tree.map(lambda x: jnp.zeros((self.num_tasks, self.buffer_steps, *x.shape), x.dtype), one)
        opt_state = BeliefOptState(state.opt_state, self._belief_transformation().init(state.theta))
        return state._replace(opt_state=opt_state, by_task=buffer)

    def meta_gradient(self, state: MetaState, key: jax.Array) -> Parts:
        """Returns the sum of the gradients of the policy's loss and the belief's; no parameter is trained by both."""
        policy_keys, belief_keys = split_each(jax.random.split(key, self.num_tasks))
        experience, _ = self.gather(state, policy_keys)
        of_belief, _ = self.belief_gradient(state.theta, self.records(experience), belief_keys)
        return optax.tree.add(self.gradient(state.theta, experience)[0], of_belief)

    def step_on_device(self, state: MetaState, keys: jax.Array) -> tuple[MetaState, Metrics]:
        policy_keys, belief_keys = split_each(keys)
        experience, statistics = self.gather(state, policy_keys)
        number, opt_state = state.extra.num_steps, state.opt_state
        improved, metrics = self.improve(state._replace(opt_state=opt_state.policy), experience, statistics)

        buffer = store(state.by_task, self.records(experience), number)
        num_kept = jnp.minimum(number + 1, self.buffer_steps)
        beliefs = (improved.theta, opt_state.belief)
        (theta, belief_state), learned = self._learn_beliefs(beliefs, buffer, num_kept, belief_keys, number)
        opt_state = BeliefOptState(improved.opt_state, belief_state)
        return improved._replace(theta=theta, opt_state=opt_state, by_task=buffer), metrics | learned

    def records(self, experience: MetaBatch) -> Record:
        """Returns the records to learn the belief from, [n, T, ...]."""
        return jax.vmap(self._record, in_axes=(0, TASK_AXES))(experience.tasks, experience.lifetimes)

    def belief_gradient(self, theta: Parts, records: Record, keys: jax.Array) -> tuple[Parts, Metrics]:
        """Returns the gradient of the mean belief loss of records [m, T, ...] with keys [m], and metrics."""

        def loss(theta: Parts) -> tuple[jax.Array, Metrics]:
            each = lambda record, key: self.inner.unwrapped.belief_loss(theta, self.inner.see(record), key)  # noqa: E731
            losses, metrics = jax.vmap(each)(records, keys)
            return losses.mean(), jax.tree.map(jnp.mean, metrics)

        return jax.grad(loss, has_aux=True)(theta)

    def _learn_beliefs(
        self, beliefs: tuple[Parts, PyTree], buffer: Record, num_kept: jax.Array, keys: jax.Array, num_steps: jax.Array
    ) -> tuple[tuple[Parts, PyTree], Metrics]:
        """Takes ``num_belief_updates`` gradient steps; buffer [n, buffer_steps, T, ...] and keys [n] are this device's."""
        remaining = left_of_share(self.learns_for, remaining_rate(num_steps, self.anneal_steps))
        transformation = self._belief_transformation()
        group_size = self.num_tasks // self.belief_batch_size

        def update(carry: tuple[Parts, PyTree], number: jax.Array) -> tuple[tuple[Parts, PyTree], Metrics]:
            theta, opt_state = carry
            group_keys = jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys[::group_size], number)
            drawn = draw(buffer, num_kept, group_keys)
            gradient, metrics = mean_over_devices(self.belief_gradient(theta, *drawn))
            metrics["belief/gradient_norm"] = optax.tree.norm(gradient)
            updates, opt_state = transformation.update(gradient, opt_state, theta)
            updates = optax.tree.scale(remaining, updates)
            return (optax.apply_updates(theta, updates), opt_state), metrics

        beliefs, metrics = jax.lax.scan(update, beliefs, jnp.arange(self.num_belief_updates))
        return beliefs, jax.tree.map(jnp.mean, metrics)

    def _belief_transformation(self) -> optax.GradientTransformation:
        return optax.chain(optax.clip_by_global_norm(self.max_belief_gradient_norm), optax.adam(self.belief_learning_rate))

    def _record(self, task: Task, lifetime: Lifetime) -> Record:
        """Returns the record of one lifetime [1, T, 1]."""
        lived = jax.tree.map(lambda x: x[0, :, 0], lifetime.segments.plain())
        encoded = {"action": jax.vmap(self.tasks.action_space.encode)(lived.action)}
        return Record(**struct.fields_for(Record, lived) | encoded, description=self.tasks.describe(task))
