"""iMAML: a proximal inner problem with implicit differentiation (Rajeswaran et al. 2019, arXiv 1909.04630)."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

from jmeta import struct
from jmeta.inner.gradient_agent import GradientAgent, Initialisation, InnerData, TaskWeights
from jmeta.objectives import clipped_surrogate, solve_where_positive
from jmeta.ranges import Count, Positive
from jmeta.types import Empty, PyTree, Segment


@struct.settings
class ProximalSettings:
    """Settings of iMAML's inner problem.

    Attributes:
      strength: weight of the proximal term that pulls towards the initial weights, lambda in the paper.
      inner_clip_epsilon: half-width of the interval around 1 to which the inner problem clips likelihood ratios.
      num_solver_steps: steps of the update rule that solve the inner problem on the same data.
      num_cg_steps: maximum number of conjugate-gradient steps that solve for the implicit meta-gradient.
    """

    strength: jax.Array | Positive = 1.0
    inner_clip_epsilon: jax.Array | Positive = 1.0
    num_solver_steps: Count = struct.field(pytree_node=False, default=5)
    num_cg_steps: Count = struct.field(pytree_node=False, default=5)


@struct.dataclass
class IMAML(GradientAgent, ProximalSettings):
    """Adapts to the minimiser of a proximal loss, whose derivative does not depend on the path of the solver.

        phi = argmin_w  L(w) + strength / 2 |w - theta|^2,        d phi / d theta = (I + hess L(phi) / strength)^-1.

    L is minus PPO's clipped surrogate of the segment. Its gradient at the behaviour policy is the policy gradient. It is
    bounded below, which the plain likelihood-ratio loss need not be. ``num_solver_steps`` steps of the update rule minimise it,
    from the current weights of the task. A vector-Jacobian product takes ``num_cg_steps`` conjugate-gradient steps of one
    Hessian-vector product each, so memory does not grow with ``num_solver_steps``.

    The formula holds at a minimum, where I + hess L / strength is positive definite. If ``strength`` is too small for that,
    conjugate gradients stop at the first direction of non-positive curvature.

    References:
      Rajeswaran et al. 2019, arXiv 1909.04630.

    Deviations from the paper:
      The paper's inner problems are supervised; the loss here is this library's choice.
    """

    def adapt(
        self, theta: Initialisation, phi: TaskWeights, memory: Empty, segment: Segment, key: jax.Array
    ) -> tuple[TaskWeights, Empty]:
        data = self.shared_out(self.judge(segment))
        began = jax.lax.stop_gradient((phi.weights, theta.rule, phi.rule_state))
        centre, frozen = self.adapted(theta.weights), self.frozen(theta.weights)
        if self.first_order:
            weights, state = self._solve(centre, jax.lax.stop_gradient(frozen), began, data)
            weights = jax.tree.map(lambda w, c: jax.lax.stop_gradient(w - c) + c, weights, centre)
        else:
            weights, state = self._implicit(centre, frozen, began, data)
        return TaskWeights(weights, jax.lax.stop_gradient(state), phi.num_updates + 1), memory

    def proximal_loss(self, weights: PyTree, frozen: PyTree, data: InnerData) -> jax.Array:
        """Returns L without the proximal term, as a function of the adapted weights."""
        every = frozen | weights

        def one(observation: jax.Array, action: jax.Array, behaviour: jax.Array, advantage: jax.Array) -> jax.Array:
            now = self.network.apply(every, observation).distribution.log_prob(action)
            return clipped_surrogate(now, behaviour, advantage, self.inner_clip_epsilon)

        return -jax.vmap(jax.vmap(one))(data.observation, data.action, data.behaviour, data.advantage).sum()

    def _solve(self, centre: PyTree, frozen: PyTree, began: PyTree, data: InnerData) -> tuple[PyTree, PyTree]:
        def step(carry: PyTree, number: jax.Array) -> tuple[PyTree, None]:
            weights, state = carry
            gradient = jax.grad(self.proximal_loss)(weights, frozen, data)
            gradient = jax.tree.map(lambda g, w, c: g + self.strength * (w - c), gradient, weights, centre)
            return self.rule.update(rule, state, weights, gradient, jnp.zeros((), jnp.float32), number), None

        weights, rule, state = began
        carry, _ = jax.lax.scan(step, (weights, state), jnp.arange(self.num_solver_steps))
        return carry

    def _implicit(self, *args: Any) -> tuple[PyTree, PyTree]:
        return _solution(self, *args)


@jax.custom_vjp
def _solution(inner: IMAML, centre: PyTree, frozen: PyTree, began: PyTree, data: InnerData) -> tuple[PyTree, PyTree]:
    """Returns the minimiser, differentiable in ``centre`` and ``frozen``, and the state of the rule; fields may be traced."""
    return inner._solve(centre, frozen, began, data)


def _forward(inner: IMAML, centre: PyTree, frozen: PyTree, began: PyTree, data: InnerData) -> tuple[PyTree, PyTree]:
    weights, state = inner._solve(centre, frozen, began, data)
    return (weights, state), (inner, weights, frozen, data)


def _backward(residuals: PyTree, cotangents: PyTree) -> tuple[None, PyTree, PyTree, None, None]:
    inner, weights, frozen, data = residuals

    def along(vector: PyTree) -> tuple[PyTree, PyTree]:
        both = lambda w: jax.grad(inner.proximal_loss, argnums=(0, 1))(w, frozen, data)  # noqa: E731
        return jax.jvp(both, (weights,), (vector,))[1]

    matrix = lambda v: optax.tree.add_scale(v, 1.0 / inner.strength, along(v)[0])  # noqa: E731
    pulled = solve_where_positive(matrix, cotangents[0], inner.num_cg_steps)
    return None, pulled, optax.tree.scale(-1.0 / inner.strength, along(pulled)[1]), None, None


_solution.defvjp(_forward, _backward)
