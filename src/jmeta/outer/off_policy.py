"""Off-policy meta-learning: each outer step takes few rollouts and many gradient steps on replay buffers."""

import dataclasses
import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jmeta import struct
from jmeta.axes import deal_axis, mean_over_chunks, split_axis
from jmeta.inner.off_policy import OffPolicyAgent, ReplayStep
from jmeta.inner.random_at_first import RandomAtFirst
from jmeta.lifetime import LifetimeKeys, live_in
from jmeta.outer.base import STATE_LAYOUT, OuterLearner, TaskWeight, relative_weights
from jmeta.outer.checks import below, check_divides, check_fit, check_protocol, use_any
from jmeta.outer.metrics import lifetime_metrics
from jmeta.outer.replay import (
    ContextSettings,
    ReplaySettings,
    ShapedSettings,
    TaskRecord,
    by_segment,
    rows_to_ship,
    sample_rows,
)
from jmeta.outer.schedules import remaining_rate
from jmeta.parallel import ROWS_IN_CACHE, SHARED, mean_over_devices, num_task_devices, over_tasks, tasks_at_once
from jmeta.ranges import Count
from jmeta.tasks.base import TaskDistribution
from jmeta.types import TASK_AXES, Experience, Lifetime, MetaState, Metrics, Protocol, PyTree, Task, Theta


class OffPolicyExtra(NamedTuple):
    """State besides theta and the optimiser's."""

    target_parameters: PyTree  # parameters of the target networks: a moving average
    num_steps: jax.Array  # [] int32, outer steps taken


@struct.settings
class ExploreSettings:
    """Settings of exploration by random actions.

    Attributes:
      explore_steps: outer steps over which the exploration of the behaviour policy falls to its minimum; if None, it stays at
        its maximum. For DQN this is the probability of a random action, which falls from 1.
    """

    explore_steps: Count | None = struct.field(pytree_node=False, default=None)


