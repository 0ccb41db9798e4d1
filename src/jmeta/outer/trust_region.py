"""Trust-region policy optimisation over replayed lifetimes (Schulman et al. 2015, arXiv 1502.05477)."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax

from jmeta import struct
from jmeta.outer.meta_batch import MetaBatch, MetaBatchSettings
from jmeta.outer.metrics import lifetime_metrics
from jmeta.outer.on_policy import OnPolicy, OnPolicyExtra
from jmeta.outer.terms import Divergence, LikelihoodRatio
from jmeta.parallel import mean_over_devices
from jmeta.ranges import Count, NonNegative, OpenShare, Positive
from jmeta.types import Decision, MetaState, Metrics, PyTree, Theta


class _Trial(NamedTuple):
    """A point of the line search."""

    theta: PyTree
    gain: jax.Array  # [] of the surrogate over its value before the step
    kl: jax.Array  # []
    number: jax.Array  # [] int32, trials before


@struct.settings
class TrustRegionSettings(MetaBatchSettings):
    """Settings of trust-region policy optimisation.

    Attributes:
      max_kl: largest mean KL divergence between the policies of the weighted segments before and after an outer step, in nats.
      damping: constant added to the diagonal of the Hessian of the KL divergence, in nats.
      num_cg_steps: maximum number of conjugate-gradient steps that solve for the natural gradient.
    """

    max_kl: jax.Array | Positive = 0.01
    damping: jax.Array | NonNegative = 1e-5
    num_cg_steps: Count = struct.field(pytree_node=False, default=10)


@struct.dataclass
class TrustRegion(OnPolicy[Theta], TrustRegionSettings):
    """Takes a natural-gradient step with a bound on the KL divergence, as MAML's own outer optimiser.

    With S the likelihood-ratio surrogate of the weighted segments, and KL the mean divergence of the recorded policies from those
    of a replay under theta,

        x = (H + damping)^-1 grad S,        H = hess KL,        step = x sqrt(2 max_kl / x^T H x),

    with x by conjugate gradients. A line search takes the first of step, ratio step, ratio^2 step, ... that raises S and keeps
    KL within max_kl. If none does, theta stays. If a segment follows adaptations, S and KL are functions of theta *through* them.

    At the recorded theta, H = J^T M J with J the derivative of the policies' parameters and M the Hessian of KL in those. J^T is
    a backward pass, and J is its transpose, so forward mode is not needed and inner gradients may be mixed-mode.

    The credit assignment must have no critic, since this optimiser does not train one.

    Attributes:
      backtrack_ratio: factor by which a rejected step shrinks, in (0, 1).
      max_backtracks: maximum number of trials of the line search.
    """

    _: dataclasses.KW_ONLY
    backtrack_ratio: jax.Array | OpenShare = 0.8
    max_backtracks: Count = struct.field(pytree_node=False, default=15)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.credit.has_critic:
            raise ValueError(
                f"credit={type(self.credit).__name__} has a critic, which a trust region does not train: use EpisodeBaseline"
            )

    def init(self, key: jax.Array) -> MetaState[Theta]:
        return MetaState(self.inner.init(key), (), OnPolicyExtra(self.credit.init(), jnp.zeros((), jnp.int32)))

    def meta_gradient(self, state: MetaState[Theta], key: jax.Array) -> Theta:
        experience, _ = self.gather(state, jax.random.split(key, self.num_tasks))
        return jax.grad(lambda theta: -self.surrogate(theta, experience))(state.theta)

    def step_on_device(self, state: MetaState[Theta], keys: jax.Array) -> tuple[MetaState[Theta], Metrics]:
        theta = state.theta
        experience, statistics = self.gather(state, keys)

        def everywhere(function: Callable[[MetaBatch], PyTree]) -> PyTree:
            return mean_over_devices(self.over_microbatches(function, experience))

        surrogate, gradient = everywhere(lambda group: jax.value_and_grad(self.surrogate)(theta, group))

        @jax.jit  # traced once, for the solver and for the curvature
        def hessian(vector: Theta) -> Theta:
            product = everywhere(lambda group: self.kl_hessian(theta, group, vector))
            return optax.tree.add_scale(product, self.damping, vector)

        direction, _ = jax.scipy.sparse.linalg.cg(hessian, gradient, maxiter=self.num_cg_steps, tol=1e-10)
        curvature = optax.tree.vdot(direction, hessian(direction))
        size = jnp.sqrt(2.0 * self.max_kl / jnp.maximum(curvature, 1e-12))

        def attempt(number: jax.Array) -> _Trial:
            length = (size * self.backtrack_ratio**number).astype(jnp.float32)
            moved = optax.tree.add_scale(theta, length, direction)
            value, kl = everywhere(lambda group: self.surrogate_and_kl(moved, group))
            return _Trial(moved, value - surrogate, kl, number)

        refused = lambda trial: ~((trial.gain > 0) & (trial.kl <= self.max_kl))  # noqa: E731
        search_on = lambda trial: refused(trial) & (trial.number < self.max_backtracks - 1)  # noqa: E731
        none_yet = _Trial(theta, jnp.zeros((), jnp.float32), jnp.zeros((), jnp.float32), jnp.full((), -1, jnp.int32))
        trial = jax.lax.while_loop(search_on, lambda trial: attempt(trial.number + 1), none_yet)
        stays = refused(trial)
        new = jax.tree.map(lambda old, moved: jnp.where(stays, old, moved), theta, trial.theta)
        lived = experience.lifetimes
        metrics = mean_over_devices(lifetime_metrics(self.tasks, self.protocol, lived) | self.inner.measure(lived))
        metrics |= {
            "loss": -surrogate,
            "policy/gain": jnp.where(stays, 0.0, trial.gain),
            "policy/kl": jnp.where(stays, 0.0, trial.kl),
            "policy/backtracks": trial.number.astype(jnp.float32),
            "policy/refused": stays.astype(jnp.float32),
            "gradient_norm": optax.tree.norm(gradient),
            "theta_norm": optax.tree.norm(new),
        }
        return MetaState(new, (), OnPolicyExtra(statistics, state.extra.num_steps + 1)), metrics

    def surrogate(self, theta: Theta, group: MetaBatch) -> jax.Array:
        """Returns S of theta on a group of tasks; its gradient at the recorded theta is the meta-gradient."""
        return self.surrogate_and_kl(theta, group)[0]

    def surrogate_and_kl(self, theta: Theta, group: MetaBatch) -> tuple[jax.Array, jax.Array]:
        """Returns S of theta, and the mean KL from the recorded policies to those under theta, in a group's weighted segments."""
        decisions = self.decide_again(theta, group, self.weighted_segments)
        surrogate = -self.term_mean(LikelihoodRatio("loss"), decisions, group, self.weighted_segments)
        return surrogate, self._divergence(decisions, group)

    def kl_hessian(self, theta: Theta, group: MetaBatch, vector: Theta) -> Theta:
        """Returns the Hessian of KL, at the theta that collected the group, times a vector."""
        again = lambda theta: self.decide_again(theta, group, self.weighted_segments)  # noqa: E731
        decisions, pull_back = jax.vjp(again, theta)
        push_forward = jax.linear_transpose(lambda cotangent: pull_back(cotangent)[0], decisions)
        (along,) = push_forward(vector)
        of_kl = jax.grad(lambda decisions: self._divergence(decisions, group))
        (product,) = pull_back(jax.jvp(of_kl, (decisions,), (along,))[1])
        return product

    def _divergence(self, decisions: Decision, group: MetaBatch) -> jax.Array:
        return self.term_mean(Divergence("policy/kl"), decisions, group, self.weighted_segments)
