"""On-policy meta-learning: live in tasks, judge the decisions, make the good ones likelier in replay."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import struct

from jmeta.inner.base import InnerLearner
from jmeta.lifetime import live_in, replay
from jmeta.objectives import clipped_surrogate, returns_by_episode
from jmeta.outer.base import OuterLearner, check_protocol
from jmeta.outer.credit import Credit, CreditAssignment
from jmeta.parallel import mean_over_devices, num_task_devices, over_tasks, tasks_at_once
from jmeta.tasks.base import TaskDistribution
from jmeta.types import TASK_AXES, Decision, Lifetime, MetaState, Metrics, Protocol, PyTree, Theta

MakeOptimizer = Callable[[Any], optax.GradientTransformation]


class OnPolicyExtra(NamedTuple):
    """What ``OnPolicy`` carries beside theta and the optimiser's state."""

    statistics: PyTree  # of the credit assignment
    num_steps: jax.Array  # [] int32, outer steps taken


class Experience(NamedTuple):
    """Lifetimes in n tasks, and what their decisions were worth."""

    begin_keys: jax.Array  # [n] how the lifetimes began
    lifetimes: Lifetime  # [K, T, n, B]
    credit: Credit  # [K, T, n, B]
    behaviour: jax.Array  # [K, T, n, B] log-probabilities of the actions when they were taken