@struct.dataclass
class OffPolicy(OuterLearner[Theta], ReplaySettings, ContextSettings, ShapedSettings, ExploreSettings):
    """Trains an off-policy agent on a fixed set of tasks, which are drawn once; each has its own replay buffer.

    An outer step collects one lifetime in each of ``num_tasks`` tasks, in turn. It then makes ``num_passes`` passes over all
    tasks, each in ``num_minibatches`` groups, with one gradient step for each group. The loss is the mean of the agent's loss
    over the group's tasks, on a batch from each task's replay buffer and with one of the task's *newest* lifetimes as context. So
    the context is close to what the current policy would collect, while the batch may come from any policy. Learning starts when
    every task's replay buffer holds a row of ``inner.sequence_length`` steps; until then the metrics of learning are 0.

    Attributes:
      inner: the agent.
      num_tasks: tasks in which a lifetime is collected at each outer step; divides num_training_tasks.
      batch_size: rows of ``inner.sequence_length`` consecutive steps, 1 unless the agent is recurrent, that are sampled from each
        task's replay buffer for a gradient step.
      shaped: as in ``ShapedSettings``; refused for agents that fine-tune their values on the task's own reward.
      task_weight: weight of a task in the objective, relative to the others. Equal by default.
    """

    inner: OffPolicyAgent[Theta, Any, Any]
    tasks: TaskDistribution = struct.field(pytree_node=False)
    protocol: Protocol = struct.field(pytree_node=False)
    num_tasks: Count = struct.field(pytree_node=False)
    _: dataclasses.KW_ONLY
    task_weight: TaskWeight | None = struct.field(pytree_node=False, default=None)

    @property
    def agent(self) -> OffPolicyAgent[Theta, Any, Any]:
        """The inner learner without its normalising wrapper."""
        return self.inner.unwrapped

    def __post_init__(self) -> None:
        check_protocol(self.tasks, self.protocol)
        check_fit(self.inner, self.tasks)
        if self.protocol.num_segments < self.agent.least_segments:
            raise ValueError(
                f"num_segments={self.protocol.num_segments}: {type(self.agent).__name__} adapts between segments, so in a "
                f"lifetime of one it learns nothing of the task; use num_segments={self.agent.least_segments} or more"
            )
        if self.protocol.num_streams != 1:
            raise ValueError(f"num_streams={self.protocol.num_streams}: replay keeps one stream of steps for each task; use 1")
        length = self.protocol.num_env_steps
        if self.capacity < max(length, self.agent.sequence_length):
            raise ValueError(f"capacity={self.capacity}: a task's replay must hold a lifetime, {length} steps")
        if self.shaped and not self.agent.takes_shaped:
            raise ValueError(
                f"shaped=True: {type(self.agent).__name__} fine-tunes its values on a new task's own reward, which values of a "
                "shaped reward do not fit; use shaped=False"
            )
        if self.shaped and jax.eval_shape(self._one_shaped_reward, jax.random.key(0)) is None:
            raise ValueError(f"shaped=True: {type(self.tasks).__name__} has no shaped_reward; learn from the reward itself")
        self.check_devices(1)

    def check_devices(self, num_devices: int) -> None:
        check_divides(
            "num_training_tasks",
            self.num_training_tasks,
            num_devices * self.num_minibatches,
            f"{self.num_minibatches} minibatch(es)",
        )
        check_divides("num_tasks", self.num_tasks, num_devices, f"{num_devices} device(s)")
        if self.num_training_tasks % self.num_tasks:
            divisors = [n for n in range(1, self.num_training_tasks + 1) if self.num_training_tasks % n == 0]
            raise ValueError(
                f"num_training_tasks={self.num_training_tasks} can't be split evenly over num_tasks={self.num_tasks}, in which "
                f"an outer step collects lifetimes: use num_tasks={min(divisors, key=lambda n: abs(n - self.num_tasks))}"
            )
        size = self._microbatch_size(num_devices)
        if (self.num_training_tasks // (num_devices * self.num_minibatches)) % size:
            raise ValueError(
                f"microbatch_size={size} does not divide the tasks that each of {num_devices} device(s) has in a group"
            )

    def _microbatch_size(self, num_devices: int) -> int:
        at_once = self.num_training_tasks // (num_devices * self.num_minibatches)
        return self.microbatch_size or tasks_at_once(at_once, self.batch_size * self.agent.sequence_length, ROWS_IN_CACHE)

    @property
    def replay_bytes(self) -> int:
        """Returns the bytes of all tasks' replay buffers and newest lifetimes, before they are allocated."""
        records: TaskRecord = jax.eval_shape(self.init, jax.random.key(0)).by_task
        return sum(math.prod(x.shape) * x.dtype.itemsize for x in jax.tree.leaves((records.replays, records.contexts)))

    def memory_remedy(self) -> str:
        return use_any(
            below("microbatch_size", self._microbatch_size(1)),
            f"less than capacity={self.capacity}, with which replay takes {self.replay_bytes:,} bytes",
            f"fewer than num_training_tasks={self.num_training_tasks}",
        )

    def init(self, key: jax.Array) -> MetaState[Theta]:
        theta_key, task_key = jax.random.split(key)
        theta = self.inner.init(theta_key)
        tasks = jax.vmap(self.tasks.sample)(jax.random.split(task_key, self.num_training_tasks))
        task = jax.tree.map(lambda x: x[0], tasks)
        one = jax.eval_shape(lambda key: self._transitions(task, self._live(theta, jnp.zeros((), jnp.int32), task, key)), key)
        records = TaskRecord.empty(tasks, one, num_contexts=self.num_contexts, capacity=self.capacity)
        extra = OffPolicyExtra(self.agent.target_parameters(theta), jnp.zeros((), jnp.int32))
        return MetaState(theta, self._transformation().init(theta), extra, records)

    def step(self, state: MetaState[Theta], key: jax.Array) -> tuple[MetaState[Theta], Metrics]:
        self.check_devices(num_task_devices())
        step = over_tasks(self.step_on_device, shared=STATE_LAYOUT, output=(STATE_LAYOUT, SHARED))
        return step(state, jax.random.split(key, self.num_training_tasks))

    def meta_gradient(self, state: MetaState[Theta], key: jax.Array) -> Theta:
        keys = jax.random.split(key, self.num_training_tasks)
        records, _ = self.collect(state, keys)
        return self.gradient(state.theta, state.extra.target_parameters, *jax.vmap(self.draw)(records, keys))[0]

    def step_on_device(self, state: MetaState[Theta], keys: jax.Array) -> tuple[MetaState[Theta], Metrics]:
        records, lifetimes = self.collect(state, keys)
        metrics = lifetime_metrics(self.tasks, self.protocol, lifetimes) | self.inner.measure(lifetimes)
        learner = (state.theta, state.opt_state, state.extra.target_parameters)
        turns_for_a_row = -(-self.agent.sequence_length // self.protocol.num_env_steps)
        everywhere = (state.extra.num_steps + 1) * self.num_tasks >= turns_for_a_row * self.num_training_tasks
        remaining = remaining_rate(state.extra.num_steps, self.anneal_steps)
        learn = partial(self.learn, learner, records, keys, remaining)
        nothing = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), jax.eval_shape(learn)[1])
        (theta, opt_state, target_parameters), learned = jax.lax.cond(everywhere, learn, lambda: (learner, nothing))
        metrics = mean_over_devices(metrics | learned)
        metrics["theta_norm"] = optax.tree.norm(theta)
        extra = OffPolicyExtra(target_parameters, state.extra.num_steps + 1)
        return MetaState(theta, opt_state, extra, records), metrics

    def deploy(self, state: MetaState[Theta]) -> Theta:
        if not self.agent.num_shipped:
            return state.theta
        rows, is_lived = rows_to_ship(state.by_task, self.agent.num_shipped, self.agent.sequence_length)
        return self.agent.ship(state.theta, self.inner.see(rows), is_lived)

    def collect(self, state: MetaState[Theta], keys: jax.Array) -> tuple[TaskRecord, Lifetime]:
        """Collects lifetimes in the tasks whose turn it is; keys [n] are of this device's tasks."""
        apart = self.num_training_tasks // self.num_tasks
        turn = jnp.arange(len(keys) // apart) * apart + state.extra.num_steps % apart
        records: TaskRecord = state.by_task
        tasks = jax.tree.map(lambda x: x[turn], records.task)
        live = jax.vmap(partial(self._live, state.theta, state.extra.num_steps), out_axes=TASK_AXES)
        lifetimes = live(tasks, jax.vmap(partial(jax.random.fold_in, data=0))(keys[turn]))
        new = jax.vmap(self._transitions, in_axes=(0, TASK_AXES))(tasks, lifetimes)
        return records.add(turn, new), lifetimes

    def learn(
        self, learner: PyTree, records: TaskRecord, keys: jax.Array, remaining: jax.Array | float = 1.0
    ) -> tuple[PyTree, Metrics]:
        """Takes all gradient steps of an outer step, with annealing factor ``remaining``; keys [n] are of this device's tasks."""
        transformation = self._transformation()
        weights = relative_weights(self.task_weight or _equally, records.task)

        def update(learner: PyTree, data: PyTree) -> tuple[PyTree, Metrics]:
            theta, opt_state, target_parameters = learner
            size = self._microbatch_size(num_task_devices())
            chunks = split_axis(data, 0, len(data[-1]) // size)
            mean = mean_over_chunks(lambda chunk: self.gradient(theta, target_parameters, *chunk), chunks)
            gradient, metrics = mean_over_devices(mean)
            metrics["gradient_norm"] = optax.tree.norm(gradient)
            updates, opt_state = transformation.update(gradient, opt_state, theta)
            theta = optax.apply_updates(theta, optax.tree.scale(remaining, updates))
            followed = self.agent.target_parameters(theta)
            target_parameters = optax.incremental_update(followed, target_parameters, self.target_update_rate)
            return (theta, opt_state, target_parameters), metrics

        def one_pass(learner: PyTree, number: jax.Array) -> tuple[PyTree, Metrics]:
            pass_keys = jax.vmap(jax.random.fold_in, in_axes=(0, None))(keys, number + 1)
            data = jax.vmap(self.draw)(records, pass_keys)
            return jax.lax.scan(update, learner, deal_axis((*data, weights), 0, self.num_minibatches))

        learner, metrics = jax.lax.scan(one_pass, learner, jnp.arange(self.num_passes))
        return learner, jax.tree.map(jnp.mean, metrics)

    def gradient(
        self,
        theta: PyTree,
        target_parameters: PyTree,
        lifetimes: Experience,
        batches: ReplayStep,
        keys: jax.Array,
        weights: jax.Array | float = 1.0,
    ) -> tuple[PyTree, Metrics]:
        """Returns the gradient of the mean loss of lifetimes [M, K, T, 1] and batches [M, n, L] with weights [M], and metrics."""

        def loss(theta: PyTree) -> tuple[jax.Array, Metrics]:
            losses, metrics = jax.vmap(partial(self._loss, theta, target_parameters))(lifetimes, batches, keys)
            return (weights * losses).mean(), jax.tree.map(jnp.mean, metrics | {"loss": losses})

        return jax.grad(loss, has_aux=True)(theta)

    def _loss(
        self, theta: Theta, target_parameters: PyTree, lifetime: Experience, batch: ReplayStep, key: jax.Array
    ) -> tuple[jax.Array, Metrics]:
        return self.agent.loss(theta, target_parameters, self.inner.see(lifetime), self.inner.see(batch), key)

    def draw(self, record: TaskRecord, key: jax.Array) -> tuple[Experience, ReplayStep, jax.Array]:
        """Returns one of the newest lifetimes [K, T, 1], a replay batch and a key for one task."""
        batch_key, lifetime_key, loss_key = jax.random.split(key, 3)
        batch = sample_rows(record.replays, batch_key, self.batch_size, self.agent.sequence_length)
        which = jax.random.randint(lifetime_key, (), 0, jnp.clip(record.num_lifetimes, 1, self.num_contexts))
        return by_segment(jax.tree.map(lambda x: x[which], record.contexts), self.protocol), batch, loss_key

    def _live(self, theta: PyTree, num_steps: jax.Array, task: Task, key: jax.Array) -> Lifetime:
        keys = LifetimeKeys.of(*jax.random.split(key))
        remaining = remaining_rate(num_steps, self.explore_steps)
        behaviour_policy = self.inner.around(self.agent.behaviour_policy(remaining))
        agent = RandomAtFirst(behaviour_policy, num_steps < self.random_steps) if self.random_steps else behaviour_policy
        return live_in(agent, self.tasks, theta, task, keys, protocol=self.protocol).lifetime

    def _transitions(self, task: Task, lifetime: Lifetime) -> ReplayStep:
        """Returns the steps of a lifetime [K, T, 1] as one row of K T steps."""
        row = jax.tree.map(lambda x: x[:, :, 0].reshape(-1, *x.shape[3:]), lifetime.segments.plain())
        shape = jax.vmap(partial(self.tasks.shaped_reward, task))
        worth: Any = shape(row.timestep.observation, row.reward, row.next_observation) if self.shaped else row.reward
        return ReplayStep.of(row, worth, time=jnp.arange(self.protocol.num_env_steps))

    def _one_shaped_reward(self, key: jax.Array) -> jax.Array | None:
        task = self.tasks.sample(key)
        observation, _ = self.tasks.reset(task, key)
        return self.tasks.shaped_reward(task, observation, jnp.zeros(()), observation)

    def clip(self, gradient: PyTree) -> PyTree:
        """Clips the gradient of each of the agent's parts to the norm ``max_gradient_norm``."""
        clip = optax.clip_by_global_norm(self.max_gradient_norm)
        return jax.tree.map(lambda _, part: clip.update(part, clip.init(part))[0], self.agent.parts(gradient), gradient)

    def _transformation(self) -> optax.GradientTransformation:
        return optax.chain(optax.stateless(lambda gradient, _: self.clip(gradient)), optax.adam(self.learning_rate))


def _equally(task: Task) -> jax.Array:
    """Returns the same weight for every task."""
    return jnp.ones((), jnp.float32)
