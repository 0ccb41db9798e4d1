"""Base of outer learners that take gradient steps on a clipped surrogate over replayed lifetimes (Schulman et al. 2017)."""

import abc
import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import optax

from jmeta import struct
from jmeta.outer.checks import check_segment_weights
from jmeta.outer.meta_batch import MetaBatch, split_tasks
from jmeta.outer.metrics import lifetime_metrics
from jmeta.outer.on_policy import OnPolicy, OnPolicyExtra
from jmeta.outer.ppo_settings import PPOSettings
from jmeta.outer.schedules import left_of_share, remaining_rate
from jmeta.outer.terms import ApproximateDivergence, ClippedShare, ClippedSurrogate, Entropy, Term, ValueLoss
from jmeta.parallel import mean_over_devices
from jmeta.types import MetaState, Metrics, PyTree, Theta

MakeOptimizer = Callable[[Any], optax.GradientTransformation]


@struct.dataclass
class Proximal(OnPolicy[Theta], PPOSettings):
    """Base of outer learners that update theta by gradient steps on a clipped surrogate; a subclass has a ``schedule``.

    For ``num_epochs`` passes over ``num_minibatches`` groups of tasks, replays their lifetimes under theta and steps along the
    gradient of

        sum_k segment_weights_k * mean_t [min(rho A, clip(rho) A) + entropy_coefficient * H - value loss].

    ``objective`` returns these as a tuple of terms, and ``terms`` adds others. With one epoch and one minibatch it is plain
    policy gradient.

    Attributes:
      optimizer: learning rate -> optax transformation.
      terms: further terms of the loss, see ``jmeta.outer.Term``.

    References:
      Schulman et al. 2017, arXiv 1707.06347.
    """

    _: dataclasses.KW_ONLY
    optimizer: MakeOptimizer = struct.field(pytree_node=False, default=partial(optax.adam, eps=1e-5))
    terms: tuple[Term, ...] = ()

    tries_for: ClassVar[float] = 0.5
    """Share of ``anneal_steps`` over which the entropy coefficient falls to zero."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.terms, tuple):
            raise ValueError(f"terms={self.terms!r}: give a tuple of terms, such as (term,)")
        names = ["loss", *(term.name for term in self.objective())]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(
                f"two metrics are called {twice[0]!r}: give each term a name of its own, other than {', '.join(names)}"
            )
        for term in self.terms:
            if term.segments is not None:
                check_segment_weights(term.segments, self.protocol, f"segments of the term {term.name!r}")

    @property
    def num_groups(self) -> int:
        return self.num_minibatches

    def init(self, key: jax.Array) -> MetaState[Theta]:
        theta = self.inner.init(key)
        extra = OnPolicyExtra(self.credit.init(), jnp.zeros((), jnp.int32))
        return MetaState(theta, self._transformation().init(theta), extra)

    def meta_gradient(self, state: MetaState[Theta], key: jax.Array) -> Theta:
        experience, _ = self.gather(state, jax.random.split(key, self.num_tasks))
        return self.gradient(state.theta, experience)[0]

    def step_on_device(self, state: MetaState[Theta], keys: jax.Array) -> tuple[MetaState[Theta], Metrics]:
        return self.improve(state, *self.gather(state, keys))

    def improve(self, state: MetaState[Theta], experience: MetaBatch, statistics: PyTree) -> tuple[MetaState[Theta], Metrics]:
        """Updates theta from the gathered experience."""
        remaining = remaining_rate(state.extra.num_steps, self.anneal_steps)
        groups = split_tasks(experience, self.num_minibatches)
        transformation = self._transformation()

        def update(carry: PyTree, group: MetaBatch) -> tuple[PyTree, Metrics]:
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

    def gradient(self, theta: Theta, group: MetaBatch, remaining: jax.Array | float = 1.0) -> tuple[Theta, Metrics]:
        """Returns the gradient of the loss on a group of tasks, replayed a microbatch at a time, and metrics.

        Args:
          theta: meta-parameters that the loss is differentiated in.
          group: experience in the tasks.
          remaining: annealing factor of the learning rate, which determines that of the entropy coefficient.
        """
        return self.over_microbatches(lambda microbatch: jax.grad(self.loss, has_aux=True)(theta, microbatch, remaining), group)

    def loss(self, theta: Theta, group: MetaBatch, remaining: jax.Array | float = 1.0) -> tuple[jax.Array, Metrics]:
        """Returns the sum of the terms on a group of tasks, and each of them as a metric."""
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
        """Returns the terms of the loss and those that are only reported, at the annealing factor ``remaining``."""
        entropy_coefficient = self.entropy_coefficient * left_of_share(self.tries_for, remaining)
        return (
            ClippedSurrogate("loss/policy", clip_epsilon=self.clip_epsilon),
            ValueLoss("loss/value", credit=self.credit),
            Entropy("policy/entropy", weight=-entropy_coefficient),
            *self.terms,
            ApproximateDivergence("policy/kl", weight=None),
            ClippedShare("policy/clipped", clip_epsilon=self.clip_epsilon, weight=None),
        )

    @abc.abstractmethod
    def schedule(self, remaining: jax.Array) -> jax.Array:
        """Returns the learning rate's factor when a share ``remaining`` of ``anneal_steps`` is left, from 1 to 0."""

    def _transformation(self) -> optax.GradientTransformation:
        return optax.chain(optax.clip_by_global_norm(self.max_gradient_norm), self.optimizer(self.learning_rate))
