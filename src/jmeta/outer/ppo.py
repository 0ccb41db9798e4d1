"""Proximal policy optimisation over replayed lifetimes (Schulman et al. 2017, arXiv 1707.06347)."""

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import optax

from jmeta import struct
from jmeta.outer.base import check_segment_weights, left_of_share, remaining_rate
from jmeta.outer.on_policy import (
    Experience,
    OnPolicy,
    OnPolicyExtra,
    lifetime_metrics,
    split_tasks,
)
from jmeta.outer.terms import ApproximateDivergence, ClippedShare, ClippedSurrogate, Entropy, Term, ValueLoss
from jmeta.parallel import mean_over_devices
from jmeta.ranges import Count, Limit, NonNegative, Positive
from jmeta.types import MetaState, Metrics, PyTree, Theta

MakeOptimizer = Callable[[Any], optax.GradientTransformation]


@struct.dataclass
class PPO(OnPolicy):
    """Gradient steps on a clipped surrogate.

    For ``num_epochs`` passes over ``num_minibatches`` groups of tasks, replays their lifetimes under theta and steps along the
    gradient of

        sum_k score_k * mean_t [min(rho A, clip(rho) A) + entropy_coefficient * H] - value loss,

    which ``objective`` has as a tuple of terms, and ``terms`` adds others. With one epoch and one minibatch it is plain policy
    gradient.

    Attributes:
      num_epochs: passes over the same lifetimes.
      num_minibatches: groups of tasks in a pass; it and the number of devices must divide num_tasks.
      anneal_steps: outer steps over which the learning rate falls linearly to zero, and the entropy coefficient in half as many:
        the policy first goes on trying, then becomes sure. None keeps both.
      learning_rate: of the optimiser, at first.
      max_gradient_norm: the meta-gradient's global norm is clipped here.
      clip_epsilon: half-width of PPO's ratio interval.
      entropy_coefficient: weight of the policy's entropy, at first.
      optimizer: learning rate -> optax transformation.
      terms: further terms of the loss, see ``jmeta.outer.Term``.

    References:
      Schulman et al. 2017, arXiv 1707.06347.
    """

    num_epochs: Count = struct.field(pytree_node=False, default=1)
    num_minibatches: Count = struct.field(pytree_node=False, default=1)
    anneal_steps: Count | None = struct.field(pytree_node=False, default=None)
    learning_rate: jax.Array | Positive = 1e-3
    max_gradient_norm: jax.Array | Limit = 0.5
    clip_epsilon: jax.Array | Positive = 0.2
    entropy_coefficient: jax.Array | NonNegative = 0.0
    optimizer: MakeOptimizer = struct.field(pytree_node=False, default=partial(optax.adam, eps=1e-5))
    terms: tuple[Term, ...] = ()

    tries_for: ClassVar[float] = 0.5
    """The share of ``anneal_steps`` in which the entropy coefficient falls to zero."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for term in self.terms:
            if term.segments is not None:
                check_segment_weights(term.segments, self.protocol, f"segments of the term {term.name!r}")

    @property
    def num_groups(self) -> int:
        return self.num_minibatches

    def init(self, key: jax.Array) -> MetaState:
        theta = self.inner.init(key)
        extra = OnPolicyExtra(self.credit.init(), jnp.zeros((), jnp.int32))
        return MetaState(theta, self._transformation().init(theta), extra)

    def meta_gradient(self, state: MetaState, key: jax.Array) -> Theta:
        experience, _ = self.gather(state, jax.random.split(key, self.num_tasks))
        return self.gradient(state.theta, experience)[0]

    def step_on_device(self, state: MetaState, keys: jax.Array) -> tuple[MetaState, Metrics]:
        return self.improve(state, *self.gather(state, keys))

    def improve(self, state: MetaState, experience: Experience, statistics: PyTree) -> tuple[MetaState, Metrics]:
        """Moves theta by what was gathered."""
        remaining = remaining_rate(state.extra.num_steps, self.anneal_steps)
        groups = split_tasks(experience, self.num_minibatches)
        transformation = self._transformation()

        def update(carry: PyTree, group: Experience) -> tuple[PyTree, Metrics]:
            theta, opt_state = carry
            gradient, metrics = self.gradient(theta, group, remaining)
            gradient = mean_over_devices(gradient)
            metrics["gradient_norm"] = optax.tree.norm(gradient)
            updates, opt_state = transformation.update(gradient, opt_state, theta)
            updates = optax.tree.scale(self.schedule(remaining), updates)
            return (optax.apply_updates(theta, updates), opt_state), metrics

        def epoch(carry: PyTree, _: None) -> tuple[PyTree, Metrics]:
            return jax.lax.scan(update, carry, groups)

        carry = (state.theta, state.opt_state)
        (theta, opt_state), metrics = jax.lax.scan(epoch, carry, None, length=self.num_epochs)
        metrics = jax.tree.map(jnp.mean, metrics)
        metrics |= lifetime_metrics(self.tasks, self.protocol, experience.lifetimes) | self.inner.measure(experience.lifetimes)
        metrics = mean_over_devices(metrics)
        metrics["theta_norm"] = optax.tree.norm(theta)
        extra = state.extra._replace(statistics=statistics, num_steps=state.extra.num_steps + 1)
        return state._replace(theta=theta, opt_state=opt_state, extra=extra), metrics

    def gradient(self, theta: Theta, group: Experience, remaining: jax.Array | float = 1.0) -> tuple[Theta, Metrics]:
        """The gradient of minus the objective on a group of tasks, replayed a microbatch at a time, and metrics.

        Args:
          theta: what is being differentiated.
          group: the tasks.
          remaining: what is left of the learning rate, which tells what is left of the entropy coefficient.
        """
        return self.over_microbatches(lambda microbatch: jax.grad(self.loss, has_aux=True)(theta, microbatch, remaining), group)

    def loss(self, theta: Theta, group: Experience, remaining: jax.Array | float = 1.0) -> tuple[jax.Array, Metrics]:
        """The sum of the terms on a group of tasks, and each of them."""
        terms = self.objective(remaining)
        weights = [self.segment_weights_of(term) for term in terms]
        segments = tuple(k for k in range(self.protocol.num_segments) if any(weight[k] for weight in weights))
        decisions = self.decide_again(theta, group, segments)
        means = [self.term_mean(term, decisions, group, segments) for term in terms]
        loss = jnp.zeros((), jnp.float32)
        for term, mean in zip(terms, means, strict=True):
            loss += 0.0 if term.weight is None else term.weight * mean
        return loss, {"loss": loss} | {term.name: mean for term, mean in zip(terms, means, strict=True)}

    def objective(self, remaining: jax.Array | float = 1.0) -> tuple[Term, ...]:
        """The terms of the loss, and those that are only reported, where so much of the learning rate is left."""
        entropy_coefficient = self.entropy_coefficient * left_of_share(self.tries_for, remaining)
        return (
            ClippedSurrogate("loss/policy", clip_epsilon=self.clip_epsilon),
            ValueLoss("loss/value", credit=self.credit),
            Entropy("policy/entropy", weight=-entropy_coefficient),
            *self.terms,
            ApproximateDivergence("policy/kl", weight=None),
            ClippedShare("policy/clipped", clip_epsilon=self.clip_epsilon, weight=None),
        )

    def schedule(self, remaining: jax.Array) -> jax.Array:
        """Scale factor of the learning rate where ``remaining`` of ``anneal_steps`` is left, 1 down to 0: linear."""
        return remaining

    def _transformation(self) -> optax.GradientTransformation:
        return optax.chain(optax.clip_by_global_norm(self.max_gradient_norm), self.optimizer(self.learning_rate))