@struct.dataclass
class OnPolicy(OuterLearner):
    """Proximal policy optimisation over replayed lifetimes.

    At each outer step: draw ``num_tasks`` tasks, live a lifetime in each, assign credit, then for ``num_epochs`` passes over
    ``num_minibatches`` groups of tasks, replay the lifetimes under theta and step along the gradient of

        sum_k score_k * mean_t [min(rho A, clip(rho) A) + entropy_coefficient * H] - value loss.

    A replay redoes whatever the inner learner does, so this one gradient is MAML's meta-gradient and RL²'s backpropagation
    through time. Minibatches split over tasks, never over time. With one epoch and one minibatch it is plain policy gradient.

    Attributes:
      credit: how decisions are judged.
      score: weight of each segment in the objective, one per segment; (0, 1) trains what happens after one adaptation.
      num_epochs: passes over the same lifetimes.
      num_minibatches: groups of tasks in a pass; it and the number of devices must divide num_tasks.
      microbatch_size: tasks of a group that one device replays at once; the gradients of its microbatches are added up, so this
        bounds memory and changes nothing else. None: as ``jmeta.parallel.tasks_at_once`` finds fastest.
      anneal_steps: outer steps over which the learning rate falls linearly to zero, and the entropy coefficient in half as many:
        the policy first goes on trying, then becomes sure. None keeps both.
      learning_rate: of the optimiser, at first.
      max_gradient_norm: the meta-gradient's global norm is clipped here.
      clip_epsilon: half-width of PPO's ratio interval.
      entropy_coefficient: weight of the policy's entropy, at first.
      optimizer: learning rate -> optax transformation.

    References:
      Schulman et al. 2017, arXiv 1707.06347.
    """

    inner: InnerLearner
    tasks: TaskDistribution = struct.field(pytree_node=False)
    credit: CreditAssignment
    protocol: Protocol = struct.field(pytree_node=False)
    score: tuple[float, ...] = struct.field(pytree_node=False)
    num_tasks: int = struct.field(pytree_node=False)
    num_epochs: int = struct.field(pytree_node=False, default=1)
    num_minibatches: int = struct.field(pytree_node=False, default=1)
    microbatch_size: int | None = struct.field(pytree_node=False, default=None)
    anneal_steps: int | None = struct.field(pytree_node=False, default=None)
    learning_rate: jax.Array | float = 1e-3
    max_gradient_norm: jax.Array | float = 0.5
    clip_epsilon: jax.Array | float = 0.2
    entropy_coefficient: jax.Array | float = 0.0
    optimizer: MakeOptimizer = struct.field(pytree_node=False, default=partial(optax.adam, eps=1e-5))

    def __post_init__(self) -> None:
        check_protocol(self.tasks, self.protocol)
        if len(self.score) != self.protocol.num_segments:
            raise ValueError(
                f"score has {len(self.score)} entries but num_segments is {self.protocol.num_segments}: "
                "give one weight per segment"
            )
        if not any(self.score):
            raise ValueError(f"score={self.score} gives no segment any weight: nothing would be learned")
        if self.num_epochs < 1:
            raise ValueError(f"num_epochs={self.num_epochs}: it must be at least 1")
        if self.anneal_steps is not None and self.anneal_steps < 1:
            raise ValueError(f"anneal_steps={self.anneal_steps}: give at least 1 outer step, or None for a constant rate")
        if self.inner.action_space != self.tasks.action_space:
            raise ValueError(
                f"the inner learner acts in {self.inner.action_space} but {type(self.tasks).__name__} takes "
                f"{self.tasks.action_space}: build it with tasks.action_space"
            )
        if self.inner.observation_size != self.tasks.observation_size:
            raise ValueError(
                f"the inner learner takes observations of size {self.inner.observation_size} but {type(self.tasks).__name__} "
                f"gives {self.tasks.observation_size}: build it with tasks.observation_size"
            )
        self.check_devices(1)

    def check_devices(self, num_devices: int) -> None:
        if self.num_minibatches < 1:
            raise ValueError(f"num_minibatches={self.num_minibatches}: it must be at least 1")
        share = num_devices * self.num_minibatches
        if self.num_tasks < 1 or self.num_tasks % share:
            nearest = max(1, round(self.num_tasks / share)) * share
            raise ValueError(
                f"num_tasks={self.num_tasks} can't be split evenly over {num_devices} device(s) x "
                f"{self.num_minibatches} minibatch(es): use num_tasks={nearest}, or fewer devices or minibatches"
            )
        group = self.num_tasks // share
        if self.microbatch_size is not None and (self.microbatch_size < 1 or group % self.microbatch_size):
            raise ValueError(
                f"microbatch_size={self.microbatch_size} does not divide the {group} tasks of a minibatch on one device: use "
                f"{math.gcd(group, max(1, self.microbatch_size))}, or None"
            )

    def init(self, key: jax.Array) -> MetaState:
        theta = self.inner.init(key)
        extra = OnPolicyExtra(self.credit.init(), jnp.zeros((), jnp.int32))
        return MetaState(theta, self._transformation().init(theta), extra)

    def step(self, state: MetaState, key: jax.Array) -> tuple[MetaState, Metrics]:
        self.check_devices(num_task_devices())
        return over_tasks(self._step)(state, jax.random.split(key, self.num_tasks))

    def _step(self, state: MetaState, keys: jax.Array) -> tuple[MetaState, Metrics]:
        """The outer step on one device, whose share of the tasks has these keys."""
        experience, statistics = self.gather(state, keys)
        remaining = self._remaining(state.extra.num_steps)
        groups = _split_tasks(experience, self.num_minibatches)
        transformation = self._transformation()

        def update(carry: PyTree, group: Experience) -> tuple[PyTree, Metrics]:
            theta, opt_state = carry
            gradient, metrics = self.gradient(theta, group, remaining)
            gradient = mean_over_devices(gradient)
            metrics["gradient_norm"] = optax.tree.norm(gradient)
            updates, opt_state = transformation.update(gradient, opt_state, theta)
            updates = optax.tree.scale(remaining, updates)
            return (optax.apply_updates(theta, updates), opt_state), metrics

        def epoch(carry: PyTree, _: None) -> tuple[PyTree, Metrics]:
            return jax.lax.scan(update, carry, groups)

        carry = (state.theta, state.opt_state)
        (theta, opt_state), metrics = jax.lax.scan(epoch, carry, None, length=self.num_epochs)
        metrics = jax.tree.map(jnp.mean, metrics)
        metrics |= lifetime_metrics(self.tasks, self.protocol, experience.lifetimes)
        metrics = mean_over_devices(metrics)
        metrics["theta_norm"] = optax.tree.norm(theta)
        return MetaState(theta, opt_state, OnPolicyExtra(statistics, state.extra.num_steps + 1)), metrics

    def _lifetime(self, theta: Theta, task_key: jax.Array, begin_key: jax.Array) -> Lifetime:
        task_key, live_key = jax.random.split(task_key)
        task = self.tasks.sample(task_key)
        begun = self.inner.begin(theta, self.protocol.num_streams, begin_key)
        return live_in(self.inner, self.tasks, theta, task, begun, protocol=self.protocol, key=live_key)

    def gather(self, state: MetaState, keys: jax.Array) -> tuple[Experience, PyTree]:
        """Lives a lifetime in each of n new tasks, keys [n], and judges its decisions.

        Returns:
          The experience, and the credit assignment's new statistics.
        """
        task_keys, begin_keys = _split_each(keys)
        live = jax.vmap(self._lifetime, in_axes=(None, 0, 0), out_axes=TASK_AXES)
        lifetimes = live(state.theta, task_keys, begin_keys)
        credit, statistics = self.credit.assign(state.extra.statistics, lifetimes)
        behaviour = _over_axes(_log_prob, 4)(lifetimes.segments.decision, lifetimes.segments.action)
        return Experience(begin_keys, lifetimes, credit, behaviour), statistics

    def gradient(self, theta: Theta, group: Experience, remaining: jax.Array | float = 1.0) -> tuple[Theta, Metrics]:
        """The gradient of minus the objective on a group of tasks, replayed a microbatch at a time, and metrics.

        Args:
          theta: what is being differentiated.
          group: the tasks.
          remaining: what is left of the learning rate, which tells what is left of the entropy coefficient.
        """
        (group_size,) = group.begin_keys.shape
        size = self.microbatch_size or tasks_at_once(group_size, self.protocol.num_streams)
        num_microbatches = group_size // size

        def accumulate(total: Theta, microbatch: Experience) -> tuple[Theta, Metrics]:
            gradient, metrics = jax.grad(self._loss, has_aux=True)(theta, microbatch, remaining)
            return optax.tree.add(total, gradient), metrics

        zero = optax.tree.zeros_like(theta)
        total, metrics = jax.lax.scan(accumulate, zero, _split_tasks(group, num_microbatches))
        return optax.tree.scale(1.0 / num_microbatches, total), jax.tree.map(jnp.mean, metrics)

    def _loss(self, theta: Theta, group: Experience, remaining: jax.Array | float) -> tuple[jax.Array, Metrics]:
        """Minus the objective on a group of tasks, and its parts."""

        def redo(begin_key: jax.Array, lifetime: Lifetime) -> PyTree:
            begun = self.inner.begin(theta, self.protocol.num_streams, begin_key)
            return replay(self.inner, theta, begun, lifetime)

        def judge(decision: Decision, behaviour: jax.Array, action: jax.Array, credit: Credit) -> dict[str, jax.Array]:
            log_prob = _log_prob(decision, action)
            log_ratio = log_prob - behaviour
            terms = {
                "policy": clipped_surrogate(log_prob, behaviour, credit.advantage, self.clip_epsilon),
                "value": self.credit.value_loss(decision.value, credit.value_target),
                "entropy": decision.distribution.entropy(),
                "kl": jnp.expm1(log_ratio) - log_ratio,
                "clipped": (jnp.abs(jnp.expm1(log_ratio)) > self.clip_epsilon).astype(log_prob.dtype),
            }
            return {name: term * credit.weight for name, term in terms.items()}

        scored = tuple(k for k, weight in enumerate(self.score) if weight)
        decisions = jax.vmap(redo, in_axes=(0, TASK_AXES), out_axes=2)(group.begin_keys, group.lifetimes)
        take = lambda tree: jax.tree.map(lambda x: jnp.stack([x[k] for k in scored]), tree)  # noqa: E731
        action = group.lifetimes.segments.action
        judged = _over_axes(judge, 4)(take(decisions), take(group.behaviour), take(action), take(group.credit))
        score = jnp.asarray([self.score[k] for k in scored], jnp.float32)
        parts = {name: jnp.tensordot(term.mean((1, 2, 3)), score, 1) for name, term in judged.items()}
        entropy_coefficient = self.entropy_coefficient * jnp.maximum(2.0 * remaining - 1.0, 0.0)
        loss = -parts["policy"] + parts["value"] - entropy_coefficient * parts["entropy"]
        metrics = {
            "loss": loss,
            "loss/policy": -parts["policy"],
            "loss/value": parts["value"],
            "policy/entropy": parts["entropy"],
            "policy/kl": parts["kl"],
            "policy/clipped": parts["clipped"],
        }
        return loss, metrics

    def _transformation(self) -> optax.GradientTransformation:
        return optax.chain(optax.clip_by_global_norm(self.max_gradient_norm), self.optimizer(self.learning_rate))

    def _remaining(self, num_steps: jax.Array) -> jax.Array:
        """What is left of the learning rate after that many outer steps, 1 down to 0."""
        if self.anneal_steps is None:
            return jnp.ones((), jnp.float32)
        return jnp.maximum(1.0 - num_steps.astype(jnp.float32) / self.anneal_steps, 0.0)


def lifetime_metrics(tasks: TaskDistribution, protocol: Protocol, lifetimes: Lifetime) -> Metrics:
    """How lifetimes [K, T, N, B] went: the first episode, the last, and all of it."""
    per_segment = protocol.segment_length // tasks.horizon
    by_episode = jax.vmap(jax.vmap(partial(returns_by_episode, num_episodes=per_segment), 1, 1), 1, 1)
    reward, first = lifetimes.segments.reward, lifetimes.segments.timestep.first
    return {
        "return/before": by_episode(reward[0], first[0])[0].mean(),
        "return/after": by_episode(reward[-1], first[-1])[-1].mean(),
        "return/lifetime": reward.sum((0, 1)).mean(),
    }


def _split_tasks(group: Experience, num_groups: int) -> Experience:
    """Splits the task axis, n tasks, into [num_groups, ..., n / num_groups, ...].

    Task i goes to group i modulo their number, so that no data crosses devices.
    """

    def split(axis: int, x: jax.Array) -> jax.Array:
        before, (num_tasks, *after) = x.shape[:axis], x.shape[axis:]
        grouped = x.reshape(*before, num_tasks // num_groups, num_groups, *after)
        return jnp.moveaxis(grouped, axis + 1, 0)

    each = lambda axis, tree: jax.tree.map(partial(split, axis), tree)  # noqa: E731
    begin_keys, lifetimes, credit, behaviour = group
    return Experience(each(0, begin_keys), jax.tree.map(each, TASK_AXES, lifetimes), each(2, credit), each(2, behaviour))


def _split_each(keys: jax.Array) -> tuple[jax.Array, jax.Array]:
    both = jax.vmap(jax.random.split)(keys)
    return both[:, 0], both[:, 1]


def _log_prob(decision: Decision, action: jax.Array) -> jax.Array:
    return decision.distribution.log_prob(action)


def _over_axes(function: Callable[..., Any], number: int) -> Callable[..., Any]:
    """``vmap`` over the leading ``number`` axes."""
    for _ in range(number):
        function = jax.vmap(function)
    return function
